"""The name in the body of every Create: it is obeyed or refused, and never passed over."""

import re
from typing import Any, Final

import pytest
from google.protobuf.descriptor import FieldDescriptor

from gateway.transcoding.contract import Rpc
from tests.hostile.neighbour import sign_up
from tests.hostile.requests import GOOD
from tests.hostile.walk import contract
from tocsin.testing.stack import RunningStack

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    pytest.mark.parametrize("stack", ["sqlite"], indirect=True),
]

_MATCHER: Final = [{"label": "a", "value": "b"}]
_BODIES: Final[dict[str, dict[str, Any]]] = {
    "CreateRole": {"display_name": "w", "scopes": ["alarms:read"]},
    "CreateServiceAccount": {"display_name": "w", "role": "roles/member"},
    "CreateIdentityProvider": {"issuer": "https://idp.example.com", "client_id": "c", "client_secret": "s"},
    "CreateIdentity": {"issuer": "https://idp.example.com", "subject": "s"},
    "CreateCalendar": {"dates": ["2026-12-25"]},
    "CreateEscalationPolicy": {"steps": [{"targets": ["recipients/ann"]}]},
    "CreateSilence": {"matchers": _MATCHER, "comment": "c", "end_time": "2036-01-01T00:00:00Z"},
    "CreateIncidentRoute": {"matchers": _MATCHER},
    "CreateIncidentDependency": {"source": _MATCHER, "target": [{"label": "c", "value": "d"}]},
    "CreateRotation": {
        "time_zone": "UTC",
        "layers": [
            {"participants": [{"recipients": ["recipients/w"]}], "turn_unit": "WEEKS", "turn_count": 1, "start": "2036-01-01T09:00"}
        ],
    },
    "CreateRotationOverride": {
        "kind": "ADD",
        "recipients": ["recipients/w"],
        "start_time": "2036-01-01T00:00:00Z",
        "end_time": "2036-01-02T00:00:00Z",
    },
}
"""Good ones of what `requests.GOOD` does not have, without their names."""
_PARENTS: Final = {"rotations": "rotations/w", "users": "users/w"}
_REFUSED: Final = {
    "CreateAlarm",
    "CreateIdentity",
    "CreateProvider",
    "CreateRotationOverride",
    "CreateServiceAccount",
    "CreateSilence",
    "CreateSuppression",
}
"""Of what has names by Tocsin alone; all else obeys."""


def _creates() -> list[tuple[Rpc, FieldDescriptor]]:
    """Each RPC that makes a resource with a name, and the field of the request that holds it."""
    return [
        (rpc, field)
        for rpc in contract().rpcs()
        if rpc.policy.method.startswith("Create")
        for field in rpc.descriptor.input_type.fields
        if field.message_type is not None and "name" in field.message_type.fields_by_name
    ]


def _request(rpc: Rpc, field: FieldDescriptor) -> tuple[str, dict[str, Any], str]:
    """The path, a good body whose resource has a name, and that name."""
    assert rpc.rule is not None
    path = rpc.rule.post
    parent = next((name for collection, name in _PARENTS.items() if f"={collection}/*" in path), "")
    segment = path.rpartition("/")[2].partition(":")[0]
    name = f"{parent}/{segment}/w-own" if parent else f"{segment}/w-own"
    known = GOOD.get(rpc.policy.method, {}).get(field.name, {})
    return re.sub(r"\{parent=[^}]*\}", parent, path), {**known, **_BODIES.get(rpc.policy.method, {}), "name": name}, name


async def test_the_name_of_what_is_made_is_obeyed_or_refused(stack: RunningStack) -> None:
    """By every Create of the contract: what is made has the name that was asked for, or the refusal points at it."""
    made: dict[str, str] = {}
    async with stack.client(key=await sign_up(stack)) as client:
        (await client.post("/v1/recipients", json={"name": "recipients/w", "display_name": "w"})).raise_for_status()
        for rpc, field in _creates():
            path, body, name = _request(rpc, field)
            answer = (await client.post(path, json=body)).json()
            refused = [each["field"] for detail in answer.get("details", ()) for each in detail.get("fieldViolations", ())]
            method = rpc.policy.method
            made[method] = "obeyed" if answer.get("name") == name else "refused" if refused == ["name"] else str(answer)
    assert {method: said for method, said in made.items() if said not in ("obeyed", "refused")} == {}
    assert {method for method, said in made.items() if said == "refused"} == _REFUSED
