"""`tocsin recipient`: whom messages are for, their addresses, and what they want."""

from itertools import islice
from typing import Annotated, Any, Final

import typer

from tocsin.cli.feeds import make_feed
from tocsin.cli.output import EXIT_CODES, shown, write_json, write_line, write_table
from tocsin.cli.personal_rules import make_rules
from tocsin.cli.target import STATE, JsonOption, KeyOption, OutputOption, StateOption, UrlOption, connect
from tocsin.cli.words import duration, json_object, proto_duration, time_of_day
from tocsin.client import Client, Resource
from tocsin.errors import PermissionDenied
from tocsin.resource_names import resource_path

RecipientArgument = Annotated[str, typer.Argument(help="Name or id of the recipient.")]
AddressArgument = Annotated[str, typer.Argument(help="Name of the address, as `tocsin recipient get` shows it.")]
NameOption = Annotated[str | None, typer.Option("--name", help="Display name.")]
LocaleOption = Annotated[str | None, typer.Option("--locale", help='Language of messages, such as "de-CH".')]
ZoneOption = Annotated[str | None, typer.Option("--time-zone", help="IANA time zone of quiet hours.")]
AttributesOption = Annotated[str | None, typer.Option("--attributes", help="What templates may say of the recipient, as a JSON object.")]
WhoseArgument = Annotated[str | None, typer.Argument(help="Name or id of the recipient. Default: the preferences of the tenant.")]

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SWITCH: Final = {"on": True, "off": False}


def make_recipient() -> typer.Typer:
    """The commands of `tocsin recipient`."""
    group = typer.Typer(no_args_is_help=True, help="Recipients, their addresses, preferences and personal rules.", epilog=EXIT_CODES)
    for name, command in (("add", add), ("list", show_all), ("get", show), ("update", update), ("delete", delete)):
        group.command(name, epilog=EXIT_CODES)(command)
    addresses = typer.Typer(no_args_is_help=True, help="Addresses of a recipient.", epilog=EXIT_CODES)
    for name, command in (("add", add_address), ("remove", remove_address), ("code", send_code), ("verify", verify)):
        addresses.command(name, epilog=EXIT_CODES)(command)
    group.add_typer(addresses, name="address")
    wants = typer.Typer(no_args_is_help=True, help="Preferences of a recipient, or of the tenant.", epilog=EXIT_CODES)
    wants.command("get", epilog=EXIT_CODES)(show_preferences)
    wants.command("set", epilog=EXIT_CODES)(set_preferences)
    group.add_typer(wants, name="preferences")
    group.add_typer(make_rules(), name="rules")
    group.add_typer(make_feed("recipients"), name="feed")
    return group


def add(
    recipient: Annotated[str | None, typer.Argument(help="Id of your own, such as that of a user. Default: one is made.")] = None,
    name: NameOption = None,
    address: Annotated[
        list[str] | None, typer.Option("--address", help="channel=address, such as email=ann@example.com; repeatable.")
    ] = None,
    verified: Annotated[bool, typer.Option("--verified", help="Vouch for the addresses: they need no code.")] = False,
    group: Annotated[list[str] | None, typer.Option("--group", help="Group that the recipient joins; repeatable.")] = None,
    locale: LocaleOption = None,
    time_zone: ZoneOption = None,
    attributes: AttributesOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a recipient."""
    body = _fields(name, locale, time_zone, attributes)
    if recipient is not None:
        body["name"] = _full(recipient)
    body["addresses"] = [_address(*_pair(text), verified=verified) for text in address or ()]
    body["groups"] = [text if "/" in text else f"groups/{text}" for text in group or ()]
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", "/v1/recipients", body=body)
    _told(found, as_json=as_json, words="created")


def show_all(
    condition: Annotated[
        str, typer.Option("--filter", help='Conditions joined by AND, on display_name ("Ann*"), address, channel and group (AIP-160).')
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of recipients.")] = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List recipients."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages("/v1/recipients", "recipients", {"filter": condition} if condition else {}), limit))
    if as_json:
        write_json({"recipients": found})
        return
    rows = [(one["name"], one.get("displayName", ""), _in_short(one), ", ".join(_ids(one.get("groups", [])))) for one in found]
    write_table(("recipient", "name", "addresses", "groups"), rows, empty="No recipients.")


def show(
    recipient: RecipientArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Show a recipient with its addresses."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", _path(recipient))
    if as_json:
        write_json(found)
        return
    for label, key in (("name", "displayName"), ("locale", "locale"), ("time zone", "timeZone"), ("attributes", "attributes")):
        if found.get(key):
            write_line(f"{label}: {found[key]}")
    if found.get("groups"):
        write_line(f"groups: {', '.join(_ids(found['groups']))}")
    rows = [(one["name"], one["channel"], one["value"], one["state"], one.get("reason", "")) for one in found.get("addresses", [])]
    write_table(("address", "channel", "value", "state", "reason"), rows, empty="No addresses.")


def update(
    recipient: RecipientArgument,
    name: NameOption = None,
    locale: LocaleOption = None,
    time_zone: ZoneOption = None,
    attributes: AttributesOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change fields of a recipient."""
    body = _fields(name, locale, time_zone, attributes)
    if not body:
        msg = "give --name, --locale, --time-zone or --attributes"
        raise typer.BadParameter(msg)
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("PATCH", _path(recipient), body=body, params={"updateMask": ",".join(body)})
    _told(found, as_json=as_json, words="changed")


def delete(recipient: RecipientArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Delete a recipient with its addresses, preferences and memberships; its deliveries stay."""
    with connect(state=state, url=url, api_key=api_key) as client:
        duties = _duties(client, _full(recipient))
        client.call("DELETE", _path(recipient))
    write_line(f"{_full(recipient)} deleted")
    for one in duties:
        interval = one.get("interval", {})
        others = [name for name in interval.get("recipients", []) if name != _full(recipient)]
        write_line(f"{one['rotation']}: was on call until {interval.get('endTime', '')}; now {', '.join(others) or 'nobody'} is")


def _duties(client: Client, recipient: str) -> list[Resource]:
    """Where a recipient is on call now; nothing if the key may not know."""
    try:
        return list(client.pages("/v1/onCall", "onCall", {"recipient": recipient}))
    except PermissionDenied:
        return []


def add_address(
    recipient: RecipientArgument,
    channel: Annotated[str, typer.Argument(help='Channel, such as "email".')],
    value: Annotated[str, typer.Argument(help="What the channel delivers to.")],
    verified: Annotated[bool, typer.Option("--verified", help="Vouch for it: it needs no code.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add an address to a recipient."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", f"{_path(recipient)}/addresses", body=_address(channel, value, verified=verified))
    _told(found, as_json=as_json, words=f"added: {found['state']}")


def remove_address(address: AddressArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Remove an address from its recipient."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", _address_path(address))
    write_line(f"{address} removed")


def send_code(
    address: AddressArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Send a code to an address, by its channel."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", f"{_address_path(address)}:requestVerification", body={})
    _told(found, as_json=as_json, words=f"gets a code; bring it back with: tocsin recipient address verify {address} CODE")


def verify(
    address: AddressArgument,
    code: Annotated[str, typer.Argument(help="The code that was sent to it.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an address ACTIVE by the code that was sent to it."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", f"{_address_path(address)}:verify", body={"code": code})
    _told(found, as_json=as_json, words=f"is {found['state']}")


def show_preferences(recipient: WhoseArgument = None, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Show preferences as JSON."""
    with connect(state=state, url=url, api_key=api_key) as client:
        write_json(client.call("GET", _wants_path(recipient)))


def set_preferences(
    recipient: WhoseArgument = None,
    choice: Annotated[
        list[str] | None,
        typer.Option("--choice", help="Choice such as news/*=off or */sms=on; repeatable, replaces all."),
    ] = None,
    quiet: Annotated[
        list[str] | None,
        typer.Option("--quiet", help="Quiet time: 'mon 22:00-7:00', 'daily 22:00-7:00'; repeatable, replaces all."),
    ] = None,
    no_quiet: Annotated[bool, typer.Option("--no-quiet", help="No quiet hours, whatever the tenant says.")] = False,
    cap: Annotated[str | None, typer.Option("--cap", help="Most deliveries in a time, such as 10/1h; 0/1h: no cap.")] = None,
    document: Annotated[str | None, typer.Option("--document", help="All preferences as a JSON object; replaces what is there.")] = None,
    output: OutputOption = "table",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Change preferences; what no option names stays. Shows them."""
    body: dict[str, Any] = {}
    if choice:
        body["choices"] = [_choice(text) for text in choice]
    if quiet or no_quiet:
        body["quietHours"] = {"times": [time for text in quiet or () for time in _quiet_times(text)]}
    if cap is not None:
        body["cap"] = _cap(cap)
    if (document is None) == (not body):
        msg = "give --choice, --quiet, --no-quiet or --cap, or else --document"
        raise typer.BadParameter(msg)
    with connect(state=state, url=url, api_key=api_key) as client:
        if document is not None:
            found = client.call("PUT", _wants_path(recipient), body=json_object(document, option="--document"))
        else:
            found = client.call("PATCH", _wants_path(recipient), body=body, params={"updateMask": ",".join(body)})
    shown(found, output=output)


def _fields(name: str | None, locale: str | None, time_zone: str | None, attributes: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {"displayName": name, "locale": locale, "timeZone": time_zone}
    if attributes is not None:
        body["attributes"] = json_object(attributes, option="--attributes")
    return {key: value for key, value in body.items() if value is not None}


def _full(recipient: str) -> str:
    return recipient if "/" in recipient else f"recipients/{recipient}"


def _path(recipient: str) -> str:
    return resource_path(_full(recipient), "recipients", field="recipient")


def _address_path(address: str) -> str:
    owner, _, identity = address.partition("/addresses/")
    inner = resource_path(f"addresses/{identity}", "addresses", field="address").removeprefix("/v1")
    return f"{_path(owner)}{inner}"


def _wants_path(recipient: str | None) -> str:
    return "/v1/preferences" if recipient is None else f"{_path(recipient)}/preferences"


def _pair(text: str) -> tuple[str, str]:
    channel, equals, value = text.partition("=")
    if not equals:
        msg = f"{text!r} is not channel=address"
        raise typer.BadParameter(msg, param_hint="--address")
    return channel, value


def _address(channel: str, value: str, *, verified: bool) -> dict[str, Any]:
    return {"channel": channel, "value": value, **({"state": "ACTIVE"} if verified else {})}


def _choice(text: str) -> dict[str, Any]:
    about, _, switch = text.partition("=")
    category, slash, channel = about.partition("/")
    if not slash or switch not in _SWITCH:
        msg = f"{text!r} is not category/channel=on or category/channel=off"
        raise typer.BadParameter(msg, param_hint="--choice")
    return {"category": category, "channel": channel, "enabled": _SWITCH[switch]}


def _quiet_times(text: str) -> list[dict[str, Any]]:
    day, _, span = text.strip().lower().partition(" ")
    start, dash, end = span.partition("-")
    if not dash or (day != "daily" and day[:3] not in _DAYS):
        msg = f"{text!r} is not a quiet time such as 'mon 22:00-7:00' or 'daily 22:00-7:00'"
        raise typer.BadParameter(msg, param_hint="--quiet")
    days = range(1, 8) if day == "daily" else [_DAYS.index(day[:3]) + 1]
    times = {"start": time_of_day(start, option="--quiet"), "end": time_of_day(end, option="--quiet")}
    return [{"weekday": number, **times} for number in days]


def _cap(text: str) -> dict[str, Any]:
    count, slash, window = text.partition("/")
    if not slash or not count.isdecimal():
        msg = f"{text!r} is not a number and a time such as 10/1h"
        raise typer.BadParameter(msg, param_hint="--cap")
    return {"count": int(count), "window": proto_duration(duration(window, option="--cap"))}


def _ids(names: list[str]) -> list[str]:
    return [name.partition("/")[2] for name in names]


def _in_short(recipient: dict[str, Any]) -> str:
    return ", ".join(
        f"{one['channel']}:{one['value']}" + ("" if one["state"] == "ACTIVE" else f" ({one['state']})")
        for one in recipient.get("addresses", [])
    )


def _told(found: dict[str, Any], *, as_json: bool, words: str) -> None:
    if as_json:
        write_json(found)
    else:
        write_line(f"{found['name']} {words}")
