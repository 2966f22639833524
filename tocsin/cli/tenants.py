"""`tocsin tenant`: the tenants of the platform, for its operator."""

import hashlib
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tocsin.cli.incidents import named
from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.tenant_export import export_tenant

_QUOTAS: Final = {"alarms": "alarms", "firesPerMinute": "fires a minute", "messagesPerDay": "messages a day", "storageBytes": "bytes"}
_Quota = Annotated[int | None, typer.Option(min=0, help="0 is without bound; unset is as the installation says.")]


def make_tenant() -> typer.Typer:
    """The group `tocsin tenant`."""
    group = typer.Typer(no_args_is_help=True, help="Make, suspend, bound and delete tenants (for the operator).", epilog=EXIT_CODES)
    for name, command in _COMMANDS.items():
        group.command(name, epilog=EXIT_CODES)(command)
    return group


def list_all(
    condition: Annotated[str, typer.Option("--filter", help='Conditions such as state="SUSPENDED" (AIP-160).')] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of tenants.")] = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List tenants, oldest first."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages("/v1/tenants", "tenants", {"filter": condition} if condition else {}), limit))
    if as_json:
        write_json({"tenants": found})
    else:
        write_table(("tenant", "name", "state", "why", "quotas"), map(_row, found), empty="No tenants.")


def show(tenant: str, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Show one tenant."""
    with connect(state=state, url=url, api_key=api_key) as client:
        _tell(client.call("GET", _path(tenant)), as_json=as_json)


def create(
    name: Annotated[str, typer.Argument(help="Name of the tenant.")],
    owner: Annotated[str, typer.Option("--owner", help="Address of its first owner, who is invited.")],
    link: Annotated[bool, typer.Option("--link", help="Send no mail: show the link, to be handed over.")] = False,
    time_zone: Annotated[str, typer.Option("--time-zone", help="IANA time zone. Default: UTC.")] = "",
    locale: Annotated[str, typer.Option("--locale", help="Language of the mail, such as de. Default: English.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a tenant, and invite its first owner."""
    said = {"displayName": name, "ownerEmail": owner, "timeZone": time_zone, "locale": locale, "invitation": "LINK" if link else ""}
    with connect(state=state, url=url, api_key=api_key) as client:
        made = client.call("POST", "/v1/tenants", body={field: value for field, value in said.items() if value})
    if as_json:
        write_json(made)
        return
    _tell(made.get("tenant", {}), as_json=False)
    write_line(f"until {made.get('expireTime', '')}: {made.get('link') or f'a mail to {owner} has the link'}")


def suspend(
    tenant: str,
    reason: Annotated[str, typer.Option("--reason", help="Why; the tenant's people read it.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Suspend a tenant: it signs in and reads; whatever it would do is refused or waits."""
    with connect(state=state, url=url, api_key=api_key) as client:
        _tell(client.call("POST", f"{_path(tenant)}:suspend", body={"reason": reason}), as_json=as_json)


def resume(tenant: str, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Let a suspended tenant work again; its alarms catch up as each of them says."""
    with connect(state=state, url=url, api_key=api_key) as client:
        _tell(client.call("POST", f"{_path(tenant)}:resume", body={}), as_json=as_json)


def quotas(
    tenant: str,
    alarms: _Quota = None,
    fires_per_minute: _Quota = None,
    messages_per_day: _Quota = None,
    storage_bytes: _Quota = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set all quotas of a tenant: those that are not given are as the installation says."""
    given = dict(zip(_QUOTAS, (alarms, fires_per_minute, messages_per_day, storage_bytes), strict=True))
    body = {name: str(value) for name, value in given.items() if value is not None}
    with connect(state=state, url=url, api_key=api_key) as client:
        _tell(client.call("PUT", f"{_path(tenant)}/quotas", body=body), as_json=as_json)


def delete(
    tenant: str,
    at_once: Annotated[bool, typer.Option("--at-once", help="Remove everything now; it cannot be undeleted. Needs --confirm.")] = False,
    confirm: Annotated[str, typer.Option("--confirm", help="The name of the tenant, letter by letter.")] = "",
    export: Annotated[
        Path | None, typer.Option("--export", help="Folder of an export of the tenant: the hash of its manifest stands in the report.")
    ] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a tenant with everything that it has in every service; for a time it can be undeleted."""
    said = {"atOnce": "true" if at_once else "", "confirm": confirm, "exportSha256": _manifest_hash(export) if export else ""}
    with connect(state=state, url=url, api_key=api_key) as client:
        answer = client.call("DELETE", _path(tenant), params={name: value for name, value in said.items() if value})
    _tell(answer, as_json=as_json)
    if not as_json:
        write_line(f"everything is removed from {answer.get('purgeTime', '')} on; see: tocsin tenant deletion {_row(answer)[0]}")


def undelete(
    tenant: str, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Take the deletion of a tenant back, as long as nothing was removed."""
    with connect(state=state, url=url, api_key=api_key) as client:
        _tell(client.call("POST", f"{_path(tenant)}:undelete", body={}), as_json=as_json)


def deletion(
    tenant: str, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Show how far the deletion of a tenant is, and what each service has removed."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", f"{_path(tenant)}/deletion")
    if as_json:
        write_json(found)
        return
    times = (f"{word} {found[name]}" for name, word in _TIMES.items() if name in found)
    write_line("  ".join((found.get("state", ""), *times)))
    if missing := found.get("missingServices"):
        write_line(f"not told yet: {', '.join(missing)}")
    removed = (
        (service["service"], row["kind"], str(row["count"])) for service in found.get("services", ()) for row in service.get("rows", ())
    )
    write_table(("service", "what", "removed"), removed, empty="Nothing was removed.")


def _manifest_hash(folder: Path) -> str:
    try:
        return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    except OSError as error:
        msg = f"{folder} is no export: {error.strerror}"
        raise typer.BadParameter(msg) from error


_COMMANDS: Final = {
    "create": create,
    "list": list_all,
    "show": show,
    "suspend": suspend,
    "resume": resume,
    "quotas": quotas,
    "delete": delete,
    "undelete": undelete,
    "deletion": deletion,
    "export": export_tenant,
}
_TIMES: Final = {"deleteTime": "asked for", "purgeTime": "due", "beginTime": "begun", "endTime": "over"}


def _path(tenant: str) -> str:
    name = named("tenants", tenant)
    if not name.removeprefix("tenants/").isalnum():
        msg = f"{tenant!r} is no tenant"
        raise typer.BadParameter(msg)
    return f"/v1/{name}"


def _tell(tenant: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(tenant)
    else:
        write_line("  ".join(part for part in _row(tenant) if part))


def _row(tenant: dict[str, Any]) -> tuple[str, str, str, str, str]:
    bounds = tenant.get("quotas", {})
    words = (f"{bounds[name]} {word}" for name, word in _QUOTAS.items() if str(bounds.get(name, "0")) != "0")
    return (
        tenant.get("name", "").rpartition("/")[2],
        tenant.get("displayName", ""),
        tenant.get("state", ""),
        tenant.get("suspendReason", ""),
        ", ".join(words),
    )
