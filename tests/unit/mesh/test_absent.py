"""The errors of what is not there name what was asked for."""

from typing import Any

import pytest

from tocsin.api.auth.v1 import user_service_pb2
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, incident_service_pb2
from tocsin.errors import NotFound
from tocsin.mesh.server.absent import name_absent


class AlarmNotFound(NotFound):
    """There is no such alarm."""


class EscalationPolicyNotFound(NotFound):
    """There is no such escalation policy."""


class IncidentNotFound(NotFound):
    """There is no such incident."""


class UserNotFound(NotFound):
    """There is no such user."""


ASKED: Any = alarm_service_pb2.GetAlarmRequest(name="alarms/7")
SESSION: Any = user_service_pb2.GetUserRequest(name="users/1/sessions/2")
UPDATE: Any = alarm_service_pb2.UpdateAlarmRequest(alarm=alarm_pb2.Alarm(name="alarms/7"))
INCIDENT: Any = incident_service_pb2.TriggerIncidentRequest(
    incident=incident_service_pb2.Incident(title="alarms/1", escalation_policy="escalationPolicies/night")
)

MERGE: Any = incident_service_pb2.MergeIncidentRequest(name="incidents/1", into="incidents/2")
INTO_ITSELF: Any = incident_service_pb2.MergeIncidentRequest(name="incidents/1", into="incidents/1")


@pytest.mark.parametrize(
    ("error", "request_", "words"),
    [
        (AlarmNotFound(), ASKED, "There is no such alarm: alarms/7"),
        (AlarmNotFound(), UPDATE, "There is no such alarm: alarms/7"),
        (EscalationPolicyNotFound(), INCIDENT, "There is no such escalation policy: escalationPolicies/night"),
        (UserNotFound(), SESSION, "There is no such user: users/1"),
        (UserNotFound(), ASKED, "There is no such user."),
        (IncidentNotFound(), MERGE, "There is no such incident."),
        (IncidentNotFound(), INTO_ITSELF, "There is no such incident: incidents/1"),
        (AlarmNotFound("It was here."), ASKED, "It was here."),
        (AlarmNotFound(), b"bytes", "There is no such alarm."),
        (AlarmNotFound(), alarm_service_pb2.GetAlarmRequest(name="alarms/"), "There is no such alarm."),
        (AlarmNotFound(), alarm_service_pb2.GetAlarmRequest(), "There is no such alarm."),
        (NotFound(), ASKED, "There is no such resource."),
    ],
)
def test_what_is_not_there_is_named(error: Any, request_: Any, words: str) -> None:
    """By what the request names of the error's own collection; what says more, and what is of something else, stays as it is."""
    name_absent(error, request_)
    assert error.message == words


def test_a_name_without_end_is_cut() -> None:
    """The words go into a header of bounded size."""
    found = AlarmNotFound()
    name_absent(found, alarm_service_pb2.GetAlarmRequest(name=f"alarms/{'x' * 5000}"))
    assert len(found.message) < 1100
