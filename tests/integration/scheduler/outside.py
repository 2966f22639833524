"""What comes from outside, said to the stores directly."""

import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.struct_pb2 import Struct

from scheduler_svc.contexts import packed
from scheduler_svc.domain import Alarm, Firing, new_id
from scheduler_svc.ports import Moved
from scheduler_svc.service.fire_quotas import FireQuotas
from scheduler_svc.service.signals import Intake
from scheduler_svc.store import SqlSignalStore
from scheduler_svc.triggers import Measured, Pinged, Published, deadline, initial_signal, with_ping_key
from tests.integration.scheduler.quotas import fire_quotas
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm
from tocsin.database import Database
from tocsin.recurrence import Event, Heartbeat, Threshold, Trigger
from tocsin.recurrence.specs import Comparison
from tocsin.testing.clock import FakeClock

_NUMBERS = itertools.count(1)


def waiting(spec: Any, *, now: int = NOW, **fields: Any) -> Alarm:
    """An alarm that waits for something from outside; what is no field of an alarm is one of its trigger."""
    beside = {name: fields.pop(name) for name in ("start", "end", "overlap") if name in fields}
    trigger, secret = with_ping_key(Trigger(spec=spec, **beside))
    signal = initial_signal(trigger, now=now, secret=secret)
    return alarm(trigger=trigger, due=deadline(trigger, seen=now), rule_since=now, signal=signal, **fields)


def on(topic: str, condition: str = "", **fields: Any) -> Alarm:
    """An alarm that waits for an event."""
    return waiting(Event(topic, condition), **fields)


def above(value: float, *, metric: str = "m", seconds: float = 0, hysteresis: float = 0, notify: bool = True, **fields: Any) -> Alarm:
    """An alarm that waits for a larger value."""
    spec = Threshold(
        metric=metric,
        comparison=Comparison.GREATER_THAN,
        value=value,
        for_duration=round(seconds * SECOND),
        hysteresis=hysteresis,
        notify_resolved=notify,
    )
    return waiting(spec, **fields)


def beating(key: str = "", *, seconds: float = 60, notify: bool = True, **fields: Any) -> Alarm:
    """An alarm that waits for a ping every so many seconds, without any grace."""
    return waiting(Heartbeat(every=round(seconds * SECOND), grace=0, key=key, notify_resolved=notify), **fields)


def event(topic: str = "a.b", *, id: str = "", tenant: str = "t1", now: int = NOW, **data: Any) -> Published:  # noqa: A002  the contract's word
    """An event with some data."""
    log, body = new_id(now), Struct()
    body.update(data)
    return Published(
        log=log, tenant=tenant, id=id or f"made{next(_NUMBERS)}", topic=topic, source="test", happened=now, received=now,
        data={name: float(value) if type(value) is int else value for name, value in data.items()}, body=packed(data) if data else b"",
    )  # fmt: skip


def reading(value: float, *, at: float = 0, metric: str = "m", tenant: str = "t1", id: str = "") -> Measured:  # noqa: A002  the contract's word
    """A reading, measured ``at`` seconds from the initial_signal."""
    measured = NOW + round(at * SECOND)
    log = new_id(measured)
    return Measured(log=log, tenant=tenant, id=id, metric=metric, value=value, source="", measured=measured, received=measured)


def ping(key: str, *, at: float = 0, tenant: str = "") -> Pinged:
    """A ping, ``at`` seconds from the initial_signal."""
    received = NOW + round(at * SECOND)
    return Pinged(log=new_id(received), tenant=tenant, key=key, received=received)


class Outside:
    """One replica's side of what comes from outside."""

    def __init__(
        self, stores: Stores, *, database: Database | None = None, owner: str = OWNER, held: Any = None, quotas: FireQuotas | None = None
    ) -> None:
        self.stores = stores
        self.store = SqlSignalStore(database or stores.database)
        self.owner = owner
        self.held = stores.held if held is None else held
        self.clock = FakeClock()
        self.offered: list[Firing] = []
        self.moved: list[Moved] = []
        fires = quotas or fire_quotas(stores.database, self.clock)
        self.intake = Intake(store=self.store, shards=self, hints=self, clock=self.clock, fires=fires)  # pyright: ignore[reportArgumentType]  it is what they need

    async def caused(self, firings: Sequence[Firing], moved: Sequence[Moved]) -> None:
        """Hears what is fired."""
        self.offered += firings
        self.moved += moved

    async def publish(self, *events: Published) -> list[Any]:
        """Publishes events together."""
        return list(await self.intake.events(events))

    async def record(self, *readings: Measured, now: float | None = None) -> list[Any]:
        """Records readings in one transaction; at the time of the last unless another is given."""
        instant = max(one.received for one in readings) if now is None else NOW + round(now * SECOND)
        caused = await self.store.record(readings, owner=self.owner, held=self.held, now=instant)
        await self.caused(caused.firings, caused.moved)
        return list(caused.answers)

    async def ping(self, *pings: Pinged) -> list[Any]:
        """Takes pings in one transaction."""
        caused = await self.store.ping(pings, owner=self.owner, held=self.held, now=max(one.received for one in pings))
        await self.caused(caused.firings, caused.moved)
        return list(caused.answers)


@asynccontextmanager
async def neighbour(stores: Stores, clock: FakeClock, url: str) -> AsyncGenerator[Outside]:
    """Another replica on the same database, which owns half of the shards; on SQLite, which one process has, another store."""
    if stores.database.dialect == "sqlite":
        yield Outside(stores)
        return
    half = [shard for shard in stores.held if shard % 2]
    await stores.shards.give_back(OWNER, half)
    stores.held = {shard: epoch for shard, epoch in stores.held.items() if shard not in half}
    database = Database(url=url, clock=clock, schema="scheduler_svc")
    await database.start()
    try:
        held = await stores.shards.acquire("other", lease=10 * SECOND, most=256, dead={}, steal=False)
        yield Outside(stores, database=database, owner="other", held=held)
    finally:
        await database.stop()
