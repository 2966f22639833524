"""The store of shards and replicas, on each database, and what PostgreSQL alone can say."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from sqlalchemy import literal, update
from sqlalchemy.types import NullType

from scheduler_svc.domain import Priority
from scheduler_svc.ports import Held, ShardOwner
from scheduler_svc.store import SessionLock, SqlShardStore
from scheduler_svc.store.tables import firings
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm
from tocsin.clock import SystemClock
from tocsin.database import ConnectionLimits, Database
from tocsin.testing.clock import FakeClock
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.waiting import eventually

LEASE = 10 * SECOND
_ONE = ConnectionLimits(pool_size=1)


async def acquire(stores: Stores, owner: str, *, most: int = 256, dead: dict[str, int] | None = None, steal: bool = False) -> Held:
    """Takes what is free."""
    return await stores.shards.acquire(owner, lease=LEASE, most=most, dead=dead or {}, steal=steal)


async def test_shards_are_taken_renewed_and_given_back(stores: Stores, clock: FakeClock) -> None:
    """A shard has one owner; a lease that is over, or given back, makes it free; each taking has a new epoch."""
    assert await acquire(stores, "b") == {}
    assert await stores.shards.renew(OWNER, lease=2 * LEASE) == stores.held
    await clock.advance(15)
    assert await acquire(stores, "b") == {}
    await clock.advance(5)
    taken = await acquire(stores, "b")
    assert taken == {shard: epoch + 1 for shard, epoch in stores.held.items()}
    assert await stores.shards.renew(OWNER, lease=LEASE) == {}
    await stores.shards.release(OWNER)
    assert await stores.shards.renew("b", lease=LEASE) == taken
    await stores.shards.release("b")
    assert set((await acquire(stores, OWNER)).values()) == {3}
    assert len(await acquire(stores, "c", steal=True)) == 256


async def test_some_are_taken_and_some_given_back(stores: Stores) -> None:
    """Never more than was asked for; what was given back is free and the rest is not."""
    await stores.shards.release(OWNER)
    assert set(await acquire(stores, "a", most=100)) == set(range(100))
    assert set(await acquire(stores, "b", most=100)) == set(range(100, 200))
    await stores.shards.give_back("a", {0, 1, 2, 150})
    assert set(await stores.shards.renew("a", lease=LEASE)) == set(range(3, 100))
    assert await acquire(stores, "b", most=2) == {0: 3, 1: 3}
    owners = await stores.shards.owners()
    assert [owners[0], owners[2], owners[99]] == [
        ShardOwner(0, "b", 3, NOW + LEASE),
        ShardOwner(2, "", 2, 0),
        ShardOwner(99, "a", 2, NOW + LEASE),
    ]


async def test_replicas_that_ask_at_once_share_nothing(stores: Stores) -> None:
    """Each free shard goes to one of them, and within two rounds none is left over."""
    await stores.shards.release(OWNER)
    rounds = [await asyncio.gather(*(acquire(stores, name) for name in ("b", "c", "d"))) for _ in range(2)]
    assert sorted(shard for each in rounds for held in each for shard in held) == list(range(256))


async def test_who_takes_part_is_listed(stores: Stores, clock: FakeClock) -> None:
    """With its address, from when to when; one whose lease is over is there until somebody takes its shards."""
    await stores.shards.renew("a", lease=LEASE, address="host:1")
    await clock.advance(4)
    await stores.shards.renew("b", lease=LEASE, address="host:2")
    await clock.advance(4)
    await stores.shards.renew("b", lease=LEASE, address="host:2")
    await clock.advance(2)
    listed = [(one.owner, one.address, one.started, one.lease_until, one.live, one.gone) for one in await stores.shards.replicas()]
    assert listed == [
        ("a", "host:1", NOW, NOW + LEASE, False, False),
        ("b", "host:2", NOW + 4 * SECOND, NOW + 8 * SECOND + LEASE, True, False),
    ]
    await acquire(stores, "b")
    assert [one.owner for one in await stores.shards.replicas()] == ["b"]
    await stores.shards.release("b")
    assert await stores.shards.replicas() == []


async def test_the_dead_are_robbed_at_once_unless_they_have_moved(stores: Stores, clock: FakeClock) -> None:
    """Whoever says that a replica is dead has seen the end of its lease; if it is another one by now, the replica lives."""
    assert len(await stores.shards.renew(OWNER, lease=LEASE)) == 256
    await clock.advance(1)
    assert await acquire(stores, "b", dead={OWNER: NOW}) == {}
    assert await acquire(stores, "b", dead={"other": NOW + LEASE}) == {}
    assert len(await acquire(stores, "b", most=10, dead={OWNER: NOW + LEASE})) == 10
    assert await stores.shards.replicas() == []
    assert len(await acquire(stores, "c")) == 246  # they are free for everybody
    assert await stores.shards.renew(OWNER, lease=LEASE) == {}


# -- PostgreSQL ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def postgres(postgres_url: str, clock: FakeClock) -> AsyncIterator[Stores]:
    """The stores on PostgreSQL."""
    made = Stores(postgres_url, clock)
    await made.start()
    yield made
    await made.database.stop()


async def test_a_firing_transaction_of_the_old_owner_keeps_its_shard_for_that_long(postgres: Stores) -> None:
    """The taker does not wait for it, and gets the shard afterwards; the row is in the ledger by then."""
    made = alarm()
    await postgres.add(made)
    async with postgres.database.transaction() as connection:
        await connection.exec_driver_sql("SELECT 1 FROM shards WHERE shard = $1 FOR KEY SHARE", (made.shard,))
        assert set(await acquire(postgres, "b", steal=True)) == set(range(256)) - {made.shard}
        assert len((await postgres.fire((made.id, NOW))).queued_firings) == 1
    assert set(await acquire(postgres, "b", steal=True)) == {made.shard}


async def test_leases_end_by_the_clock_of_the_database(postgres: Stores) -> None:
    """A replica whose clock goes wrong by years neither loses nor robs."""
    real = SqlShardStore(postgres.database)
    held = await real.acquire("a", lease=LEASE, most=256, dead={}, steal=True)
    assert await real.acquire("b", lease=LEASE, most=256, dead={}, steal=False) == {}
    await real.renew("a", lease=LEASE)
    assert [one.live for one in await real.replicas()] == [True]
    assert abs((await real.owners())[0].lease_until - LEASE - SystemClock().micros()) < 60 * SECOND
    await real.renew("a", lease=0)
    assert [one.live for one in await real.replicas()] == [False]
    taken = await real.acquire("b", lease=LEASE, most=256, dead={}, steal=False)
    assert taken == {shard: epoch + 1 for shard, epoch in held.items()}


async def test_sqlite_has_a_clock_too(sqlite_url: str, clock: FakeClock) -> None:
    """It says what the system says."""
    stores = Stores(sqlite_url, clock)
    await stores.start()
    await SqlShardStore(stores.database).renew("a", lease=LEASE)
    until = (await stores.shards.replicas())[0].lease_until
    assert abs(until - LEASE - SystemClock().micros()) < 60 * SECOND
    await stores.database.stop()


async def test_a_transaction_that_stands_still_is_ended(postgres_url: str, clock: FakeClock) -> None:
    """What a frozen process has locked is free again after a lease, and the process, if it wakes, is told."""
    made = Stores(postgres_url, clock)
    await made.start()
    await made.database.stop()
    frozen = Database(url=postgres_url, clock=clock, schema="scheduler_svc", limits=ConnectionLimits(idle_transaction_timeout=2.0))
    await frozen.start()
    other = Stores(postgres_url, clock)
    await other.database.start()

    taken: Held = {}

    async def free() -> bool:
        taken.update(await acquire(other, "b", steal=True))  # some of them, if the end comes while it looks
        return len(taken) == 256

    async def stand_still() -> None:
        async with frozen.transaction() as connection:
            await connection.exec_driver_sql("SELECT 1 FROM shards FOR KEY SHARE")
            await eventually(free, what="the end of the transaction")
            await connection.exec_driver_sql("SELECT 1")

    with pytest.raises(Exception, match=r"idle-in-transaction|closed"):
        await stand_still()
    assert len(taken) == 256
    async with frozen.read() as connection:
        assert await connection.exec_driver_sql("SELECT 1")
    await frozen.stop()
    await other.database.stop()


def lock_of(url: str, owner: str) -> SessionLock:
    """The lock of one start."""
    database = Database(url=url, clock=SystemClock(), schema="scheduler_svc", limits=_ONE)
    return SessionLock(database=database, excludes=lambda: True, owner=owner)


async def gone(stores: Stores) -> list[str]:
    """Whose lock is free."""
    return [one.owner for one in await stores.shards.replicas() if one.gone]


@pytest.mark.native
async def test_a_lock_shows_that_its_process_lives(postgres: Stores, postgres_url: str) -> None:
    """It is free as soon as its connection ends, whatever the lease says; a replica without a lock is never said to be gone."""
    lock = lock_of(postgres_url, "a")
    key = await lock.beat()
    await postgres.shards.renew("a", lease=LEASE, lock=key)
    await postgres.shards.renew("b", lease=LEASE)
    assert await gone(postgres) == []
    assert await lock.beat() == key
    async with postgres.database.transaction() as connection:
        killed = await connection.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        assert len(killed.fetchall()) == 1
    await eventually(lambda: _is(postgres, ["a"]))
    assert await lock.beat() is None
    await eventually(lambda: _takes(lock, key))
    assert await gone(postgres) == []
    await lock.stop()
    await lock.stop()
    await eventually(lambda: _is(postgres, ["a"]))


async def _is(stores: Stores, owners: list[str]) -> bool:
    return await gone(stores) == owners


async def _takes(lock: SessionLock, key: int | None) -> bool:
    return await lock.beat() == key


async def test_a_lock_whose_database_is_away_is_none(own_postgres_server: PostgresServer) -> None:
    """It neither fails nor waits for long, and is there again when the database is."""
    lock = lock_of(own_postgres_server.url(), "a")
    key = await lock.beat()
    assert key is not None
    own_postgres_server.kill()
    assert [await lock.beat(), await lock.beat()] == [None, None]
    own_postgres_server.start()
    await eventually(lambda: _takes(lock, key))
    await lock.stop()


class Pooler:
    """Gives each statement another session, as pgbouncer may do with transactions."""

    def __init__(self, *databases: Database) -> None:
        self._databases = databases
        self._turn = 0

    async def start(self) -> None:
        """Opens the sessions."""
        for database in self._databases:
            await database.start()

    async def stop(self) -> None:
        """Closes them."""
        for database in self._databases:
            await database.stop()

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncGenerator["Pooler"]:
        """One connection, as its client sees it."""
        yield self

    async def exec_driver_sql(self, statement: str, parameters: tuple[object, ...] = ()) -> object:
        """Runs a statement in the next session."""
        self._turn += 1
        async with self._databases[self._turn % 2].read() as connection:
            return await connection.exec_driver_sql(statement, parameters)


@pytest.mark.native
async def test_behind_a_pooler_there_is_no_lock(postgres_url: str) -> None:
    """A session that is another one at the next look means that the lock proves nothing."""
    databases = [Database(url=postgres_url, clock=SystemClock(), schema="scheduler_svc", limits=_ONE) for _ in range(2)]
    lock = SessionLock(database=Pooler(*databases), excludes=lambda: True, owner="a")  # pyright: ignore[reportArgumentType]  what a lock needs of one
    assert await lock.beat() is not None
    assert [await lock.beat(), await lock.beat()] == [None, None]
    await lock.stop()


async def test_firings_of_no_known_priority_wait_as_normal_ones_from_a_takeover_on(stores: Stores) -> None:
    """A hand changed the rows of a tenant: who takes the shard over finds them, and its neighbours' are as they were."""
    await stores.add(alarm(id="a1"), alarm(id="a2", tenant="t2"), alarm(id="a3", tenant="t2", priority=Priority.BULK))
    await stores.fire(*((name, NOW) for name in ("a1", "a2", "a3")))
    for value in (99, -1, 2.5, "CRITICAL", b"\xff"):
        async with stores.database.transaction() as connection:
            if connection.dialect.name == "postgresql" and not isinstance(value, int):
                continue
            await connection.execute(update(firings).where(firings.c.tenant == "t1").values(priority=literal(value, NullType())))
        await stores.shards.release(OWNER)
        await acquire(stores, OWNER)
        found = [await waiting(stores, priority) for priority in Priority]
        assert found == [[], ["a1", "a2"], ["a3"]], value


async def waiting(stores: Stores, priority: Priority) -> list[str]:
    """The alarms whose firings wait with a priority."""
    found = await stores.ledger.waiting(range(256), priority=priority, after=(-1, ""), until=NOW, most=9)
    return sorted(queued.alarm for queued in found)
