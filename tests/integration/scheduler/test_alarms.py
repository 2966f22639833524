"""AlarmService over the real mesh, on a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from tests.integration.scheduler.support import LATEST, Outcome, Rig, State, at, every, noop
from tocsin import errors
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.testing.clock import FakeClock

Alarm = alarm_pb2.Alarm
REQUEST = "6d6a5f0e-8f7b-4a2e-9b63-0d6f3f1f2c11"
# The clock of these tests begins at 2026-01-01T00:00Z.
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def rig(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Rig]:
    """A scheduler whose clock the test moves."""
    made = Rig(folder=tmp_path, clock=clock)
    await made.start()
    yield made
    stopping = asyncio.create_task(made.stop())
    while not stopping.done():  # draining waits on the clock
        await clock.advance(0.2)
        await asyncio.sleep(0.005)
    await stopping


def _time(message: Any) -> datetime:
    return message.ToDatetime(tzinfo=UTC)


def _change(name: str, mask: str, etag: str = "", **fields: Any) -> alarm_service_pb2.UpdateAlarmRequest:
    paths = mask.split(",") if mask else []
    return alarm_service_pb2.UpdateAlarmRequest(alarm=Alarm(name=name, etag=etag, **fields), update_mask=FieldMask(paths=paths))


def as_stored(made: alarm_pb2.Alarm) -> alarm_pb2.Alarm:
    """An alarm as it is read back: warnings, here that no processor is connected, are in the answer to its creation alone."""
    stored = alarm_pb2.Alarm()
    stored.CopyFrom(made)
    stored.ClearField("warnings")
    return stored


async def test_an_alarm_is_read_back_as_it_was_made(rig: Rig) -> None:
    """Every field that a client may give comes back; the others are filled in."""
    given: dict[str, Any] = {
        "display_name": "stand-up",
        "labels": {"team": "core"},
        "priority": alarm_pb2.CRITICAL,
        "trigger": alarm_pb2.Trigger(
            daily=alarm_pb2.Daily(time="09:30", recurring=True),
            time_zone="Europe/Paris",
            count=5,
            dst=alarm_pb2.DstPolicy(gap=alarm_pb2.DstPolicy.SKIP),
            catch_up=LATEST,
        ),
        "action": noop(text="x"),
        "retry": alarm_pb2.RetryPolicy(max_attempts=2),
    }
    made = await rig.create(**given)
    assert as_stored(made) == await rig.get(made.name)
    wanted = Alarm(**given)
    wanted.trigger.daily.time = "09:30:00"
    for field in given:
        assert getattr(made, field) == getattr(wanted, field)
    assert (made.state, made.etag) == (Alarm.ACTIVE, "1")
    assert _time(made.next_fire_time) == datetime(2026, 1, 1, 8, 30, tzinfo=UTC)
    assert _time(made.create_time) == _time(made.update_time) == rig.clock.now()


@pytest.mark.parametrize(
    ("time", "zone", "recurring", "expected"),
    [
        ("14:30:00", "UTC", False, datetime(2026, 1, 1, 14, 30, tzinfo=UTC)),
        ("14:30", "Asia/Tokyo", True, datetime(2026, 1, 1, 5, 30, tzinfo=UTC)),
        ("00:00:00", "UTC", False, datetime(2026, 1, 2, tzinfo=UTC)),
        ("08:59", "Asia/Tokyo", False, datetime(2026, 1, 1, 23, 59, tzinfo=UTC)),
    ],
)
async def test_the_short_form_mails_at_a_time_of_the_tenants_zone(
    rig: Rig, time: str, zone: str, recurring: bool, expected: datetime
) -> None:
    """What is past today rings tomorrow."""
    request = alarm_service_pb2.CreateSimpleAlarmRequest(code_id="TEST_001", email="ann@example.com", time=time, is_recurring=recurring)
    with rig.user(zone=zone):
        made = await rig.alarms.CreateSimpleAlarm(request)
    assert _time(made.next_fire_time) == expected
    assert (made.display_name, made.labels["code_id"], made.trigger.time_zone) == ("TEST_001", "TEST_001", zone)
    assert list(made.action.notify.to) == ["ann@example.com"]
    assert "TEST_001" in made.action.notify.subject


async def test_a_local_time_is_in_the_tenants_zone_unless_it_says_otherwise(rig: Rig) -> None:
    """The zone is stored with the alarm, so that a later move of the tenant changes nothing."""
    trigger = alarm_pb2.Trigger(daily=alarm_pb2.Daily(time="12:00"))
    made = await rig.create(trigger=trigger, zone="America/New_York")
    assert (made.trigger.time_zone, _time(made.next_fire_time)) == ("America/New_York", datetime(2026, 1, 1, 17, tzinfo=UTC))


@pytest.mark.parametrize(
    ("trigger", "field"),
    [
        (at(datetime(2025, 1, 1, tzinfo=UTC)), "trigger.at"),
        (at(datetime(2026, 1, 1, tzinfo=UTC)), "trigger.at"),
        (at(NOON, time_zone="Mars/Olympus"), "trigger.timeZone"),
        (alarm_pb2.Trigger(daily=alarm_pb2.Daily(time="12:00"), time_zone="../etc/passwd"), "trigger.timeZone"),
        (every(60, end_time=at(datetime(2025, 1, 1, tzinfo=UTC)).at), "trigger.every"),
        (every(3600, end_time=at(datetime(2026, 1, 1, 0, 30, tzinfo=UTC)).at), "trigger.every"),
        (at(NOON, end_time=at(NOON).at), "trigger.at"),
        (at(NOON, start_time=at(datetime(2027, 1, 1, tzinfo=UTC)).at), "trigger.at"),
        (every(60, start_time=at(NOON).at, end_time=at(NOON).at), "trigger.endTime"),
        (every(0.5), "alarm.trigger.every"),
        (alarm_pb2.Trigger(daily=alarm_pb2.Daily(time="25:00")), "alarm.trigger.daily.time"),
        (alarm_pb2.Trigger(time_zone="UTC"), "alarm.trigger"),
        (alarm_pb2.Trigger(at=Timestamp(seconds=2**62)), "alarm.trigger.at"),
        (alarm_pb2.Trigger(at=Timestamp(seconds=1893456000, nanos=-5)), "alarm.trigger.at"),
    ],
)
async def test_a_bad_trigger_is_refused_with_its_field(rig: Rig, trigger: alarm_pb2.Trigger, field: str) -> None:
    """Nothing is stored, and the error says where and why."""
    with pytest.raises(errors.InvalidInput) as refused:
        await rig.create(trigger=trigger)
    assert refused.value.violations[0].field.startswith(field)
    with rig.user():
        assert not (await rig.alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest())).alarms


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"action": alarm_pb2.Action()}, "alarm.action"),
        ({"action": alarm_pb2.Action(notify=alarm_pb2.Notify(to=["not an address"], subject="s", text="t"))}, "action.notify.to[0]"),
        (
            {"action": alarm_pb2.Action(notify=alarm_pb2.Notify(to=["a@b.de"], subject="s\nBcc: x", text="t"))},
            "alarm.action.notify.subject",
        ),
        ({"labels": {"k" * 64: "v"}}, "alarm.labels"),
        ({"retry": alarm_pb2.RetryPolicy(initial_backoff=Duration(seconds=9), max_backoff=Duration(seconds=1))}, "retry.maxBackoff"),
    ],
)
async def test_a_bad_alarm_is_refused_with_its_field(rig: Rig, fields: dict[str, Any], field: str) -> None:
    """The rules of the contract, and those that it cannot say."""
    with pytest.raises(errors.InvalidInput) as refused:
        await rig.create(**cast("Any", {"trigger": at(NOON), **fields}))
    assert refused.value.violations[0].field.startswith(field)


def _mail(*to: str) -> alarm_pb2.Action:
    return alarm_pb2.Action(notify=alarm_pb2.Notify(to=to, subject="s", text="t"))


async def test_only_what_can_be_delivered_is_taken(rig: Rig) -> None:
    """At create, update and the short form; with the field, and what was written is what is read."""
    good = ["Ann <ann@example.com>", "übung@Bücher.example", "Acme, Inc. <a@example.com>"]
    made = await rig.create(trigger=at(NOON), action=_mail(*good))
    assert list((await rig.get(made.name)).action.notify.to) == good
    for bad in (
        "a..b@x.example",
        ".a@x.example",
        "a" * 65 + "@x.example",
        "a@" + "b" * 64 + ".example",
        "a@" + "b." * 127 + "c",
        "a@b\u2028",
    ):
        short = alarm_service_pb2.CreateSimpleAlarmRequest(code_id="x", email=bad, time="09:00")
        for call, request, field in (
            (rig.alarms.CreateAlarm, _creation(_mail("a@b.de", bad)), "action.notify.to[1]"),
            (rig.alarms.UpdateAlarm, _change(made.name, "action", action=_mail("a@b.de", bad)), "action.notify.to[1]"),
            (rig.alarms.CreateSimpleAlarm, short, "email"),
        ):
            with rig.user(), pytest.raises(errors.InvalidInput) as refused:
                await call(request)
            assert refused.value.violations[0].field == field


def _creation(action: alarm_pb2.Action) -> alarm_service_pb2.CreateAlarmRequest:
    return alarm_service_pb2.CreateAlarmRequest(alarm=Alarm(trigger=at(NOON), action=action))


async def test_an_alarm_of_the_past_fires_at_once_when_it_says_so(rig: Rig) -> None:
    """With an explicit catch-up it is late, not lost."""
    made = await rig.create(trigger=at(datetime(2025, 1, 1, tzinfo=UTC), catch_up=LATEST))
    (firing,) = await rig.normalized(made.name, State.PENDING)
    assert firing.outcome == Outcome.LATE


async def test_a_request_is_done_once(rig: Rig) -> None:
    """The same id and content is the first alarm; other content is refused; another tenant's id is its own."""
    given: dict[str, Any] = {"trigger": at(NOON), "request_id": REQUEST}
    first = await rig.create(**given)
    assert await rig.create(**given) == first
    with pytest.raises(errors.AlreadyExists) as refused:
        await rig.create(**given, display_name="other")
    assert refused.value.error_reason == "REQUEST_ID_REUSED"
    assert (await rig.create(**given, tenant="t2")).name != first.name


async def test_another_tenants_alarm_is_not_found(rig: Rig) -> None:
    """For every method alike, as if there were none."""
    made = await rig.create(trigger=at(NOON))
    with rig.user("t2"):
        for call, request in (
            (rig.alarms.GetAlarm, alarm_service_pb2.GetAlarmRequest(name=made.name)),
            (rig.alarms.DeleteAlarm, alarm_service_pb2.DeleteAlarmRequest(name=made.name)),
            (rig.alarms.PauseAlarm, alarm_service_pb2.PauseAlarmRequest(name=made.name)),
            (rig.alarms.ResumeAlarm, alarm_service_pb2.ResumeAlarmRequest(name=made.name)),
            (rig.alarms.FireAlarm, alarm_service_pb2.FireAlarmRequest(name=made.name)),
            (rig.alarms.UpdateAlarm, _change(made.name, "display_name", display_name="x")),
        ):
            with pytest.raises(errors.NotFound) as refused:
                await call(request)
            assert refused.value.error_reason == "ALARM_NOT_FOUND"
    assert await rig.get(made.name) == as_stored(made)


async def test_a_token_without_the_scope_is_refused(rig: Rig) -> None:
    """Reading needs alarms:read, writing alarms:write."""
    with rig.user(scopes=["alarms:write"]), pytest.raises(errors.PermissionDenied):
        await rig.alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest())
    with rig.user(scopes=["alarms:read"]), pytest.raises(errors.PermissionDenied):
        await rig.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name="alarms/x"))


async def test_alarms_are_listed_in_pages(rig: Rig) -> None:
    """The newest first; a token goes with its filter and its tenant."""
    made = [(await rig.create(trigger=at(NOON), labels={"n": str(number % 2)})).name for number in range(5)]
    names: list[str] = []
    token = ""
    with rig.user():
        while True:
            page = await rig.alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest(page_size=2, page_token=token))
            names += [alarm.name for alarm in page.alarms]
            token = page.next_page_token
            if not token:
                break
        odd = await rig.alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest(filter='labels.n="1" AND state=ACTIVE', page_size=1))
        assert len(odd.alarms) == 1
        for bad in (
            alarm_service_pb2.ListAlarmsRequest(page_token="nonsense"),
            alarm_service_pb2.ListAlarmsRequest(page_token=odd.next_page_token),
            alarm_service_pb2.ListAlarmsRequest(filter="nonsense"),
            alarm_service_pb2.ListAlarmsRequest(filter='priority="URGENT"'),
            alarm_service_pb2.ListAlarmsRequest(page_size=-1),
        ):
            with pytest.raises(errors.InvalidInput):
                await rig.alarms.ListAlarms(bad)
    assert sorted(names) == sorted(made)


async def test_an_update_changes_the_fields_of_its_mask(rig: Rig) -> None:
    """Others stay, one that is not given is cleared, and the etag is another one."""
    made = await rig.create(trigger=at(NOON), display_name="old", labels={"a": "1"})
    with rig.user():
        changed = await rig.alarms.UpdateAlarm(_change(made.name, "labels,priority", labels={"b": "2"}, priority=alarm_pb2.BULK))
        assert (changed.display_name, dict(changed.labels), changed.priority) == ("old", {"b": "2"}, alarm_pb2.BULK)
        assert changed.etag != made.etag
        cleared = await rig.alarms.UpdateAlarm(_change(made.name, "display_name"))
        assert (cleared.display_name, dict(cleared.labels)) == ("", {"b": "2"})
        implied = await rig.alarms.UpdateAlarm(_change(made.name, "", display_name="new"))
        assert (implied.display_name, dict(implied.labels)) == ("new", {"b": "2"})
        assert implied.next_fire_time == made.next_fire_time


async def test_a_new_trigger_begins_anew(rig: Rig) -> None:
    """The next time is computed from it; sending the same one again changes nothing."""
    made = await rig.create(trigger=every(60))
    await rig.clock.sleep(0)
    with rig.user():
        same = await rig.alarms.UpdateAlarm(_change(made.name, "trigger", trigger=made.trigger))
        assert same.next_fire_time == made.next_fire_time
        other = await rig.alarms.UpdateAlarm(_change(made.name, "trigger", trigger=at(NOON)))
    assert _time(other.next_fire_time) == NOON


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (_change("{}", "nonsense"), errors.InvalidInput),
        (_change("{}", "trigger"), errors.InvalidInput),
        (_change("{}", "trigger", trigger=at(datetime(2025, 1, 1, tzinfo=UTC))), errors.InvalidInput),
        (_change("{}", "action", action=alarm_pb2.Action()), errors.InvalidInput),
        (_change("{}", "display_name", display_name="x" * 201), errors.InvalidInput),
        (_change("{}", "display_name", display_name="x", etag="99"), errors.Aborted),
    ],
)
async def test_a_bad_update_changes_nothing(
    rig: Rig, request_: alarm_service_pb2.UpdateAlarmRequest, kind: type[errors.TocsinError]
) -> None:
    """The whole alarm is checked, as at its creation."""
    made = await rig.create(trigger=at(NOON))
    request_.alarm.name = made.name
    with rig.user(), pytest.raises(kind):
        await rig.alarms.UpdateAlarm(request_)
    assert await rig.get(made.name) == as_stored(made)


async def test_an_update_without_a_name_is_refused(rig: Rig) -> None:
    """It names the alarm by alarm.name."""
    with rig.user(), pytest.raises(errors.InvalidInput):
        await rig.alarms.UpdateAlarm(_change("", "display_name"))


async def test_a_deleted_alarm_is_gone_and_does_not_fire(rig: Rig, clock: FakeClock) -> None:
    """Only the version that the etag names is removed."""
    made = await rig.create(trigger=at(clock.now() + timedelta(seconds=5)))
    with rig.user():
        with pytest.raises(errors.Aborted):
            await rig.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=made.name, etag="7"))
        await rig.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=made.name, etag=made.etag))
        with pytest.raises(errors.NotFound):
            await rig.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=made.name))
    other = await rig.create(trigger=at(clock.now() + timedelta(seconds=6)))
    await clock.advance(7)
    await rig.normalized(other.name, State.PENDING)
    assert {firing.alarm for firing in await rig.ledger()} == {other.name}


async def test_due_times_of_a_pause_are_skipped(rig: Rig, clock: FakeClock) -> None:
    """They are in the ledger with their reason, and the alarm goes on at its next due time."""
    made = await rig.create(trigger=every(60))
    with rig.user():
        paused = await rig.alarms.PauseAlarm(alarm_service_pb2.PauseAlarmRequest(name=made.name))
        assert (paused.state, paused.HasField("next_fire_time")) == (Alarm.PAUSED, False)
        assert await rig.alarms.PauseAlarm(alarm_service_pb2.PauseAlarmRequest(name=made.name)) == paused
        await clock.advance(150)
        resumed = await rig.alarms.ResumeAlarm(alarm_service_pb2.ResumeAlarmRequest(name=made.name))
    assert resumed.state == Alarm.ACTIVE
    assert _time(resumed.next_fire_time) == _time(made.create_time) + timedelta(seconds=180)
    skipped = await rig.normalized(made.name, State.CLOSED, State.CLOSED)
    assert {(firing.outcome, firing.reason) for firing in skipped} == {(Outcome.SKIPPED, "PAUSED")}
    await clock.advance(31)
    firings = await rig.normalized(made.name, State.CLOSED, State.CLOSED, State.PENDING)
    assert _time(firings[-1].due_time) == _time(made.create_time) + timedelta(seconds=180)


async def test_a_completed_alarm_cannot_be_paused(rig: Rig, clock: FakeClock) -> None:
    """Its rule has no further due time; a new trigger makes it active again."""
    made = await rig.create(trigger=at(clock.now() + timedelta(seconds=1)))
    await clock.advance(2)
    await rig.normalized(made.name, State.PENDING)
    with rig.user():
        for method, request in (
            (rig.alarms.PauseAlarm, alarm_service_pb2.PauseAlarmRequest(name=made.name)),
            (rig.alarms.ResumeAlarm, alarm_service_pb2.ResumeAlarmRequest(name=made.name)),
        ):
            with pytest.raises(errors.FailedPrecondition) as refused:
                await method(request)
            assert refused.value.error_reason == "ALARM_COMPLETED"
        again = await rig.alarms.UpdateAlarm(_change(made.name, "trigger", trigger=at(NOON)))
    assert again.state == Alarm.ACTIVE


async def test_an_alarm_is_fired_beside_its_rule(rig: Rig) -> None:
    """Once for a request, also when it is paused; the rule does not change."""
    made = await rig.create(trigger=at(NOON))
    request = alarm_service_pb2.FireAlarmRequest(name=made.name, request_id=REQUEST)
    with rig.user():
        await rig.alarms.PauseAlarm(alarm_service_pb2.PauseAlarmRequest(name=made.name))
        first = await rig.alarms.FireAlarm(request)
        assert (await rig.alarms.FireAlarm(request)).name == first.name
        other = await rig.alarms.FireAlarm(alarm_service_pb2.FireAlarmRequest(name=made.name))
        resumed = await rig.alarms.ResumeAlarm(alarm_service_pb2.ResumeAlarmRequest(name=made.name))
    assert {firing.name for firing in await rig.ledger()} == {first.name, other.name}
    assert (first.alarm, first.outcome, first.state) == (made.name, Outcome.FIRED, State.PENDING)
    assert _time(resumed.next_fire_time) == NOON
