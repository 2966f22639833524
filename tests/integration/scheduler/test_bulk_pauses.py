"""Alarms that are paused and resumed by the thousand, on each database."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import pytest
from msgspec import structs

from scheduler_svc.domain import AUTO_PAUSE, FIRE_QUOTA, REQUESTED, RULE_TOO_COSTLY, TENANT_SUSPENDED, Alarm, AlarmState, Outcome, Priority
from scheduler_svc.ports import AlarmHead, Moved
from scheduler_svc.service import BulkChanges, Caller
from scheduler_svc.store import SqlAlarmStore
from scheduler_svc.store.suspensions import SqlSuspensions
from scheduler_svc.triggers import Signal, Status, initial_signal
from tests.integration.scheduler.stores import NOW, SECOND, Stores, alarm
from tests.integration.scheduler.support import LATEST, Rig, State, at, every
from tocsin import errors
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.listing import Condition
from tocsin.recurrence import At, Event, Every, Heartbeat, Trigger
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

T1: Final = Caller(tenant="t1")
TEAM: Final = (Condition(field="labels", operator="=", value="payments", key="team"),)
PAYMENTS: Final = {"team": "payments"}
LATER: Final = NOW + 3600 * SECOND


class Heard:
    """Hears what fires no more, and what fires again."""

    def __init__(self) -> None:
        self.gone: list[tuple[str, str]] = []
        self.due: dict[tuple[str, str], int | None] = {}

    async def removed_all(self, tenant: str, alarms: Sequence[AlarmHead]) -> None:
        """Remembers them."""
        self.gone += [(tenant, alarm.id) for alarm in alarms]

    async def moved_all(self, tenant: str, alarms: Sequence[Moved]) -> None:
        """Remembers when they are due."""
        self.due |= {(tenant, alarm.alarm): alarm.due for alarm in alarms}


def changes(stores: Stores, clock: FakeClock, *, store: SqlAlarmStore | None = None) -> tuple[BulkChanges, Heard]:
    """The use case, and who is told."""
    heard = Heard()
    hints: Any = heard
    return BulkChanges(store=store or stores.alarms, hints=hints, clock=clock), heard


async def states(stores: Stores, alarms: Sequence[Alarm]) -> list[tuple[AlarmState, str, int]]:
    """State, reason and version of each."""
    found = [await stores.alarms.get(each.tenant, each.id) for each in alarms]
    return [(each.state, each.pause_reason, each.version) for each in found]


async def test_what_meets_the_filter_is_paused_and_resumed(stores: Stores, clock: FakeClock) -> None:
    """Counted first; each with its reason and a new version. Paused and completed ones, others, and other tenants' are left alone."""
    active = [alarm(labels=PAYMENTS, due=LATER) for _ in range(3)]
    paused = alarm(labels=PAYMENTS, state=AlarmState.PAUSED, pause_reason=AUTO_PAUSE)
    completed = alarm(labels=PAYMENTS, state=AlarmState.COMPLETED, due=None)
    others = [alarm(labels={"team": "core"}), alarm(tenant="t2", labels=PAYMENTS)]
    await stores.add(*active, paused, completed, *others)
    untouched = [completed, *others]
    use, heard = changes(stores, clock)
    counted = await use.pause(T1, conditions=TEAM, force=False)
    assert (counted.count, set(counted.sample), counted.more) == (3, {each.id for each in active}, False)
    assert heard.gone == []
    done = await use.pause(T1, conditions=TEAM, force=True)
    assert (done.count, done.sample, done.more) == (3, [], False)
    assert set(heard.gone) == {("t1", each.id) for each in active}
    assert await states(stores, active) == [(AlarmState.PAUSED, REQUESTED, 2)] * 3
    assert await states(stores, [paused]) == [(AlarmState.PAUSED, AUTO_PAUSE, 1)]
    assert (await use.pause(T1, conditions=TEAM, force=True)).count == 0
    counted = await use.resume(T1, conditions=TEAM, force=False)
    assert (counted.count, len(counted.sample), heard.due) == (4, 4, {})
    assert (await use.resume(T1, conditions=TEAM, force=True)).count == 4
    assert await states(stores, [*active, paused]) == [(AlarmState.ACTIVE, "", 3)] * 3 + [(AlarmState.ACTIVE, "", 2)]
    assert heard.due == {("t1", each.id): each.due for each in (*active, paused)}
    assert [await stores.alarms.get(each.tenant, each.id) for each in untouched] == untouched


async def test_a_maintenance_ends_only_what_it_began(stores: Stores, clock: FakeClock) -> None:
    """By the reason that it gave: what was paused by somebody else before stays paused. A reason that is over is found no more."""
    mine, other, untouched = alarm(due=LATER), alarm(due=LATER), alarm(due=LATER)
    left = alarm(due=LATER, pause_reason="moving 50 % of it")  # of an earlier pause, in the row of one that is active again
    await stores.add(mine, other, untouched, left)
    use, _ = changes(stores, clock)
    assert (await stores.alarms.pause("t1", other.id, now=NOW)) is not None
    reason = "moving 50 % of it"
    by_reason = (Condition(field="pause_reason", operator="=", value=reason),)
    assert (await use.resume(T1, conditions=by_reason, force=False)).count == 0
    assert (await use.pause(T1, conditions=(), force=True, reason=reason)).count == 3
    assert [each[:2] for each in await states(stores, [mine, other])] == [(AlarmState.PAUSED, reason), (AlarmState.PAUSED, REQUESTED)]
    others = await use.resume(T1, conditions=(Condition(field="pause_reason", operator="!=", value=reason),), force=False)
    assert others.sample == [other.id]
    assert (await use.resume(T1, conditions=by_reason, force=True)).count == 3
    assert [each[:2] for each in await states(stores, [mine, other])] == [(AlarmState.ACTIVE, ""), (AlarmState.PAUSED, REQUESTED)]
    assert (await stores.alarms.pause("t1", mine.id, now=NOW, reason="one")) is not None
    assert (await stores.alarms.pause("t1", mine.id, now=NOW, reason="two")) is None
    assert (await stores.alarms.get("t1", mine.id)).pause_reason == "one"


@pytest.mark.parametrize("reason", [TENANT_SUSPENDED, FIRE_QUOTA])
async def test_one_that_waits_for_its_tenant_is_paused_as_well(stores: Stores, clock: FakeClock, reason: str) -> None:
    """It would go on by itself, in the middle of what it was to be paused for; by its name or by a filter it goes on when it is resumed."""
    waiting = [alarm(labels=PAYMENTS, state=AlarmState.PAUSED, pause_reason=reason, due=NOW) for _ in range(3)]
    await stores.add(*waiting)
    use, _ = changes(stores, clock)
    assert await stores.alarms.pause("t1", waiting[0].id, now=NOW) is not None
    counted = await use.pause(T1, conditions=TEAM, force=False)
    assert (counted.count, set(counted.sample)) == (2, {each.id for each in waiting[1:]})
    assert (await use.pause(T1, conditions=TEAM, force=True)).count == 2
    assert await states(stores, waiting) == [(AlarmState.PAUSED, REQUESTED, 2)] * 3
    assert await SqlSuspensions(stores.database).release("t1", now=NOW, most=100) == []
    assert (await use.pause(T1, conditions=TEAM, force=True)).count == 0
    assert (await use.resume(T1, conditions=TEAM, force=True)).count == 3


async def test_it_is_what_a_pause_and_a_resume_of_each_would_be(stores: Stores, clock: FakeClock) -> None:
    """Alarms of every kind: by a calendar, by events, by pings that came, failed or have begun."""
    beat, event = Trigger(spec=Heartbeat(every=60 * SECOND, grace=SECOND)), Trigger(spec=Event("orders"))

    def made() -> list[Alarm]:
        waiting = initial_signal(beat, now=NOW, secret="")
        assert waiting is not None
        signals: list[Signal] = [
            waiting,
            Signal(status=Status.RAISED, since=NOW - 5),
            Signal(status=Status.PENDING, since=NOW - 5, seen=NOW - 9),
            Signal(status=Status.OK, since=NOW - 5, seen=NOW - 9, started=NOW - 4, run="r"),
        ]
        return [
            alarm(trigger=Trigger(spec=Every(60 * SECOND)), due=NOW - 30 * SECOND, failures=2),
            alarm(trigger=event, due=None, signal=initial_signal(event, now=NOW)),
            *(alarm(trigger=beat, due=NOW + SECOND, signal=signal) for signal in signals),
        ]

    one_by_one, at_once = made(), made()
    await stores.add(*one_by_one, *(structs.replace(each, labels=PAYMENTS) for each in at_once))
    use, heard = changes(stores, clock)
    assert (await use.pause(T1, conditions=TEAM, force=True)).count == len(at_once)
    for each in one_by_one:
        await stores.alarms.pause("t1", each.id, now=clock.micros())
    await clock.advance(90)
    assert (await use.resume(T1, conditions=TEAM, force=True)).count == len(at_once)
    for alone, together in zip(one_by_one, at_once, strict=True):
        wanted = await stores.alarms.resume("t1", alone.id, now=clock.micros())
        assert wanted is not None
        found = await stores.alarms.get("t1", together.id)
        assert heard.due["t1", found.id] == found.due
        same = {"id": wanted.id, "shard": wanted.shard, "labels": wanted.labels}
        assert structs.replace(found, **same) == structs.replace(wanted, **same)


async def test_more_than_one_step_holds(stores: Stores, clock: FakeClock) -> None:
    """By conditions that one index does not answer; two at a time change each once, and their counts add up."""
    made = [
        alarm(labels=PAYMENTS if number % 3 else {}, priority=Priority.BULK if number % 2 else Priority.NORMAL, due=LATER)
        for number in range(1200)
    ]
    await stores.add(*made)
    conditions = (*TEAM, Condition(field="priority", operator="=", value="BULK"))
    wanted = {each.id for each in made if each.labels and each.priority is Priority.BULK}
    use, heard = changes(stores, clock)
    counted = await use.pause(T1, conditions=conditions, force=False)
    assert (counted.count, len(counted.sample), counted.more) == (len(wanted), 100, False)
    both = await asyncio.gather(*(use.pause(T1, conditions=conditions, force=True) for _ in range(2)))
    assert sum(one.count for one in both) == len(wanted)
    assert sorted(heard.gone) == sorted(("t1", each) for each in wanted)
    every_one = await asyncio.gather(*(use.resume(T1, conditions=(), force=True) for _ in range(2)))
    assert sum(one.count for one in every_one) == len(wanted)
    assert {each for _, each in heard.due} == wanted
    assert await states(stores, made[1:2]) == [(AlarmState.ACTIVE, "", 3)]


async def test_what_was_changed_meanwhile_is_looked_at_again(stores: Stores, clock: FakeClock) -> None:
    """One that was edited stays active, one that completed stays so: neither is counted, and the answer says that something may be left."""

    class Edited(SqlAlarmStore):
        async def pause_all(self, tenant: str, wanted: Sequence[AlarmHead], *, now: int, reason: str = REQUESTED) -> Sequence[AlarmHead]:
            stored = await stores.alarms.get("t1", kept.id)
            await stores.alarms.update(structs.replace(stored, display_name="other", version=stored.version + 1), reschedule=False)
            await stores.fire((over.id, NOW))
            return await super().pause_all(tenant, wanted, now=now, reason=reason)

    kept, over = alarm(due=LATER), alarm()
    await stores.add(kept, over, alarm(due=LATER))
    use, heard = changes(stores, clock, store=Edited(stores.database))
    first = await use.pause(T1, conditions=(), force=True)
    assert (first.count, first.more) == (1, True)
    assert len(heard.gone) == 1
    assert await states(stores, [kept, over]) == [(AlarmState.ACTIVE, "", 2), (AlarmState.COMPLETED, "", 1)]
    use, _ = changes(stores, clock)
    second = await use.pause(T1, conditions=(), force=True)
    assert (second.count, second.more) == (1, False)


async def test_a_call_ends_in_time_and_the_next_one_goes_on(stores: Stores, clock: FakeClock) -> None:
    """What it has paused stays paused, and the counts of all calls add up."""

    class Slow(SqlAlarmStore):
        async def pause_all(self, tenant: str, wanted: Sequence[AlarmHead], *, now: int, reason: str = REQUESTED) -> Sequence[AlarmHead]:
            await clock.advance(16)
            return await super().pause_all(tenant, wanted, now=now, reason=reason)

    await stores.add(*(alarm(due=LATER) for _ in range(1100)))
    use, _ = changes(stores, clock, store=Slow(stores.database))
    answers = [await use.pause(T1, conditions=(), force=True) for _ in range(3)]
    assert [(one.count, one.more) for one in answers] == [(500, True), (500, True), (100, False)]


async def test_an_alarm_that_comes_due_meanwhile_fires_once_or_not_at_all(stores: Stores, clock: FakeClock) -> None:
    """Beside the engine's own transactions; what passed in the pause is closed as skipped, once."""
    made = [alarm(trigger=Trigger(spec=At(NOW)), labels=PAYMENTS) for _ in range(300)]
    await stores.add(*made)
    use, _ = changes(stores, clock)

    async def fired() -> None:
        for first in range(0, len(made), 50):
            await stores.fire(*((each.id, NOW) for each in made[first : first + 50]))

    paused, _ = await asyncio.gather(use.pause(T1, conditions=TEAM, force=True), fired())
    before = {each.alarm: each.outcome for each in await stores.all_firings()}
    assert paused.count + len(before) == len(made)
    assert set(before.values()) <= {Outcome.FIRED}
    await clock.advance(1)
    assert (await use.resume(T1, conditions=TEAM, force=True)).count == paused.count
    await stores.fire(*((each.id, NOW) for each in made), now=clock.micros())
    ledger = [(each.alarm, each.outcome) for each in await stores.all_firings()]
    assert sorted(ledger) == sorted((each.id, before.get(each.id, Outcome.SKIPPED)) for each in made)


async def test_the_calls_say_what_they_would_do_first(rig: Rig) -> None:
    """Without force they name alarms. What is paused fires nothing; resumed it fires again, at once where it is due soon."""
    made = [await rig.create(trigger=every(1, catch_up=LATEST), labels=PAYMENTS) for _ in range(3)]
    kept = await rig.create(trigger=at(rig.soon(3600)))
    names = {each.name for each in made}
    with rig.user():
        pause = alarm_service_pb2.PauseAlarmsRequest(filter='labels.team="payments"')
        counted = await rig.alarms.PauseAlarms(pause)
        assert (counted.pause_count, counted.more, set(counted.pause_sample)) == (3, False, names)
        pause.force = True
        assert await rig.alarms.PauseAlarms(pause) == alarm_service_pb2.PauseAlarmsResponse(pause_count=3)
        assert await rig.alarms.PauseAlarms(pause) == alarm_service_pb2.PauseAlarmsResponse()
    before = {name: len(await rig.ledger(f'alarm="{name}"')) for name in names}
    found = [await rig.get(name) for name in names]
    assert {(each.state, each.pause_reason) for each in found} == {(alarm_pb2.Alarm.PAUSED, REQUESTED)}
    assert (await rig.get(kept.name)).etag == kept.etag
    with rig.user("t2"):
        for method, request in ((rig.alarms.PauseAlarms, alarm_service_pb2.PauseAlarmsRequest), (rig.alarms.ResumeAlarms, _RESUME)):
            assert await method(request(filter="*", force=True)) == await method(request(filter="*"))
    with rig.user():
        resume = _RESUME(filter='labels.team="payments"')
        counted = await rig.alarms.ResumeAlarms(resume)
        assert (counted.resume_count, set(counted.resume_sample)) == (3, names)
        resume.force = True
        assert await rig.alarms.ResumeAlarms(resume) == alarm_service_pb2.ResumeAlarmsResponse(resume_count=3)
    for name in names:

        async def again(name: str = name) -> bool:
            return sum(each.state == State.SUCCEEDED or each.outcome == 1 for each in await rig.ledger(f'alarm="{name}"')) > before[name]

        await eventually(again, seconds=60)


_RESUME: Final = alarm_service_pb2.ResumeAlarmsRequest


async def test_a_filter_that_says_nothing_or_nonsense_changes_nothing(rig: Rig) -> None:
    """The error names the field; nothing is taken for "every alarm" but the asterisk."""
    made = await rig.create(trigger=at(rig.soon(3600)))
    nonsense = [
        "",
        " ",
        "**",
        '* AND state="PAUSED"',
        'nope="x"',
        'state="GONE"',
        "labels.a>3",
        "(" * 1000,
        'state=7 OR key="a"',
        "x" * 2001,
    ]
    with rig.user():
        for method, request in ((rig.alarms.PauseAlarms, alarm_service_pb2.PauseAlarmsRequest), (rig.alarms.ResumeAlarms, _RESUME)):
            for condition in nonsense:
                with pytest.raises(errors.InvalidInput) as refused:
                    await method(request(filter=condition, force=True))
                assert [violation.field for violation in refused.value.violations] == ["filter"]
    assert (await rig.get(made.name)).etag == made.etag


async def test_a_reason_is_shown_and_none_of_tocsin_s_own(rig: Rig) -> None:
    """By both calls; it is what a filter of the list finds, and words by which Tocsin pauses are refused at the field."""
    made = [await rig.create(trigger=at(rig.soon(3600)), labels=PAYMENTS) for _ in range(2)]
    one, many = alarm_service_pb2.PauseAlarmRequest, alarm_service_pb2.PauseAlarmsRequest
    with rig.user():
        found = await rig.alarms.PauseAlarm(one(name=made[0].name, reason="a colleague's"))
        assert found.pause_reason == "a colleague's"
        await rig.alarms.PauseAlarms(many(filter="*", force=True, reason='the "move"'))
        listed = await rig.alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest(filter='pause_reason="the \\"move\\""'))
        assert [each.name for each in listed.alarms] == [made[1].name]
        for reason in (AUTO_PAUSE, RULE_TOO_COSTLY, TENANT_SUSPENDED, FIRE_QUOTA, "x" * 101, "two\nlines"):
            for call, request in (
                (rig.alarms.PauseAlarm, one(name=made[0].name, reason=reason)),
                (rig.alarms.PauseAlarms, many(filter="*", reason=reason)),
            ):
                with pytest.raises(errors.InvalidInput) as refused:
                    await call(request)
                assert [violation.field for violation in refused.value.violations] == ["reason"], reason


async def test_who_may_only_read_pauses_nothing(rig: Rig) -> None:
    """Not even without force."""
    with rig.user(scopes=["alarms:read"]):
        with pytest.raises(errors.PermissionDenied):
            await rig.alarms.PauseAlarms(alarm_service_pb2.PauseAlarmsRequest(filter="*"))
        with pytest.raises(errors.PermissionDenied):
            await rig.alarms.ResumeAlarms(_RESUME(filter="*"))
