"""`tocsin user`, `role`, `invitation`, `service-account` and `key`: what is said reaches the gateway."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_commands import Gateway, gateway, state, tocsin

__all__ = ["gateway", "state"]

MADE = {"name": "things/1", "secret": "tk_new"}


@pytest.mark.parametrize(
    ("words", "method", "path", "body", "said"),
    [
        (("user", "role", "U1", "viewer"), "PATCH", "/v1/users/U1", {"roleName": "roles/viewer"}, "things/1"),
        (("user", "deactivate", "U1"), "POST", "/v1/users/U1:deactivate", {}, "users/U1: deactivate done"),
        (("user", "delete", "users/U1"), "DELETE", "/v1/users/U1", None, "users/U1: delete done"),
        (
            ("role", "create", "auditor", "--scope", "alarms:read", "--scope", "audit:read"),
            "POST",
            "/v1/roles",
            {"name": "roles/auditor", "displayName": "", "description": "", "scopes": ["alarms:read", "audit:read"]},
            "things/1",
        ),
        (("role", "update", "auditor", "--scope", "alarms:read"), "PATCH", "/v1/roles/auditor", {"scopes": ["alarms:read"]}, "things/1"),
        (
            ("invitation", "create", "bob@example.com", "--role", "viewer", "--locale", "de"),
            "POST",
            "/v1/invitations",
            {"email": "bob@example.com", "role": "roles/viewer", "locale": "de"},
            "things/1",
        ),
        (("invitation", "resend", "I1"), "POST", "/v1/invitations/I1:resend", {}, "invitations/I1: resend done"),
        (
            ("service-account", "create", "ci", "--role", "operator"),
            "POST",
            "/v1/serviceAccounts",
            {"displayName": "ci", "role": "roles/operator", "description": ""},
            "things/1",
        ),
        (
            ("key", "create", "ci", "--scope", "alarms:read", "--owner", "S1", "--expires", "2030-01-01T00:00:00Z"),
            "POST",
            "/v1/apiKeys",
            {"displayName": "ci", "scopes": ["alarms:read"], "owner": "serviceAccounts/S1", "expireTime": "2030-01-01T00:00:00Z"},
            "tk_new",
        ),
        (("key", "rotate", "K1", "--overlap", "2h"), "POST", "/v1/apiKeys/K1:rotate", {"overlap": "7200s"}, "tk_new"),
    ],
    ids=["role of", "deactivate", "delete", "role", "scopes", "invite", "resend", "program", "key", "rotate"],
)
def test_an_order_reaches_the_gateway(
    gateway: Gateway, state: Path, words: tuple[str, ...], method: str, path: str, body: dict[str, Any] | None, said: str
) -> None:
    """By id or by name; a secret is the one thing that is written."""
    gateway.answers[method, path] = (200, MADE)
    done = tocsin(*words, "--state", str(state))
    assert (done.returncode, done.stdout.strip()) == (0, said), done.stderr
    assert gateway.asked[-1][:2] == (method, path)
    assert body is None or body in gateway.asked[-1]


def test_keys_are_listed_with_their_last_use(gateway: Gateway, state: Path) -> None:
    """A line for each."""
    key = {"name": "apiKeys/K1", "displayName": "ci", "owner": "users/U1", "lastUseAddress": "198.51.100.7"}
    gateway.answers["GET", "/v1/apiKeys"] = (200, {"apiKeys": [key]})
    done = tocsin("key", "list", "--state", str(state))
    assert done.returncode == 0, done.stderr
    assert "198.51.100.7" in done.stdout
