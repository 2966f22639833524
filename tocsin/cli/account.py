"""`tocsin account`: one's own account, password and sessions."""

from itertools import islice
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from tocsin.cli.identity_providers import sign_in
from tocsin.cli.output import EXIT_CODES, counted, write_json, write_line, write_table
from tocsin.cli.second_factor import (
    factors,
    prove,
    recovery_codes,
    remove_factor,
    rename_factor,
    require_factor,
    reset_factors,
    signed_in,
    totp,
)
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect, secret

_SELF: Final = "Yours need an access token: --api-key, or TOCSIN_CLIENT_API_KEY=$(tocsin account login NAME)."
TokenOption = Annotated[str, typer.Option("--token", help="Token that ends the link in the mail.")]


def make_account() -> typer.Typer:
    """The group `tocsin account`."""
    group = typer.Typer(no_args_is_help=True, help=f"Sign in, and manage accounts, passwords and sessions. {_SELF}", epilog=EXIT_CODES)
    for name, command in (
        ("login", login),
        ("password", password),
        ("reset", reset),
        ("verify", verify),
        ("address", address),
        ("sessions", sessions),
        ("end", end),
        ("sign-out-everywhere", sign_out_everywhere),
        ("link", link),
        ("prove", prove),
        ("totp", totp),
        ("factors", factors),
        ("rename-factor", rename_factor),
        ("remove-factor", remove_factor),
        ("recovery-codes", recovery_codes),
        ("reset-factors", reset_factors),
        ("require-factor", require_factor),
    ):
        group.command(name, epilog=EXIT_CODES)(command)
    return group


def login(
    name: Annotated[str, typer.Argument(help="Email address or username; not with --oidc.")] = "",
    oidc: Annotated[str, typer.Option("--oidc", help="Sign in by this identity provider, in a browser of this machine.")] = "",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port that the browser comes back to; 0: any free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser, or show the address of the page.")] = True,
    state: StateOption = STATE,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign in with a password and perhaps a code, typed or from standard input, or by an identity provider; show the access token."""
    if bool(name) == bool(oidc):
        msg = "give a name, or --oidc"
        raise typer.BadParameter(msg)
    with connect(state=state, url=url, api_key=None) as client:
        pair = sign_in(client, oidc, port=port, browser=browser) if oidc else signed_in(client, name)
    if as_json:
        write_json(pair)
    else:
        write_line(pair["accessToken"])


def password(state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Change your password: the current one, then the new one. Every other session ends."""
    body = {"currentPassword": secret("Current password"), "newPassword": secret("New password")}
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("POST", "/v1/account:changePassword", body=body)
    write_line("The password is changed; every other session has ended.")


def reset(
    address: Annotated[str, typer.Argument(help="Address to which a link is sent; not with --token.")] = "",
    token: TokenOption = "",
    state: StateOption = STATE,
    url: UrlOption = None,
) -> None:
    """Have a link sent to choose a new password, or choose it by the token of that link."""
    if bool(address) == bool(token):
        msg = "give an address, or --token"
        raise typer.BadParameter(msg)
    with connect(state=state, url=url, api_key=None) as client:
        if address:
            client.call("POST", "/v1/account:requestPasswordReset", body={"email": address})
            write_line("If the address has an account, a mail with a link is on its way.")
        else:
            client.call("POST", "/v1/account:resetPassword", body={"token": token, "newPassword": secret("New password")})
            write_line("The password is changed; every session has ended.")


def verify(token: TokenOption = "", state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Confirm an address by the token of the link in a mail; without one, have such a mail sent to you."""
    with connect(state=state, url=url, api_key=api_key) as client:
        if token:
            write_line(f"Confirmed: {client.call('POST', '/v1/account:verifyAddress', body={'token': token})['user']}")
        else:
            client.call("POST", "/v1/account:resendVerification", body={})
            write_line("A mail with a link is on its way.")


def address(
    new: Annotated[str, typer.Argument(help="The address that you want to have; not with --token or --back.")] = "",
    token: TokenOption = "",
    back: Annotated[str, typer.Option("--back", metavar="TOKEN", help="Take a change back by the link of the mail about it.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Have a link sent to another address of yours; make it count, or take it back, by the token of a link."""
    if [bool(new), bool(token), bool(back)].count(True) != 1:
        msg = "give an address, --token or --back"
        raise typer.BadParameter(msg)
    with connect(state=state, url=url, api_key=api_key if new else None) as client:
        if new:
            client.call("POST", "/v1/account:changeAddress", body={"newEmail": new})
            write_line(f"A mail with a link is on its way to {new}; the address counts once the link is followed.")
        elif token:
            write_line(f"Changed: {client.call('POST', '/v1/account:confirmAddressChange', body={'token': token})['user']}")
        else:
            who = client.call("POST", "/v1/account:revertAddressChange", body={"token": back})["user"]
            write_line(f"Taken back: {who}. Every session has ended; a mail leads to a new password.")


def sessions(
    user: Annotated[str, typer.Option("--user", help="Id of a user of the tenant; your own sessions unless given.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of sessions.")] = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List sessions, newest first."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(islice(client.pages(f"{_of(user)}sessions", "sessions", {}), limit))
    if as_json:
        write_json({"sessions": found})
    else:
        write_table(("session", "last used", "from", "program", "ends", ""), map(_row, found), empty="No sessions.")


def end(
    session: Annotated[str, typer.Argument(help="Name of the session, as it is listed.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """End a session, and its access tokens with it."""
    name = session if "/" in session else f"sessions/{session}"
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", f"/v1/{quote(name)}")
    write_line(f"{name} has ended.")


def sign_out_everywhere(
    user: Annotated[str, typer.Option("--user", help="Id of a user of the tenant; your own sessions unless given.")] = "",
    keep: Annotated[bool, typer.Option("--keep-this", help="Keep the session that asks.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """End all sessions."""
    with connect(state=state, url=url, api_key=api_key) as client:
        ended = client.call("POST", f"{_of(user)}sessions:revokeAll", body={} if user else {"keepCurrent": keep}).get("revoked", 0)
    write_line(f"{counted(ended, 'session')} ended.")


def link(
    user: Annotated[str, typer.Argument(help="Id of a user of the tenant.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token that signs a user in, once, within ten minutes."""
    with connect(state=state, url=url, api_key=api_key) as client:
        made = client.call("POST", f"/v1/users/{quote(user.removeprefix('users/'))}:createSignInLink", body={})
    if as_json:
        write_json(made)
    else:
        write_line(made["token"])


def _of(user: str) -> str:
    """The path under which the sessions of a user are, or one's own."""
    return f"/v1/users/{quote(user.removeprefix('users/'))}/" if user else "/v1/"


def _row(session: dict[str, Any]) -> tuple[str, ...]:
    return (
        session["name"],
        session.get("lastUseTime", ""),
        session.get("clientAddress", ""),
        session.get("userAgent", ""),
        session.get("expireTime", ""),
        "this one" if session.get("current") else "",
    )
