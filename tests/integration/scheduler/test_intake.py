"""Intake over the mesh: integrations, what comes to their doors, and what is kept of it; on either database."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.field_mask_pb2 import FieldMask

from tests.integration.scheduler.support import Rig
from tests.unit.scheduler.test_intake_payloads import ALERTMANAGER, BROKEN, CLOUD, GRAFANA, MENDED, PAGERDUTY
from tocsin.api.scheduler.v1 import escalation_policy_service_pb2 as policy_pb
from tocsin.api.scheduler.v1 import escalation_policy_service_pb2_grpc as policy_rpc
from tocsin.api.scheduler.v1 import incident_service_pb2 as incident_pb
from tocsin.api.scheduler.v1 import incident_service_pb2_grpc as incident_rpc
from tocsin.api.scheduler.v1 import intake_service_pb2 as intake_pb
from tocsin.api.scheduler.v1 import intake_service_pb2_grpc as intake_rpc
from tocsin.api.scheduler.v1 import integration_service_pb2 as pb
from tocsin.api.scheduler.v1 import integration_service_pb2_grpc as rpc
from tocsin.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidInput, NotFound, PermissionDenied, ResourceExhausted

Kind = pb.Integration.Kind
Outcome = pb.IntegrationPayload.Outcome
State = incident_pb.Incident.State
Severity = incident_pb.Incident.Severity
MAPPING = pb.PayloadMapping(
    title=pb.ValueSource(paths=["name"]), dedup_key=pb.ValueSource(paths=["id"]), state=pb.ValueSource(paths=["state"], default="down")
)


class Door:
    """A scheduler, who manages its integrations, and who sends to them."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        gateway: Any = rig.mesh("gateway").channel("scheduler_svc")
        self.integrations: Any = rpc.IntegrationServiceStub(gateway)
        self.incidents: Any = incident_rpc.IncidentServiceStub(gateway)
        self.policies: Any = policy_rpc.EscalationPolicyServiceStub(gateway)
        self.intake: Any = intake_rpc.IntakeServiceStub(gateway)

    def user(self, tenant: str = "t1") -> Any:
        """The context of a user's calls."""
        return self.rig.user(tenant, scopes=("incidents:read", "incidents:write", "firings:read"))

    async def make(self, kind: Any = Kind.ALERTMANAGER, *, name: str = "one", tenant: str = "t1", **fields: Any) -> pb.Integration:
        """Makes an integration."""
        made = pb.Integration(name=f"integrations/{name}" if name else "", kind=kind, **fields)
        with self.user(tenant):
            return await self.integrations.CreateIntegration(pb.CreateIntegrationRequest(integration=made))

    async def policy(self) -> str:
        """Makes a policy; its name."""
        step = policy_pb.EscalationStep(targets=["recipients/ann"])
        message = policy_pb.EscalationPolicy(name="escalationPolicies/night", steps=[step])
        with self.user():
            await self.policies.CreateEscalationPolicy(policy_pb.CreateEscalationPolicyRequest(escalation_policy=message))
        return message.name

    async def send(
        self, key: str, body: Any, door: str = "alertmanager", *, content_type: str = "application/json", **headers: str
    ) -> pb.PayloadReceipt:
        """Sends a payload, signed in as nobody."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        message = HttpBody(content_type=content_type, data=data)
        return await self.intake.ReceivePayload(intake_pb.ReceivePayloadRequest(key=key, format=door, body=message, headers=headers))

    async def enqueue(self, **event: Any) -> tuple[int, Any]:
        """Sends an event as to PagerDuty."""
        body = HttpBody(content_type="application/json", data=json.dumps(event).encode())
        answer = await self.intake.EnqueuePagerDutyEvent(intake_pb.EnqueuePagerDutyEventRequest(body=body))
        return answer.status, json.loads(answer.body.data)

    async def opened(self, tenant: str = "t1", **conditions: str) -> list[incident_pb.Incident]:
        """The incidents, the oldest first."""
        filter_ = " AND ".join(f'{name}="{value}"' for name, value in conditions.items())
        with self.user(tenant):
            answer = await self.incidents.ListIncidents(incident_pb.ListIncidentsRequest(page_size=1000, filter=filter_))
        return list(reversed(answer.incidents))

    async def payloads(self, name: str = "integrations/one") -> list[pb.IntegrationPayload]:
        """What is kept, the newest first."""
        with self.user():
            answer = await self.integrations.ListIntegrationPayloads(pb.ListIntegrationPayloadsRequest(name=name))
        return list(answer.payloads)

    async def attempt(self, name: str = "integrations/one", **fields: Any) -> pb.TryIntegrationResponse:
        """Tries a payload."""
        with self.user():
            return await self.integrations.TryIntegration(pb.TryIntegrationRequest(name=name, **fields))


@pytest.fixture
async def door(tmp_path: Path, database_url: str) -> AsyncIterator[Door]:
    """A scheduler on each kind of database."""
    rig = Rig(folder=tmp_path, database_url=database_url, intake_payloads_per_second=1000)
    await rig.start()
    yield Door(rig)
    await rig.stop()


async def test_alerts_open_count_and_end_incidents(door: Door) -> None:
    """By a real payload: one transaction, the policy's first step, the timeline's actor, the payload with what became of it."""
    policy = await door.policy()
    made = await door.make(escalation_policy=policy, default_severity=Severity.WARNING)
    assert len(made.key) == 32
    assert await door.send(made.key, ALERTMANAGER) == pb.PayloadReceipt(alerts=2, opened=1, ignored=1)
    assert await door.send(made.key, ALERTMANAGER) == pb.PayloadReceipt(alerts=2, counted=1, ignored=1)
    [incident] = await door.opened(source=made.name)
    assert (incident.title, incident.dedup_key) == ("localhost:9100 is down", "integrations/one/4e4c4c3d872bf6d8")
    assert (incident.severity, incident.trigger_count, incident.escalation_policy) == (Severity.CRITICAL, 2, policy)
    assert incident.labels["job"] == "infra0"
    with door.user():
        timeline = await door.incidents.ListIncidentEvents(incident_pb.ListIncidentEventsRequest(name=incident.name))
    assert (timeline.events[0].actor, timeline.events[0].via) == (made.name, "alertmanager")
    assert incident_pb.IncidentEvent.STEP in {event.kind for event in timeline.events}
    over = ALERTMANAGER | {"alerts": [alert | {"status": "resolved"} for alert in ALERTMANAGER["alerts"]]}
    assert await door.send(made.key, over) == pb.PayloadReceipt(alerts=2, resolved=1, ignored=1)
    [ended] = await door.opened()
    assert (ended.state, ended.resolved_by) == (State.RESOLVED, made.name)
    kept = await door.payloads()
    assert [payload.receipt.resolved for payload in kept] == [1, 0, 0]
    assert [payload.outcome for payload in kept] == [Outcome.TAKEN] * 3
    assert (json.loads(kept[0].body), kept[0].incidents, kept[0].content_type) == (over, [incident.name], "application/json")
    assert "3 more alerts" in kept[0].detail
    with door.user():
        shown = await door.integrations.GetIntegration(pb.GetIntegrationRequest(name=made.name))
    assert shown.HasField("last_payload_time")
    assert shown.key == ""


async def test_each_form_at_its_own_door(door: Door) -> None:
    """Grafana, CloudEvents, any JSON, and nothing at another's."""
    grafana = await door.make(Kind.GRAFANA, name="grafana", by_group=True)
    cloud = await door.make(Kind.CLOUDEVENTS, name="cloud")
    generic = await door.make(Kind.GENERIC, name="generic", mapping=MAPPING)
    assert (await door.send(grafana.key, GRAFANA, "grafana")).opened == 1
    structured = {"content_type": "application/cloudevents+json"}
    assert (await door.send(cloud.key, CLOUD, "cloudevents", **structured)).opened == 1
    assert (await door.send(cloud.key, CLOUD, "cloudevents", **structured)) == pb.PayloadReceipt(alerts=1, ignored=1), "known"
    assert (await door.send(cloud.key, CLOUD | {"id": "2"}, "cloudevents", **structured)).counted == 1
    binary = {"ce-specversion": "1.0", "ce-id": "3", "ce-source": "/s", "ce-type": "x"}
    assert (await door.send(cloud.key, b"", "cloudevents", content_type="", **binary)).opened == 1
    assert (await door.send(generic.key, {"id": 1, "name": "Shop"}, "generic")).opened == 1
    assert (await door.send(generic.key, {"id": 1, "state": "up"}, "generic")).resolved == 1
    with pytest.raises(InvalidInput, match="GRAFANA"):
        await door.send(grafana.key, GRAFANA)
    assert (await door.payloads(grafana.name))[0].field == "key"
    keys = [incident.dedup_key for incident in await door.opened()]
    assert keys[:2] == ["integrations/grafana/{}:{}", "integrations/cloud//hosts/db-1 disk"]
    assert keys[3] == "integrations/generic/1"
    [last, *_] = await door.payloads(cloud.name)
    assert last.headers == binary
    assert (await door.attempt(cloud.name)).alerts[0].title == "x", "the last one with its headers"


async def test_pagerduty_events(door: Door) -> None:
    """Trigger, acknowledge, resolve, and the answers that clients know."""
    made = await door.make(Kind.PAGERDUTY)
    event = PAGERDUTY | {"routing_key": made.key}
    success = {"status": "success", "message": "Event processed", "dedup_key": "srv01/HTTP"}
    assert await door.enqueue(**event) == (202, success)
    [incident] = await door.opened()
    assert (incident.state, incident.severity) == (State.TRIGGERED, Severity.CRITICAL)
    for action, state in (("acknowledge", State.ACKNOWLEDGED), ("resolve", State.RESOLVED), ("resolve", State.RESOLVED)):
        assert await door.enqueue(routing_key=made.key, event_action=action, dedup_key="srv01/HTTP") == (202, success)
        assert (await door.opened())[0].state == state
    assert (await door.opened())[0].acknowledged_by == made.name
    status, answer = await door.enqueue(**{name: value for name, value in event.items() if name != "dedup_key"})
    assert (status, len(answer["dedup_key"]) > 20) == (202, True)
    assert (await door.enqueue(routing_key=made.key, event_action="resolve", dedup_key=answer["dedup_key"]))[0] == 202
    assert {incident.state for incident in await door.opened()} == {State.RESOLVED}
    status, answer = await door.enqueue(**event | {"payload": {}})
    assert (status, answer["status"], answer["message"]) == (400, "invalid event", "Event object is invalid")
    assert len(answer["errors"]) == 3
    assert (await door.payloads())[0].field == "payload.summary"
    assert "payload.severity" in (await door.payloads())[0].detail
    for wrong in ({"routing_key": "unknown"}, {"routing_key": 5}, {}):
        status, answer = await door.enqueue(**wrong)
        assert (status, answer["status"], "routing_key" in answer["errors"][0]) == (400, "invalid event", True)


async def test_mails(door: Door) -> None:
    """By mailer_svc alone; once by Message-ID; a state in the subject."""
    made = await door.make(Kind.EMAIL)
    other = await door.make(name="other")
    mailer: Any = intake_rpc.IntakeServiceStub(door.rig.mesh("mailer_svc").channel("scheduler_svc"))

    async def mail(message_id: str, subject: str, key: str = made.key) -> str:
        said = {"subject": subject, "text": "Disk full\n", "from": "n@example.com"}
        return (await mailer.ReceiveMail(intake_pb.ReceiveMailRequest(key=key, message_id=message_id, **said))).incident

    first = await mail("<1@x>", "[FIRING:1] Disk", made.key.upper())
    assert await mail("<1@x>", "[FIRING:1] Disk") == first
    assert await mail("<2@x>", "Re: Disk") == first
    [incident] = await door.opened()
    assert (incident.trigger_count, incident.description, incident.labels) == (2, "Disk full\n", {"sender": "n@example.com"})
    assert await mail("<3@x>", "[RESOLVED] Disk") == first
    assert await mail("<4@x>", "[RESOLVED] Disk") == ""
    assert (await door.opened())[0].state == State.RESOLVED
    with pytest.raises(NotFound):
        await mail("<5@x>", "x", "unknown")
    with pytest.raises(InvalidInput, match="takes no mail"):
        await mail("<5@x>", "x", other.key)
    with door.user(), pytest.raises(PermissionDenied):
        await door.intake.ReceiveMail(intake_pb.ReceiveMailRequest(key=made.key, message_id="x"))


async def test_what_is_refused_is_kept_with_the_reason(door: Door) -> None:
    """And opens nothing."""
    made = await door.make()
    for body, field in BROKEN:
        with pytest.raises(InvalidInput) as caught:
            await door.send(made.key, body)
        assert caught.value.violations[0].field == field
        [kept, *_] = await door.payloads()
        assert (kept.outcome, kept.field, kept.detail) == (Outcome.REFUSED, field, caught.value.violations[0].description)
        assert (kept.size, kept.truncated, kept.receipt) == (len(body), len(body) > 65536, pb.PayloadReceipt())
    assert await door.opened() == []
    assert [(await door.send(made.key, body)).alerts for body, _ in MENDED] == [1, 1]
    assert {kept.detail for kept in (await door.payloads())[:2]} == {"What JSON cannot say was replaced."}


async def test_thousands_of_alerts_in_one_webhook(door: Door) -> None:
    """All of them, twice, each once, and one that is none is left out and told of; two senders of the same at the same time agree."""
    made = await door.make()
    alerts = [{"status": "firing", "labels": {"n": str(number)}, "fingerprint": f"{number:x}"} for number in range(1200)]
    webhook = ALERTMANAGER | {"alerts": [*alerts, {"status": "odd"}]}
    both = await asyncio.gather(door.send(made.key, webhook), door.send(made.key, webhook))
    assert sorted((receipt.opened, receipt.counted) for receipt in both) == [(0, 1200), (1200, 0)]
    [kept, _] = await door.payloads()
    assert (len(kept.incidents), kept.truncated, kept.outcome) == (20, True, Outcome.TAKEN)
    assert "1 of 1201 alerts were left out: alerts[1200].status: " in kept.detail
    over = webhook | {"alerts": [alert | {"status": "resolved"} for alert in alerts]}
    assert (await door.send(made.key, over)).resolved == 1200
    with pytest.raises(FailedPrecondition, match="give one"):
        await door.attempt()


async def test_twenty_payloads_are_kept(door: Door) -> None:
    """The last ones, of each integration, until it is gone."""
    made, other = await door.make(), await door.make(name="other")
    await door.send(other.key, ALERTMANAGER)
    await asyncio.gather(*(door.send(made.key, ALERTMANAGER) for _ in range(25)))
    await door.send(made.key, over := ALERTMANAGER | {"receiver": "last"})
    kept = await door.payloads()
    assert (len(kept), json.loads(kept[0].body)) == (20, over)
    assert len(await door.payloads(other.name)) == 1
    with door.user():
        page = await door.integrations.ListIntegrationPayloads(pb.ListIntegrationPayloadsRequest(name=made.name, page_size=15))
        rest = pb.ListIntegrationPayloadsRequest(name=made.name, page_size=15, page_token=page.next_page_token)
        assert len((await door.integrations.ListIntegrationPayloads(rest)).payloads) == 5
        await door.integrations.DeleteIntegration(pb.DeleteIntegrationRequest(name=made.name))
        with pytest.raises(NotFound):
            await door.integrations.ListIntegrationPayloads(rest)
    with pytest.raises(NotFound):
        await door.send(made.key, ALERTMANAGER)
    assert len(await door.opened()) == 2, "its incidents stay"


async def test_keys(door: Door) -> None:
    """Unknown ones, another's, and one that was replaced."""
    made = await door.make()
    for key in ("", "x" * 32, made.key.upper(), made.key + "a", "ä", made.name):
        with pytest.raises(NotFound):
            await door.send(key, ALERTMANAGER)
    with door.user("t2"), pytest.raises(NotFound):
        await door.integrations.RotateIntegrationKey(pb.RotateIntegrationKeyRequest(name=made.name))
    with door.user():
        rotated = await door.integrations.RotateIntegrationKey(pb.RotateIntegrationKeyRequest(name=made.name))
        listed = await door.integrations.ListIntegrations(pb.ListIntegrationsRequest())
        searches = [pb.ListIntegrationsRequest(filter=f'text="{word}"') for word in (made.name.rpartition("/")[2].upper(), "absent")]
        assert [len((await door.integrations.ListIntegrations(each)).integrations) for each in searches] == [1, 0]
    assert rotated.key not in ("", made.key)
    assert [item.key for item in listed.integrations] == [""]
    with pytest.raises(NotFound):
        await door.send(made.key, ALERTMANAGER)
    assert (await door.send(rotated.key, ALERTMANAGER)).opened == 1
    second = await door.make(tenant="t2")
    assert (await door.send(second.key, ALERTMANAGER)).opened == 1
    assert len(await door.opened("t2")) == 1, "integrations of the same name and alerts of the same key, of another tenant"


async def test_a_paused_integration_opens_nothing(door: Door) -> None:
    """And answers as ever; what is no payload is refused all the same."""
    made = await door.make(paused=True)
    assert await door.send(made.key, ALERTMANAGER) == pb.PayloadReceipt(alerts=2, ignored=2)
    assert await door.opened() == []
    assert (await door.payloads())[0].outcome == Outcome.IGNORED
    with pytest.raises(InvalidInput):
        await door.send(made.key, b"")


async def test_a_policy_that_is_gone_loses_no_alert(door: Door) -> None:
    """The incident is opened without one, and the payload says so."""
    policy = await door.policy()
    made = await door.make(escalation_policy=policy)
    with door.user():
        await door.policies.DeleteEscalationPolicy(policy_pb.DeleteEscalationPolicyRequest(name=policy))
    assert (await door.send(made.key, ALERTMANAGER)).opened == 1
    assert [incident.escalation_policy for incident in await door.opened()] == [""]
    assert policy in (await door.payloads())[0].detail
    with pytest.raises(InvalidInput, match="escalationPolicy"):
        await door.make(name="two", escalation_policy=policy)


async def test_a_mapping_is_tried_out(door: Door) -> None:
    """With the last payload and with a given one, the stored mapping and another; it does nothing."""
    made = await door.make(Kind.GENERIC, mapping=MAPPING)
    with pytest.raises(FailedPrecondition, match="No payload"):
        await door.attempt()
    with pytest.raises(InvalidInput, match="name"):
        await door.send(made.key, {"id": 1, "title": "Shop"}, "generic")
    with pytest.raises(InvalidInput) as caught:
        await door.attempt()
    assert caught.value.violations[0].field == "mapping.title"
    other = pb.PayloadMapping(title=pb.ValueSource(paths=["title"]), labels={"id": pb.ValueSource(paths=["id"])})
    tried = await door.attempt(mapping=other)
    assert (tried.total, tried.alerts[0].title, dict(tried.alerts[0].labels)) == (1, "Shop", {"id": "1"})
    assert (await door.attempt(payload='{"name": "Given", "id": 2}')).alerts[0].dedup_key == "2"
    with pytest.raises(InvalidInput, match="is no JSON"):
        await door.attempt(payload="{")
    with pytest.raises(InvalidInput, match=r"mapping\.title\.paths\[0\]"):
        await door.attempt(mapping=pb.PayloadMapping(title=pb.ValueSource(paths=["a b"])))
    assert len(await door.payloads()) == 1
    assert await door.opened() == []


async def test_integrations_are_changed(door: Door) -> None:
    """With etags and masks; the kind stays, and what an update does not name."""
    made = await door.make(Kind.GENERIC, mapping=MAPPING, display_name="Uptime")
    with pytest.raises(AlreadyExists):
        await door.make()

    async def update(*paths: str, etag: str = "", **fields: Any) -> pb.Integration:
        patch = pb.Integration(name=made.name, etag=etag, **fields)
        with door.user():
            return await door.integrations.UpdateIntegration(
                pb.UpdateIntegrationRequest(integration=patch, update_mask=FieldMask(paths=paths))
            )

    changed = await update(etag=made.etag, paused=True)
    assert (changed.paused, changed.display_name, changed.mapping, changed.kind) == (True, "Uptime", MAPPING, Kind.GENERIC)
    with pytest.raises(Aborted):
        await update(etag=made.etag, paused=False)
    assert not (await update("paused", "display_name")).display_name
    wrong: list[dict[str, Any]] = [{"kind": Kind.GRAFANA}, {"mapping": pb.PayloadMapping(title=pb.ValueSource())}, {"by_group": True}]
    for fields in wrong:
        with pytest.raises(InvalidInput):
            await update(**fields)
    with pytest.raises(InvalidInput, match="missing"):
        await update("mapping")
    with door.user(), pytest.raises(Aborted):
        await door.integrations.DeleteIntegration(pb.DeleteIntegrationRequest(name=made.name, etag="0"))


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"kind": Kind.KIND_UNSPECIFIED}, "kind"),
    ({"kind": 99}, "kind"),
    ({"kind": Kind.GENERIC}, "mapping"),
    ({"kind": Kind.EMAIL, "mapping": MAPPING}, "mapping"),
    ({"kind": Kind.EMAIL, "by_group": True}, "byGroup"),
    ({"kind": Kind.GENERIC, "mapping": pb.PayloadMapping()}, "mapping.title"),
    ({"kind": Kind.GRAFANA, "escalation_policy": "nights"}, "escalationPolicy"),
    ({"kind": Kind.GRAFANA, "default_severity": 9}, "defaultSeverity"),
    ({"kind": Kind.GRAFANA, "display_name": "a\nb"}, "displayName"),
    ({"kind": Kind.GRAFANA, "name": "a b"}, "name"),
]


async def test_an_integration_that_cannot_be_is_refused(door: Door) -> None:
    """With the field."""
    for fields, field in UNFIT:
        with pytest.raises(InvalidInput) as caught:
            await door.make(**fields)
        assert field in caught.value.violations[0].field


async def test_a_flood_is_its_senders_own(tmp_path: Path) -> None:
    """Beyond its rate an integration is told when to come back; others are served."""
    rig = Rig(folder=tmp_path, intake_payloads_per_second=1)
    await rig.start()
    try:
        door = Door(rig)
        loud, calm = await door.make(Kind.PAGERDUTY, name="loud"), await door.make(name="calm")
        answers = [await door.enqueue(**PAGERDUTY | {"routing_key": loud.key}) for _ in range(15)]
        assert {status for status, _ in answers} == {202, 429}
        assert answers[-1][1]["status"] == "throttle exceeded"
        assert (await door.send(calm.key, ALERTMANAGER)).opened == 1
        answers = await asyncio.gather(*(door.send(calm.key, ALERTMANAGER) for _ in range(12)), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, ResourceExhausted)]
        assert refused
        assert refused[0].retry_after is not None
        assert refused[0].retry_after > 0
    finally:
        await rig.stop()
