"""`tocsin login`, `tocsin logout` and `tocsin context`: which gateway the other commands talk to, and as whom."""

from dataclasses import replace
from typing import Annotated
from urllib.parse import urlsplit

import typer

from tocsin.cli import contexts
from tocsin.cli.contexts import LOCAL, Context
from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import JsonOption, secret
from tocsin.client import Client

NameArgument = Annotated[str, typer.Argument(help="Name of the context.", autocompletion=lambda: [LOCAL, *contexts.load().known])]


def login(
    url: Annotated[str, typer.Argument(help="URL of the gateway, such as https://tocsin.example.com.")],
    name: Annotated[str | None, typer.Option("--name", help="Name of the context. Default: the host.")] = None,
) -> None:
    """Sign in to a gateway: asks for an API key, or reads it from standard input, and uses it from then on."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        msg = "must be like https://tocsin.example.com"
        raise typer.BadParameter(msg, param_hint="URL")
    called = name or parts.hostname
    if called == LOCAL:
        msg = f"{LOCAL!r} is the stack of the state folder"
        raise typer.BadParameter(msg, param_hint="--name")
    made = Context(url=url.rstrip("/"), api_key=secret("API key").strip())
    with Client(url=made.url, api_key=made.api_key) as client:
        who = client.call("GET", "/v1/auth:verify")
    kept = contexts.load()
    contexts.save(replace(kept, current=called, known={**kept.known, called: made}))
    write_line(f"signed in to {made.url} as {who.get('subject', 'somebody')}; this is context {called} now")


def list_contexts(as_json: JsonOption = False) -> None:
    """List contexts; * marks the one in use."""
    kept = contexts.load()
    rows = [(LOCAL, "the stack of the state folder"), *((name, each.url) for name, each in sorted(kept.known.items()))]
    if as_json:
        write_json({"current": kept.current, "contexts": [{"name": name, "url": url} for name, url in rows]})
        return
    write_table(("", "context", "gateway"), [("*" if name == kept.current else "", name, url) for name, url in rows], empty="")


def use_context(name: NameArgument) -> None:
    """Use a context from now on; local is the stack of the state folder."""
    kept = contexts.load()
    if name != LOCAL:
        contexts.named(name, kept)
    contexts.save(replace(kept, current=name))
    write_line(f"this is context {name} now")


def delete_context(name: NameArgument) -> None:
    """Forget a context and its key; the key itself stays valid until it is deleted."""
    kept = contexts.load()
    contexts.named(name, kept)
    known = {other: each for other, each in kept.known.items() if other != name}
    contexts.save(replace(kept, current=LOCAL if kept.current == name else kept.current, known=known))
    write_line(f"context {name} is forgotten")


def make_context() -> typer.Typer:
    """The commands of `tocsin context`."""
    group = typer.Typer(no_args_is_help=True, help="Gateways that you signed in to.", epilog=EXIT_CODES)
    for name, command in (("list", list_contexts), ("use", use_context), ("delete", delete_context)):
        group.command(name, epilog=EXIT_CODES)(command)
    return group
