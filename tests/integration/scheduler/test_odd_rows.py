"""Rows that a foreign hand changed, with values that their columns are not for: each costs itself, and what lies beside it goes its way."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import column, func, literal, select, table, update
from sqlalchemy.types import NullType

from scheduler_svc.dispatch.queues import PriorityQueues
from scheduler_svc.domain import FiringState, Priority
from scheduler_svc.domain.incidents import Incident
from scheduler_svc.engine.escalator import Escalator
from scheduler_svc.engine.outages import Finisher
from scheduler_svc.ports.alarms import AlarmHead
from scheduler_svc.store.history import SqlAuditStore
from scheduler_svc.store.mapping import QUEUED_FIELDS
from scheduler_svc.store.tables import alarm_labels, alarm_rules, alarms
from tests.integration.scheduler.replica import Processor, Replica, pass_time
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm
from tests.integration.scheduler.test_store_incidents import Kept
from tocsin.clock import MINUTE
from tocsin.database import Database
from tocsin.recurrence import Every, Trigger
from tocsin.testing.clock import FakeClock

ODD: tuple[Any, ...] = (-1, 2**63 - 1, 1.5, float("inf"), -1e308, "", "x", "\x00{", "[" * 2_000, b"", b"\xff\xfe")
FOUND_BY = {"id", "shard", "ready_at", "priority"}
"""Columns by which a waiting firing is found: another value is another place, or none."""


async def spoil(stores: Stores, name: str, field: str, value: Any, *, tenant: str = "t1") -> bool:
    """Sets a column of the tenant's rows; False on PostgreSQL, which holds no such thing."""
    async with stores.database.transaction() as connection:
        if connection.dialect.name == "postgresql":
            return False
        rows = table(name, column(field), column("tenant"))
        await connection.execute(update(rows).where(rows.c.tenant == tenant).values({field: literal(value, NullType())}))
    return True


@pytest.mark.parametrize("field", sorted({*QUEUED_FIELDS.split(", ")} - FOUND_BY))
async def test_a_firing_that_waits_takes_no_turn_of_another(stores: Stores, field: str) -> None:
    """It is priced and counted whatever it holds, and the one behind it goes out."""
    await stores.add(alarm(id="a1"), alarm(id="a2", tenant="t2"))
    await stores.fire(("a1", NOW), ("a2", NOW))
    for value in ODD:
        if not await spoil(stores, "firings", field, value, tenant="t1"):
            return
        queues = PriorityQueues(limit=10)
        for queued in await stores.ledger.waiting(range(256), priority=Priority.NORMAL, after=(-1, ""), until=NOW, most=9):
            queues.push(queued)
        taken = queues.take(10)
        assert len(taken) == 2, value
        assert [queued.id for queued in taken if queued.tenant == "t2"], value
        if field == "tenant":
            return


@pytest.mark.parametrize("field", ["kind", "action"])
async def test_an_alarm_that_fires_does_so_with_an_action_of_its_type(stores: Stores, field: str) -> None:
    """What it offers is counted beside the firings of others."""
    for number, value in enumerate(ODD):
        identity = f"a{number}"
        await stores.add(alarm(id=identity), alarm(id=f"b{number}", tenant="t2"))
        if not await spoil(stores, "alarms", field, value):
            return
        fired = await stores.fire((identity, NOW), (f"b{number}", NOW))
        assert [(type(queued.action.kind), type(queued.action.body)) for queued in fired.queued_firings] == [(str, bytes)] * 2, value


async def test_an_incident_that_cannot_be_read_waits_while_others_take_their_steps(kept: Kept, clock: FakeClock) -> None:
    """It is told of once, and not looked at again before a minute is over."""
    await kept.policy()
    broken, sound = [found.id for found in await kept.trigger("a", "b")]
    await clock.advance(3600)
    asked: list[list[str]] = []

    async def act(acts: Any) -> list[Incident | Exception | None]:
        asked.append(sorted(one.incident for one in acts))
        if broken in asked[-1]:
            raise TypeError("a test's")
        return list((await kept.incidents.act(acts, kept.fence(clock.micros()))).answers)

    class Shards:
        held = kept.stores.held

    escalator = Escalator(store=kept.incidents, act=act, shards=Shards(), clock=clock)  # pyright: ignore[reportArgumentType]
    await escalator.round()
    assert asked == [sorted([broken, sound]), *([one] for one in sorted([broken, sound]))]
    assert [identity for _, identity, _ in await kept.incidents.due(range(256), until=clock.micros(), most=9)] == []
    due = await kept.incidents.due(range(256), until=clock.micros() + MINUTE, most=9)
    assert broken in [identity for _, identity, _ in due]


@pytest.mark.parametrize("value", ["x", b"\xff", 1e308])
async def test_the_next_step_is_found_beside_one_at_no_time(kept: Kept, value: Any) -> None:
    """SQLite holds anything where a time should be."""
    await kept.policy()
    await kept.trigger("a")
    if await spoil(kept.stores, "incidents", "wake_at", value):
        assert await kept.incidents.next_wake(list(kept.stores.held)) is None


async def test_an_event_that_cannot_be_fired_ends_no_round(clock: FakeClock) -> None:
    """Those behind it are finished in each round."""
    done: list[str] = []

    class Events:
        async def unfinished(self, *, before: int, most: int) -> list[str]:
            assert (before, most > 2) == (clock.micros() - 10 * SECOND, True)
            return ["odd", "a", "b"]

    async def finish(log: str) -> int:
        if log == "odd":
            raise TypeError("a test's")
        done.append(log)
        return 1

    finisher = Finisher(events=Events(), finish=finish, clock=clock)  # pyright: ignore[reportArgumentType]
    await finisher.round()
    await finisher.round()
    assert done == ["a", "b"] * 2


@pytest.fixture
async def replica(stores: Stores, clock: FakeClock) -> AsyncIterator[Replica]:
    """A replica on the stores, not started."""
    await stores.shards.release(OWNER)
    made = Replica(stores, clock)
    yield made
    await made.stop()


async def test_an_alarm_that_cannot_be_planned_is_told_of_once(
    stores: Stores, replica: Replica, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """However often the loader finds it. The alarm says what of it is damaged; once that is mended it fires, as those beside it do."""
    often = Trigger(spec=Every(10 * SECOND))
    bad, good = alarm(trigger=often), alarm(trigger=often, tenant="t2")
    await stores.add(bad, good)
    await write(stores, bad.id, trigger_rule='{"every":')
    await replica.start()
    Processor(replica)
    await pass_time(clock, 130, lambda: fired(stores, "t2", 10))
    told: list[Any] = [record.msg for record in caplog.records]
    assert [line["event"] for line in told if isinstance(line, dict) and line.get("alarm") == bad.id] == ["alarm cannot be planned"]
    assert (await stores.alarms.get("t1", bad.id)).damaged == ("trigger",)
    assert await stores.all_firings() == []
    await write(stores, bad.id, trigger_rule=often.encode())
    await pass_time(clock, 130, lambda: fired(stores, "t1", 1))


@pytest.mark.parametrize(
    ("name", "value"), [("ordinal", "x"), ("ordinal", b"1"), ("ordinal", 1.5), ("anchor_at", "x"), ("skip_before", "x")], ids=str
)
async def test_an_alarm_fires_whatever_its_numbers_are(stores: Stores, replica: Replica, clock: FakeClock, name: str, value: Any) -> None:
    """SQLite holds anything where a number should be."""
    made = alarm(trigger=Trigger(spec=Every(10 * SECOND)))
    await stores.add(made)
    if not await spoil(stores, "alarms", name, value):
        return
    await replica.start()
    Processor(replica)
    await pass_time(clock, 60, lambda: fired(stores, "t1", 2))


async def test_an_alarm_without_a_version_fires_and_is_changed_and_removed(stores: Stores, replica: Replica, clock: FakeClock) -> None:
    """Where somebody took NOT NULL from the column: it is one of version 0. Its labels and its rule go with it."""
    made = [alarm(trigger=Trigger(spec=Every(10 * SECOND)), labels={"k": "v"}) for _ in range(3)]
    await stores.add(*made)
    await allow_null(stores.database, "alarms", "version")
    await write(stores, *(one.id for one in made), version=None)
    first, second, third = [await stores.alarms.get("t1", one.id) for one in made]
    assert {one.version for one in (first, second, third)} == {0}
    await replica.start()
    Processor(replica)
    await pass_time(clock, 30, lambda: fired(stores, "t1", 3))
    changed = await stores.alarms.update(structs.replace(first, version=1, display_name="x", labels={}), reschedule=False)
    assert changed is not None
    assert (changed.version, changed.labels) == (1, {})
    assert await stores.alarms.delete("t1", first.id, version=1, now=NOW)
    assert await stores.alarms.delete("t1", second.id, version=None, now=NOW)
    gone = await stores.alarms.delete_all("t1", [AlarmHead(third.id, 0, third.shard, 2)], now=NOW)
    assert [head.id for head in gone] == [third.id]
    async with stores.database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(alarm_labels))).scalar_one() == 0
        assert (await connection.execute(select(func.count()).select_from(alarm_rules))).scalar_one() == 3


async def test_a_rule_without_a_beginning_is_audited_from_the_first_instant(stores: Stores) -> None:
    """Where somebody took NOT NULL from the column: an audit of the tenant's other alarms goes on."""
    made = [alarm(trigger=Trigger(spec=Every(10 * SECOND))) for _ in range(2)]
    await stores.add(*made)
    await allow_null(stores.database, "alarms", "rule_since")
    await write(stores, made[0].id, rule_since=None)
    rules = await SqlAuditStore(stores.database).rules("t1", [one.id for one in made], since=NOW)
    assert {rule.alarm: rule.since for rule in rules} == {one.id: 0 for one in made}


async def allow_null(database: Database, name: str, field: str) -> None:
    """Takes NOT NULL from a column of the service's, as whoever repairs a table by hand may."""
    async with database.transaction() as connection:
        if database.dialect == "postgresql":
            await connection.exec_driver_sql(f"ALTER TABLE {name} ALTER {field} DROP NOT NULL")
            return
        version = (await connection.exec_driver_sql("PRAGMA schema_version")).scalar_one()
        await connection.exec_driver_sql("PRAGMA writable_schema = ON")
        change = "UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table' AND name = ?"
        await connection.exec_driver_sql(change, (name,))
        await connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")


async def write(stores: Stores, *ids: str, **values: Any) -> None:
    """Writes columns of alarms past the store."""
    async with stores.database.transaction() as connection:
        await connection.execute(update(alarms).where(alarms.c.id.in_(ids)).values(values))


async def fired(stores: Stores, tenant: str, count: int) -> bool:
    """Whether so many firings of a tenant succeeded."""
    return sum(row.state is FiringState.SUCCEEDED for row in await stores.all_firings(tenant)) >= count


@pytest.fixture
def kept(stores: Stores) -> Kept:
    """The stores of incidents."""
    return Kept(stores)
