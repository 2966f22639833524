"""`tocsin serve` and `tocsin migrate`: one service at a time."""

import asyncio
import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.output import write_json, write_table
from tocsin.cli.target import JsonOption
from tocsin.config import StoreSettings, load
from tocsin.stack.layout import SERVICES

OptionalState = Annotated[Path | None, typer.Option("--state", help="State folder. Default: TOCSIN_STATE_DIR, else ./var.")]
ServiceArgument = Annotated[str, typer.Argument(metavar="SERVICE", help=f"One of {', '.join(SERVICES)}.")]


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
    state: OptionalState = None,
    as_json: JsonOption = False,
) -> None:
    """Upgrade the databases to this version's schema. Safe while services run, and when run concurrently."""
    if service is not None and every:
        msg = "give a service or --all, not both"
        raise typer.BadParameter(msg)
    env = {**os.environ, **({"TOCSIN_STATE_DIR": str(state)} if state else {})}
    names = [service_of(service)] if service else SERVICES
    stores = {name: settings for name in names if (settings := store_of(name, env)) is not None}
    if service and not stores:
        msg = f"{names[0]} has no database"
        raise typer.BadParameter(msg, param_hint="SERVICE")
    done = asyncio.run(_migrate(stores))
    if as_json:
        write_json({"services": done})
    else:
        write_table(("service", "schema"), list(done.items()), empty="No service has a database.")


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


async def _migrate(stores: dict[str, StoreSettings]) -> dict[str, str]:
    from tocsin.database import current, migrate  # SQLAlchemy and Alembic take long to import, and no other command needs them

    done: dict[str, str] = {}
    for name, settings in stores.items():
        url, schema = settings.resolved_database_url, settings.resolved_database_schema
        await migrate(url=url, schema=schema, package=name)
        done[name] = await current(url=url, schema=schema) or "empty"
    return done
