"""Every field of an alarm that a client can write is honoured, or refused: none is ignored without a word."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from google.api import field_behavior_pb2
from google.protobuf import field_mask_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict, ParseDict

from scheduler_svc.handlers.masks import effective_mask
from tests.integration.scheduler.support import Rig, Worker, at
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.api.scheduler.v1.alarm_pb2 import Alarm
from tocsin.errors import FailedPrecondition, InvalidInput
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

TASK: Final = {"task": {"handler": "noop"}}
NOTIFY: Final = {"to": ["a@example.com"], "subject": "s", "text": "t"}
DAILY: Final = {"cron": "0 9 * * *", "timeZone": "Europe/Paris"}
EVENT: Final = {"topic": "a.b"}
THRESHOLD: Final = {"metric": "m", "comparison": "GREATER_THAN", "value": 1}
HEARTBEAT: Final = {"every": "60s", "key": "a-key-of-its-own-0123456789"}


def trigger(**fields: Any) -> dict[str, Any]:
    """A daily trigger with further fields."""
    return {"trigger": {**DAILY, **fields}}


SAMPLES: Final[dict[str, dict[str, Any]]] = {
    "display_name": {"displayName": "a name"},
    "labels": {"labels": {"a": "b"}},
    "priority": {"priority": "CRITICAL"},
    "state": {"state": "PAUSED"},
    "key": {"key": "mine"},
    "auto_pause_after": {"autoPauseAfter": 3},
    "retry.max_attempts": {"retry": {"maxAttempts": 2}},
    "retry.initial_backoff": {"retry": {"initialBackoff": "2s"}},
    "retry.max_backoff": {"retry": {"maxBackoff": "60s"}},
    "trigger.at": {"trigger": {"at": "2999-01-01T00:00:00Z"}},
    "trigger.at_local": {"trigger": {"atLocal": "2099-01-15T09:00:00", "timeZone": "Europe/Paris"}},
    "trigger.daily.time": {"trigger": {"daily": {"time": "10:00:00"}}},
    "trigger.daily.recurring": {"trigger": {"daily": {"time": "10:00:00", "recurring": True}}},
    "trigger.every": {"trigger": {"every": "3600s"}},
    "trigger.cron": {"trigger": {"cron": "1 2 3 4 *"}},
    "trigger.rrule": {"trigger": {"rrule": "DTSTART:20990101T090000Z\nRRULE:FREQ=DAILY"}},
    "trigger.event.topic": {"trigger": {"event": EVENT}},
    "trigger.event.filter": {"trigger": {"event": {**EVENT, "filter": "data.x>1"}}},
    "trigger.threshold.metric": {"trigger": {"threshold": THRESHOLD}},
    "trigger.threshold.comparison": {"trigger": {"threshold": {**THRESHOLD, "comparison": "LESS_THAN"}}},
    "trigger.threshold.value": {"trigger": {"threshold": {**THRESHOLD, "value": 2.5}}},
    "trigger.threshold.for_duration": {"trigger": {"threshold": {**THRESHOLD, "forDuration": "5s"}}},
    "trigger.threshold.hysteresis": {"trigger": {"threshold": {**THRESHOLD, "hysteresis": 0.5}}},
    "trigger.threshold.notify_resolved": {"trigger": {"threshold": {**THRESHOLD, "notifyResolved": True}}},
    "trigger.heartbeat.every": {"trigger": {"heartbeat": HEARTBEAT}},
    "trigger.heartbeat.grace": {"trigger": {"heartbeat": {**HEARTBEAT, "grace": "7s"}}},
    "trigger.heartbeat.key": {"trigger": {"heartbeat": {**HEARTBEAT, "key": "another-key-0123456789abcdef"}}},
    "trigger.heartbeat.notify_resolved": {"trigger": {"heartbeat": {**HEARTBEAT, "notifyResolved": True}}},
    "trigger.time_zone": trigger(timeZone="America/New_York"),
    "trigger.start_time": trigger(startTime="2099-01-01T00:00:00Z"),
    "trigger.end_time": trigger(endTime="2999-01-01T00:00:00Z"),
    "trigger.count": trigger(count=7),
    "trigger.dst.gap": trigger(dst={"gap": "SKIP"}),
    "trigger.dst.overlap": trigger(dst={"overlap": "BOTH"}),
    "trigger.catch_up.mode": trigger(catchUp={"mode": "NONE"}),
    "trigger.catch_up.limit": trigger(catchUp={"mode": "ALL", "limit": 5}),
    "trigger.catch_up.window": trigger(catchUp={"mode": "ALL", "window": "60s"}),
    "trigger.exclude_dates": trigger(excludeDates=["2099-12-24"]),
    "trigger.jitter": trigger(jitter="10s"),
    "trigger.overlap": trigger(overlap="QUEUE"),
    "trigger.spread": trigger(spread="60s"),
    "action.task.handler": {"action": {"task": {"handler": "uppercase", "input": {"text": "x"}}}},
    "action.task.input": {"action": {"task": {"handler": "noop", "input": {"a": 1}}}},
    "action.notify.to": {"action": {"notify": {**NOTIFY, "to": ["b@example.com"]}}},
    "action.notify.subject": {"action": {"notify": {**NOTIFY, "subject": "another"}}},
    "action.notify.text": {"action": {"notify": {**NOTIFY, "text": "another"}}},
    "action.notify.html": {"action": {"notify": {**NOTIFY, "html": "<p>x</p>"}}},
    "action.notify.template": {"action": {"notify": {"to": ["a@example.com"], "template": "templates/x"}}},
    "action.notify.variables": {"action": {"notify": {"to": ["a@example.com"], "template": "templates/x", "variables": {"a": "b"}}}},
    "action.notify.channels": {"action": {"notify": {**NOTIFY, "channels": ["inbox"]}}},
    "action.notify.resolved_subject": {"action": {"notify": {**NOTIFY, "resolvedSubject": "r"}}},
    "action.notify.resolved_text": {"action": {"notify": {**NOTIFY, "resolvedText": "r"}}},
    "action.notify.resolved_html": {"action": {"notify": {**NOTIFY, "resolvedHtml": "<p>r</p>"}}},
}
DECIDED: Final = {"name", "etag"}
"""The name is the server's (AIP-133), the etag guards (AIP-154); a client that sends back what it has read sends both."""


def writable(descriptor: Descriptor, path: str = "") -> Iterator[str]:
    """The paths of all fields that are not marked OUTPUT_ONLY, down to the plain ones."""
    for field in descriptor.fields:
        extension: Any = field_behavior_pb2.field_behavior
        if field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[extension]:
            continue
        inner = field.message_type
        if inner is not None and inner.full_name.startswith("tocsin.") and not inner.GetOptions().map_entry:
            yield from writable(inner, f"{path}{field.name}.")
        else:
            yield f"{path}{field.name}"


def contains(shown: Any, given: Any) -> bool:
    """Whether what is shown says all that was given."""
    if isinstance(given, dict):
        return isinstance(shown, dict) and all(contains(shown.get(name), value) for name, value in given.items())
    return shown == given


def alarm_of(fields: dict[str, Any]) -> Alarm:
    """An alarm of the fields; a daily one with an empty task unless they say otherwise."""
    return ParseDict({"trigger": DAILY, "action": TASK, **fields}, Alarm())


def test_every_writable_field_has_a_sample() -> None:
    """A field that is added must be honoured here, or marked OUTPUT_ONLY."""
    assert set(writable(Alarm.DESCRIPTOR)) == SAMPLES.keys() | DECIDED


@pytest.mark.parametrize("path", SAMPLES)
async def test_it_is_honoured_when_an_alarm_is_made_and_when_it_is_changed(rig: Rig, path: str) -> None:
    """The answer says what was asked for, and so does the alarm when it is read again."""
    given = SAMPLES[path]
    with rig.user():
        made = await rig.alarms.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm_of(given)))
        again = await rig.alarms.GetAlarm(alarm_service_pb2.GetAlarmRequest(name=made.name))
        await rig.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=made.name))
        other = await rig.alarms.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm_of({})))
        wanted = alarm_of(given)
        wanted.name = other.name
        mask = field_mask_pb2.FieldMask(paths=[path.partition(".")[0]])
        changed = await rig.alarms.UpdateAlarm(alarm_service_pb2.UpdateAlarmRequest(alarm=wanted, update_mask=mask))
    for shown in (made, again, changed):
        assert contains(MessageToDict(shown), given), path


async def test_a_paused_alarm_is_made_and_begins_when_it_is_resumed(rig: Rig, clock: FakeClock) -> None:
    """It fires nothing until then, nor what passed meanwhile; a repeated request gets the same one."""
    del clock
    worker = Worker(rig)
    made = await rig.create(trigger=at(rig.soon(5)), state=Alarm.PAUSED, request_id="6d6a5f0e-8f7b-4a2e-9b63-0d6f3f1f2c11")
    assert (made.state, made.pause_reason, made.HasField("next_fire_time")) == (Alarm.PAUSED, "REQUESTED", False)
    later = await rig.create(trigger=at(rig.soon(3600)), state=Alarm.PAUSED)
    with rig.user():
        resumed = await rig.alarms.UpdateAlarm(
            alarm_service_pb2.UpdateAlarmRequest(
                alarm=Alarm(name=later.name, state=Alarm.ACTIVE, display_name="awake"),
                update_mask=field_mask_pb2.FieldMask(paths=["state", "display_name"]),
            )
        )
    assert (resumed.state, resumed.display_name, resumed.pause_reason) == (Alarm.ACTIVE, "awake", "")
    assert resumed.HasField("next_fire_time")
    await worker.close()


async def test_a_change_pauses_and_resumes_as_the_verbs_do(rig: Rig) -> None:
    """What passes while it is paused is skipped, other fields change in the same step, and no state is kept when none is given."""
    made = await rig.create(trigger=alarm_pb2.Trigger(cron="* * * * * *"))
    with rig.user():
        paused = await rig.alarms.UpdateAlarm(
            alarm_service_pb2.UpdateAlarmRequest(alarm=Alarm(name=made.name, state=Alarm.PAUSED, display_name="asleep"))
        )
        assert (paused.state, paused.display_name, paused.pause_reason) == (Alarm.PAUSED, "asleep", "REQUESTED")
        named = await rig.alarms.UpdateAlarm(alarm_service_pb2.UpdateAlarmRequest(alarm=Alarm(name=made.name, display_name="still")))
        assert (named.state, named.display_name) == (Alarm.PAUSED, "still")
        awake = await rig.alarms.UpdateAlarm(alarm_service_pb2.UpdateAlarmRequest(alarm=Alarm(name=made.name, state=Alarm.ACTIVE)))
        assert (awake.state, awake.pause_reason) == (Alarm.ACTIVE, "")

    async def fires() -> bool:
        return bool(await rig.ledger(filter=f'alarm="{made.name}"'))

    await eventually(fires)


@pytest.mark.parametrize("state", [Alarm.COMPLETED])
async def test_no_client_completes_an_alarm(rig: Rig, state: Any) -> None:
    """Neither when it is made nor by a change; the field is named. One that is completed cannot be resumed."""
    with pytest.raises(InvalidInput) as made:
        await rig.create(state=state)
    alarm = await rig.create(trigger=at(rig.soon(3600)))
    with rig.user(), pytest.raises(InvalidInput) as changed:
        await rig.alarms.UpdateAlarm(alarm_service_pb2.UpdateAlarmRequest(alarm=Alarm(name=alarm.name, state=state)))
    for refused in (made.value, changed.value):
        assert [item.field for item in refused.violations] == ["alarm.state"]
    with pytest.raises(InvalidInput, match="cannot be cleared"):
        effective_mask(field_mask_pb2.FieldMask(paths=["state"]), Alarm())
    worker = Worker(rig)
    over = await rig.create(trigger=at(rig.soon(0.02)))

    async def completed() -> bool:
        return (await rig.get(over.name)).state == Alarm.COMPLETED

    await eventually(completed)
    with rig.user(), pytest.raises(FailedPrecondition):
        await rig.alarms.UpdateAlarm(alarm_service_pb2.UpdateAlarmRequest(alarm=Alarm(name=over.name, state=Alarm.ACTIVE)))
    await worker.close()
