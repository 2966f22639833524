"""What TriggerService and alarms from outside refuse."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from tests.integration.scheduler.support import Rig, noop
from tests.integration.scheduler.triggers import Outside, above, beating, made, on
from tocsin.api.scheduler.v1 import (
    alarm_pb2,
    alarm_service_pb2,
    trigger_service_pb2,
)
from tocsin.errors import (
    InvalidInput,
)


@pytest.fixture
def outside(rig: Rig) -> Outside:
    """Callers of a scheduler on the system's clock."""
    return Outside(rig)


def deep(levels: int) -> Struct:
    """Structures within structures."""
    outer = Struct()
    inner = outer
    for _ in range(levels - 1):
        inner = inner.fields["x"].struct_value
    inner.update({"x": 1})
    return outer


BAD_EVENTS = [
    (trigger_service_pb2.PublishedEvent(), "event.topic"),
    (trigger_service_pb2.PublishedEvent(topic="a..b"), "event.topic"),
    (trigger_service_pb2.PublishedEvent(topic="a.*"), "event.topic"),
    (trigger_service_pb2.PublishedEvent(topic="a", id="x\x00y"), "event.id"),
    (trigger_service_pb2.PublishedEvent(topic="a", id="x" * 129), "event.id"),
    (trigger_service_pb2.PublishedEvent(topic="a", time=Timestamp(seconds=10**12)), "event.time"),
    (made(big="x" * 65_536), "event.data"),
    (trigger_service_pb2.PublishedEvent(topic="a", data=deep(25)), "event.data" + ".x" * 24),
    (made(nan=float("nan")), "event.data.nan"),
    (made(text="a\0b"), "event.data.text"),
    (trigger_service_pb2.PublishedEvent(topic="a", source="\0"), "event.source"),
]


async def test_a_bad_event_is_refused(outside: Outside) -> None:
    """The error names the field; nothing is logged."""
    for event, field in BAD_EVENTS:
        with outside.user(), pytest.raises(InvalidInput) as caught:
            await outside.stub.PublishEvent(trigger_service_pb2.PublishEventRequest(event=event))
        assert [violation.field for violation in caught.value.violations] == [field], event
    assert len((await outside.logs()).logs) == 0


BAD_READINGS: list[tuple[dict[str, Any], str]] = [
    ({"metric": ""}, "reading.metric"),
    ({"metric": "a b"}, "reading.metric"),
    ({"value": float("nan")}, "reading.value"),
    ({"value": float("inf")}, "reading.value"),
    ({"time": Timestamp(seconds=4_000_000_000)}, "reading.time"),
]


async def test_a_bad_reading_is_refused(outside: Outside) -> None:
    """What is no number, or was measured in the future, is an error."""
    for fields, field in BAD_READINGS:
        with pytest.raises(InvalidInput) as caught:
            await outside.record(**({"value": 1} | fields))  # pyright: ignore[reportArgumentType]  that is what is tested
        assert [violation.field for violation in caught.value.violations] == [field], fields


BAD_TRIGGERS = [
    (on("a b"), "alarm.trigger.event.topic"),
    (on("a.**.b"), "alarm.trigger.event.topic"),
    (on("a", "data.x>"), "trigger.event.filter"),
    (on("a", count=3), "trigger.count"),
    (on("a", jitter=Duration(seconds=1)), "trigger.jitter"),
    (on("a", exclude_dates=["2026-01-01"]), "trigger.excludeDates"),
    (on("a", catch_up=alarm_pb2.CatchUp(mode=alarm_pb2.CatchUp.ALL)), "trigger.catchUp"),
    (on("a", end_time=Timestamp(seconds=1)), "trigger.endTime"),
    (on("a", time_zone="Mars/Olympus"), "trigger.timeZone"),
    (above(float("inf")), "alarm.trigger.threshold.value"),
    (above(1, hysteresis=-1), "alarm.trigger.threshold.hysteresis"),
    (beating(0.5), "alarm.trigger.heartbeat.every"),
    (beating(60, key="with blank"), "alarm.trigger.heartbeat.key"),
]


async def test_an_alarm_that_cannot_listen_is_refused(outside: Outside) -> None:
    """The error names the field."""
    for trigger, field in BAD_TRIGGERS:
        with pytest.raises(InvalidInput) as caught:
            await outside.rig.create(trigger=trigger, action=noop())
        assert [violation.field for violation in caught.value.violations] == [field], trigger


async def test_a_trigger_is_validated_without_an_alarm(outside: Outside) -> None:
    """Nothing of the calendar is shown, and what no alarm could be made of is refused with its place."""
    with outside.user():
        for trigger in (on("a", "data.x>1"), above(1), beating(60)):
            seen = await outside.rig.alarms.PreviewAlarm(alarm_service_pb2.PreviewAlarmRequest(trigger=trigger))
            assert list(seen.occurrences) == []
            verdict = await outside.rig.alarms.ValidateAlarm(alarm_service_pb2.ValidateAlarmRequest(trigger=trigger))
            assert (verdict.valid, list(verdict.occurrences)) == (True, [])
        for trigger in (on("a", "data.x>"), on("a", count=1)):
            verdict = await outside.rig.alarms.ValidateAlarm(alarm_service_pb2.ValidateAlarmRequest(trigger=trigger))
            assert not verdict.valid
            with pytest.raises(InvalidInput):
                await outside.rig.alarms.PreviewAlarm(alarm_service_pb2.PreviewAlarmRequest(trigger=trigger))


async def test_the_ledger_is_listed_by_origin(outside: Outside) -> None:
    """What came from outside is told from what was asked for."""
    alarm = await outside.rig.create(trigger=on("a.b"))
    await outside.publish("a.b")
    with outside.user():
        await outside.rig.alarms.FireAlarm(alarm_service_pb2.FireAlarmRequest(name=alarm.name))
    assert [len(await outside.rig.ledger(text)) for text in ("origin=EVENT", "origin!=EVENT", "origin=RAISED")] == [1, 1, 0]
