"""What the mailer asks about incidents, and the answers that it passes on."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from tests.integration.scheduler.test_incidents import Duty, duty
from tocsin.api.scheduler.v1 import incident_service_pb2 as pb
from tocsin.api.scheduler.v1 import incident_service_pb2_grpc as rpc
from tocsin.errors import FailedPrecondition, InvalidInput, PermissionDenied

__all__ = ["duty"]


async def test_the_mailer_asks_and_answers(duty: Duty) -> None:
    """For links and for what it holds back; no user may do so."""
    await duty.policy()
    incident = await duty.trigger()
    mailer: Any = rpc.IncidentServiceStub(duty.rig.mesh("mailer_svc").channel("scheduler_svc"))
    asked = pb.CheckIncidentsRequest(
        incidents=[pb.CheckIncidentsRequest.Asked(tenant=tenant, name=incident.name) for tenant in ("t1", "t2")]
    )
    assert list((await mailer.CheckIncidents(asked)).waiting) == [True, False]
    answer = pb.AnswerIncidentRequest(
        tenant="t1", name=incident.name, actor="recipients/ann", via="link", answer=pb.AnswerIncidentRequest.ACKNOWLEDGE
    )
    assert (await mailer.AnswerIncident(answer)).acknowledged_by == "recipients/ann"
    assert list((await mailer.CheckIncidents(asked)).waiting) == [False, False]
    with duty.user(), pytest.raises(PermissionDenied):
        await duty.incidents.AnswerIncident(answer)


async def test_a_reply_may_snooze_or_note(duty: Duty) -> None:
    """Each request once, with the actor; what is over is not put off any more."""
    await duty.policy()
    incident = await duty.trigger()
    mailer: Any = rpc.IncidentServiceStub(duty.rig.mesh("mailer_svc").channel("scheduler_svc"))
    kind = pb.AnswerIncidentRequest
    whose: dict[str, Any] = {"tenant": "t1", "name": incident.name, "actor": "recipients/ann", "via": "reply"}
    snooze = kind(**whose, answer=kind.SNOOZE, snooze=Duration(seconds=3600), message_id="m1")
    until = (await mailer.AnswerIncident(snooze)).snoozed_until
    assert (await mailer.AnswerIncident(snooze)).snoozed_until == until
    for _ in range(2):
        await mailer.AnswerIncident(kind(**whose, answer=kind.NOTE, note="I am on the way", message_id="m2"))
    assert [one for one in await duty.happened(incident.name) if one in ("SNOOZED", "NOTED")] == ["SNOOZED", "NOTED"]
    with pytest.raises(InvalidInput):
        await mailer.AnswerIncident(kind(**whose, answer=kind.SNOOZE, message_id="m3"))
    await mailer.AnswerIncident(kind(**whose, answer=kind.RESOLVE))
    with pytest.raises(FailedPrecondition):
        await mailer.AnswerIncident(kind(**whose, answer=kind.SNOOZE, snooze=Duration(seconds=3600), message_id="m4"))
