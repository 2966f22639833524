"""Alarms that are removed by the thousand, on each database."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import pytest
from sqlalchemy import func, insert, select

from scheduler_svc.domain import AlarmNotFound, Priority
from scheduler_svc.ports import AlarmHead
from scheduler_svc.service import BulkChanges, Caller
from scheduler_svc.store import SqlAlarmCounts, SqlAlarmStore
from scheduler_svc.store.ping_tables import pings
from scheduler_svc.store.tables import alarm_labels, alarm_rules, signals
from scheduler_svc.triggers import initial_signal
from tests.integration.scheduler.stores import NOW, SECOND, Stores, alarm
from tests.integration.scheduler.support import Rig, at, noop
from tests.integration.scheduler.test_quotas import Replica
from tocsin import errors
from tocsin.api.scheduler.v1 import alarm_service_pb2
from tocsin.errors import QuotaExceeded
from tocsin.listing import Condition
from tocsin.recurrence import Heartbeat, Trigger
from tocsin.testing.clock import FakeClock

T1 = Caller(tenant="t1")
WRONG = (Condition(field="labels", operator="=", value="wrong", key="batch"),)
PING: Final = {
    "id": "1",
    "tenant": "t1",
    "kind": 1,
    "received_at": NOW,
    "sent_at": NOW,
    "run_id": "",
    "method": "GET",
    "agent": "",
    "address": "",
    "body": b"",
    "size": 0,
}


class Told:
    """Hears what is removed."""

    def __init__(self) -> None:
        self.gone: list[tuple[str, str]] = []

    async def removed_all(self, tenant: str, alarms: Sequence[AlarmHead]) -> None:
        """Remembers them."""
        self.gone += [(tenant, alarm.id) for alarm in alarms]


def purges(stores: Stores, clock: FakeClock, *, store: SqlAlarmStore | None = None) -> tuple[BulkChanges, Told]:
    """The use case, and who is told."""
    told = Told()
    hints: Any = told
    return BulkChanges(store=store or stores.alarms, hints=hints, clock=clock), told


async def left(stores: Stores, *tables: Any) -> list[int]:
    """Rows of each table."""
    async with stores.database.read() as connection:
        return [(await connection.execute(select(func.count()).select_from(table))).scalar_one() for table in tables]


async def test_what_meets_the_filter_goes_with_all_that_belongs_to_it(stores: Stores, clock: FakeClock) -> None:
    """Labels, signals; its rule is kept for audits, as of an alarm that is deleted by itself. Others, and other tenants', stay."""
    beat = Trigger(spec=Heartbeat(every=60 * SECOND, grace=SECOND))
    listening = alarm(trigger=beat, due=NOW + SECOND, labels={"batch": "wrong"}, signal=initial_signal(beat, now=NOW, secret="s"))
    wrong = [listening, *(alarm(labels={"batch": "wrong", "n": str(number)}) for number in range(3))]
    others = [alarm(labels={"batch": "right"}), alarm(tenant="t2", labels={"batch": "wrong"})]
    await stores.add(*wrong, *others)
    async with stores.database.transaction() as connection:
        await connection.execute(insert(pings).values(PING | {"alarm": listening.id}))
    use, told = purges(stores, clock)
    counted = await use.purge(T1, conditions=WRONG, force=False)
    assert (counted.count, counted.more) == (4, False)
    assert set(counted.sample) == {each.id for each in wrong}
    assert told.gone == []
    done = await use.purge(T1, conditions=WRONG, force=True)
    assert (done.count, done.sample, done.more) == (4, [], False)
    assert set(told.gone) == {("t1", each.id) for each in wrong}
    assert await left(stores, alarm_labels, signals, pings, alarm_rules) == [2, 0, 0, 3]
    for each in wrong:
        with pytest.raises(AlarmNotFound):
            await stores.alarms.get("t1", each.id)
    for each in others:
        assert await stores.alarms.get(each.tenant, each.id) == each
    again = await use.purge(T1, conditions=WRONG, force=True)
    assert (again.count, again.more) == (0, False)


async def test_more_than_one_step_holds(stores: Stores, clock: FakeClock) -> None:
    """By conditions that one index does not answer: pages that are short, or empty, end nothing; two at a time remove each once."""
    made = [
        alarm(labels={"batch": "wrong" if number % 3 else "right"}, priority=Priority.BULK if number % 2 else Priority.NORMAL)
        for number in range(2400)
    ]
    await stores.add(*made)
    conditions = (*WRONG, Condition(field="priority", operator="=", value="BULK"))
    wanted = {each.id for each in made if each.labels["batch"] == "wrong" and each.priority is Priority.BULK}
    use, told = purges(stores, clock)
    counted = await use.purge(T1, conditions=conditions, force=False)
    assert (counted.count, len(counted.sample), counted.more) == (len(wanted), 100, False)
    both = await asyncio.gather(*(use.purge(T1, conditions=conditions, force=True) for _ in range(2)))
    assert sum(one.count for one in both) == len(wanted)
    assert sorted(told.gone) == sorted(("t1", each) for each in wanted)
    assert await SqlAlarmCounts(stores.database).alarms("t1") == len(made) - len(wanted)
    every = await use.purge(T1, conditions=(), force=True)
    assert every.count == len(made) - len(wanted)


async def test_what_was_changed_meanwhile_is_looked_at_again(stores: Stores, clock: FakeClock) -> None:
    """It may meet the filter no more: it stays, and the answer says that something may be left."""

    class Edited(SqlAlarmStore):
        async def delete_all(self, tenant: str, wanted: Sequence[AlarmHead], *, now: int) -> Sequence[AlarmHead]:
            await stores.alarms.pause("t1", kept.id, now=now)
            return await super().delete_all(tenant, wanted, now=now)

    kept = alarm()
    await stores.add(kept, alarm(), alarm())
    use, told = purges(stores, clock, store=Edited(stores.database))
    active = (Condition(field="state", operator="=", value="ACTIVE"),)
    first = await use.purge(T1, conditions=active, force=True)
    assert (first.count, first.more) == (2, True)
    assert ("t1", kept.id) not in told.gone
    second = await use.purge(T1, conditions=active, force=True)
    assert (second.count, second.more) == (0, False)
    assert (await stores.alarms.get("t1", kept.id)).version == 2


async def test_a_call_ends_in_time_and_the_next_one_goes_on(stores: Stores, clock: FakeClock) -> None:
    """What it has removed stays removed, and it says that there is more."""

    class Slow(SqlAlarmStore):
        async def delete_all(self, tenant: str, wanted: Sequence[AlarmHead], *, now: int) -> Sequence[AlarmHead]:
            await clock.advance(16)
            return await super().delete_all(tenant, wanted, now=now)

    await stores.add(*(alarm() for _ in range(1100)))
    use, _ = purges(stores, clock, store=Slow(stores.database))
    answers = [await use.purge(T1, conditions=(), force=True) for _ in range(3)]
    assert [(one.count, one.more) for one in answers] == [(500, True), (500, True), (100, False)]


async def test_what_is_removed_makes_room(stores: Stores, clock: FakeClock) -> None:
    """For as many alarms as there were, and no more."""
    replica = Replica(stores, clock, quota=5)
    await replica.create(*(alarm(labels={"batch": "wrong"}) for _ in range(4)), alarm())
    use, _ = purges(stores, clock, store=replica.alarms)
    assert (await use.purge(T1, conditions=WRONG, force=True)).count == 4
    assert await replica.create(*(alarm() for _ in range(5))) == [None] * 4 + [QuotaExceeded]


async def test_the_call_says_what_it_would_do_first(rig: Rig) -> None:
    """Without force it names alarms; with it they are gone and fire no more."""
    made = [await rig.create(trigger=at(rig.soon(3600)), labels={"batch": "wrong"}) for _ in range(3)]
    kept = await rig.create(trigger=at(rig.soon(3600)))
    with rig.user():
        request = alarm_service_pb2.PurgeAlarmsRequest(filter='labels.batch="wrong"')
        counted = await rig.alarms.PurgeAlarms(request)
        assert (counted.purge_count, counted.more) == (3, False)
        assert set(counted.purge_sample) == {each.name for each in made}
        request.force = True
        assert await rig.alarms.PurgeAlarms(request) == alarm_service_pb2.PurgeAlarmsResponse(purge_count=3)
        found = await rig.alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest())
    assert [each.name for each in found.alarms] == [kept.name]
    with rig.user("t2"):
        assert (await rig.alarms.PurgeAlarms(alarm_service_pb2.PurgeAlarmsRequest(filter="*", force=True))).purge_count == 0
    with rig.user():
        assert (await rig.alarms.PurgeAlarms(alarm_service_pb2.PurgeAlarmsRequest(filter="*", force=True))).purge_count == 1


@pytest.mark.parametrize("condition", ["", " ", "**", '* AND state="PAUSED"', 'nope="x"', 'state="GONE"', "labels.a>3", "x" * 2001])
async def test_a_filter_that_says_nothing_or_nonsense_removes_nothing(rig: Rig, condition: str) -> None:
    """The error names the field; nothing is taken for "every alarm" but the asterisk."""
    await rig.create(trigger=at(rig.soon(3600)), action=noop())
    with rig.user():
        with pytest.raises(errors.InvalidInput) as refused:
            await rig.alarms.PurgeAlarms(alarm_service_pb2.PurgeAlarmsRequest(filter=condition, force=True))
        assert [violation.field for violation in refused.value.violations] == ["filter"]
        assert len((await rig.alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest())).alarms) == 1


async def test_who_may_only_read_removes_nothing(rig: Rig) -> None:
    """Not even without force."""
    with rig.user(scopes=["alarms:read"]), pytest.raises(errors.PermissionDenied):
        await rig.alarms.PurgeAlarms(alarm_service_pb2.PurgeAlarmsRequest(filter="*"))
