"""`tocsin archive`: firings and deliveries that have left their databases."""

import base64
import csv
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from tocsin.cli.output import EXIT_CODES, counted, write_json, write_line, write_table
from tocsin.cli.target import JsonOption
from tocsin.errors import InvalidInput

if TYPE_CHECKING:
    from tocsin.archive.columns import ArchiveKind

_VARIABLES: Final = ["TOCSIN_SCHEDULER_ARCHIVE_DIR", "TOCSIN_MAILER_ARCHIVE_DIR"]

FolderOption = Annotated[Path, typer.Option("--archive", envvar=_VARIABLES, help="Folder of the archive.", show_default=False)]
KindName = Literal["firings", "deliveries"]
KindOption = Annotated[KindName | None, typer.Option("--kind", help="Default: both.")]
TenantOption = Annotated[str, typer.Option("--tenant", help="Id of one tenant. Default: all.")]
FromOption = Annotated[str, typer.Option("--from", help="First day (UTC), of due times or of when a delivery was accepted, as 2026-01-31.")]
ToOption = Annotated[str, typer.Option("--to", help="The day after the last one.")]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def make_archive() -> typer.Typer:
    """The group `tocsin archive`."""
    group = typer.Typer(no_args_is_help=True, help="List, verify and read the archive: finished firings and deliveries.", epilog=EXIT_CODES)
    group.command("list", epilog=EXIT_CODES)(show)
    group.command("verify", epilog=EXIT_CODES)(verify)
    group.command("export", epilog=EXIT_CODES)(export)
    group.command("remove", epilog=EXIT_CODES)(remove)
    return group


def show(
    folder: FolderOption,
    kind: KindOption = None,
    tenant: TenantOption = "",
    first: FromOption = "",
    end: ToOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the days of each tenant."""
    from tocsin.archive.audit import list_days  # no other command has use for it

    start, stop = _day(first, "from", date.min), _day(end, "to", date.max)
    found = [(each.name, day) for each in _kinds(kind) for day in list_days(folder, each, tenant=_tenant(tenant), first=start, end=stop)]
    if as_json:
        write_json({"days": [{"kind": name, **day._asdict(), "day": day.day.isoformat()} for name, day in found]})
        return
    rows = [(name, day.tenant, day.day.isoformat(), str(day.files), str(day.rows), str(day.size)) for name, day in found]
    write_table(("kind", "tenant", "day", "files", "rows", "bytes"), rows, empty="Nothing is archived.")


def verify(folder: FolderOption, kind: KindOption = None, tenant: TenantOption = "", as_json: JsonOption = False) -> None:
    """Read every file with its checksums; exit code 1 if one is damaged."""
    from tocsin.archive import audit, errors  # as above

    found = {each.name: audit.verify(folder, each, tenant=_tenant(tenant)) for each in _kinds(kind)}
    if as_json:
        write_json({name: each._asdict() for name, each in found.items()})
    else:
        for name, each in found.items():
            write_line(f"{name}: {counted(each.files, 'file')}, {counted(each.rows, 'row')}, {each.repeated} repeated")
            for problem in each.problems:
                write_line(f"problem: {problem}")
    if damaged := sum(len(each.problems) for each in found.values()):
        raise errors.ArchiveDamaged(f"The archive is not whole: {counted(damaged, 'file')} cannot be read.")


def export(
    folder: FolderOption,
    kind: Annotated[KindName, typer.Option("--kind", help="What to write.")] = "firings",
    tenant: TenantOption = "",
    alarm: Annotated[str, typer.Option("--alarm", help="Name or id of one alarm.")] = "",
    first: FromOption = "",
    end: ToOption = "",
    form: Annotated[Literal["json", "csv"], typer.Option("--format", help="NDJSON, or CSV.")] = "json",
) -> None:
    """Write firings or deliveries to standard output, each once."""
    from tocsin.archive.audit import rows_of  # as above

    (chosen,) = _kinds(kind)
    found = rows_of(
        folder,
        chosen,
        tenant=_tenant(tenant),
        alarm=alarm.removeprefix("alarms/"),
        first=_day(first, "from", date.min),
        end=_day(end, "to", date.max),
    )
    (_write_csv if form == "csv" else _write_lines)(chosen, found)


def remove(
    folder: FolderOption,
    tenant: Annotated[str, typer.Option("--tenant", help="Id of the tenant.")],
    force: Annotated[bool, typer.Option("--force", help="Remove the files. Default: count them.")] = False,
) -> None:
    """Remove all files of a tenant, as its deletion does in the services' own archive: for copies of it."""
    from tocsin.archive.folder import ArchiveFolder  # as above

    archives = [ArchiveFolder(folder, each) for each in _kinds(None)]
    archives[0].require()
    owner = _tenant(tenant)
    if not owner:
        raise InvalidInput.at("tenant", "must name one")
    if force:
        write_line(f"{counted(sum(each.remove_tenant(owner) for each in archives), 'file')} removed")
    else:
        count = sum(1 for each in archives for _ in each.files(owner))
        write_line(f"{counted(count, 'file')} would be removed; --force removes them.")


def _kinds(name: str | None) -> "list[ArchiveKind]":
    from tocsin.archive.columns import KINDS  # as above

    return [KINDS[name]] if name else list(KINDS.values())


def _write_lines(kind: "ArchiveKind", rows: Iterable[Mapping[str, Any]]) -> None:
    names = [column.name for column in kind.columns if column.kind == "json"]
    for row in rows:
        told = _told(kind, row) | {name: json.loads(row[name]) for name in names if row[name] is not None}
        write_line(json.dumps(told, ensure_ascii=False, separators=(",", ":")))


def _write_csv(kind: "ArchiveKind", rows: Iterable[Mapping[str, Any]]) -> None:
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow([column.name for column in kind.columns])
    for row in rows:
        table.writerow(["" if value is None else value for value in _told(kind, row).values()])


def _told(kind: "ArchiveKind", row: Mapping[str, Any]) -> dict[str, Any]:
    """The values as text can have them: instants by RFC 3339, bytes by base64."""
    return {column.name: _value(column.kind, row[column.name]) for column in kind.columns}


def _value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "timestamp":
        return (_EPOCH + timedelta(microseconds=value)).isoformat().replace("+00:00", "Z")
    return base64.b64encode(value).decode() if kind == "binary" else value


def _tenant(name: str) -> str:
    return name.removeprefix("tenants/")


def _day(text: str, field: str, default: date) -> date:
    try:
        return date.fromisoformat(text) if text else default
    except ValueError as error:
        raise InvalidInput.at(field, "must be a day such as 2026-01-31") from error
