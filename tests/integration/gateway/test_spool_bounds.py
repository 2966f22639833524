"""What the spool takes on: how much, of whom, and only what its service would take."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from gateway.spool import SpoolFull, SpoolStore, SpoolUse
from tests.integration.gateway.spools import CLOCK, EVENT, PING, READING, Far, SpoolRig, rule
from tocsin.api.scheduler.v1 import trigger_service_pb2 as pb
from tocsin.clock import from_micros
from tocsin.database import DatabaseUnavailable
from tocsin.errors import InvalidInput, NotFound
from tocsin.mesh.tokens import Principal
from tocsin.testing.waiting import eventually
from tocsin.values import MAX_LEVELS


@pytest.fixture
def far() -> Far:
    """A service that is away."""
    return Far()


@pytest.fixture
async def rig(tmp_path: Path, far: Far) -> AsyncGenerator[SpoolRig]:
    """A running spool."""
    rig = SpoolRig(tmp_path / "spool.db", far)
    await rig.start()
    yield rig
    await rig.stop()


def principal(tenant: str = "acme", *scopes: str) -> Principal:
    """Somebody with a token."""
    return Principal(
        tenant=tenant,
        subject="users/1",
        scopes=frozenset(scopes or ("events:write",)),
        time_zone="UTC",
        token="",
        expires=from_micros(2**50),
    )


# -- bounds ----------------------------------------------------------------------------------------------------------------------


async def full(rig: SpoolRig, topic: str, tenant: str = "acme") -> bool:
    """Whether a call is refused for want of room."""
    before = rig.spool.state
    try:
        await rig.put(topic, tenant)
    except SpoolFull as refused:
        told = refused.retry_after is not None
    else:
        return False
    assert told
    assert rig.spool.state.waiting == before.waiting
    return True


async def test_the_spool_is_bounded(tmp_path: Path, far: Far) -> None:
    """In calls and in bytes, of a tenant and in all; what was taken on stays."""
    rig = SpoolRig(tmp_path / "spool.db", far, bounds=rule(all=SpoolUse(6, 3000), tenant=SpoolUse(3, 1500)))
    await rig.start()
    assert [await full(rig, f"t{number}") for number in range(4)] == [False, False, False, True]
    assert not await full(rig, "x" * 500, "other")
    assert await full(rig, "x" * 1400, "other")
    assert [await full(rig, f"t{number}", "third") for number in range(3)] == [False, False, True]
    assert rig.spool.depth == 6
    far.away = False
    await eventually(lambda: rig.spool.depth == 0)
    assert rig.spool.state.waiting == SpoolUse()
    assert not await full(rig, "again")
    await rig.stop()


async def test_strangers_have_a_small_place_of_their_own(tmp_path: Path, far: Far) -> None:
    """Three hundred pings without a token from one address, and as many from others, take no place of tenants."""
    rig = SpoolRig(tmp_path / "spool.db", far, bounds=rule(all=SpoolUse(5, 1 << 20), anonymous=30, address=20))
    await rig.start()
    spooler = rig.spooler(PING)

    async def ping(key: str, address: str, who: Principal | None = None) -> bool:
        try:
            await spooler.keep(pb.PingRequest(key=key).SerializeToString(), who, address)
        except SpoolFull:
            return False
        return True

    assert sum([await ping(f"a{number}", "192.0.2.1") for number in range(300)]) == 20
    assert sum([await ping(f"b{number}", f"2001:db8::{number:x}") for number in range(300)]) == 10
    assert not await ping("c", "198.51.100.7", principal("acme", "alarms:read"))
    for number in range(5):
        await rig.put(f"t{number}")
    assert await full(rig, "t5")
    far.errors = {f"a{number}": NotFound() for number in range(300)}
    far.away = False
    await eventually(lambda: rig.spool.depth == 0)
    assert [topic for tenant, topic in far.seen if tenant == "acme"] == [f"t{number}" for number in range(5)]
    assert len([topic for tenant, topic in far.seen if not tenant]) == 10
    assert rig.spool.state.set_aside == SpoolUse()
    assert await ping("a0", "192.0.2.1")
    await rig.stop()


async def pages(rig: SpoolRig, most: int) -> int:
    """Bounds the file: to the pages that it has if ``most`` is 0. Returns the bound."""
    async with rig.file.database.transaction() as connection:
        bound = most or (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        return (await connection.exec_driver_sql(f"PRAGMA max_page_count = {bound}")).scalar_one()


async def test_a_call_that_finds_no_room_on_the_disk_is_refused(rig: SpoolRig, far: Far) -> None:
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
    assert far.topics == ["before", "after"]


async def test_a_caller_that_leaves_leaves_nothing_uncounted(rig: SpoolRig, far: Far) -> None:
    """Cancelled while it is stored, a call is there and counted, or neither."""
    for number in range(20):
        task = asyncio.create_task(rig.put(f"t{number}"))
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await rig.put("last")
    far.away = False
    await eventually(lambda: rig.spool.depth == 0)
    assert await SpoolStore(rig.file).use_by_queue() == {}
    assert far.topics[-1] == "last"


# -- what is taken on ------------------------------------------------------------------------------------------------------------


async def test_a_marked_event_keeps_its_identity_and_time(rig: SpoolRig) -> None:
    """Forwarded twice it is the same event; what the client gave stays."""
    spooler = rig.spooler()
    marked = pb.PublishEventRequest.FromString(
        spooler.mark(pb.PublishEventRequest(event=pb.PublishedEvent(topic="a.b")).SerializeToString())
    )
    assert marked.event.id
    assert marked.event.HasField("time")
    again = spooler.mark(marked.SerializeToString())
    assert pb.PublishEventRequest.FromString(again) == marked
    assert pb.PublishEventResponse.FromString(await spooler.keep(again, principal(), "")).id == marked.event.id


async def test_a_marked_reading_has_an_identity(rig: SpoolRig) -> None:
    """Forwarded twice it is one reading."""
    spooler = rig.spooler(READING)
    raw = spooler.mark(pb.RecordReadingRequest(reading=pb.Reading(metric="m", value=1)).SerializeToString())
    marked = pb.RecordReadingRequest.FromString(raw).reading
    assert marked.id
    assert spooler.mark(raw) == raw


def event(**fields: object) -> bytes:  # noqa: D103  a shorthand
    made = pb.PublishedEvent(id="e", topic=str(fields.get("topic", "a.b")))
    made.data.update(fields.get("data", {}))  # pyright: ignore[reportArgumentType]  a structure
    return pb.PublishEventRequest(event=made).SerializeToString()


def nested(levels: int) -> dict[str, object]:  # noqa: D103  likewise
    found: dict[str, object] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


def ahead() -> bytes:  # noqa: D103  likewise
    reading = pb.Reading(metric="m", value=1)
    reading.time.FromMicroseconds(CLOCK.micros() + 3600 * 1_000_000)
    return pb.RecordReadingRequest(reading=reading).SerializeToString()


@pytest.mark.parametrize(
    ("path", "said", "field"),
    [
        (EVENT, lambda: event(topic="no spaces, please"), "topic"),
        (EVENT, lambda: event(data={"a": "x" * 70_000}), "event.data"),
        (EVENT, lambda: event(data={f"k{number}": 1 for number in range(9000)}), "event.data"),
        (EVENT, lambda: event(data=nested(MAX_LEVELS)), "event.data"),
        (READING, ahead, "reading.time"),
        (READING, lambda: pb.RecordReadingRequest(reading=pb.Reading(metric="m", value=float("nan"))).SerializeToString(), "value"),
        (PING, lambda: pb.PingRequest(key="?").SerializeToString(), "key"),
    ],
    ids=["rule", "size", "members", "depth", "future", "nan", "key"],
)
async def test_what_its_service_would_refuse_is_not_taken_on(rig: SpoolRig, path: str, said: Callable[[], bytes], field: str) -> None:
    """A client learns at once that its call is wrong, though nobody is there to say so."""
    with pytest.raises(InvalidInput, match=field):
        await rig.spooler(path).keep(said(), principal(), "")
    assert rig.spool.depth == 0
