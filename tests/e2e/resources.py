"""How one of each resource is made over REST, and what the contract says of its methods: for tests that walk all of them."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple

import httpx2

from gateway.transcoding.contract import Rpc
from tests.hostile.walk import contract
from tocsin.mesh.policy import MethodKind

NOTIFY: Final = {"to": ["ann@example.com"], "channels": ["inbox"], "subject": "s", "text": "t"}
_IN_A_WEEK: Final = (datetime.now(UTC) + timedelta(days=7)).isoformat()
_TURNS: Final = {"start": "2026-01-05T09:00:00", "turnUnit": "WEEKS", "turnCount": 1, "participants": [{"recipients": ["recipients/r0"]}]}


class Made(NamedTuple):
    """How one is made.

    Attributes:
        path: of the collection.
        body: of the ``number``-th.
        kept: whether DELETE is not among its methods.
    """

    path: str
    body: Callable[[int], Mapping[str, Any]]
    kept: bool = False


RESOURCES: Final[Mapping[str, Made]] = {
    "Recipient": Made("/v1/recipients", lambda n: {"name": f"recipients/r{n}", "displayName": "r", "timeZone": "Europe/Paris"}),
    "Group": Made("/v1/groups", lambda n: {"name": f"groups/g{n}", "displayName": "g"}),
    "Category": Made("/v1/categories", lambda n: {"name": f"categories/c{n}", "kind": "MARKETING", "channels": ["email"]}),
    "Template": Made("/v1/templates", lambda n: {"name": f"templates/t{n}", "subject": "s", "text": "t"}),
    "Suppression": Made("/v1/suppressions", lambda n: {"channel": "email", "address": f"s{n}@example.com"}),
    "Provider": Made("/v1/providers", lambda n: {"kind": "ntfy", "displayName": "p", "config": {"url": "https://ntfy.example.com"}}),
    "Rotation": Made("/v1/rotations", lambda n: {"name": f"rotations/o{n}", "timeZone": "Europe/Paris", "layers": [_TURNS]}),
    "Notification": Made("/v1/notifications", lambda n: NOTIFY, kept=True),
    "Task": Made("/v1/tasks", lambda n: {"handler": "uppercase", "input": {"text": "t"}}, kept=True),
    "Alarm": Made("/v1/alarms", lambda n: {"displayName": "a", "trigger": {"every": "1h"}, "action": {"notify": NOTIFY}}),
    "Calendar": Made("/v1/calendars", lambda n: {"name": f"calendars/c{n}", "dates": ["2026-12-25"]}),
    "EscalationPolicy": Made(
        "/v1/escalationPolicies", lambda n: {"name": f"escalationPolicies/e{n}", "steps": [{"targets": ["recipients/r0"]}]}
    ),
    "Incident": Made(
        "/v1/incidents", lambda n: {"title": "i", "dedupKey": f"k{n}", "escalationPolicy": "escalationPolicies/e0"}, kept=True
    ),
    "Silence": Made(
        "/v1/silences",
        lambda n: {"matchers": [{"label": "n", "value": str(n)}], "endTime": _IN_A_WEEK, "comment": "c"},
        kept=True,
    ),
    "IncidentDependency": Made(
        "/v1/incidentDependencies",
        lambda n: {"name": f"incidentDependencies/d{n}", "source": [{"label": "a", "value": "1"}], "target": [{"label": "b"}]},
    ),
    "IncidentRoute": Made("/v1/incidentRoutes", lambda n: {"name": f"incidentRoutes/r{n}", "displayName": "r", "position": n % 3}),
    "Integration": Made("/v1/integrations", lambda n: {"kind": "GRAFANA", "displayName": "i"}),
    "ApiKey": Made("/v1/apiKeys", lambda n: {"displayName": f"k{n}", "scopes": ["alarms:read"]}),
    "User": Made("/v1/users", lambda n: {"email": f"{secrets.token_hex(6)}@example.com", "password": "correct horse battery"}),
    "Role": Made("/v1/roles", lambda n: {"name": f"roles/r{n}", "displayName": "r", "scopes": ["alarms:read"]}),
    "Invitation": Made("/v1/invitations", lambda n: {"email": f"{secrets.token_hex(6)}@example.com", "role": "roles/viewer"}, kept=True),
    "ServiceAccount": Made("/v1/serviceAccounts", lambda n: {"displayName": f"s{n}", "role": "roles/viewer"}, kept=True),
    "IdentityProvider": Made(
        "/v1/identityProviders", lambda n: {"displayName": "i", "issuer": f"https://i{n}.example.com", "clientId": "c", "clientSecret": "s"}
    ),
}
"""By the name of the message; recipients come first, and policies before incidents: others name them."""


async def make(client: httpx2.AsyncClient, name: str, number: int) -> dict[str, Any]:
    """Makes the ``number``-th resource of a kind."""
    answer = await client.post(RESOURCES[name].path, json=RESOURCES[name].body(number))
    assert answer.status_code == 200, (name, answer.text)
    made = answer.json()
    return made.get("apiKey", made)


@cache
def public(verb: str) -> Sequence[tuple[Rpc, str]]:
    """Every RPC with one request and one answer that has a route of this verb, and its template."""
    unary = [rpc for rpc in contract().rpcs() if rpc.rule is not None and rpc.policy.kind is MethodKind.UNARY_UNARY]
    return [(rpc, template) for rpc in unary if (template := getattr(rpc.rule, verb))]


def violations(answer: httpx2.Response) -> list[str]:
    """The fields that a refusal names."""
    return [each["field"] for detail in answer.json().get("details", ()) for each in detail.get("fieldViolations", ())]
