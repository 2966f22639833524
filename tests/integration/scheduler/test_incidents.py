"""Incidents over the mesh: scheduler_svc as it runs, its clock moved by the test, and a processor that takes what it is given."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from tests.integration.scheduler.support import Rig
from tocsin.api.scheduler.v1 import escalation_policy_service_pb2 as policy_pb
from tocsin.api.scheduler.v1 import escalation_policy_service_pb2_grpc as policy_rpc
from tocsin.api.scheduler.v1 import firing_service_pb2
from tocsin.api.scheduler.v1 import incident_service_pb2 as pb
from tocsin.api.scheduler.v1 import incident_service_pb2_grpc as rpc
from tocsin.api.scheduler.v1 import silence_service_pb2 as silence_pb
from tocsin.api.scheduler.v1 import silence_service_pb2_grpc as silence_rpc
from tocsin.errors import FailedPrecondition, InvalidInput, NotFound, PermissionDenied
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

SCOPES = ("incidents:read", "incidents:write", "firings:read")
MINUTE = 60
Kind = pb.IncidentEvent.Kind
State = pb.Incident.State


class Duty:
    """A scheduler, and who works with its incidents."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        gateway: Any = rig.mesh("gateway").channel("scheduler_svc")
        self.incidents: Any = rpc.IncidentServiceStub(gateway)
        self.policies: Any = policy_rpc.EscalationPolicyServiceStub(gateway)

    def user(self, tenant: str = "t1") -> Any:
        """The context of a user's calls."""
        return self.rig.user(tenant, scopes=SCOPES)

    async def policy(
        self, *steps: policy_pb.EscalationStep, name: str = "night", tenant: str = "t1", **fields: Any
    ) -> policy_pb.EscalationPolicy:
        """Makes a policy."""
        message = policy_pb.EscalationPolicy(name=f"escalationPolicies/{name}", steps=steps or two_steps(), **fields)
        with self.user(tenant):
            return await self.policies.CreateEscalationPolicy(policy_pb.CreateEscalationPolicyRequest(escalation_policy=message))

    async def trigger(
        self, key: str = "disk", *, tenant: str = "t1", policy: str = "night", request_id: str = "", **fields: Any
    ) -> pb.Incident:
        """Triggers an incident."""
        incident = pb.Incident(
            title="Disk full", dedup_key=key, escalation_policy=f"escalationPolicies/{policy}" if policy else "", **fields
        )
        with self.user(tenant):
            return await self.incidents.TriggerIncident(pb.TriggerIncidentRequest(incident=incident, request_id=request_id))

    async def get(self, name: str) -> pb.Incident:
        """The incident as it is."""
        with self.user():
            return await self.incidents.GetIncident(pb.GetIncidentRequest(name=name))

    async def timeline(self, name: str) -> list[pb.IncidentEvent]:
        """Its events."""
        with self.user():
            answer = await self.incidents.ListIncidentEvents(pb.ListIncidentEventsRequest(name=name))
        return list(answer.events)

    async def happened(self, name: str) -> list[str]:
        """The kinds of its events."""
        return [Kind.Name(event.kind) for event in await self.timeline(name)]

    async def acknowledge(self, name: str) -> pb.Incident:
        """Says that somebody has it."""
        with self.user():
            return await self.incidents.AcknowledgeIncident(pb.AcknowledgeIncidentRequest(name=name, note="on it"))

    async def passes(self, seconds: float) -> None:
        """Moves the clock on in steps, so that every loop comes to its turn."""
        clock = self.rig.clock
        assert isinstance(clock, FakeClock)
        while seconds > 0:
            await clock.advance(min(5, seconds))
            with self.user():
                await self.incidents.ListIncidents(pb.ListIncidentsRequest())  # a turn of the database
            seconds -= 5

    async def firings(self) -> list[firing_service_pb2.Firing]:
        """The ledger, the oldest first."""
        with self.user():
            answer = await self.rig.firings.ListFirings(firing_service_pb2.ListFiringsRequest())
        return list(reversed(answer.firings))


def two_steps() -> list[policy_pb.EscalationStep]:
    """Ann, and five minutes later Bea."""
    return [policy_pb.EscalationStep(targets=["recipients/ann"]), policy_pb.EscalationStep(targets=["recipients/bea"])]


@pytest.fixture
async def duty(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[Duty]:
    """A scheduler on SQLite whose clock the test moves."""
    rig = Rig(folder=tmp_path, clock=clock, lease_seconds=60)
    await rig.start()
    yield Duty(rig)
    await rig.stop()


async def test_an_incident_goes_from_one_to_the_next_until_somebody_answers(duty: Duty) -> None:
    """Steps by the clock, each with its row in the ledger; an answer ends them and is told."""
    await duty.policy()
    incident = await duty.trigger()
    assert incident.state == State.TRIGGERED
    assert incident.next_step == 1
    [first] = await duty.firings()
    assert first.origin == firing_service_pb2.Firing.ESCALATION
    assert first.context.fields["incident"].struct_value["title"] == "Disk full"
    await duty.passes(6 * MINUTE)

    async def second() -> bool:
        await duty.passes(1)  # another turn for whoever takes steps, and for the lease of its shards
        return len(await duty.firings()) == 2

    await eventually(second, what="the second step")
    assert await duty.happened(incident.name) == ["TRIGGERED", "STEP", "STEP", "EXHAUSTED"]
    answered = await duty.acknowledge(incident.name)
    assert answered.state == State.ACKNOWLEDGED
    assert answered.acknowledged_by.startswith("users/")
    timeline = await duty.timeline(incident.name)
    assert [Kind.Name(event.kind) for event in timeline][-2:] == ["ACKNOWLEDGED", "UPDATE_SENT"]
    assert timeline[-2].text == "on it"
    assert {event.firing for event in timeline if event.firing} == {firing.name for firing in await duty.firings()}
    assert (await duty.acknowledge(incident.name)).etag == answered.etag, "once more changes nothing"


async def test_an_answer_twice_and_after_the_end_changes_nothing(duty: Duty) -> None:
    """No error, no event, nobody told again."""
    await duty.policy()
    incident = await duty.trigger()
    answered = await duty.acknowledge(incident.name)
    assert await duty.acknowledge(incident.name) == answered
    with duty.user():
        over = await duty.incidents.ResolveIncident(pb.ResolveIncidentRequest(name=incident.name))
        assert await duty.incidents.ResolveIncident(pb.ResolveIncidentRequest(name=incident.name)) == over
        assert await duty.incidents.UnacknowledgeIncident(pb.UnacknowledgeIncidentRequest(name=incident.name)) == over
    assert await duty.acknowledge(incident.name) == over
    assert (await duty.happened(incident.name))[2:] == ["ACKNOWLEDGED", "UPDATE_SENT", "RESOLVED", "UPDATE_SENT"]


async def test_no_step_is_taken_after_an_acknowledgement(duty: Duty) -> None:
    """Whatever the policy would still do."""
    await duty.policy(*(policy_pb.EscalationStep(targets=step.targets, wait=Duration(seconds=MINUTE)) for step in two_steps()), repeat=5)
    incident = await duty.trigger()
    await duty.acknowledge(incident.name)
    await duty.passes(12 * MINUTE)
    assert [event for event in await duty.happened(incident.name) if event == "STEP"] == ["STEP"]


async def test_of_one_key_one_incident_is_open(duty: Duty) -> None:
    """Twenty triggers at once are one incident with one first step; after its end the next trigger opens another."""
    await duty.policy()
    found = await asyncio.gather(*(duty.trigger() for _ in range(20)))
    assert len({incident.name for incident in found}) == 1
    assert (await duty.get(found[0].name)).trigger_count == 20
    assert len(await duty.firings()) == 1
    with duty.user():
        await duty.incidents.ResolveIncident(pb.ResolveIncidentRequest(name=found[0].name))
    assert (await duty.trigger()).name != found[0].name


async def test_the_same_request_counts_once(duty: Duty) -> None:
    """At the same time, and later."""
    await duty.policy()
    found = await asyncio.gather(*(duty.trigger(request_id="r") for _ in range(5)))
    assert {incident.trigger_count for incident in found} == {1}
    assert (await duty.trigger(request_id="other")).trigger_count == 2


async def test_what_is_wrong_costs_the_one_who_says_it(duty: Duty) -> None:
    """Those who share its transaction are served."""
    await duty.policy()
    answers = await asyncio.gather(
        duty.trigger("a"),
        duty.trigger("b", policy="unknown"),
        duty.trigger("c"),
        duty.acknowledge("incidents/none"),
        return_exceptions=True,
    )
    said = [getattr(answer, "error_reason", "") for answer in answers]
    assert said == ["", "ESCALATION_POLICY_NOT_FOUND", "", "INCIDENT_NOT_FOUND"]


async def test_tenants_see_their_own(duty: Duty) -> None:
    """And nobody without the scope sees any."""
    await duty.policy()
    mine = await duty.trigger()
    with duty.user("t2"), pytest.raises(NotFound):
        await duty.incidents.GetIncident(pb.GetIncidentRequest(name=mine.name))
    with duty.user("t2"), pytest.raises(NotFound):
        await duty.incidents.AcknowledgeIncident(pb.AcknowledgeIncidentRequest(name=mine.name))
    with pytest.raises(NotFound):
        await duty.trigger(tenant="t2")
    with duty.user("t2"):
        answer = await duty.incidents.ListIncidentEvents(
            pb.ListIncidentEventsRequest(name=(await duty.trigger("x", tenant="t2", policy="")).name)
        )
    assert [Kind.Name(event.kind) for event in answer.events] == ["TRIGGERED"]
    with duty.rig.user(scopes=("firings:read",)), pytest.raises(PermissionDenied):
        await duty.incidents.ListIncidents(pb.ListIncidentsRequest())


async def test_snooze_reassign_merge_note(duty: Duty) -> None:
    """What people do with an incident beside answering it."""
    await duty.policy()
    await duty.policy(policy_pb.EscalationStep(targets=["groups/all"]), name="day")
    one, two = await duty.trigger("one"), await duty.trigger("two")
    with duty.user():
        asleep = await duty.incidents.SnoozeIncident(pb.SnoozeIncidentRequest(name=one.name, duration=Duration(seconds=600)))
        assert asleep.HasField("snoozed_until")
        both = pb.SnoozeIncidentRequest(name=one.name, duration=Duration(seconds=600), until=asleep.snoozed_until)
        for bad in (pb.SnoozeIncidentRequest(name=one.name), both):
            with pytest.raises(InvalidInput, match="either"):
                await duty.incidents.SnoozeIncident(bad)
        moved = await duty.incidents.ReassignIncident(pb.ReassignIncidentRequest(name=one.name, escalation_policy="escalationPolicies/day"))
        assert moved.escalation_policy == "escalationPolicies/day"
        alone = await duty.incidents.ReassignIncident(
            pb.ReassignIncidentRequest(name=one.name, targets=["recipients/cid"], note="she knows the disks")
        )
        assert alone.escalation_policy == ""
        with pytest.raises(InvalidInput, match="either"):
            await duty.incidents.ReassignIncident(pb.ReassignIncidentRequest(name=one.name))
        for _ in range(2):
            await duty.incidents.NoteIncident(pb.NoteIncidentRequest(name=one.name, note="called the provider", request_id="n"))
        with pytest.raises(NotFound, match="incidents/nope"):
            await duty.incidents.MergeIncident(pb.MergeIncidentRequest(name=one.name, into="incidents/nope"))
        with pytest.raises(FailedPrecondition):
            await duty.incidents.MergeIncident(pb.MergeIncidentRequest(name=one.name, into=one.name))
        for _ in range(2):
            assert (await duty.incidents.MergeIncident(pb.MergeIncidentRequest(name=two.name, into=one.name))).merged_into == one.name
        with pytest.raises(FailedPrecondition):
            await duty.incidents.MergeIncident(pb.MergeIncidentRequest(name=one.name, into=two.name))
        await duty.incidents.ResolveIncident(pb.ResolveIncidentRequest(name=one.name))
    assert (await duty.get(two.name)).state == State.RESOLVED, "it ends with the one that it is part of"
    notes = [event.text for event in await duty.timeline(one.name) if Kind.Name(event.kind) == "NOTED"]
    assert notes == ["called the provider", f"{two.name} became part of it"]
    said = {Kind.Name(event.kind): event.text for event in [*await duty.timeline(one.name), *await duty.timeline(two.name)]}
    assert said["SNOOZED"] == f"until {asleep.snoozed_until.ToDatetime():%Y-%m-%d %H:%M} UTC"
    assert (said["REASSIGNED"], said["MERGED"]) == ("recipients/cid: she knows the disks", one.name)


async def test_an_alarm_opens_an_incident_and_ends_it(duty: Duty) -> None:
    """What a processor says for firings: known ones count once, and an end of nothing is none."""
    await duty.policy()
    processor: Any = rpc.IncidentServiceStub(duty.rig.mesh("processor_svc").channel("scheduler_svc"))

    def said(firing: str, *, resolved: bool = False, policy: str = "night") -> pb.TriggerIncidentsRequest.Triggered:
        incident = pb.Incident(title="Freezer", severity=pb.Incident.CRITICAL, escalation_policy=f"escalationPolicies/{policy}")
        return pb.TriggerIncidentsRequest.Triggered(tenant="t1", firing=firing, alarm="a", resolved=resolved, incident=incident)

    async def call(*triggered: pb.TriggerIncidentsRequest.Triggered) -> list[pb.TriggerIncidentsResponse.Answer]:
        return list((await processor.TriggerIncidents(pb.TriggerIncidentsRequest(triggered=triggered))).answers)

    [nothing] = await call(said("0", resolved=True))
    assert (nothing.incident, nothing.reason) == ("", "")
    [opened, refused] = await call(said("1"), said("x", policy="gone"))
    assert (refused.reason, refused.retryable) == ("", False), "the open incident counts, whatever the policy is now"
    [again] = await call(said("1"))
    assert again.incident == opened.incident
    found = await duty.get(opened.incident)
    assert (found.source, found.dedup_key, found.trigger_count) == ("alarms/a", "alarms/a", 2)
    [ended] = await call(said("2", resolved=True))
    over = await duty.get(ended.incident)
    assert (over.state, over.resolved_by) == (State.RESOLVED, "alarms/a")
    [unknown] = await call(said("3", policy="gone"))
    assert (unknown.reason, unknown.retryable) == ("ESCALATION_POLICY_NOT_FOUND", False)


async def test_incidents_are_watched(duty: Duty) -> None:
    """From now on, and from a token on."""
    await duty.policy()
    with duty.user():
        stream = duty.incidents.WatchIncidents(pb.WatchIncidentsRequest())
        waiting = asyncio.ensure_future(anext(aiter(stream)))
        await asyncio.sleep(0)
    token = ""
    for key in ("a", "b", "c"):
        await duty.trigger(key)

    async def seen() -> bool:
        await duty.passes(1)
        return waiting.done()

    await eventually(seen, what="an event")
    first = waiting.result()
    token = first.resume_token
    assert first.incident.title == "Disk full"
    stream.cancel()
    with duty.user():
        resumed = duty.incidents.WatchIncidents(pb.WatchIncidentsRequest(resume_token=token))
        kinds = [(await anext(aiter(resumed))).event.kind for _ in range(3)]
        resumed.cancel()
    assert set(kinds) <= {Kind.TRIGGERED, Kind.STEP}


async def test_silences_over_the_mesh(duty: Duty) -> None:
    """Made, shown, listed and ended; what it held back goes on at its end."""
    await duty.policy()
    silences: Any = silence_rpc.SilenceServiceStub(duty.rig.mesh("gateway").channel("scheduler_svc"))
    message = silence_pb.Silence(matchers=[silence_pb.SilenceMatcher(label="severity", value="err*")], comment="the disks are changed")
    message.end_time.FromDatetime(duty.rig.soon(3600))
    with duty.user():
        made = await silences.CreateSilence(silence_pb.CreateSilenceRequest(silence=message))
    assert (made.state, made.author.partition("/")[0]) == (silence_pb.Silence.ACTIVE, "users")
    incident = await duty.trigger()
    assert await duty.happened(incident.name) == ["TRIGGERED", "STEP_SKIPPED"]
    _, held = await duty.timeline(incident.name)
    assert (held.text, held.actor) == ("SILENCED", made.name)
    with duty.user():
        listed = await silences.ListSilences(silence_pb.ListSilencesRequest())
        assert list(listed.silences) == [made]
        ended = await silences.ExpireSilence(silence_pb.ExpireSilenceRequest(name=made.name))
        assert ended.state == silence_pb.Silence.EXPIRED
        assert await silences.GetSilence(silence_pb.GetSilenceRequest(name=made.name)) == ended

    async def taken() -> bool:
        return await duty.happened(incident.name) == ["TRIGGERED", "STEP_SKIPPED", "RELEASED", "STEP"]

    await eventually(taken, what="the step that was held back")
    for place in ("comment", "matchers", "endTime"):
        broken = silence_pb.Silence()
        broken.CopyFrom(message)
        if place == "endTime":
            broken.end_time.CopyFrom(made.create_time)
        else:
            broken.ClearField("comment" if place == "comment" else "matchers")
        with duty.user(), pytest.raises(InvalidInput) as caught:
            await silences.CreateSilence(silence_pb.CreateSilenceRequest(silence=broken))
        assert place in caught.value.violations[0].field
    with duty.user("t2"), pytest.raises(NotFound):
        await silences.ExpireSilence(silence_pb.ExpireSilenceRequest(name=made.name))
