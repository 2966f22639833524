"""Escalation policies over the mesh: made, changed and removed, refused when nobody could follow them, and named by alarms."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from tests.integration.scheduler.support import every
from tests.integration.scheduler.test_incidents import Duty, duty, two_steps
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.api.scheduler.v1 import escalation_policy_service_pb2 as policy_pb
from tocsin.errors import Aborted, AlreadyExists, InvalidInput, NotFound

__all__ = ["duty"]


async def test_policies_are_made_changed_and_removed(duty: Duty) -> None:
    """With etags, and without losing what an update does not name."""
    made = await duty.policy(repeat=2)
    assert made.steps[0].wait.seconds == 300
    with pytest.raises(AlreadyExists):
        await duty.policy()
    with duty.user():
        patch = policy_pb.EscalationPolicy(name=made.name, display_name="Nights", etag=made.etag)
        changed = await duty.policies.UpdateEscalationPolicy(policy_pb.UpdateEscalationPolicyRequest(escalation_policy=patch))
        assert (changed.display_name, changed.repeat, len(changed.steps)) == ("Nights", 2, 2)
        with pytest.raises(Aborted):
            await duty.policies.UpdateEscalationPolicy(policy_pb.UpdateEscalationPolicyRequest(escalation_policy=patch))
        listed = await duty.policies.ListEscalationPolicies(policy_pb.ListEscalationPoliciesRequest())
        assert [policy.name for policy in listed.escalation_policies] == [made.name]
        asked = [policy_pb.ListEscalationPoliciesRequest(filter=f"text={word}") for word in ("NIGHT", "absent")]
        assert [len((await duty.policies.ListEscalationPolicies(each)).escalation_policies) for each in asked] == [1, 0]
        gone = policy_pb.DeleteEscalationPolicyRequest(name=made.name)
        await duty.policies.DeleteEscalationPolicy(gone)
        with pytest.raises(NotFound):
            await duty.policies.DeleteEscalationPolicy(gone)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"steps": []}, "steps"),
        ({"steps": [policy_pb.EscalationStep()]}, "targets"),
        ({"steps": [policy_pb.EscalationStep(targets=["users/ann"])]}, "targets"),
        ({"steps": two_steps(), "repeat": 6}, "repeat"),
        ({"steps": two_steps(), "time_zone": "Mars/Base"}, "timeZone"),
        ({"steps": [policy_pb.EscalationStep(targets=["groups/a"], wait=Duration(seconds=604801))]}, "wait"),
        ({"steps": [policy_pb.EscalationStep(targets=["groups/a"], wait=Duration())], "repeat": 1}, "repeat"),
        ({"steps": [policy_pb.EscalationStep(targets=["groups/a"], hours=[policy_pb.WeeklyHours(start="8:00", end="18:00")])]}, "start"),
    ],
)
async def test_a_policy_that_cannot_be_followed_is_refused(duty: Duty, fields: dict[str, Any], place: str) -> None:
    """With the field."""
    with duty.user(), pytest.raises(InvalidInput) as caught:
        await duty.policies.CreateEscalationPolicy(
            policy_pb.CreateEscalationPolicyRequest(escalation_policy=policy_pb.EscalationPolicy(**fields))
        )
    assert place in caught.value.violations[0].field


async def test_an_alarm_that_names_a_policy_which_is_not_there_is_taken_with_a_warning(duty: Duty) -> None:
    """For messages and for checks that send one; a policy that is there is nothing to warn of."""
    await duty.policy()

    def notify(policy: str) -> alarm_pb2.Notify:
        return alarm_pb2.Notify(subject="s", text="t", escalation_policy=f"escalationPolicies/{policy}")

    check = alarm_pb2.Check(tcp="example.com:80", notify=notify("gone"))
    for action, place in (
        (alarm_pb2.Action(notify=notify("night")), ""),
        (alarm_pb2.Action(notify=notify("gone")), "action.notify.escalationPolicy"),
        (alarm_pb2.Action(check=check), "action.check.notify.escalationPolicy"),
    ):
        with duty.rig.user(scopes=("alarms:write",)):
            made = await duty.rig.alarms.CreateAlarm(
                alarm_service_pb2.CreateAlarmRequest(alarm=alarm_pb2.Alarm(trigger=every(60), action=action))
            )
        fields = [warning.field for warning in made.warnings if warning.field.endswith("escalationPolicy")]
        assert fields == ([place] if place else [])
