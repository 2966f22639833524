"""`tocsin service-account` and `tocsin key`: programs of the tenant, and what they sign in with."""

from typing import Annotated, Any

import typer

from tocsin.cli.incidents import named
from tocsin.cli.output import write_json, write_line
from tocsin.cli.resources import Called, LimitOption, commands, list_all, ordered, show
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import duration, instant, proto_duration
from tocsin.clock import SystemClock
from tocsin.resource_names import resource_path

ExpiresOption = Annotated[str | None, typer.Option("--expires", help="When it stops working: 2027-01-01T00:00:00Z, 'in 90d'; else never.")]
OwnerOption = Annotated[str, typer.Option("--owner", help="users/ID, or a service account; an id alone is that of a service account.")]
_ACCOUNTS = "serviceAccounts"
_KEYS = "apiKeys"


def make_service_account() -> typer.Typer:
    """The group `tocsin service-account`."""
    return commands(
        "Service accounts: programs that hold API keys.",
        {
            "create": create_account,
            "list": list_accounts,
            "show": show(_ACCOUNTS),
            "role": change_role,
            "deactivate": ordered(_ACCOUNTS, "deactivate", help="Let its keys work no more."),
            "reactivate": ordered(_ACCOUNTS, "reactivate", help="Let its keys work again."),
            "delete": ordered(_ACCOUNTS, "", help="Remove a service account with its keys."),
        },
    )


def make_key() -> typer.Typer:
    """The group `tocsin key`."""
    return commands(
        "API keys: what programs sign in with.",
        {
            "create": create_key,
            "list": list_keys,
            "show": show(_KEYS),
            "rotate": rotate_key,
            "delete": ordered(_KEYS, "", help="Revoke a key; a gateway may go on taking it for a minute."),
        },
    )


def create_account(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    role: Annotated[str, typer.Option("--role", help="What its keys may do at most: owner, admin, operator, viewer, or your own.")],
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a service account."""
    body = {"displayName": name, "role": named("roles", role), "description": description}
    with connect(state=state, url=url, api_key=api_key) as client:
        made = client.call("POST", f"/v1/{_ACCOUNTS}", body=body)
    _told(made, as_json=as_json)


def list_accounts(
    limit: LimitOption = 100, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """List service accounts, oldest first."""
    list_all(_ACCOUNTS, ("service account", "name", "role", ""), _account_row, limit, Called(state, url, api_key), as_json=as_json)


def change_role(
    account: Annotated[str, typer.Argument(help="Id of the service account.")],
    role: Annotated[str, typer.Argument(help="owner, admin, operator, viewer, or the id of a role of your own.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a service account another role; its keys can what that can, at once."""
    path = resource_path(named(_ACCOUNTS, account), _ACCOUNTS)
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("PATCH", path, body={"role": named("roles", role)}, params={"updateMask": "role"})
    _told(found, as_json=as_json)


def create_key(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[list[str], typer.Option("--scope", help="Such as alarms:read; repeatable.")],
    owner: OwnerOption = "",
    expires: ExpiresOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key, and show its secret this once."""
    body = {"displayName": name, "scopes": scope, **_owner(owner), **_expiry(expires)}
    with connect(state=state, url=url, api_key=api_key) as client:
        _secret(client.call("POST", f"/v1/{_KEYS}", body=body), as_json=as_json)


def list_keys(
    owner: OwnerOption = "",
    limit: LimitOption = 100,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List keys, oldest first, without their secrets."""
    heads = ("key", "name", "begins", "owner", "last used", "from", "until")
    list_all(_KEYS, heads, _key_row, limit, Called(state, url, api_key), as_json=as_json, params=_owner(owner))


def rotate_key(
    key: Annotated[str, typer.Argument(help="Id of the key.")],
    overlap: Annotated[str, typer.Option("--overlap", help="How long the secret of before goes on working; 0 ends it at once.")] = "1d",
    expires: ExpiresOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a key another secret, and show it this once."""
    body = {"overlap": proto_duration(duration(overlap, option="--overlap")), **_expiry(expires)}
    with connect(state=state, url=url, api_key=api_key) as client:
        _secret(client.call("POST", f"{resource_path(named(_KEYS, key), _KEYS)}:rotate", body=body), as_json=as_json)


def _owner(text: str) -> dict[str, str]:
    return {"owner": text if "/" in text else f"{_ACCOUNTS}/{text}"} if text else {}


def _expiry(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    found = instant(text, now=SystemClock().now(), zone=None, option="--expires")
    return {"expireTime": found.isoformat().replace("+00:00", "Z")}


def _told(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(found)
    else:
        write_line(found["name"])


def _secret(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(made)
    else:
        write_line(made["secret"])


def _account_row(account: dict[str, Any]) -> tuple[str, ...]:
    return account["name"], account.get("displayName", ""), account.get("role", ""), "deactivated" if account.get("deactivateTime") else ""


def _key_row(key: dict[str, Any]) -> tuple[str, ...]:
    fields = ("name", "displayName", "prefix", "owner", "lastUseTime", "lastUseAddress", "expireTime")
    return tuple(key.get(field, "") for field in fields)
