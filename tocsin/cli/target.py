"""Which installation a command talks to, and with which key."""

import os
import ssl
import sys
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from tocsin.cli.contexts import chosen
from tocsin.client import Client
from tocsin.errors import Unauthenticated, Unavailable
from tocsin.stack.stack_file import is_running, read_stack_file

STATE: Final = Path("var")

StateOption = Annotated[Path, typer.Option("--state", envvar="TOCSIN_STATE_DIR", help="State folder of the stack on this machine.")]
UrlOption = Annotated[
    str | None, typer.Option("--url", envvar="TOCSIN_CLIENT_URL", help="URL of the gateway. Default: that of the state folder.")
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--api-key", envvar="TOCSIN_CLIENT_API_KEY", help="API key or access token. Default: the key of the state folder.", show_envvar=True
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON.")]
OutputOption = Annotated[Literal["table", "json", "yaml"], typer.Option("--output", "-o", help="How the answer is written.")]


def connect(*, state: Path, url: str | None, api_key: str | None) -> Client:
    """A client for the named gateway, or for the stack that runs on the state folder.

    Raises:
        Unavailable: no URL is given and no stack runs there.
        Unauthenticated: the key of the state folder cannot be read.
    """
    address, key = target_of(state=state, url=url, api_key=api_key)
    return Client(url=address, api_key=key, verify=trusted(state=state, url=url))


def trusted(*, state: Path, url: str | None) -> ssl.SSLContext | bool:
    """What is trusted to be the gateway: that of the state folder shows the certificate that its stack was given."""
    picture = read_stack_file(state) if url is None and (state != STATE or chosen() is None) else None
    return True if picture is None else picture.verify()


def target_of(*, state: Path, url: str | None, api_key: str | None) -> tuple[str, str | None]:
    """The gateway and the key for it: of the URL that was given, of the context in use, or of the stack on the state folder.

    The folder's own key is sent to its own stack alone, and a context's to its own gateway: never to a URL that was given. A state folder
    that was named goes before the context.

    Raises:
        Unavailable: no URL is given and no stack runs there.
        Unauthenticated: the key of the state folder cannot be read.
    """
    if url is not None:
        return url, api_key
    if state == STATE and (context := chosen()) is not None:
        return context.url, api_key or context.api_key
    picture = read_stack_file(state) if is_running(state) else None
    if picture is None:
        msg = f"no stack runs on {os.fspath(state)}; start one with `tocsin up`, sign in to another with `tocsin login`, or give --url"
        raise Unavailable(msg)
    return picture.http, api_key or _read_key(Path(picture.api_key_file))


def _read_key(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        msg = f"cannot read the API key {path}: {error.strerror}; give --api-key or set TOCSIN_CLIENT_API_KEY"
        raise Unauthenticated(msg) from error


def secret(label: str) -> str:
    """A secret that is typed unseen, or the next line of standard input."""
    return str(typer.prompt(label, hide_input=True)) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
