"""`tocsin archive`: firings that have left the ledger."""

import base64
import csv
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from tocsin.cli.output import EXIT_CODES, counted, write_json, write_line, write_table
from tocsin.cli.target import JsonOption
from tocsin.errors import InvalidInput

FolderOption = Annotated[
    Path, typer.Option("--archive", envvar="TOCSIN_SCHEDULER_ARCHIVE_DIR", help="Folder of the archive.", show_default=False)
]
TenantOption = Annotated[str, typer.Option("--tenant", help="Id of one tenant. Default: all.")]
FromOption = Annotated[str, typer.Option("--from", help="First day (UTC) of the due times, as 2026-01-31.")]
ToOption = Annotated[str, typer.Option("--to", help="The day after the last one.")]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def make_archive() -> typer.Typer:
    """The group `tocsin archive`."""
    group = typer.Typer(no_args_is_help=True, help="List, verify and read the archive of the ledger: finished firings.", epilog=EXIT_CODES)
    group.command("list", epilog=EXIT_CODES)(show)
    group.command("verify", epilog=EXIT_CODES)(verify)
    group.command("export", epilog=EXIT_CODES)(export)
    group.command("remove", epilog=EXIT_CODES)(remove)
    return group


def show(folder: FolderOption, tenant: TenantOption = "", first: FromOption = "", end: ToOption = "", as_json: JsonOption = False) -> None:
    """List the days of each tenant."""
    from tocsin.ledger_archive.audit import list_days  # no other command has use for it

    found = list(list_days(folder, tenant=_tenant(tenant), first=_day(first, "from", date.min), end=_day(end, "to", date.max)))
    if as_json:
        write_json({"days": [{**day._asdict(), "day": day.day.isoformat()} for day in found]})
        return
    rows = [(day.tenant, day.day.isoformat(), str(day.files), str(day.firings), str(day.size)) for day in found]
    write_table(("tenant", "day", "files", "firings", "bytes"), rows, empty="Nothing is archived.")


def verify(folder: FolderOption, tenant: TenantOption = "", as_json: JsonOption = False) -> None:
    """Read every file with its checksums; exit code 1 if one is damaged."""
    from tocsin.ledger_archive import audit, errors  # as above

    found = audit.verify(folder, tenant=_tenant(tenant))
    if as_json:
        write_json(found._asdict())
    else:
        write_line(f"{counted(found.files, 'file')}, {counted(found.firings, 'firing')}, {found.repeated} repeated")
        for problem in found.problems:
            write_line(f"problem: {problem}")
    if found.problems:
        raise errors.ArchiveDamaged(f"The archive of the ledger is not whole: {counted(len(found.problems), 'file')} cannot be read.")


def export(
    folder: FolderOption,
    tenant: TenantOption = "",
    alarm: Annotated[str, typer.Option("--alarm", help="Name or id of one alarm.")] = "",
    first: FromOption = "",
    end: ToOption = "",
    form: Annotated[Literal["json", "csv"], typer.Option("--format", help="NDJSON, or CSV.")] = "json",
) -> None:
    """Write firings to standard output, each once."""
    from tocsin.ledger_archive.audit import firings_of  # as above

    found = firings_of(
        folder,
        tenant=_tenant(tenant),
        alarm=alarm.removeprefix("alarms/"),
        first=_day(first, "from", date.min),
        end=_day(end, "to", date.max),
    )
    (_write_csv if form == "csv" else _write_lines)(found)


def remove(
    folder: FolderOption,
    tenant: Annotated[str, typer.Option("--tenant", help="Id of the tenant.")],
    force: Annotated[bool, typer.Option("--force", help="Remove the files. Default: count them.")] = False,
) -> None:
    """Remove all files of a tenant, as its deletion does in the scheduler's own archive: for copies of it."""
    from tocsin.ledger_archive.folder import ArchiveFolder  # as above

    archive = ArchiveFolder(folder)
    archive.require()
    owner = _tenant(tenant)
    if not owner:
        raise InvalidInput.at("tenant", "must name one")
    if force:
        write_line(f"{counted(archive.remove_tenant(owner), 'file')} removed")
    else:
        write_line(f"{counted(sum(1 for _ in archive.files(owner)), 'file')} would be removed; --force removes them.")


def _write_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        told = _told(row) | {name: json.loads(row[name]) for name in ("result", "context", "failed") if row[name] is not None}
        write_line(json.dumps(told, ensure_ascii=False, separators=(",", ":")))


def _write_csv(rows: Iterable[Mapping[str, Any]]) -> None:
    from tocsin.ledger_archive.columns import COLUMNS  # as above

    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow([column.name for column in COLUMNS])
    for row in rows:
        table.writerow(["" if value is None else value for value in _told(row).values()])


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """The values as text can have them: instants by RFC 3339, bytes by base64."""
    from tocsin.ledger_archive.columns import COLUMNS  # as above

    return {column.name: _value(column.kind, row[column.name]) for column in COLUMNS}


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
