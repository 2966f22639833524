"""`tocsin rotation feed` and `tocsin recipient feed`: who is on call, for calendar programs."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from tocsin.cli.output import EXIT_CODES, write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect, target_of
from tocsin.resource_names import resource_path

SubjectArgument = Annotated[str, typer.Argument(help="Its name or id.")]


def make_feed(collection: str) -> typer.Typer:
    """The commands of `tocsin rotation feed`, or `tocsin recipient feed`, by the collection."""
    group = typer.Typer(no_args_is_help=True, help="Calendar feed by a secret URL.", epilog=EXIT_CODES)
    for word, make in (("create", _create), ("show", _show), ("revoke", _revoke)):
        group.command(word, epilog=EXIT_CODES)(make(collection))
    return group


def _path(collection: str, name: str) -> str:
    return resource_path(name if "/" in name else f"{collection}/{name}", collection)


def _create(collection: str) -> Callable[..., None]:
    def create(
        name: SubjectArgument,
        state: StateOption = STATE,
        url: UrlOption = None,
        api_key: KeyOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Make the feed and show its URL, once; the URL before is worth nothing from then on."""
        address, _ = target_of(state=state, url=url, api_key=api_key)
        with connect(state=state, url=url, api_key=api_key) as client:
            made: dict[str, Any] = client.call("POST", f"{_path(collection, name)}:createFeed", body={})
        if made["url"].startswith("/"):
            made["url"] = address.rstrip("/") + made["url"]
        write_json(made) if as_json else write_line(made["url"])

    return create


def _show(collection: str) -> Callable[..., None]:
    def show(
        name: SubjectArgument,
        state: StateOption = STATE,
        url: UrlOption = None,
        api_key: KeyOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Say whether there is a feed, and since when."""
        with connect(state=state, url=url, api_key=api_key) as client:
            found = client.call("GET", f"{_path(collection, name)}/feed")
        write_json(found) if as_json else write_line(f"{found['subject']} has a feed since {found['createTime']}")

    return show


def _revoke(collection: str) -> Callable[..., None]:
    def revoke(name: SubjectArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
        """Revoke the feed: its URL is worth nothing from then on."""
        path = _path(collection, name)
        with connect(state=state, url=url, api_key=api_key) as client:
            client.call("POST", f"{path}:revokeFeed", body={})
        write_line(f"the feed of {path.removeprefix('/v1/')} is revoked")

    return revoke
