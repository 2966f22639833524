"""The spool: what is taken on is durable, stays in order, is bounded, and is forwarded once its service is back."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.spool import CallKeeper, Entry, Forwarder, Spool, SpoolFull, SpoolStore, metadata, stamps
from tocsin.api.scheduler.v1 import trigger_service_pb2 as pb
from tocsin.clock import SystemClock
from tocsin.database import Database, DatabaseUnavailable, current, downgrade, migrate, schema_differences
from tocsin.errors import InvalidInput, NotFound, Unavailable
from tocsin.mesh.context import current as current_call
from tocsin.testing.waiting import eventually

EVENT = "/tocsin.api.scheduler.v1.TriggerService/PublishEvent"
CLOCK = SystemClock()


class Far:
    """The service behind: away until a test says that it is back."""

    def __init__(self) -> None:
        self.away = True
        self.refuses: set[str] = set()
        self.seen: list[tuple[str, str]] = []

    def unary(self, path: str) -> Callable[[bytes], Awaitable[bytes]]:
        """What a backend gives."""
        assert path == EVENT

        async def call(raw: bytes) -> bytes:
            await asyncio.sleep(0)
            if self.away:
                raise Unavailable
            event = pb.PublishEventRequest.FromString(raw).event
            if event.topic in self.refuses:
                raise NotFound
            served = current_call()
            self.seen.append((served.tenant if served else "", event.topic))
            return b""

        return call


class Rig:
    """A spool over one file, with a forwarder to one service; it can be stopped and opened again."""

    def __init__(self, file: Path, far: Far, *, limit: int = 10_000) -> None:
        self.database = Database(url=f"sqlite:///{file}", clock=CLOCK, schema="gateway", migrations="gateway")
        self.spool = Spool(store=SpoolStore(self.database), limit=limit)
        self.forwarder = Forwarder(spool=self.spool, unary=far.unary, clock=CLOCK, registry=CollectorRegistry())

    async def start(self) -> None:
        """Opens it."""
        for part in (self.database, self.spool, self.forwarder):
            await part.start()

    async def stop(self) -> None:
        """Closes it; what waits stays."""
        for part in (self.forwarder, self.spool, self.database):
            await part.stop()

    async def put(self, topic: str, tenant: str = "acme") -> None:
        """Takes an event on."""
        request = pb.PublishEventRequest(event=pb.PublishedEvent(id=topic, topic=topic))
        await self.spool.put(Entry(EVENT, tenant, request.SerializeToString(), "", CLOCK.micros()))
        self.forwarder.ring()


@pytest.fixture
def far() -> Far:
    """A service that is away."""
    return Far()


@pytest.fixture
async def rig(tmp_path: Path, far: Far) -> AsyncGenerator[Rig]:
    """A running spool."""
    rig = Rig(tmp_path / "spool.db", far)
    await rig.start()
    yield rig
    await rig.stop()


async def test_what_waits_is_forwarded_in_order_for_its_tenant(rig: Rig, far: Far) -> None:
    """A hundred calls of two tenants arrive as they came, and nothing is left."""
    expected = [("acme" if number % 2 else "other", f"t{number}") for number in range(100)]
    for tenant, topic in expected:
        await rig.put(topic, tenant)
    assert (rig.spool.depth, far.seen) == (100, [])
    far.away = False
    await eventually(lambda: rig.spool.depth == 0)
    assert far.seen == expected


async def test_what_waits_survives_a_restart(tmp_path: Path, far: Far) -> None:
    """A new start forwards what an earlier one has taken on, and knows how much it is."""
    first = Rig(tmp_path / "spool.db", far)
    await first.start()
    await asyncio.gather(*(first.put(f"t{number}") for number in range(20)))
    await first.stop()
    second = Rig(tmp_path / "spool.db", far)
    await second.start()
    assert second.spool.depth == 20
    far.away = False
    await eventually(lambda: second.spool.depth == 0)
    await second.stop()
    assert sorted(topic for _, topic in far.seen) == sorted(f"t{number}" for number in range(20))


async def test_a_call_that_is_refused_does_not_hold_up_the_others(rig: Rig, far: Far) -> None:
    """It would be refused for ever; it is told, counted, and gone."""
    far.refuses = {"bad"}
    for topic in ("good", "bad", "better"):
        await rig.put(topic)
    far.away = False
    await eventually(lambda: rig.spool.depth == 0)
    assert [topic for _, topic in far.seen] == ["good", "better"]


async def test_the_spool_is_bounded(tmp_path: Path, far: Far) -> None:
    """The call after the last is refused with a hint when to come again, and the others stay."""
    rig = Rig(tmp_path / "spool.db", far, limit=3)
    await rig.start()
    for number in range(3):
        await rig.put(f"t{number}")
    with pytest.raises(SpoolFull) as refused:
        await rig.put("t3")
    assert refused.value.retry_after
    assert rig.spool.depth == 3
    await rig.stop()


async def pages(rig: Rig, most: int) -> int:
    """Bounds the file: to the pages that it has if ``most`` is 0. Returns the bound."""
    async with rig.database.transaction() as connection:
        bound = most or (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        return (await connection.exec_driver_sql(f"PRAGMA max_page_count = {bound}")).scalar_one()


async def test_a_call_that_finds_no_room_on_the_disk_is_refused(rig: Rig, far: Far) -> None:
    """It is not counted as waiting; what was taken on stays, and room again is enough."""
    await rig.put("before")
    await pages(rig, 0)
    with pytest.raises(DatabaseUnavailable, match="full") as refused:
        await rig.put("x" * 10_000)
    assert refused.value.retry_after
    assert rig.spool.depth == 1
    await pages(rig, 1_000_000)
    await rig.put("after")
    far.away = False
    await eventually(lambda: rig.spool.depth == 0)
    assert [topic for _, topic in far.seen] == ["before", "after"]


async def test_the_schema_is_the_one_in_the_code_and_goes_down(tmp_path: Path) -> None:
    """Nothing is missing, nothing is left over, and the revision can be taken back."""
    url = f"sqlite:///{tmp_path}/spool.db"
    await migrate(url=url, schema="gateway", package="gateway")
    assert await schema_differences(url=url, schema="gateway", metadata=metadata) == []
    await downgrade(url=url, schema="gateway", package="gateway", revision="base")
    assert await current(url=url, schema="gateway") is None


async def test_a_marked_event_keeps_its_identity_and_time(rig: Rig) -> None:
    """Forwarded twice it is the same event; what the client gave stays."""
    keeper = CallKeeper(path=EVENT, stamp=stamps(CLOCK)[EVENT], spool=rig.spool, ring=rig.forwarder.ring, clock=CLOCK)
    marked = pb.PublishEventRequest.FromString(
        keeper.mark(pb.PublishEventRequest(event=pb.PublishedEvent(topic="a.b")).SerializeToString())
    )
    assert marked.event.id
    assert marked.event.HasField("time")
    again = keeper.mark(marked.SerializeToString())
    assert pb.PublishEventRequest.FromString(again) == marked
    assert pb.PublishEventResponse.FromString(await keeper.keep(again, None)).id == marked.event.id


async def test_what_its_service_would_refuse_is_not_taken_on(rig: Rig) -> None:
    """A client learns at once that its event is wrong, though nobody is there to say so."""
    keeper = CallKeeper(path=EVENT, stamp=stamps(CLOCK)[EVENT], spool=rig.spool, ring=rig.forwarder.ring, clock=CLOCK)
    with pytest.raises(InvalidInput, match="topic"):
        await keeper.keep(pb.PublishEventRequest(event=pb.PublishedEvent(topic="no spaces, please")).SerializeToString(), None)
    assert rig.spool.depth == 0
