"""The link by which the owner of an installation signs in with a browser."""

from typing import Any, Final

from tocsin.client import Client
from tocsin.errors import NotFound

_RANK: Final = {"roles/owner": 0, "roles/admin": 1}
_LAST: Final = len(_RANK)


def sign_in_link(client: Client, *, url: str, user: str = "") -> str:
    """A URL that signs a user in, once, within ten minutes.

    Args:
        client: of the gateway.
        url: of the gateway, which the link begins with.
        user: id or resource name of the user; the owner of the tenant, or its first administrator, unless given.

    Raises:
        NotFound: the tenant has neither.
        TocsinError: the key may not make the link.
    """
    name = f"users/{user.removeprefix('users/')}" if user else _owner(client)
    made = client.call("POST", f"/v1/{name}:createSignInLink", body={})
    return f"{url.rstrip('/')}/sign-in/link/{made['token']}"


def _owner(client: Client) -> str:
    users = [found for found in client.pages("/v1/users", "users", {}) if _rank(found) < _LAST]
    if not users:
        msg = "the tenant has no administrator; name a user with --user"
        raise NotFound(msg)
    return min(users, key=lambda found: (_rank(found), found["name"]))["name"]


def _rank(user: dict[str, Any]) -> int:
    return _LAST if "deactivateTime" in user else _RANK.get(user.get("roleName", ""), _LAST)
