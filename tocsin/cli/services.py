"""`tocsin serve` and `tocsin migrate`: one service at a time."""

import asyncio
import importlib
import os
import sys
from collections.abc import Collection, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tocsin.cli.output import write_json, write_table
from tocsin.cli.target import JsonOption
from tocsin.config import DatabaseFeature, StoreSettings, load
from tocsin.errors import FailedPrecondition
from tocsin.exit_codes import ExitCode
from tocsin.spool_files import lock_spool, spools_beside
from tocsin.stack.layout import SERVICES

if TYPE_CHECKING:
    from tocsin.database import SchemaStanding

_GATEWAY: Final = "gateway"

OptionalState = Annotated[Path | None, typer.Option("--state", help="State folder. Default: TOCSIN_STATE_DIR, else ./var.")]
ServiceArgument = Annotated[str, typer.Argument(metavar="SERVICE", help=f"One of {', '.join(SERVICES)}.")]


class SpoolInUse(FailedPrecondition):
    """A gateway is using the spool."""


def serve(service: ServiceArgument, state: OptionalState = None) -> None:
    """Run one service in this process. Its README lists its settings, TOCSIN_* variables."""
    name = service_of(service)
    if state is not None:
        os.environ["TOCSIN_STATE_DIR"] = str(state)
    # Becoming the service, rather than being its parent, leaves signals and exit codes as they are.
    os.execv(sys.executable, [sys.executable, "-m", name])  # noqa: S606 - there is no shell to want


def migrate(
    service: Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="One service. Default: every service.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every service with a database (the default).")] = False,
    to: Annotated[
        str | None, typer.Option("--to", metavar="REVISION", help="Go to this revision of one service, up or down; base: drop everything.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit code 1 if a schema is not at its newest revision.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Change nothing; show the revisions that would be applied or taken back.")] = False,
    lock_timeout: Annotated[float, typer.Option(min=0, help="PostgreSQL: seconds to wait for a table in use; 0: no bound.")] = 10.0,
    statement_timeout: Annotated[float, typer.Option(min=0, help="PostgreSQL: seconds that a statement may run; 0: no bound.")] = 0.0,
    state: OptionalState = None,
    as_json: JsonOption = False,
) -> None:
    """Upgrade the databases to this version's schema. Safe while services run, and when run concurrently.

    A gateway migrates its spool itself; `gateway` by name means the spools here that no gateway is using.
    """
    _check_words(service, every=every, to=to, only_looks=check + plan)
    env = {**os.environ, **({"TOCSIN_STATE_DIR": str(state)} if state else {})}
    names = [service_of(service)] if service else SERVICES
    stores = [_MigratedDatabase.of(name, settings) for name in names if (settings := store_of(name, env)) is not None]
    if names == [_GATEWAY]:
        stores = _spools(env)
    if check or plan:
        found = asyncio.run(_standing(stores, to))
        _show_standing(found, as_json=as_json)
        if check and any(each.steps for each in found.values()):
            raise typer.Exit(ExitCode.FAILED)
    else:
        done = asyncio.run(_migrate(stores, to, lock_timeout=lock_timeout, statement_timeout=statement_timeout))
        if as_json:
            write_json({"services": done})
        else:
            write_table(("service", "schema"), list(done.items()), empty="There is no database.")


def _check_words(service: str | None, *, every: bool, to: str | None, only_looks: int) -> None:
    msg = ""
    if service is not None and every:
        msg = "give a service or --all, not both"
    elif to is not None and service is None:
        msg = "--to needs a SERVICE: revisions are numbered by service"
    elif only_looks > 1:
        msg = "give --check or --plan, not both"
    if msg:
        raise typer.BadParameter(msg)


def _show_standing(found: "dict[str, SchemaStanding]", *, as_json: bool) -> None:
    if as_json:
        write_json({"services": {name: asdict(each) for name, each in found.items()}})
        return
    rows: list[tuple[str, str, str, str]] = []
    for name, each in found.items():
        word = "take back" if each.down else "apply"
        to_do = [f"{word} {revision}: {doc}" for revision, doc in each.steps] or ["-"]
        rows += [(name, each.current or "empty", each.newest, step) for step in to_do]
    write_table(("service", "schema", "newest", "to do"), rows, empty="There is no database.")


def service_of(name: str) -> str:
    """The service that a person means: ``scheduler`` is ``scheduler_svc``.

    Raises:
        typer.BadParameter: there is none.
    """
    found = next((service for service in SERVICES if name in (service, service.removesuffix("_svc"))), None)
    if found is None:
        msg = f"{name!r} is not a service; use one of {', '.join(SERVICES)}"
        raise typer.BadParameter(msg, param_hint="SERVICE")
    return found


def store_of(service: str, env: dict[str, str]) -> StoreSettings | None:
    """The settings of a service's database; None when it has none.

    Raises:
        ConfigError: they are not valid.
    """
    try:
        module = importlib.import_module(f"{service}.config")
    except ModuleNotFoundError as error:
        if error.name != f"{service}.config":
            raise
        return None
    kinds = (item for item in vars(module).values() if isinstance(item, type) and issubclass(item, StoreSettings))
    kind = next((item for item in kinds if item.service == service.removesuffix("_svc")), None)
    return load(kind, env) if kind is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _MigratedDatabase:
    """A database that is migrated, and what keeps a gateway away from it meanwhile.

    Attributes:
        name: as it is shown.
        package: whose revisions it has.
        url: where it is.
        schema: on PostgreSQL.
        without: see `Database`.
        spool: its file, if it is a spool.
    """

    name: str
    package: str
    url: str
    schema: str | None
    without: Collection[DatabaseFeature] = ()
    spool: Path | None = None

    @classmethod
    def of(cls, service: str, settings: StoreSettings) -> "_MigratedDatabase":
        """That of a service."""
        url, schema = settings.resolved_database_url, settings.resolved_database_schema
        return cls(name=service, package=service, url=url, schema=schema, without=settings.database_without)

    @contextmanager
    def kept(self) -> Generator[None]:
        """Nobody else takes the spool meanwhile.

        Raises:
            SpoolInUse: a gateway has it.
        """
        lock = None if self.spool is None else lock_spool(self.spool)
        if self.spool is not None and lock is None:
            raise SpoolInUse(f"A gateway is using {self.spool}: stop it first. Nothing was changed.")
        try:
            yield
        finally:
            if lock is not None:
                os.close(lock)


def _spools(env: dict[str, str]) -> list[_MigratedDatabase]:
    """The gateway's spools.

    Raises:
        ConfigError: its settings are not valid.
    """
    settings: Any = load(importlib.import_module(f"{_GATEWAY}.config").GatewaySettings, env)
    return [
        _MigratedDatabase(name=f"{_GATEWAY} spool {place}", package=_GATEWAY, url=f"sqlite:///{path}", schema=None, spool=path)
        for place, path in spools_beside(Path(settings.spool_file).absolute()).items()
    ]


async def _migrate(stores: list[_MigratedDatabase], to: str | None, *, lock_timeout: float, statement_timeout: float) -> dict[str, str]:
    # SQLAlchemy and Alembic take long to import, and no other command needs them.
    from tocsin.database import MigrationLimits, current, migrate

    limits = MigrationLimits(lock_timeout=lock_timeout, statement_timeout=statement_timeout)
    done: dict[str, str] = {}
    with ExitStack() as kept:
        for each in stores:
            kept.enter_context(each.kept())
        for each in stores:
            await migrate(url=each.url, schema=each.schema, package=each.package, revision=to, limits=limits, without=each.without)
            done[each.name] = await current(url=each.url, schema=each.schema, without=each.without) or "empty"
    return done


async def _standing(stores: list[_MigratedDatabase], to: str | None) -> "dict[str, SchemaStanding]":
    from tocsin.database import standing  # as above

    return {each.name: await standing(url=each.url, schema=each.schema, package=each.package, revision=to) for each in stores}
