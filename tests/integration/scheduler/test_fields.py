"""Every field of an alarm that a client can write is honoured, or refused: none is ignored without a word."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from google.api import field_behavior_pb2
from google.protobuf import field_mask_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from scheduler_svc.domain import PLAIN_FIELDS
from scheduler_svc.handlers import convert
from scheduler_svc.handlers.alarm_filter import ALARM_FILTER
from scheduler_svc.handlers.masks import effective_mask
from tests.integration.scheduler.bulk import CSV, export, import_messages, import_text
from tests.integration.scheduler.support import Rig, Worker, at
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, calendar_service_pb2
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


VALUES: Final[dict[type, Any]] = {str: "a value", int: 3, bool: True}
COMMON_SAMPLES: Final[dict[str, dict[str, Any]]] = {
    **{name: {Alarm.DESCRIPTOR.fields_by_name[name].json_name: VALUES[kind]} for name, kind in PLAIN_FIELDS.items()},
    "labels": {"labels": {"a": "b"}},
    "priority": {"priority": "CRITICAL"},
    "state": {"state": "PAUSED"},
    "retry.max_attempts": {"retry": {"maxAttempts": 2}},
    "retry.initial_backoff": {"retry": {"initialBackoff": "2s"}},
    "retry.max_backoff": {"retry": {"maxBackoff": "60s"}},
    "trigger.at": {"trigger": {"at": "2999-01-01T00:00:00Z"}},
    "trigger.at_local": {"trigger": {"atLocal": "2099-01-15T09:00:00", "timeZone": "Europe/Paris"}},
    "trigger.daily.time": {"trigger": {"daily": {"time": "10:00:00"}}},
    "trigger.daily.recurring": {"trigger": {"daily": {"time": "10:00:00", "recurring": True}}},
    "trigger.every": {"trigger": {"every": "3600s"}},
    "trigger.cron": {"trigger": {"cron": "1 2 3 4 *"}},
    "trigger.on_calendar": {"trigger": {"onCalendar": "Mon..Fri 09:00 Asia/Tokyo"}},
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
    "trigger.heartbeat.cron": {"trigger": {"heartbeat": {"cron": "0 3 * * *"}}},
    "trigger.heartbeat.on_calendar": {"trigger": {"heartbeat": {"onCalendar": "*-*-* 03:00:00"}}},
    "trigger.heartbeat.rrule": {"trigger": {"heartbeat": {"rrule": "DTSTART:20270101T030000Z\nRRULE:FREQ=DAILY"}}},
    "trigger.heartbeat.slug": {"trigger": {"heartbeat": {**HEARTBEAT, "slug": "nightly"}}},
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
    "trigger.exclude_windows": trigger(excludeWindows=[{"cron": "0 22 * * *", "end": "07:00:00", "timeZone": "Asia/Tokyo"}]),
    "trigger.exclude_calendars": trigger(excludeCalendars=["calendars/holidays"]),
    "trigger.include_calendars": trigger(includeCalendars=["calendars/always"]),
    "trigger.jitter": trigger(jitter="10s"),
    "trigger.offset": trigger(offset="-600s"),
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
    "action.notify.recipients": {"action": {"notify": {**NOTIFY, "recipients": ["recipients/ann", "groups/ops"]}}},
    "action.notify.category": {"action": {"notify": {**NOTIFY, "category": "categories/news"}}},
    "action.notify.escalation_policy": {
        "action": {"notify": {"escalationPolicy": "escalationPolicies/nights", "subject": "s", "text": "t"}}
    },
    "action.notify.channels": {"action": {"notify": {**NOTIFY, "channels": ["inbox"]}}},
    "action.notify.resolved_subject": {"action": {"notify": {**NOTIFY, "resolvedSubject": "r"}}},
    "action.notify.resolved_text": {"action": {"notify": {**NOTIFY, "resolvedText": "r"}}},
    "action.notify.resolved_html": {"action": {"notify": {**NOTIFY, "resolvedHtml": "<p>r</p>"}}},
}
CHECK: Final = {"http": "https://example.com/"}
TCP: Final = {"tcp": "db.example.com:5432"}
DNS: Final = {"dns": "example.com"}
SENSOR: Final = {"sensor": "cellar", "minimum": 1}
WEBHOOK_SAMPLES: Final[dict[str, dict[str, Any]]] = {
    f"action.webhook.{name}": {"action": {"webhook": {"url": "https://example.com/hook", **fields}}}
    for name, fields in {
        "url": {"url": "https://example.com/other"},
        "method": {"method": "PUT"},
        "headers": {"headers": {"X-Team": "core"}},
        "body": {"body": {"a": 1}},
        "text": {"text": "t"},
        "content_type": {"text": "t", "contentType": "text/x"},
        "timeout": {"timeout": "7s"},
    }.items()
}
CHECK_SAMPLES: Final[dict[str, dict[str, Any]]] = {
    f"action.check.{name}": {"action": {"check": fields}}
    for name, fields in {
        "http": CHECK,
        "tcp": TCP,
        "grpc": {"grpc": "api.example.com:443"},
        "dns": DNS,
        "smtp": {"smtp": "mail.example.com:25"},
        "sensor": SENSOR,
        "service": {"service": "scheduler"},
        "statuses": {**CHECK, "statuses": ["200", "3xx"]},
        "contains": {**CHECK, "contains": "ok"},
        "certificate_days": {**CHECK, "certificateDays": 14},
        "method": {**CHECK, "method": "HEAD"},
        "record_type": {**DNS, "recordType": "MX"},
        "expected": {**DNS, "expected": ["192.0.2.1"]},
        "grpc_service": {"grpc": "api.example.com:443", "grpcService": "shop.v1"},
        "tls": {**TCP, "tls": True},
        "minimum": {"sensor": "cellar", "minimum": 2.5},
        "maximum": {"sensor": "cellar", "maximum": 2.5},
        "max_age": {"sensor": "cellar", "maxAge": "60s"},
        "timeout": {**TCP, "timeout": "3s"},
        "tries": {**TCP, "tries": 3},
        "metric": {**TCP, "metric": "db.up"},
    }.items()
}
PUBLISHED: Final = {"broker": "b", "to": "a.c", "exchange": "e", "key": "k", "headers": {"t": "c"}, "body": {"a": 1}, "text": "t"}
PUBLISH: Final = {"broker": "orders", "to": "a.b"}
PUBLISH_SAMPLES: Final[dict[str, dict[str, Any]]] = {
    **{f"action.publish.{name}": {"action": {"publish": {**PUBLISH, name: value}}} for name, value in PUBLISHED.items()},
    "action.publish.content_type": {"action": {"publish": {**PUBLISH, "text": "t", "contentType": "text/x"}}},
}
SAMPLES: Final[dict[str, dict[str, Any]]] = {
    **COMMON_SAMPLES,
    **WEBHOOK_SAMPLES,
    **PUBLISH_SAMPLES,
    **CHECK_SAMPLES,
    **{
        path.replace("action.", "action.check.", 1): {"action": {"check": {**TCP, **sample["action"]}}}
        for path, sample in COMMON_SAMPLES.items()
        if path.startswith("action.notify.")
    },
}
NO_CELL: Final = {"trigger.exclude_windows"}
"""What no cell of a table can hold: lists of objects."""
DECIDED: Final = {"name", "etag"}
"""The name is the server's (AIP-133), the etag guards (AIP-154); a client that sends back what it has read sends both."""


def writable(descriptor: Descriptor, path: str = "") -> Iterator[str]:
    """The paths of all fields that are not marked OUTPUT_ONLY, down to the plain ones."""
    for field in descriptor.fields:
        extension: Any = field_behavior_pb2.field_behavior
        if field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[extension]:
            continue
        inner = field.message_type
        if inner is not None and inner.full_name.startswith("tocsin.") and not inner.GetOptions().map_entry and not field.is_repeated:
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


@pytest.fixture
async def rig(tmp_path: Path, database_url: str) -> AsyncIterator[Rig]:
    """A scheduler on each kind of database."""
    made = Rig(folder=tmp_path, database_url=database_url)
    await made.start()
    yield made
    await made.stop()


class Doors:
    """Every way in and out for one field."""

    def __init__(self, rig: Rig, path: str) -> None:
        self._rig = rig
        self._path = path
        self._given = SAMPLES[path]
        self._line = {"key": "known", "trigger": DAILY, "action": TASK}
        self.wrong: list[str] = []

    async def walk(self) -> None:
        """Takes the field through each; ``wrong`` names those that lost it."""
        tables = () if self._path in NO_CELL else (self._read_table,)
        for door in (self._create, self._change, self._read_lines, self._read_changed_line, *tables):
            await door()
            for alarm in await self._alarms():
                with self._rig.user():
                    await self._rig.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=alarm.name))

    def _expect(self, door: str, shown: Message) -> None:
        if not contains(MessageToDict(shown), self._given):
            self.wrong.append(f"{self._path}: {door}")

    async def _alarms(self, filter: str = "") -> list[Alarm]:  # noqa: A002  the contract's word
        with self._rig.user():
            page = await self._rig.alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest(filter=filter))
        return list(page.alarms)

    async def _create(self) -> None:
        """CreateAlarm, and all that shows it: GetAlarm, ListAlarms with a filter, ExportAlarms."""
        with self._rig.user():
            made = await self._rig.alarms.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm_of(self._given)))
        self._expect("create", made)
        self._expect("get", await self._rig.get(made.name))
        self._expect("list", (await self._alarms())[0])
        if self._path in ALARM_FILTER:
            (value,) = self._given.values()
            name, value = (self._path, value) if isinstance(value, str | int) else (f"{self._path}.a", value["a"])
            self._expect("filter", (await self._alarms(f"{name}={json.dumps(value)}") or [Alarm()])[0])
            if self._path != "labels" and await self._alarms(f"{name}!={json.dumps(value)}"):
                self.wrong.append(f"{self._path}: filter by !=")
        (exported,) = await export(self._rig)
        self._expect("export", exported)
        with self._rig.user():
            await self._rig.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=made.name))
        await import_messages(self._rig, [exported])
        self._expect("import of an export", (await self._alarms())[0])

    async def _change(self) -> None:
        """UpdateAlarm with the field in the mask, and with no mask."""
        for paths in ([self._path.partition(".")[0]], []):
            with self._rig.user():
                base = await self._rig.alarms.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm_of({})))
                given = alarm_of(self._given) if paths else ParseDict(self._given, Alarm())
                given.name = base.name
                request = alarm_service_pb2.UpdateAlarmRequest(alarm=given, update_mask=field_mask_pb2.FieldMask(paths=paths))
                self._expect(f"update of {paths}", await self._rig.alarms.UpdateAlarm(request))
                self._expect(f"get after an update of {paths}", await self._rig.get(base.name))
                await self._rig.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=base.name))

    async def _import(self, line: dict[str, Any]) -> tuple[int, int, int, int]:
        return (await import_text(self._rig, json.dumps(line).encode())).counts

    async def _read_lines(self) -> None:
        """A new alarm by a line of JSON."""
        await self._import(self._line | self._given)
        self._expect("import", (await self._alarms() or [Alarm()])[0])

    async def _read_changed_line(self) -> None:
        """A line that changes an alarm, and the same line once more, which changes nothing."""
        if self._path == "key":
            return
        await self._import(self._line)
        if await self._import(self._line | self._given) != (0, 1, 0, 0):
            self.wrong.append(f"{self._path}: import of a changed line")
        self._expect("import of a changed line", (await self._alarms())[0])
        if await self._import(self._line | self._given) != (0, 0, 1, 0):
            self.wrong.append(f"{self._path}: import of the same line")

    async def _read_table(self) -> None:
        """A new alarm by a record of a table."""
        table = dict(cells(self._line | self._given))
        text = io.StringIO()
        csv.writer(text).writerows([table.keys(), table.values()])
        report = await import_text(self._rig, text.getvalue().encode(), media_type=CSV)
        self._expect(f"table {report.refusals}", (await self._alarms() or [Alarm()])[0])


def cells(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """The columns of an alarm, and what stands in them."""
    for name, item in value.items():
        if isinstance(item, dict) and name not in ("input", "body"):
            yield from cells(item, f"{path}{name}.")
        elif isinstance(item, list):
            yield f"{path}{name}", ";".join(item)
        else:
            yield f"{path}{name}", item if isinstance(item, str) else json.dumps(item)


@pytest.mark.timeout(600)
async def test_every_field_passes_every_door(rig: Rig) -> None:
    """Whatever is given is shown: by create, get, list, filter, export, update, and import of messages, JSON and tables."""
    wrong: list[str] = []
    for name, dates in (("holidays", ["2099-12-24"]), ("always", ["2020-01-01/2999-01-01"])):
        calendar = calendar_service_pb2.Calendar(name=f"calendars/{name}", dates=dates)
        with rig.user():
            await rig.calendars.CreateCalendar(calendar_service_pb2.CreateCalendarRequest(calendar=calendar))
    for path in SAMPLES:
        doors = Doors(rig, path)
        await doors.walk()
        wrong += doors.wrong
    assert wrong == []


async def test_a_field_that_is_lost_is_named(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """With each door that loses it, and no other field."""
    monkeypatch.setattr(convert, "_set_retry", lambda message, retry: None)
    lost, kept = Doors(rig, "retry.max_attempts"), Doors(rig, "display_name")
    await lost.walk()
    await kept.walk()
    doors = {item.removeprefix("retry.max_attempts: ") for item in lost.wrong}
    assert doors >= {"create", "get", "list", "export", "update of ['retry']", "import", "import of a changed line", "table []"}
    assert kept.wrong == []


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
    over = await rig.create()

    async def completed() -> bool:
        return (await rig.get(over.name)).state == Alarm.COMPLETED

    await eventually(completed)
    with rig.user(), pytest.raises(FailedPrecondition):
        await rig.alarms.UpdateAlarm(alarm_service_pb2.UpdateAlarmRequest(alarm=Alarm(name=over.name, state=Alarm.ACTIVE)))
    await worker.close()
