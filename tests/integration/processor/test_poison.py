"""Rows that nobody should have stored: each fails by itself, with the reason, and costs no neighbour."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import struct_pb2
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import update

from scheduler_svc.domain import Action, Firing, FiringState, Priority, new_id
from scheduler_svc.store.mapping import INSERT_FIRINGS, firing_row
from scheduler_svc.store.sql import begin_change
from scheduler_svc.store.tables import alarms
from tests.integration.processor.support import Neighbours
from tests.integration.scheduler.stores import firing
from tocsin.api.processor.v1 import task_service_pb2, task_service_pb2_grpc
from tocsin.api.scheduler.v1 import (
    alarm_pb2,
    alarm_service_pb2,
    alarm_service_pb2_grpc,
    firing_service_pb2,
    firing_service_pb2_grpc,
    trigger_service_pb2,
    trigger_service_pb2_grpc,
)
from tocsin.clock import SystemClock
from tocsin.database import Database
from tocsin.errors import InvalidInput
from tocsin.testing.waiting import eventually

NOOP = Action("task", alarm_pb2.Action(task=alarm_pb2.Task(handler="noop")).SerializeToString())
Firings = firing_service_pb2_grpc.FiringServiceStub
State = firing_service_pb2.Firing.State


def struct(value: float) -> bytes:
    """A structure with a number in it."""
    made = struct_pb2.Struct()
    made.fields["event"].struct_value.fields["data"].struct_value.fields["a"].number_value = value
    return made.SerializeToString()


def nested(levels: int) -> bytes:
    """So many structures in one another; written by hand, because a library may refuse."""
    body = b"\x0a\x05\x0a\x01x\x12\x00"
    for _ in range(levels):
        body = _field(1, _field(1, b"a") + _field(2, _field(5, body)))
    return body


def _field(number: int, body: bytes) -> bytes:
    size, out = len(body), bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((number << 3 | 2,)) + bytes(out) + bytes((size,)) + body


def task_with(value: float) -> bytes:
    """A task with such a number in its input."""
    action = alarm_pb2.Action(task=alarm_pb2.Task(handler="noop"))
    action.task.input.fields["payload"].number_value = value
    return action.SerializeToString()


POISON = {
    "a context that is not finite": ("CONTEXT_UNREADABLE", {"context": struct(float("inf"))}),
    "a context with no number": ("CONTEXT_UNREADABLE", {"context": struct(float("nan"))}),
    "a context that is no protobuf": ("CONTEXT_UNREADABLE", {"context": b"\xff\xff\xff"}),
    "a context of 40 levels": ("CONTEXT_UNREADABLE", {"context": nested(40)}),
    **{f"a context of {levels} levels": ("CONTEXT_UNREADABLE", {"context": nested(levels)}) for levels in (32, 33, 34)},
    "a context with text that is none": ("CONTEXT_UNREADABLE", {"context": b"\x0a\x03\x0a\x01\xff"}),
    "a huge context": ("CONTEXT_UNREADABLE", {"context": _field(1, _field(1, b"a") + _field(2, _field(3, b"x" * 5_000_000)))}),
    "an action that is no protobuf": ("ACTION_UNREADABLE", {"action": Action("task", b"\xff\xff\xff")}),
    "an action of 40 levels": ("ACTION_UNREADABLE", {"action": Action("task", _field(2, _field(1, b"noop") + _field(2, nested(40))))}),
    "a huge action": ("ACTION_UNREADABLE", {"action": Action("task", _field(2, _field(1, b"x" * 5_000_000)))}),
    "an input that is not finite": ("ACTION_UNREADABLE", {"action": Action("task", task_with(float("nan")))}),
}
HARMLESS = {
    "a value of no kind": {"context": _field(1, _field(1, b"a") + _field(2, b""))},
    "a retry policy that nobody can read": {"retry": "x//y/z"},
    "a trace that is none": {"traceparent": "00-zz-zz-zz"},
    "28 levels": {"context": nested(28)},
}


@pytest.fixture
async def database(neighbours: Neighbours, database_url: str) -> AsyncGenerator[Database]:
    """The scheduler's database, of each kind."""
    url = f"sqlite:///{neighbours.folder / 'scheduler.db'}" if database_url.startswith("sqlite") else database_url
    neighbours.extra["scheduler_svc"] = {"database_url": url}
    Path(neighbours.folder).mkdir(exist_ok=True)
    opened = Database(url=url, clock=SystemClock(), schema="scheduler_svc", migrations="scheduler_svc")
    await opened.start()
    yield opened
    await opened.stop()


async def put(database: Database, *rows: Firing) -> None:
    """Stores rows, whatever is in them."""
    async with database.transaction() as connection:
        await begin_change(connection)
        await INSERT_FIRINGS.many(connection, [firing_row(row) for row in rows])


async def read(neighbours: Neighbours, row: Firing) -> firing_service_pb2.Firing:
    """The firing as its tenant sees it."""
    stub = neighbours.stub(Firings, "scheduler_svc")
    return await stub.GetFiring(firing_service_pb2.GetFiringRequest(name=f"firings/{row.id}"))


async def test_each_poisoned_row_fails_by_itself_and_all_others_run(neighbours: Neighbours, database: Database) -> None:
    """Of two tenants and every priority, before and behind the poison; attempts are not spent on what can never be read."""
    now = SystemClock().micros()

    def row(**fields: object) -> Firing:
        return firing(id=new_id(now), due=now, fired=now, ready=now, **{"action": NOOP, **fields})

    poisoned = {name: (reason, row(**fields)) for name, (reason, fields) in POISON.items()}
    critical = {name: (reason, row(priority=Priority.CRITICAL, **fields)) for name, (reason, fields) in POISON.items()}
    good = [row(priority=priority, tenant=tenant) for priority in Priority for tenant in ("t1", "t2") for _ in range(20)]
    harmless = {name: row(**fields) for name, fields in HARMLESS.items()}
    bad = [found for _, found in (*poisoned.values(), *critical.values())]
    for one, other in zip(bad, good, strict=False):
        await put(database, one, other)
    await put(database, *good[len(bad) :], *harmless.values())

    await neighbours.start("scheduler_svc", "processor_svc", "mailer_svc")
    await eventually(lambda: _healthy(neighbours))
    mine = [*(each for each in good if each.tenant == "t1"), *harmless.values()]

    async def done() -> bool:
        return all([(await read(neighbours, each)).state == State.SUCCEEDED for each in mine])

    await eventually(done)
    for name, (reason, each) in (*poisoned.items(), *critical.items()):

        async def dead(each: Firing = each) -> bool:
            return (await read(neighbours, each)).state == State.DEAD

        await eventually(dead, what=name)
        found = await read(neighbours, each)
        assert (name, found.reason, found.attempts) == (name, reason, 1)
        assert found.error.startswith(f"{reason}: ")
    alarm = await neighbours.alarm("still ringing")
    await eventually(lambda: _has(neighbours, "still ringing"))
    assert alarm


async def _has(neighbours: Neighbours, subject: str) -> bool:
    return subject in await neighbours.subjects()


async def _healthy(neighbours: Neighbours) -> bool:
    error_text = [await neighbours.health(service) for service in ("scheduler_svc", "processor_svc")]
    return all(each["work"] == "healthy" for each in error_text)


async def test_health_tells_that_no_work_stream_stands(neighbours: Neighbours) -> None:
    """On both sides, as long as one of them is alone."""
    await neighbours.start("scheduler_svc")
    await eventually(lambda: _says(neighbours, "scheduler_svc", "no processor"))
    await neighbours.start("processor_svc", "mailer_svc")
    await eventually(lambda: _healthy(neighbours))
    await neighbours.stop("scheduler_svc")
    await eventually(lambda: _says(neighbours, "processor_svc", "no Work stream"))


async def _says(neighbours: Neighbours, service: str, words: str) -> bool:
    return words in (await neighbours.health(service))["work"]


async def test_rows_that_cannot_be_shown_are_shown_as_such(neighbours: Neighbours, database: Database) -> None:
    """Pages, watches, exports and single reads go on; what is damaged is left out and named, on alarms, firings and tasks."""
    now = SystemClock().micros()
    results = {"nan": struct(float("nan")), "junk": b"\xff\xff", "deep": nested(33), "fine": nested(3)}
    rows = {
        name: firing(id=new_id(now), due=now, fired=now, action=NOOP, state=FiringState.SUCCEEDED, ready=None, context=body)
        for name, body in results.items()
    }
    odd = firing(id=new_id(now), due=2**62, fired=now, action=Action("new", b"\xff"), state=FiringState.SUCCEEDED, ready=None, origin=42)
    await put(database, *rows.values(), odd)
    await neighbours.start("scheduler_svc", "processor_svc", "mailer_svc")
    name = await neighbours.alarm("fine")
    made = {field: await neighbours.alarm(field) for field in ("trigger", "labels", "action", "input")}
    broken = {
        "trigger": ("trigger_rule", "{not json"),
        "labels": ("labels", "[1]"),
        "action": ("action", b"\xff\xff"),
        "input": ("action", task_with(float("inf"))),
    }
    async with database.transaction() as connection:
        for field, alarm in made.items():
            column, value = broken[field]
            statement = update(alarms).where(alarms.c.id == alarm.removeprefix("alarms/"))
            await connection.execute(statement.values({column: value}))

    stub = neighbours.stub(Firings, "scheduler_svc")
    page = await stub.ListFirings(firing_service_pb2.ListFiringsRequest(page_size=1000))
    shown = {each.name.removeprefix("firings/"): each for each in page.firings}
    for key, row in rows.items():
        assert list(shown[row.id].damaged) == ([] if key == "fine" else ["context"])
        assert shown[row.id].HasField("context") == (key == "fine")
        assert (await read(neighbours, row)).name == f"firings/{row.id}"
    assert not shown[odd.id].HasField("due_time")
    tasks = neighbours.stub(task_service_pb2_grpc.TaskServiceStub, "processor_svc")
    listed = await tasks.ListTasks(task_service_pb2.ListTasksRequest(page_size=1000))
    assert {task.name.removeprefix("tasks/") for task in listed.tasks} >= {row.id for row in rows.values()}

    alarm_stub = neighbours.stub(alarm_service_pb2_grpc.AlarmServiceStub, "scheduler_svc")
    found = {alarm.name: alarm for alarm in (await alarm_stub.ListAlarms(alarm_service_pb2.ListAlarmsRequest())).alarms}
    exported = [alarm async for part in alarm_stub.ExportAlarms(alarm_service_pb2.ExportAlarmsRequest()) for alarm in part.alarms]
    assert len(exported) == len(found) == 5
    assert list(found[name].damaged) == []
    for field, alarm in made.items():
        damaged = "action" if field == "input" else field
        assert list(found[alarm].damaged) == [damaged]
        assert not found[alarm].HasField(damaged) if damaged != "labels" else not found[alarm].labels
        one = await alarm_stub.GetAlarm(alarm_service_pb2.GetAlarmRequest(name=alarm))
        assert list(one.damaged) == [damaged]

    good = found[name]
    for field in ("trigger", "action"):  # given anew, it is mended
        change = alarm_pb2.Alarm(name=made[field])
        getattr(change, field).CopyFrom(getattr(good, field))
        mended = await alarm_stub.UpdateAlarm(alarm_service_pb2.UpdateAlarmRequest(alarm=change))
        assert list(mended.damaged) == []
    with pytest.raises(InvalidInput):
        await alarm_stub.UpdateAlarm(alarm_service_pb2.UpdateAlarmRequest(alarm=alarm_pb2.Alarm(name=made["input"], display_name="x")))


async def test_an_alarm_that_nobody_can_read_holds_up_no_other(neighbours: Neighbours, database: Database) -> None:
    """Due times, events and readings of its neighbours go on, although its own rule is no rule any more."""
    await neighbours.start("scheduler_svc", "processor_svc", "mailer_svc")
    alarm_stub = neighbours.stub(alarm_service_pb2_grpc.AlarmServiceStub, "scheduler_svc")

    async def listening(subject: str, **rule: Any) -> str:
        notify = alarm_pb2.Notify(to=["ann@example.com"], subject=subject, text="hello")
        alarm = alarm_pb2.Alarm(action=alarm_pb2.Action(notify=notify), trigger=alarm_pb2.Trigger(**rule))
        return str((await alarm_stub.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm))).name)

    rules = {
        "event": {"event": alarm_pb2.Event(topic="x.*")},
        "reading": {"threshold": alarm_pb2.Threshold(metric="m", comparison=alarm_pb2.Threshold.GREATER_THAN, value=1)},
        "tick": {"every": Duration(seconds=1)},
        "skip": {"every": Duration(seconds=1), "overlap": alarm_pb2.Trigger.SKIP},
    }
    for texts in ("{", '{"tz":5}', '{"overlap":', "null", ""):
        for kind, rule in rules.items():
            broken = await listening(f"broken {kind}", **rule)
            async with database.transaction() as connection:
                await connection.execute(update(alarms).where(alarms.c.id == broken.removeprefix("alarms/")).values(trigger_rule=texts))
    for kind, rule in rules.items():
        await listening(f"good {kind}", **rule)
    triggers = neighbours.stub(trigger_service_pb2_grpc.TriggerServiceStub, "scheduler_svc")
    await triggers.PublishEvent(trigger_service_pb2.PublishEventRequest(event=trigger_service_pb2.PublishedEvent(topic="x.y")))
    await triggers.RecordReading(trigger_service_pb2.RecordReadingRequest(reading=trigger_service_pb2.Reading(metric="m", value=2)))
    for kind in rules:
        await eventually(lambda subject=f"good {kind}": _has(neighbours, subject), what=kind)
