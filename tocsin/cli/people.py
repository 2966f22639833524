"""`tocsin group`, `tocsin category` and `tocsin suppression`."""

from itertools import islice
from typing import Annotated, Any

import typer

from tocsin.cli.output import EXIT_CODES, counted, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import duration, proto_duration
from tocsin.resource_names import resource_path

_MEMBERS_AT_ONCE = 10_000

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Maximum number of them.")]
GroupArgument = Annotated[str, typer.Argument(help="Name or id of the group.")]
MembersArgument = Annotated[list[str], typer.Argument(help="recipients/ID or groups/ID; an id alone is that of a recipient.")]
CategoryArgument = Annotated[str, typer.Argument(help="Name or id of the category.")]
KindOption = Annotated[str | None, typer.Option("--kind", help="mandatory, transactional or marketing.")]
ChannelsOption = Annotated[list[str] | None, typer.Option("--channel", help="Channel of messages that name none; repeatable.")]
DigestOption = Annotated[str | None, typer.Option("--digest", help="Collect messages for so long and send one: 10m, 1h; 0: none.")]
NameOption = Annotated[str | None, typer.Option("--name", help="Display name.")]


def make_group() -> typer.Typer:
    """The commands of `tocsin group`."""
    group = typer.Typer(no_args_is_help=True, help="Groups of recipients.", epilog=EXIT_CODES)
    for name, command in (
        ("add", add_group),
        ("list", list_groups),
        ("members", list_members),
        ("join", add_members),
        ("leave", remove_members),
        ("delete", delete_group),
    ):
        group.command(name, epilog=EXIT_CODES)(command)
    return group


def make_category() -> typer.Typer:
    """The commands of `tocsin category`."""
    category = typer.Typer(no_args_is_help=True, help="Categories of messages.", epilog=EXIT_CODES)
    for name, command in (("add", add_category), ("list", list_categories), ("update", update_category), ("delete", delete_category)):
        category.command(name, epilog=EXIT_CODES)(command)
    return category


def make_suppression() -> typer.Typer:
    """The commands of `tocsin suppression`."""
    suppression = typer.Typer(no_args_is_help=True, help="Addresses that get nothing.", epilog=EXIT_CODES)
    for name, command in (("add", add_suppression), ("list", list_suppressions), ("delete", delete_suppression)):
        suppression.command(name, epilog=EXIT_CODES)(command)
    return suppression


def add_group(
    group: GroupArgument,
    name: NameOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a group."""
    body = {"name": _full(group, "groups"), "displayName": name or ""}
    with connect(state=state, url=url, api_key=api_key) as client:
        _told(client.call("POST", "/v1/groups", body=body), as_json=as_json, words="created")


def list_groups(
    limit: LimitOption = 100, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """List groups."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages("/v1/groups", "groups", {}), limit))
    if as_json:
        write_json({"groups": found})
        return
    rows = [(one["name"], one.get("displayName", ""), str(one.get("memberCount", 0))) for one in found]
    write_table(("group", "name", "members"), rows, empty="No groups.")


def list_members(
    group: GroupArgument,
    limit: LimitOption = 1000,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what is in a group itself."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = [one["name"] for one in islice(client.pages(f"{_path(group, 'groups')}/members", "members", {}), limit)]
    if as_json:
        write_json({"members": found})
    else:
        write_table(("member",), [(name,) for name in found], empty="No members.")


def add_members(
    group: GroupArgument, members: MembersArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None
) -> None:
    """Put recipients and groups into a group."""
    write_line(_members_changed(group, members, "addMembers", state=state, url=url, api_key=api_key))


def remove_members(
    group: GroupArgument, members: MembersArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None
) -> None:
    """Take recipients and groups out of a group."""
    write_line(_members_changed(group, members, "removeMembers", state=state, url=url, api_key=api_key))


def _members_changed(group: str, members: list[str], verb: str, **target: Any) -> str:
    names = [_full(member, "recipients") for member in members]
    with connect(**target) as client:
        found: dict[str, Any] = {}
        for start in range(0, len(names), _MEMBERS_AT_ONCE):
            found = client.call("POST", f"{_path(group, 'groups')}:{verb}", body={"members": names[start : start + _MEMBERS_AT_ONCE]})
    return f"{found['name']} has {counted(int(found.get('memberCount', 0)), 'member')}"


def delete_group(group: GroupArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Delete a group; its members stay."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", _path(group, "groups"))
    write_line(f"{_full(group, 'groups')} deleted")


def add_category(
    category: CategoryArgument,
    kind: KindOption = None,
    name: NameOption = None,
    channel: ChannelsOption = None,
    digest: DigestOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a category."""
    body = {"name": _full(category, "categories"), **_category(kind, name, channel, digest)}
    with connect(state=state, url=url, api_key=api_key) as client:
        _told(client.call("POST", "/v1/categories", body=body), as_json=as_json, words="created")


def list_categories(
    limit: LimitOption = 100, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """List categories."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages("/v1/categories", "categories", {}), limit))
    if as_json:
        write_json({"categories": found})
        return
    rows = [
        (one["name"], one.get("displayName", ""), one["kind"].lower(), ", ".join(one.get("channels", [])), one.get("digestWindow", "-"))
        for one in found
    ]
    write_table(("category", "name", "kind", "channels", "digest"), rows, empty="No categories.")


def update_category(
    category: CategoryArgument,
    kind: KindOption = None,
    name: NameOption = None,
    channel: ChannelsOption = None,
    digest: DigestOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change fields of a category."""
    body = _category(kind, name, channel, digest)
    if not body:
        msg = "give --kind, --name, --channel or --digest"
        raise typer.BadParameter(msg)
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("PATCH", _path(category, "categories"), body=body, params={"updateMask": ",".join(body)})
    _told(found, as_json=as_json, words="changed")


def delete_category(category: CategoryArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Delete a category; what was accepted under it goes on."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", _path(category, "categories"))
    write_line(f"{_full(category, 'categories')} deleted")


def add_suppression(
    channel: Annotated[str, typer.Argument(help='Channel, such as "email".')],
    address: Annotated[str, typer.Argument(help="What the channel would deliver to.")],
    category: Annotated[str | None, typer.Option("--category", help="Only messages of this category.")] = None,
    detail: Annotated[str, typer.Option("--detail", help="Why.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an address get nothing more."""
    body = {"channel": channel, "address": address, "detail": detail}
    if category is not None:
        body["category"] = _full(category, "categories")
    with connect(state=state, url=url, api_key=api_key) as client:
        _told(client.call("POST", "/v1/suppressions", body=body), as_json=as_json, words="holds")


def list_suppressions(
    condition: Annotated[
        str, typer.Option("--filter", help="Conditions joined by AND, on channel, address, category and reason (AIP-160).")
    ] = "",
    limit: LimitOption = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the addresses that get nothing."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages("/v1/suppressions", "suppressions", {"filter": condition} if condition else {}), limit))
    if as_json:
        write_json({"suppressions": found})
        return
    rows = [
        (one["name"], one["channel"], one["address"], one.get("category", "all"), one["reason"], one.get("endTime", "-")) for one in found
    ]
    write_table(("suppression", "channel", "address", "category", "reason", "until"), rows, empty="No suppressions.")


def delete_suppression(
    suppression: Annotated[str, typer.Argument(help="Name or id of the suppression.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """End a suppression: the address gets messages again."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", _path(suppression, "suppressions"))
    write_line(f"{_full(suppression, 'suppressions')} deleted")


def _category(kind: str | None, name: str | None, channels: list[str] | None, digest: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {"displayName": name, "channels": channels, "kind": kind.upper() if kind is not None else None}
    if digest is not None:
        body["digestWindow"] = proto_duration(duration(digest, option="--digest"))
    return {key: value for key, value in body.items() if value is not None}


def _full(name: str, collection: str) -> str:
    return name if "/" in name else f"{collection}/{name}"


def _path(name: str, collection: str) -> str:
    return resource_path(_full(name, collection), collection)


def _told(found: dict[str, Any], *, as_json: bool, words: str) -> None:
    if as_json:
        write_json(found)
    else:
        write_line(f"{found['name']} {words}")
