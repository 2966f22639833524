"""One stream of the changes of several kinds: what it may tell, what it survives, and where it goes on."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from gateway.changes import ChangeFeed
from tocsin.api.gateway.v1 import change_service_pb2 as pb
from tocsin.api.mailer.v1 import delivery_service_pb2 as deliveries
from tocsin.api.mesh.v1 import mesh_admin_service_pb2 as mesh
from tocsin.api.scheduler.v1 import firing_service_pb2 as firings
from tocsin.errors import InvalidInput, TocsinError, Unauthenticated, Unavailable
from tocsin.mesh.context import Call, enter
from tocsin.mesh.tokens import Principal
from tocsin.testing.clock import FakeClock

FIRINGS = "WatchFirings"
DELIVERIES = "WatchDeliveries"
EVERY_SCOPE = frozenset({"firings:read", "incidents:read", "deliveries:read", "mesh:read", "alerts:read", "recipients:read"})


class Watch:
    """One watch of a service: gives what it is told to, and then an error or nothing more."""

    def __init__(self, script: Sequence[bytes | TocsinError]) -> None:
        self._script = iter(script)
        self.is_cancelled = False

    def __aiter__(self) -> "Watch":
        return self

    async def __anext__(self) -> bytes:
        step = next(self._script, None)
        if step is None:
            await asyncio.Event().wait()
            raise StopAsyncIteration
        if isinstance(step, TocsinError):
            raise step
        return step

    def cancel(self) -> bool:
        self.is_cancelled = True
        return True


class Services:
    """What the services tell, by RPC: a script for each time that a watch is opened, the last one again and again."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Sequence[bytes | TocsinError]]] = {}
        self.asked: list[tuple[str, bytes]] = []
        self.watches: list[Watch] = []

    def follow(self, path: str) -> Callable[[bytes], Watch]:
        name = path.rpartition("/")[2]

        def call(request: bytes) -> Watch:
            self.asked.append((name, request))
            scripts = self.scripts.get(name, [[]])
            watch = Watch(scripts.pop(0) if len(scripts) > 1 else scripts[0])
            self.watches.append(watch)
            return watch

        return call


class Admin:
    """Shows a mesh of nobody, over and over."""

    async def WatchMesh(self, request: mesh.WatchMeshRequest) -> AsyncGenerator[mesh.WatchMeshResponse]:
        del request
        for _ in count():
            yield mesh.WatchMeshResponse(mesh=mesh.MeshPicture())
            await asyncio.sleep(0)


def firing(number: int, token: str = "") -> bytes:
    """What the scheduler tells of a firing."""
    return firings.WatchFiringsResponse(firing=firings.Firing(name=f"firings/{number}"), resume_token=token).SerializeToString()


def delivery(number: int, token: str = "") -> bytes:
    """What the mailer tells of a delivery."""
    return deliveries.WatchDeliveriesResponse(
        delivery=deliveries.Delivery(name=f"deliveries/{number}"), resume_token=token
    ).SerializeToString()


@pytest.fixture
def services() -> Services:
    """Services that tell nothing yet."""
    return Services()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves when it is told to."""
    return FakeClock()


def changes(services: Services, clock: FakeClock) -> ChangeFeed:
    """The use case over them."""
    admin: Any = Admin()
    return ChangeFeed(follow=services.follow, admin=admin, clock=clock)


def as_caller(scopes: frozenset[str] = EVERY_SCOPE) -> None:
    """This task serves a call of somebody with these scopes."""
    who = Principal(tenant="t1", subject="users/1", scopes=scopes, time_zone="UTC", token="", expires=datetime(2030, 1, 1, tzinfo=UTC))
    enter(Call(principal=who))


async def read(stream: AsyncGenerator[pb.WatchChangesResponse], most: int) -> list[pb.WatchChangesResponse]:
    """The first ``most`` changes."""
    async with asyncio.timeout(60):
        return [await anext(stream) for _ in range(most)]


async def test_kinds_come_together_and_each_says_that_it_is_followed(services: Services, clock: FakeClock) -> None:
    """Two services, one stream; a standing for each kind comes before what the kind tells."""
    as_caller()
    services.scripts = {FIRINGS: [[firing(1)]], DELIVERIES: [[delivery(2)]]}
    stream = changes(services, clock).WatchChanges(pb.WatchChangesRequest(kinds=[pb.FIRING, pb.DELIVERY]))
    came = await read(stream, 4)
    await stream.aclose()
    assert {(item.standing.kind, item.standing.reason) for item in came if item.HasField("standing")} == {
        (pb.FIRING, ""),
        (pb.DELIVERY, ""),
    }
    assert [item.firing.name for item in came if item.HasField("firing")] == ["firings/1"]
    assert [item.delivery.name for item in came if item.HasField("delivery")] == ["deliveries/2"]
    assert all(watch.is_cancelled for watch in services.watches)


async def test_what_may_not_be_read_is_said_and_not_asked_for(services: Services, clock: FakeClock) -> None:
    """Without its scope a kind is refused, and the others go on; without any, everything is refused, and the stream stays."""
    as_caller(frozenset({"firings:read"}))
    services.scripts = {FIRINGS: [[firing(1)]]}
    stream = changes(services, clock).WatchChanges(pb.WatchChangesRequest())
    came = await read(stream, 7)
    await stream.aclose()
    refused = {item.standing.kind for item in came if item.standing.reason == "PERMISSION_DENIED"}
    assert refused == {pb.INCIDENT, pb.DELIVERY, pb.MESH, pb.ALERT, pb.ROTATION}
    assert [name for name, _ in services.asked] == [FIRINGS]


async def test_a_service_that_goes_away_interrupts_its_kind_alone(services: Services, clock: FakeClock) -> None:
    """The kind says why it is silent, is asked again after its last change, and says when it is back; the other kind never stops."""
    as_caller()
    services.scripts = {
        FIRINGS: [[firing(1, "after-1"), Unavailable()], [Unavailable()], [firing(2, "after-2")]],
        DELIVERIES: [[delivery(9)]],
    }
    stream = changes(services, clock).WatchChanges(pb.WatchChangesRequest(kinds=[pb.FIRING, pb.DELIVERY]))
    came: list[pb.WatchChangesResponse] = []
    async with asyncio.timeout(60):
        async for change in stream:
            came.append(change)
            if change.firing.name == "firings/2":
                break
            if change.standing.reason:
                await clock.advance(10)
    await stream.aclose()
    assert [item.standing.reason for item in came if item.standing.kind == pb.FIRING] == ["", "UNAVAILABLE", "", "UNAVAILABLE", ""]
    assert [item.firing.name for item in came if item.HasField("firing")] == ["firings/1", "firings/2"]
    asked = [firings.WatchFiringsRequest.FromString(raw).resume_token for name, raw in services.asked if name == FIRINGS]
    assert asked == ["", "after-1", "after-1"]
    assert [item.delivery.name for item in came if item.HasField("delivery")] == ["deliveries/9"]


async def test_a_token_resumes_every_kind_where_it_was(services: Services, clock: FakeClock) -> None:
    """The token of the last change holds the places of all kinds, not of the last one alone."""
    as_caller()
    services.scripts = {FIRINGS: [[firing(1, "f1")], []], DELIVERIES: [[delivery(1, "d1")], []]}
    kinds = [pb.FIRING, pb.DELIVERY]
    first = changes(services, clock).WatchChanges(pb.WatchChangesRequest(kinds=kinds))
    token = (await read(first, 4))[-1].resume_token
    await first.aclose()
    services.asked.clear()
    again = changes(services, clock).WatchChanges(pb.WatchChangesRequest(kinds=kinds, resume_token=token))
    await read(again, 2)
    await asyncio.sleep(0)
    await again.aclose()
    tokens = {name: firings.WatchFiringsRequest.FromString(raw).resume_token for name, raw in services.asked}
    assert tokens == {FIRINGS: "f1", DELIVERIES: "d1"}


@pytest.mark.parametrize(
    "token",
    ["x", "AAAA", "e30", "WzFd", "eyI5Ijoic3QifQ==", "eyJhIjoiYiJ9", "bnVsbA==", "\u00e9", "W1tbW1tbW1tb" * 100],
    ids=["short", "no-json", "unpadded", "list", "other-kind", "no-number", "null", "no-ascii", "deep"],
)
async def test_a_token_of_another_stream_is_refused(services: Services, clock: FakeClock, token: str) -> None:
    """Whatever is no token of this stream is an error that names the field."""
    as_caller()
    stream = changes(services, clock).WatchChanges(pb.WatchChangesRequest(resume_token=token))
    with pytest.raises(InvalidInput) as refused:
        await read(stream, 1)
    assert refused.value.violations[0].field == "resumeToken"
    assert services.asked == []


async def test_a_place_that_a_service_no_longer_knows_is_left(services: Services, clock: FakeClock) -> None:
    """The kind goes on from now, and its standing says that something may be missing."""
    as_caller()
    services.scripts = {FIRINGS: [[firing(1, "old"), InvalidInput.at("resumeToken", "is too old")], [firing(2)]]}
    stream = changes(services, clock).WatchChanges(pb.WatchChangesRequest(kinds=[pb.FIRING]))
    assert [item.standing.reason for item in await read(stream, 3)][::2] == ["", "INVALID_ARGUMENT"]
    await clock.advance(10)
    assert (await read(stream, 2))[1].firing.name == "firings/2"
    await stream.aclose()
    assert [firings.WatchFiringsRequest.FromString(raw).resume_token for _, raw in services.asked] == ["", ""]


async def test_a_credential_that_ends_ends_the_stream(services: Services, clock: FakeClock) -> None:
    """Nothing is told after it, of any kind."""
    as_caller()
    services.scripts = {FIRINGS: [[Unauthenticated()]], DELIVERIES: [[]]}
    stream = changes(services, clock).WatchChanges(pb.WatchChangesRequest(kinds=[pb.FIRING, pb.DELIVERY]))
    with pytest.raises(Unauthenticated):
        await read(stream, 4)
    assert all(watch.is_cancelled for watch in services.watches)


async def test_a_client_that_does_not_read_is_not_read_ahead_for(services: Services, clock: FakeClock) -> None:
    """What a service tells is fetched as it is taken: a handful ahead, never all of it."""
    as_caller()
    told = iter(range(1_000_000))
    services.scripts = {FIRINGS: [(firing(next(told)) for _ in count())]}  # type: ignore[list-item]
    stream = changes(services, clock).WatchChanges(pb.WatchChangesRequest(kinds=[pb.FIRING]))
    await read(stream, 3)
    for _ in range(100):
        await asyncio.sleep(0)
    await stream.aclose()
    assert next(told) < 40
