"""Three schedulers share the shards; one is killed, one is stopped past its lease: no occurrence twice, none lost."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from scheduler_svc.domain import Action, Alarm, FiringState, new_id
from scheduler_svc.ports import NewAlarm
from tests.chaos.schedulers import SERVICES, Consumer, Scheduler
from tests.integration.scheduler.stores import SECOND, Stores, alarm
from tests.integration.scheduler.support import noop
from tests.other_engines import POOR
from tocsin.clock import SystemClock
from tocsin.mesh.authority import ensure_pki
from tocsin.recurrence import At, CatchUp, CatchUpMode, Every, Trigger
from tocsin.testing.waiting import eventually

FULL = os.environ.get("CHAOS") == "full"
LEASE_SECONDS = 10.0 if FULL else 4.0
ONCE, OFTEN, BEATS = (20_000, 200, 100) if FULL else (2500, 60, 15)
SECONDS = 120.0 if FULL else 16.0
ACTION = Action("task", noop().SerializeToString())
ALL = CatchUp(mode=CatchUpMode.ALL)
Note = Callable[[str, object], None]


class Cluster:
    """Schedulers on one database, seen through its tables."""

    def __init__(self, stores: Stores, schedulers: list[Scheduler]) -> None:
        self.stores = stores
        self.schedulers = schedulers

    async def shares(self) -> Counter[str]:
        """Shards by owner."""
        return Counter(one.owner for one in await self.stores.shards.owners())

    async def owner_of(self, scheduler: Scheduler) -> str:
        """The identity of the scheduler's present start."""
        found = [one.owner for one in await self.stores.shards.replicas() if one.address.endswith(f":{scheduler.port}") and not one.gone]
        return max(found, default="")

    async def registered(self, count: int) -> bool:
        """Whether so many replicas take part."""
        return sum(one.live and not one.gone for one in await self.stores.shards.replicas()) == count

    async def balanced(self, count: int) -> bool:
        """Whether so many replicas own all shards, nobody two more than another."""
        shares = await self.shares()
        return "" not in shares and len(shares) == count and max(shares.values()) - min(shares.values()) <= 1

    async def without(self, owner: str) -> bool:
        """Whether all shards are with others."""
        shares = await self.shares()
        return "" not in shares and owner not in shares

    async def seconds_until(self, condition: Callable[[], object], *, seconds: float, what: str) -> float:
        """Waits, and says how long that took."""
        begun = time.monotonic()
        await eventually(condition, seconds=seconds, what=what)  # pyright: ignore[reportArgumentType]  an awaitable answer
        return round(time.monotonic() - begun, 2)


@pytest.fixture
def tables_of() -> str:
    """Fresh databases have the tables of scheduler_svc."""
    return "scheduler_svc"


@pytest.fixture
async def cluster(request: pytest.FixtureRequest, tmp_path: Path, postgres_url: str) -> AsyncIterator[Cluster]:
    """Three schedulers that are not started yet."""
    stores = Stores(postgres_url, SystemClock())
    await stores.database.start()
    ensure_pki(folder=tmp_path / "pki", services=SERVICES, trust_domain="tocsin.local", clock=SystemClock())
    lease = getattr(request, "param", LEASE_SECONDS)
    if POOR:  # the schedulers name no settings: their role has them
        async with stores.database.transaction() as connection:
            name = (await connection.exec_driver_sql("SELECT current_database()")).scalar_one()
            limit = f"idle_in_transaction_session_timeout = '{lease}s'"
            await connection.exec_driver_sql(f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET {limit}")
    schedulers = [Scheduler(folder=tmp_path, database_url=postgres_url, lease_seconds=lease, number=number) for number in range(3)]
    yield Cluster(stores, schedulers)
    for scheduler in schedulers:
        scheduler.end()
    await stores.database.stop()


def alarms(now: int) -> tuple[list[Alarm], set[tuple[str, int]]]:
    """Alarms over the whole run, and the occurrences that the ledger must hold at its end."""
    made: list[Alarm] = []
    expected: set[tuple[str, int]] = set()
    for _ in range(ONCE):
        due = now + random.randrange(SECOND, round(SECONDS * SECOND))
        made.append(
            alarm(id=new_id(now), due=due, anchor=now, trigger=Trigger(spec=At(due), catch_up=ALL), tenant=f"t{due % 7}", action=ACTION)
        )
        expected.add((made[-1].id, due))
    for number in range(OFTEN):
        first = now + SECOND + number * 1000
        trigger = Trigger(spec=Every(SECOND), catch_up=ALL, count=BEATS)
        made.append(alarm(id=new_id(now), due=first, anchor=first - SECOND, trigger=trigger, action=ACTION))
        expected |= {(made[-1].id, first + beat * SECOND) for beat in range(BEATS)}
    return made, expected


async def ledger(stores: Stores) -> list[tuple[str, str, int, int]]:
    """Every row: id, alarm, due time, state."""
    async with stores.database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT id, alarm, due_at, state FROM firings")
        return [(identity, name, due, state) for identity, name, due, state in cast("Sequence[tuple[str, str, int, int]]", rows.fetchall())]


async def finish(cluster: Cluster, consumer: Consumer, expected: set[tuple[str, int]], note: Note) -> None:
    """Waits for the last result, then compares what happened with what had to."""

    async def done() -> bool:
        rows = await ledger(cluster.stores)
        return len(rows) >= len(expected) and all(state == FiringState.SUCCEEDED for *_, state in rows)

    logs = "".join(f"--- {one.port}\n{one.log()}" for one in cluster.schedulers)
    try:
        await eventually(done, seconds=60 + SECONDS, what="every result")
    finally:
        rows = await ledger(cluster.stores)
        twice = sum(count > 1 for count in consumer.begun.values())
        worked = (
            f"{len(consumer.begun)} firings worked on, {twice} of them more than once, {len(consumer.stale)} told by a frozen scheduler"
        )
        note("account", f"{len(rows)} of {len(expected)} rows, {worked}")
    assert Counter((name, due) for _, name, due, _ in rows) == Counter(expected), logs
    assert consumer.begun.keys() == {identity for identity, *_ in rows}
    assert consumer.again == []


@pytest.mark.chaos
@pytest.mark.timeout(900 if FULL else 600)
async def test_replicas_join_die_freeze_and_leave(cluster: Cluster, tmp_path: Path, record_property: Note) -> None:
    """Whatever happens to a replica, the others have its shards within two leases, and the ledger is exact."""
    first, second, third = cluster.schedulers
    consumer = Consumer(folder=tmp_path, schedulers=cluster.schedulers)
    told: list[str] = []

    async def measured(what: str, condition: Callable[[], object]) -> None:
        told.append(f"{what} {await cluster.seconds_until(condition, seconds=2 * LEASE_SECONDS if FULL else 120, what=what)} s")

    for one in cluster.schedulers:
        one.start()
    await eventually(lambda: cluster.registered(3), seconds=60, what="three replicas")
    await measured("shared by three", lambda: cluster.balanced(3))
    consumer.start()
    made, expected = alarms(SystemClock().micros())
    for page in range(0, len(made), 1000):
        await cluster.stores.alarms.create([NewAlarm(alarm=one) for one in made[page : page + 1000]])
    killed = await cluster.owner_of(first)
    first.end(signal.SIGKILL)
    await measured("after SIGKILL", lambda: cluster.without(killed))
    stopped = await cluster.owner_of(second)
    second.send(signal.SIGSTOP)
    await measured("after SIGSTOP", lambda: cluster.without(stopped))
    first.start()
    await eventually(lambda: cluster.registered(2), seconds=60, what="another replica")
    await measured("another came", lambda: cluster.balanced(2))
    second.send(signal.SIGCONT)
    await measured("after SIGCONT", lambda: cluster.balanced(3))
    assert await cluster.owner_of(second) == stopped
    third.end(signal.SIGTERM)
    await measured("one left", lambda: cluster.balanced(2))
    record_property("account", f"lease {LEASE_SECONDS} s: {', '.join(told)}")
    await finish(cluster, consumer, expected, record_property)
    await consumer.stop()


@pytest.mark.chaos
@pytest.mark.native
@pytest.mark.timeout(600)
@pytest.mark.parametrize("cluster", [60.0], indirect=True)
async def test_a_killed_scheduler_has_a_successor_at_once(cluster: Cluster, record_property: Note) -> None:
    """The only scheduler is killed and started again: it need not wait for the lease of its predecessor, which lasts a minute."""
    first = cluster.schedulers[0]
    first.start()
    await eventually(lambda: cluster.balanced(1), seconds=60, what="the first to own all")
    killed = await cluster.owner_of(first)
    first.end(signal.SIGKILL)
    first.start()
    seconds = await cluster.seconds_until(lambda: cluster.without(killed), seconds=50, what="the successor")
    record_property("account", f"lease 60.0 s: a successor owns all {seconds} s after SIGKILL")
