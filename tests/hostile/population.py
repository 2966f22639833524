"""Something of every kind for a tenant, so that each table has rows of it: what `test_stored` spoils."""

import os
from collections.abc import Sequence
from typing import Any, Final

import httpx2

from tocsin.testing.waiting import eventually

Body = dict[str, Any]

_NOTIFY: Final[Body] = {"notify": {"to": ["ann@example.com"], "subject": "s", "text": "t"}}
_MATCHER: Final = {"label": "k", "value": "v"}
_ICS: Final = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T000000Z\r\n"
    "DTEND:20260102T000000Z\r\nRRULE:FREQ=DAILY\r\nSUMMARY:ann\r\nATTENDEE:mailto:ann@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
_LAYER: Final = {"participants": [{"recipients": ["recipients/ann"]}], "turnUnit": "WEEKS", "turnCount": 1, "start": "2026-01-05T09:00"}


def _address(name: str) -> Body:
    return {"channel": "email", "value": f"{name}@example.com", "state": "ACTIVE"}


_PEOPLE: Final[Sequence[tuple[str, Body]]] = (
    *(("/v1/recipients", {"name": f"recipients/{name}", "addresses": [_address(name)]}) for name in ("ann", "bob")),
    ("PUT /v1/recipients/ann/rules", {"urgent": [{"channel": "inbox"}, {"channel": "email", "after": "600s"}]}),
    ("PUT /v1/recipients/ann/preferences", {"cap": {"count": 100, "window": "3600s"}}),
    ("/v1/groups", {"name": "groups/g"}),
    ("/v1/groups/g:addMembers", {"members": ["recipients/ann", "recipients/bob"]}),
    ("/v1/categories", {"name": "categories/c", "kind": "TRANSACTIONAL", "channels": ["email"], "digestWindow": "3600s"}),
    ("/v1/suppressions", {"channel": "email", "address": "carl@example.com"}),
    ("/v1/rotations", {"name": "rotations/r", "timeZone": "Europe/Berlin", "layers": [_LAYER]}),
    ("/v1/rotations", {"name": "rotations/i", "timeZone": "Europe/Berlin", "layers": [{"calendarUrl": "https://calendars.example.com/i"}]}),
    (
        "/v1/rotations/r/overrides",
        {"kind": "REPLACE", "recipients": ["recipients/bob"], "startTime": "2026-06-01T00:00:00Z", "endTime": "2027-05-01T00:00:00Z"},
    ),
    ("/v1/rotations/r:createFeed", {}),
    ("/v1/providers", {"kind": "smtp", "config": {"host": "localhost", "sender": "a@example.com", "password": "hidden"}}),
    ("/v1/notifications", {"recipients": ["recipients/bob"], "category": "categories/c", "subject": "s", "text": "t"}),
    ("/v1/notifications", {"recipients": ["recipients/ann"], "subject": "s", "text": "t"}),
    (
        "/v1/notifications",
        {"recipients": ["groups/g"], "channels": ["inbox"], "subject": "s", "text": "t", "sendTime": "2027-06-01T00:00:00Z"},
    ),
)
_INCIDENTS: Final[Sequence[tuple[str, Body]]] = (
    ("/v1/escalationPolicies", {"name": "escalationPolicies/p", "steps": [{"targets": ["recipients/ann"], "wait": "1s"}], "repeat": 5}),
    ("/v1/incidents", {"title": "i", "escalationPolicy": "escalationPolicies/p", "labels": {"k": "w"}}),
    (
        "/v1/incidentRoutes",
        {"name": "incidentRoutes/r", "matchers": [_MATCHER], "groupBy": ["k"], "escalationPolicy": "escalationPolicies/p"},
    ),
    ("/v1/incidentDependencies", {"name": "incidentDependencies/d", "source": [_MATCHER], "target": [{"label": "k", "value": "w"}]}),
    ("/v1/silences", {"matchers": [{"label": "k", "value": "s"}], "endTime": "2027-06-01T00:00:00Z", "comment": "c"}),
    ("/v1/incidents", {"title": "g", "labels": {"k": "v"}}),
)
"""An incident that goes on asking people, a group, and what is said of incidents in general."""
_WORK: Final[Sequence[tuple[str, Body]]] = (
    ("/v1/templates", {"name": "templates/t", "subject": "s", "text": "t"}),
    ("/v1/calendars", {"name": "calendars/c", "timeZone": "Europe/Paris", "dates": ["2026-12-25"]}),
    ("/v1/alarms", {"displayName": "a", "labels": {"k": "v"}, "trigger": {"every": "1s", "count": 3}, "action": _NOTIFY}),
    ("/v1/alarms", {"trigger": {"every": "1s"}, "action": _NOTIFY}),
    ("/v1/alarms", {"trigger": {"cron": "* * * * *", "timeZone": "Europe/Paris"}, "action": {"task": {"handler": "noop"}}}),
    ("/v1/alarms", {"trigger": {"daily": {"time": "09:00"}, "excludeCalendars": ["calendars/c"]}, "action": _NOTIFY}),
    ("/v1/alarms", {"trigger": {"event": {"topic": "x.*", "filter": "data.a>0"}}, "action": _NOTIFY}),
    ("/v1/alarms", {"trigger": {"heartbeat": {"every": "1s", "grace": "0s"}}, "action": _NOTIFY}),
    ("/v1/alarms", {"trigger": {"threshold": {"metric": "m", "comparison": "GREATER_THAN", "value": 1}}, "action": _NOTIFY}),
    ("/v1/events", {"topic": "x.y", "data": {"a": 1}}),
    ("/v1/readings", {"metric": "m", "value": 2}),
    ("/v1/tasks", {"handler": "uppercase", "input": {"text": "t"}}),
    ("PUT /v1/records/r", {"value": "v"}),
    ("PUT /v1/pii/policies/p", {"measure": "FLAG", "area": "RECORDS", "subject": "x-*"}),
    ("PUT /v1/pingKey", {}),
)
_ACCOUNTS: Final[Sequence[tuple[str, Body]]] = (
    ("/v1/apiKeys", {"displayName": "k", "scopes": ["alarms:read"]}),
    ("/v1/roles", {"name": "roles/r", "scopes": ["alarms:read"]}),
    ("/v1/serviceAccounts", {"displayName": "s", "role": "roles/r"}),
    ("/v1/identityProviders", {"displayName": "i", "issuer": "https://id.example.com", "clientId": "c", "defaultRole": "roles/r"}),
    ("PUT /v1/security/alertPolicy", {"high": "DAILY"}),
)


async def populate(client: httpx2.AsyncClient) -> Sequence[str]:
    """Makes something of every kind; the paths of what is listed below something else."""
    unique = [
        ("PUT /v1/statusPage", {"enabled": True, "slug": f"s{os.urandom(6).hex()}", "labels": {"k": "v"}}),
        ("/v1/invitations", {"email": f"{os.urandom(6).hex()}@example.com", "role": "roles/r"}),
        ("/v1/users", {"email": f"{os.urandom(6).hex()}@example.com", "password": "correct horse battery"}),
    ]
    for line, body in (*_PEOPLE, *_WORK, *_INCIDENTS, *_ACCOUNTS, *unique):
        method, _, path = line.rpartition(" ")
        answer = await client.request(method or "POST", path, json=body)
        assert answer.status_code == 200, f"{path}: {answer.text}"
    made = await client.post("/v1/alarms", json={"trigger": {"heartbeat": {"every": "3600s", "slug": "s"}}, "action": _NOTIFY})
    assert (await client.post(f"/ping/{made.json()['trigger']['heartbeat']['key']}/3", content=b"x")).status_code == 200
    integration = (await client.post("/v1/integrations", json={"kind": "GENERIC", "mapping": {"title": {"paths": ["t"]}}})).json()
    answer = await client.post(f"/v1/integrations/{integration['key']}/generic", json={"t": "x"})
    assert answer.status_code == 200, answer.text

    async def mailed() -> bool:
        return len((await client.get("/v1/inbox/messages")).json().get("messages", ())) >= 4

    await eventually(mailed)
    return (f"/v1/{made.json()['name']}/pings", f"/v1/{integration['name']}/payloads")
