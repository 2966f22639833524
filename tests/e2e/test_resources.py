"""What every list, every update and every read of nothing must do, walked by the contract: a new resource joins or the walk fails."""

import re
from collections import Counter
from typing import Any, Final

import httpx2
import pytest
from google.api import field_behavior_pb2

from tests.e2e.resources import RESOURCES, make, public, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

COUNT: Final = 10
PAGE: Final = 3
FILLED_BY_WHAT_HAPPENS: Final = {
    *("ListAuditLogs", "ListAlerts", "ListSessions", "ListUserSessions", "ListTenants", "ListDeliveries", "ListFirings", "ListMessages"),
    *("ListIncidentEvents", "ListIncidentAlerts", "ListRotationRevisions", "ListRotationOverrides", "ListGroupMembers", "GetStatus"),
    *("ListTemplateVersions", "ListSpooledCalls", "ListIntegrationPayloads", "ListReplans", "ListTriggerLogs", "ListPings", "ListOnCall"),
    *("PreviewOnCall", "ListRecords", "ListPiiPolicies"),
}
"""Lists whose items are not made by a POST to their collection."""
SINGLE: Final = {"Tenant": "/v1/tenant", "Profile": "/v1/profile", "Preferences": "/v1/recipients/r0/preferences"}
NOT_THIS_WAY: Final = {"UpdateFactor", "AmendTenant"}
"""A factor needs a proof of who asks, and tenants are the operator's: both have tests of their own."""
PASSING: Final = {"updateTime", "etag", "revision"}
"""What changes with every write."""


async def prepared(client: httpx2.AsyncClient, name: str, count: int = 1) -> list[dict[str, Any]]:
    """Some resources of a kind, and what they name."""
    for first in ("Recipient", "EscalationPolicy"):
        if first != name:
            await make(client, first, 0)
    return [await make(client, name, number) for number in range(count)]


def test_every_list_is_walked() -> None:
    """By this file, or it says why not."""
    lists = {rpc.policy.method: path for rpc, path in public("get") if "page_token" in rpc.descriptor.input_type.fields_by_name}
    assert {path for method, path in lists.items() if method not in FILLED_BY_WHAT_HAPPENS} == {made.path for made in RESOURCES.values()}
    assert set(lists) >= FILLED_BY_WHAT_HAPPENS


@pytest.mark.parametrize("name", list(RESOURCES))
async def test_a_list_is_whole_while_items_come_and_go(stranger: httpx2.AsyncClient, name: str) -> None:
    """No item comes twice, and of those that were there before and after none is missing (AIP-158), wherever the others went."""
    made = RESOURCES[name]
    before = {each["name"] for each in await prepared(stranger, name, COUNT)}
    seen: Counter[str] = Counter()
    gone: set[str] = set()
    token, number = "", COUNT
    while True:
        answer = await stranger.get(made.path, params={"pageSize": PAGE, "pageToken": token})
        assert answer.status_code == 200, answer.text
        (items,) = (value for value in answer.json().values() if isinstance(value, list))
        assert len(items) <= PAGE
        seen.update(each["name"] for each in items)
        if not (token := answer.json().get("nextPageToken", "")):
            break
        if not made.kept:  # one that was shown, and the very one that the token stands behind
            for victim in {items[0]["name"], items[-1]["name"]} & before:
                assert (await stranger.delete(f"/v1/{victim}")).status_code == 200
                gone.add(victim)
        await make(stranger, name, number)
        number += 1
    assert [each for each, times in seen.items() if times > 1] == []
    assert before - gone - set(seen) == set()


def test_every_update_is_walked() -> None:
    """By this file, or it says why not."""
    updates = {rpc.policy.method for rpc, _ in public("patch")}
    assert updates - NOT_THIS_WAY == {f"Update{name}" for name in (*RESOURCES, *SINGLE)} & updates


@pytest.mark.parametrize("method", [rpc.policy.method for rpc, _ in public("patch") if rpc.policy.method not in NOT_THIS_WAY])
async def test_an_update_changes_what_its_mask_names(stranger: httpx2.AsyncClient, method: str) -> None:
    """What was read is written back as it was, unknown paths are refused at updateMask, and fields of the server are passed over."""
    name = method.removeprefix("Update")
    if name in RESOURCES:
        path = f"/v1/{(await prepared(stranger, name))[0]['name']}"
    else:
        await prepared(stranger, "Recipient")
        path = SINGLE[name]
    (rpc,) = (rpc for rpc, _ in public("patch") if rpc.policy.method == method)
    (resource,) = (field.message_type for field in rpc.descriptor.input_type.fields if field.name != "update_mask")
    read = (await stranger.get(path)).json()

    async def patched(mask: str | None, body: dict[str, Any]) -> httpx2.Response:
        body = {key: value for key, value in body.items() if key != "etag"}
        answer = await stranger.patch(path, json=body, params={} if mask is None else {"updateMask": mask})
        assert _lasting((await stranger.get(path)).json()) == _lasting(read), (mask, answer.text)
        return answer

    for mask in (None, "*"):
        assert (await patched(mask, read)).status_code == 200
    for mask in ("nothing", "nothing.inner", "*,nothing", "nothing,*", "*,name", "..", "name.inner"):
        answer = await patched(mask, {})
        assert (answer.status_code, violations(answer)) == (400, ["updateMask"]), mask
    for each in resource.fields if resource else ():
        options: Any = each.GetOptions()
        if field_behavior_pb2.OUTPUT_ONLY in options.Extensions[field_behavior_pb2.field_behavior]:
            assert (await patched(each.json_name, {})).status_code == 200, each.json_name


@pytest.mark.parametrize("name", list(RESOURCES))
async def test_if_match_holds_wherever_there_is_an_etag(stranger: httpx2.AsyncClient, name: str) -> None:
    """Another etag, a weak one, a list, and any on what has none: 412, and nothing changes; the one that was read and ``*`` let it pass."""
    (made,) = await prepared(stranger, name)
    path, body = f"/v1/{made['name']}", dict[str, Any]()
    read = (await stranger.get(path)).json()
    one = f"={RESOURCES[name].path.removeprefix('/v1/')}/*}}"
    verbs = [verb for verb in ("PATCH", "DELETE") if any(template.endswith(one) for _, template in public(verb.lower()))]
    if RESOURCES[name].kept:
        verbs = [verb for verb in verbs if verb != "DELETE"]
    for verb in verbs:
        for tag in ('"999"', f'W/"{read.get("etag", "1")}"', '"1", "2"', "1", "" if "etag" in read else '"1"'):
            answer = await stranger.request(verb, path, headers={"If-Match": tag}, json=body if verb == "PATCH" else None)
            assert (answer.status_code, answer.json()["code"]) == (412, "ABORTED"), (verb, tag, answer.text)
        assert (await stranger.get(path)).json() == read
    shown = (await stranger.get(path)).headers.get("etag")
    assert shown == (f'"{read["etag"]}"' if "etag" in read else None)
    if "PATCH" in verbs and shown is not None:
        changed = await stranger.patch(path, json=body, headers={"If-Match": shown})
        assert (changed.status_code, changed.headers["etag"]) == (200, f'"{changed.json()["etag"]}"')
    for verb in verbs:
        answer = await stranger.request(verb, path, headers={"If-Match": "*"}, json=body if verb == "PATCH" else None)
        assert answer.status_code == 200, answer.text


def _lasting(resource: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if key not in PASSING}


async def test_reading_of_nothing_is_not_found(stranger: httpx2.AsyncClient) -> None:
    """A resource that is not there, and every list and view below it: 404, never an empty list, and in words that name it."""
    answers: dict[str, int] = {}
    nameless: dict[str, str] = {}
    for _, template in public("get"):
        if "/*}" in template:
            nobody = "9" * 9 if "auditLogs" in template else "f" * (32 if "alerts" in template and "security" in template else 26)
            path = re.sub(r"\{\w+=([^}]*)\}", lambda found, by=nobody: found[1].replace("*", by), template)
            answer = await stranger.get(path)
            answers[template] = answer.status_code
            if answer.status_code == 404 and nobody not in answer.json()["detail"]:
                nameless[template] = answer.json()["detail"]
    operators = {template: code for template, code in answers.items() if code == 403}
    assert set(operators) <= {"/v1/{name=tenants/*}", "/v1/{tenant=tenants/*}/usage", "/v1/{name=spooledCalls/*}"}
    assert {template: code for template, code in answers.items() if code != 404} == operators
    assert len(answers) > 45
    assert nameless == {}
