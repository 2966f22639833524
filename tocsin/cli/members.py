"""`tocsin user`, `tocsin role` and `tocsin invitation`: who is in the tenant, and what they may do."""

from typing import Annotated, Any

import typer

from tocsin.cli.incidents import named
from tocsin.cli.output import write_json, write_line
from tocsin.cli.resources import Called, LimitOption, commands, list_all, ordered, show
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect, secret
from tocsin.resource_names import resource_path

RoleOption = Annotated[str, typer.Option("--role", help="owner, admin, operator, viewer, or the id of a role of your own.")]
ScopeOption = Annotated[list[str], typer.Option("--scope", help="Such as alarms:read; repeatable. All scopes of the role.")]
NameOption = Annotated[str, typer.Option("--name", help="Name for people.")]
_USERS = "users"
_ROLES = "roles"
_INVITATIONS = "invitations"


def make_user() -> typer.Typer:
    """The group `tocsin user`."""
    return commands(
        "Users of the tenant.",
        {
            "add": add_user,
            "list": list_users,
            "show": show(_USERS),
            "role": change_role,
            "deactivate": ordered(_USERS, "deactivate", help="Let a user do nothing any more: sessions end, API keys do not work."),
            "reactivate": ordered(_USERS, "reactivate", help="Let a user sign in again."),
            "delete": ordered(_USERS, "", help="Remove a user with its sessions and API keys."),
        },
    )


def make_role() -> typer.Typer:
    """The group `tocsin role`."""
    return commands(
        "Roles: what users and service accounts may do.",
        {
            "create": create_role,
            "list": list_roles,
            "show": show(_ROLES),
            "update": update_role,
            "delete": ordered(_ROLES, "", help="Remove a role of your own that nobody has."),
        },
    )


def make_invitation() -> typer.Typer:
    """The group `tocsin invitation`."""
    return commands(
        "Invitations to the tenant.",
        {
            "create": create_invitation,
            "list": list_invitations,
            "resend": ordered(_INVITATIONS, "resend", help="Send another mail; the invitation is open for 7 days more."),
            "revoke": ordered(_INVITATIONS, "revoke", help="Withdraw an invitation: its links work no more."),
            "accept": accept_invitation,
        },
    )


def add_user(
    name: Annotated[str, typer.Argument(help="Email address or username.")],
    role: RoleOption = "operator",
    display_name: NameOption = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a user with a password, which is asked for or read from standard input."""
    body = {
        "email" if "@" in name else "username": name,
        "password": secret("Password"),
        "displayName": display_name,
        "roleName": named(_ROLES, role),
    }
    with connect(state=state, url=url, api_key=api_key) as client:
        _told(client.call("POST", "/v1/users", body=body), as_json=as_json)


def list_users(
    limit: LimitOption = 100, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """List users, oldest first."""
    list_all(_USERS, ("user", "name", "address", "role", ""), _user_row, limit, Called(state, url, api_key), as_json=as_json)


def change_role(
    user: Annotated[str, typer.Argument(help="Id of the user.")],
    role: Annotated[str, typer.Argument(help="owner, admin, operator, viewer, or the id of a role of your own.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a user another role; what it may no longer do ends at once."""
    path = resource_path(named(_USERS, user), _USERS)
    with connect(state=state, url=url, api_key=api_key) as client:
        _told(client.call("PATCH", path, body={"roleName": named(_ROLES, role)}, params={"updateMask": "roleName"}), as_json=as_json)


def create_role(
    role: Annotated[str, typer.Argument(help="Id: lower-case letters, digits and dashes.")],
    scope: ScopeOption,
    name: NameOption = "",
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a role of scopes that you have."""
    body = {"name": named(_ROLES, role), "displayName": name, "description": description, "scopes": scope}
    with connect(state=state, url=url, api_key=api_key) as client:
        _told(client.call("POST", "/v1/roles", body=body), as_json=as_json)


def list_roles(
    limit: LimitOption = 200, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """List roles."""
    list_all(_ROLES, ("role", "name", "what for", "scopes"), _role_row, limit, Called(state, url, api_key), as_json=as_json)


def update_role(
    role: Annotated[str, typer.Argument(help="Id of the role.")],
    scope: ScopeOption,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the scopes of a role; whoever has it has them then."""
    path = resource_path(named(_ROLES, role), _ROLES)
    with connect(state=state, url=url, api_key=api_key) as client:
        _told(client.call("PATCH", path, body={"scopes": scope}, params={"updateMask": "scopes"}), as_json=as_json)


def create_invitation(
    email: Annotated[str, typer.Argument(help="Address to invite.")],
    role: RoleOption = "operator",
    locale: Annotated[str, typer.Option("--locale", help="Language of the mail, such as de.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Invite an address by mail."""
    body = {"email": email, "role": named(_ROLES, role), "locale": locale}
    with connect(state=state, url=url, api_key=api_key) as client:
        _told(client.call("POST", "/v1/invitations", body=body), as_json=as_json)


def list_invitations(
    limit: LimitOption = 100, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """List invitations, newest first."""
    heads = ("invitation", "address", "role", "state", "until")
    list_all(_INVITATIONS, heads, _invitation_row, limit, Called(state, url, api_key), as_json=as_json)


def accept_invitation(
    name: Annotated[str, typer.Argument(help="Your name.")],
    token: Annotated[str, typer.Option("--token", help="Token that ends the link in the mail.")],
    state: StateOption = STATE,
    url: UrlOption = None,
) -> None:
    """Accept an invitation, with a password that is asked for or read from standard input."""
    body = {"token": token, "displayName": name, "password": secret("Password")}
    with connect(state=state, url=url, api_key=None) as client:
        write_line(f"Welcome: {client.call('POST', '/v1/account:acceptInvitation', body=body)['user']}")


def _told(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(found)
    else:
        write_line(found["name"])


def _user_row(user: dict[str, Any]) -> tuple[str, ...]:
    return (
        user["name"],
        user.get("displayName", ""),
        user.get("email") or user.get("username", ""),
        user.get("roleName", ""),
        "deactivated" if user.get("deactivateTime") else "",
    )


def _role_row(role: dict[str, Any]) -> tuple[str, ...]:
    return role["name"], role.get("displayName", ""), role.get("description", ""), str(len(role.get("scopes", [])))


def _invitation_row(invitation: dict[str, Any]) -> tuple[str, ...]:
    return tuple(invitation.get(field, "") for field in ("name", "email", "role", "state", "expireTime"))
