"""`tocsin audit-log`: who did what."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, cast

import jwt
import typer
from jwt import PyJWK

from tocsin.audit_log.verification import ExportVerifier
from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.client import Client
from tocsin.errors import DeadlineExceeded, FailedPrecondition, InvalidInput, Unavailable

_RETRY_SECONDS: Final = 1.0
_FILTER_HELP: Final = 'Conditions joined by AND, such as subject="users/01H…" AND outcome="PERMISSION_DENIED" (AIP-160).'


class AuditLogBroken(FailedPrecondition):
    """The audit log is not whole."""


def make_audit_log() -> typer.Typer:
    """The group `tocsin audit-log`."""
    group = typer.Typer(no_args_is_help=True, help="Show, export and verify the audit log: who did what.", epilog=EXIT_CODES)
    group.command("list", epilog=EXIT_CODES)(show)
    group.command("export", epilog=EXIT_CODES)(export)
    group.command("verify", epilog=EXIT_CODES)(verify)
    return group


def show(
    condition: Annotated[str, typer.Option("--filter", help=_FILTER_HELP)] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep running and show entries as they are written.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of entries.")] = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List entries, newest first."""
    if follow and condition:
        msg = "--filter cannot be combined with --follow"
        raise typer.BadParameter(msg)
    with connect(state=state, url=url, api_key=api_key) as client:
        if follow:
            _follow(client, as_json=as_json)
            return
        found = list(islice(client.pages("/v1/auditLogs", "auditLogs", {"filter": condition}), limit))
    if as_json:
        write_json({"auditLogs": found})
    else:
        headings = ("entry", "time", "outcome", "method", "subject", "from", "resource")
        write_table(headings, map(_row, found), empty="No entries.")


def _follow(client: Client, *, as_json: bool) -> None:
    token = ""
    while True:
        try:
            for change in client.stream("/v1/auditLogs:watch", {"resumeToken": token} if token else {}):
                token = change.get("resumeToken", token)
                entry = change.get("auditLog", {})
                write_json(entry) if as_json else write_line("  ".join(part for part in _row(entry) if part))
        except (Unavailable, DeadlineExceeded):
            time.sleep(_RETRY_SECONDS)


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    return (
        entry.get("name", "").rpartition("/")[2],
        entry.get("time", ""),
        entry.get("outcome", ""),
        entry.get("method", ""),
        entry.get("subject", ""),
        entry.get("clientAddress", ""),
        entry.get("resource", ""),
    )


def export(
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Write the whole log as newline-delimited JSON, oldest first, with the signatures that `verify` checks."""
    with connect(state=state, url=url, api_key=api_key) as client:
        for line in client.stream("/v1/auditLogs:export", {}):
            write_line(json.dumps(line, ensure_ascii=False, separators=(",", ":")))


def verify(
    file: Annotated[Path | None, typer.Argument(help="An export; without one, the log is read from the gateway.", dir_okay=False)] = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", help="Public keys (JSON Web Key Set); without them, they are read from the gateway.")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option("--heads", help="Signed heads kept elsewhere, such as the last lines of older exports.")
    ] = None,
    tenant: Annotated[str, typer.Option("--tenant", help="Id of the tenant whose log it must be.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that no entry was changed, removed, swapped, inserted or cut off."""
    if file is not None and keys is not None:
        report = _verified(_lines(file), _key_set(_document(keys)), tenant, heads)
    else:
        with connect(state=state, url=url, api_key=api_key) as client:
            known = _key_set(_document(keys) if keys is not None else client.call("GET", "/.well-known/jwks.json"))
            report = _verified(
                _lines(file) if file is not None else enumerate(client.stream("/v1/auditLogs:export", {}), 1), known, tenant, heads
            )
    if as_json:
        write_json(report)
    else:
        write_line(f"entries {report['first']} to {report['last']} ({report['entries']} in all), signed up to {report['signed']}")
        for problem in report["problems"]:
            write_line(f"problem: {problem}")
    if report["problems"]:
        msg = f"The audit log is not whole: {len(report['problems'])} problems."
        raise AuditLogBroken(msg)


def _verified(lines: Iterable[tuple[int, Mapping[str, Any]]], keys: Mapping[str, PyJWK], tenant: str, heads: Path | None) -> dict[str, Any]:
    verifier = ExportVerifier(tenant=tenant, keys=keys)
    for number, line in lines:
        verifier.read(number, line)
    kept = [] if heads is None else [line["head"] for _, line in _lines(heads) if isinstance(line.get("head"), dict)]
    report = verifier.finish(kept)
    return {
        "entries": report.entries,
        "first": report.first,
        "last": report.last,
        "signed": report.signed,
        "problems": report.problems,
    }


def _lines(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The lines of a file; one that is no JSON object is a line of an unknown kind."""
    try:
        with file.open(encoding="utf-8", errors="replace") as text:
            for number, line in enumerate(text, 1):
                if line.strip():
                    yield number, _object(line)
    except OSError as error:
        raise InvalidInput.at("file", f"cannot be read: {error.strerror}") from error


def _object(line: str) -> Mapping[str, Any]:
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _document(path: Path) -> Mapping[str, Any]:
    try:
        return _object(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise InvalidInput.at("keys", f"cannot be read: {error.strerror}") from error


def _key_set(document: Mapping[str, Any]) -> Mapping[str, PyJWK]:
    try:
        return {key["kid"]: PyJWK.from_dict(key) for key in document["keys"]}
    except (KeyError, TypeError, jwt.PyJWTError) as error:
        raise InvalidInput.at("keys", "must be a JSON Web Key Set") from error
