"""`tocsin account`: one's second factors."""

import sys
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from tocsin.cli.output import counted, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect, secret
from tocsin.client import Client
from tocsin.errors import Unauthenticated

_REQUIRED: Final = "SECOND_FACTOR_REQUIRED"
_SHOWN_ONCE: Final = "Recovery codes, each good once; they are not shown again:"
NameOption = Annotated[str, typer.Option("--name", help="What to call it, such as phone.")]
FactorArgument = Annotated[str, typer.Argument(help="Name of the factor, as it is listed.")]


def signed_in(client: Client, name: str) -> dict[str, Any]:
    """The tokens of a sign-in by a password, and by a code where one is asked for.

    Raises:
        Unauthenticated: one of them is wrong, or only a browser can answer.
    """
    try:
        return client.call("POST", "/v1/auth:token", body={"username": name, "password": secret("Password")})
    except Unauthenticated as error:
        methods = error.metadata.get("methods", "").split(",")
        if error.error_reason != _REQUIRED or not {"totp", "recovery_code"}.intersection(methods):
            raise
        answer = {"grantType": "second_factor", "challenge": error.metadata["challenge"]}
    return client.call("POST", "/v1/auth:token", body={**answer, "code": secret("Code of the app, or a recovery code")})


def prove(state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Show again who you are, which changes of factors and of the password need: by a code, or by the password without a second factor."""
    with connect(state=state, url=url, api_key=api_key) as client:
        methods = client.call("POST", "/v1/account:beginReauthentication", body={})["methods"]
        body = {"password": secret("Password")} if "password" in methods else {"code": secret("Code of the app, or a recovery code")}
        client.call("POST", "/v1/account:reauthenticate", body=body)
    write_line("Proven, for ten minutes.")


def totp(name: NameOption = "", state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Add an authenticator app: shows its secret, and asks for the code that the app makes of it."""
    with connect(state=state, url=url, api_key=api_key) as client:
        made = client.call("POST", "/v1/factors:enrolTotp", body={"displayName": name})
        write_line(f"Secret for the app: {made['secret']}\n{made['uri']}")
        sys.stdout.flush()
        enrolled = client.call("POST", f"/v1/{quote(made['name'])}:confirm", body={"code": secret("Code of the app")})
    write_line(f"Added: {made['name']}")
    _tell(enrolled.get("recoveryCodes", []))


def factors(
    user: Annotated[str, typer.Option("--user", help="Id of a user of the tenant; your own unless given.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List second factors, and how many recovery codes are left."""
    path = f"/v1/users/{quote(user.removeprefix('users/'))}/factors" if user else "/v1/factors"
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", path)
    if as_json:
        write_json(found)
        return
    rows = [(each["name"], each["kind"], each.get("displayName", ""), each.get("lastUseTime", "")) for each in found.get("factors", [])]
    write_table(("factor", "kind", "name", "last used"), rows, empty="No second factors.")
    if rows:
        write_line(f"{counted(found.get('recoveryCodesLeft', 0), 'recovery code')} left.")


def rename_factor(
    factor: FactorArgument,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Give a second factor another name."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("PATCH", f"/v1/{quote(_named(factor))}", body={"displayName": name})
    write_line(f"{_named(factor)} is {name}.")


def remove_factor(factor: FactorArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Remove a second factor; with the last one go the recovery codes."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", f"/v1/{quote(_named(factor))}")
    write_line(f"{_named(factor)} is removed.")


def recovery_codes(state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Make ten recovery codes; those of before work no more."""
    with connect(state=state, url=url, api_key=api_key) as client:
        codes = client.call("POST", "/v1/factors:createRecoveryCodes", body={})["recoveryCodes"]
    write_line("\n".join((_SHOWN_ONCE, *codes)))


def reset_factors(
    user: Annotated[str, typer.Argument(help="Id of a user of the tenant.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Remove every second factor and recovery code of a user, who has lost them."""
    with connect(state=state, url=url, api_key=api_key) as client:
        removed = client.call("POST", f"/v1/users/{quote(user.removeprefix('users/'))}/factors:reset", body={}).get("removed", 0)
    write_line(f"{counted(removed, 'factor')} removed.")


def require_factor(
    off: Annotated[bool, typer.Option("--off", help="Require none any more.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Require a second factor of every user of the tenant: who has none can do nothing but add one."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("PATCH", "/v1/tenant?updateMask=requireSecondFactor", body={"requireSecondFactor": not off})
    write_line("No second factor is required." if off else "Every user needs a second factor.")


def _named(factor: str) -> str:
    return factor if factor.startswith("factors/") else f"factors/{factor}"


def _tell(codes: list[str]) -> None:
    if codes:
        write_line("\n".join((_SHOWN_ONCE, *codes)))
