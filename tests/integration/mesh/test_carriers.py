"""Calls that ride on a carrier: what they, their handlers and their callers see is what a call of its own sees."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from tests.integration.mesh.support import CARRIED, METHODS, ONCE, Echo, EchoStub, Note, Rig, riding
from tocsin.errors import DeadlineExceeded, FailedPrecondition, InvalidInput, NotFound, PermissionDenied, ResourceExhausted, Unauthenticated
from tocsin.mesh import carried
from tocsin.mesh import context as calls
from tocsin.mesh.client.channel import MeshChannel
from tocsin.mesh.context import acting_as
from tocsin.mesh.server.carried_context import CarriedContext
from tocsin.mesh.server.mesh_server import MeshServer
from tocsin.mesh.shedding import Overloaded, Shedder
from tocsin.testing.waiting import eventually

FIRST, LAST = (("x-first", "1"), ("x-first-bin", b"\x00\xff")), (("x-last", "2"), ("x-last-bin", b"\xfe"))


class Seen(Echo):
    """Does what the text of a request says, and keeps what it was told of each call."""

    def __init__(self) -> None:
        super().__init__(self._act)
        self.contexts: list[Any] = []
        self.told: list[tuple[set[Any], dict[str, Any], str]] = []
        self.go = asyncio.Event()
        self.waiting = self.given_up = 0

    @property
    def rode(self) -> int:
        """How many calls came on a carrier."""
        return sum(isinstance(each, CarriedContext) for each in self.contexts)

    async def _act(self, request: Any, context: Any) -> Any:
        self.contexts.append(context)
        # Asked while the call lasts: gRPC's own context has nothing to ask any more afterwards, and crashes.
        self.told.append((set(context.invocation_metadata()), dict(context.auth_context()), context.peer()))
        match request.text:
            case "wait":
                self.waiting += 1
                try:
                    await self.go.wait()
                except asyncio.CancelledError:
                    self.given_up += 1
                    raise
                finally:
                    self.waiting -= 1
            case "missing":
                context.set_trailing_metadata(LAST)
                raise NotFound("no such shelf", metadata={"shelf": "7"})
            case "metadata":
                await context.send_initial_metadata(FIRST)
                context.set_trailing_metadata(LAST)
            case "code":
                context.set_code(grpc.StatusCode.FAILED_PRECONDITION)
                context.set_details("half of it is gone")
            case "long":
                return Note(text="x" * request.number)
            case _:
                pass
        return request


class Side:
    """A server with its carrier, and a stub whose calls ride."""

    def __init__(self, rig: Rig, seen: Seen, server: MeshServer, channel: MeshChannel) -> None:
        self.rig = rig
        self.seen = seen
        self.server = server
        self.channel = channel
        self.stub = EchoStub(channel)

    @classmethod
    async def open(cls, rig: Rig, **values: Any) -> "Side":
        """Both ends, with settings of the server."""
        seen = Seen()
        server = await rig.serve(seen, methods=CARRIED, **values)
        channel = rig.mesh(methods=CARRIED).channel("echo_svc")
        await riding(channel)
        seen.contexts.clear()
        return cls(rig, seen, server, channel)


@pytest.fixture
async def side(rig: Rig) -> AsyncIterator[Side]:
    """Both ends."""
    made = await Side.open(rig)
    yield made
    made.seen.go.set()


async def test_a_call_rides(side: Side) -> None:
    """And so do those beside it, all of them."""
    answers = await asyncio.gather(*(side.stub.Greet(Note(number=number)) for number in range(100)))
    assert [answer.number for answer in answers] == list(range(100))
    assert side.seen.rode == 100


async def test_a_handler_is_told_the_same(side: Side) -> None:
    """Who calls, from where, with which metadata, and how long it may take; of a call by itself it is told no more."""
    other = EchoStub(side.rig.mesh().channel("echo_svc"))  # its policies say nothing of carriers
    for stub in (side.stub, other):
        await stub.Greet(Note(), metadata=(("x-more", "a b"), ("x-more", "c")), timeout=20)
    riding_one, by_itself = side.seen.contexts
    assert isinstance(riding_one, CarriedContext)
    assert not isinstance(by_itself, CarriedContext)
    assert isinstance(riding_one, grpc.aio.ServicerContext)
    (metadata, auth, peer), (other_metadata, other_auth, _) = side.seen.told[-2:]
    named, other_named = ({(key, value) for key, value in each if key != "traceparent"} for each in (metadata, other_metadata))
    assert named == other_named
    assert {("x-more", "a b"), ("x-more", "c")} < named
    assert auth.keys() == other_auth.keys()
    assert list(auth["peer_spiffe_id"]) == list(other_auth["peer_spiffe_id"])
    assert peer.startswith("ipv4:127.0.0.1:")
    assert 0 < riding_one.time_remaining() <= 20
    await eventually(riding_one.done, what="the end of the call")


async def test_who_may_call_is_asked_of_each_call(side: Side) -> None:
    """Its token, its scope, its certificate, its fields."""
    with pytest.raises(Unauthenticated):
        await side.stub.Say(Note())
    with acting_as(side.rig.token("other:read")), pytest.raises(PermissionDenied):
        await side.stub.Say(Note())
    with acting_as(side.rig.token()):
        assert (await side.stub.Say(Note(number=3))).number == 3
    with pytest.raises(InvalidInput) as caught:
        await side.stub.Greet(Note(number=-1))
    assert [violation.field for violation in caught.value.violations] == ["number"]
    other = side.rig.mesh("other", methods=CARRIED).channel("echo_svc")
    await riding(other)
    with pytest.raises(PermissionDenied), acting_as(side.rig.token()):
        await EchoStub(other).Inside(Note())
    assert side.seen.rode == 1


async def test_the_tenant_of_one_call_is_not_that_of_the_next(side: Side) -> None:
    """Each has a context of its own."""
    names: list[str] = []

    async def tell(request: Any, _: Any) -> Any:
        await asyncio.sleep(0)
        names.append(calls.principal().subject)
        return request

    side.seen.unary = tell

    async def as_user(name: str) -> None:
        with acting_as(side.rig.token(subject=name)):
            await side.stub.Say(Note())

    wanted = [f"users/{number}" for number in range(20)]
    await asyncio.gather(*map(as_user, wanted))
    assert sorted(names) == sorted(wanted)


async def test_errors_keep_what_they_say(side: Side) -> None:
    """Class, words, details and trailing metadata; also a code that is set beside an answer."""
    with pytest.raises(NotFound, match="no such shelf") as caught:
        await side.stub.Greet(Note(text="missing"))
    assert caught.value.metadata["shelf"] == "7"
    error: Any = caught.value
    assert dict(error.trailing_metadata())["x-last-bin"] == b"\xfe"
    with pytest.raises(grpc.aio.AioRpcError, match="half of it is gone") as lost:
        await side.stub.Greet(Note(text="code"))
    assert lost.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert side.seen.rode == 2


async def test_metadata_of_both_ends_arrives(side: Side) -> None:
    """Texts and bytes, before the answer and after it."""
    answer = await side.stub.Greet.with_call(Note(text="metadata"))
    assert set(FIRST) <= set(answer.initial_metadata)
    assert set(LAST) <= set(answer.trailing_metadata)
    assert side.seen.rode == 1


async def test_the_end_of_a_deadline_reaches_the_handler(side: Side) -> None:
    """Both ends give the call up."""
    with pytest.raises(DeadlineExceeded):
        await side.stub.Greet(Note(text="wait"), timeout=0.3)
    await eventually(lambda: side.seen.given_up == 1, what="the handler's end")
    assert side.seen.rode == 1


async def test_a_caller_that_gives_up_reaches_the_handler(side: Side) -> None:
    """Its call ends, and no other."""
    one, other = (asyncio.ensure_future(side.stub.Greet(Note(text="wait"))) for _ in range(2))
    await eventually(lambda: side.seen.waiting == 2, what="two calls that wait")
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    await eventually(lambda: side.seen.given_up == 1, what="the handler's end")
    side.seen.go.set()
    assert (await other).text == "wait"


async def test_no_call_waits_for_another(side: Side) -> None:
    """More than may ride wait at the server all the same: those beyond go by themselves, as do the next ones."""
    count = carried.MOST_UNDER_WAY + 40
    waiting = [asyncio.ensure_future(side.stub.Greet(Note(text="wait"))) for _ in range(count)]
    await eventually(lambda: side.seen.waiting == count, what="all of them")
    assert side.seen.rode == carried.MOST_UNDER_WAY
    assert (await side.stub.Greet(Note(number=1))).number == 1
    side.seen.go.set()
    await asyncio.gather(*waiting)
    side.seen.contexts.clear()
    await side.stub.Greet(Note())
    assert side.seen.rode == 1


async def test_long_answers_come_in_parts(side: Side) -> None:
    """Whole, whatever is beside them; one that is too long is refused as ever."""
    sizes = [1, carried.PART_BYTES - 10, carried.PART_BYTES + 10, 3_000_000, 2_500_000, 5]
    answers = await asyncio.gather(*(side.stub.Greet(Note(text="long", number=size)) for size in sizes * 3))
    assert [len(answer.text) for answer in answers] == sizes * 3
    with pytest.raises(FailedPrecondition):
        await side.stub.Greet(Note(text="long", number=5_000_000))
    assert side.seen.rode == len(sizes) * 3 + 1
    assert side.channel.carrying


async def test_what_does_not_ride_goes_by_itself(side: Side) -> None:
    """Great requests, binary and great metadata, options of gRPC."""
    await side.stub.Greet(Note(text="x" * (carried.MOST_REQUEST_BYTES + 1)))
    await side.stub.Greet(Note(), metadata=(("x-more-bin", b"\x00"),))
    await side.stub.Greet(Note(), metadata=(("x-more", "a" * carried.MOST_HEADER_BYTES),))
    await side.stub.Greet(Note(), wait_for_ready=True)
    assert (len(side.seen.contexts), side.seen.rode) == (4, 0)


async def test_the_gate_refuses_calls_that_ride(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the words of any refusal; no handler is begun, and the next call is served."""
    with monkeypatch.context() as patched:
        patched.setattr(Shedder, "refuses", lambda *_: True)
        with pytest.raises(ResourceExhausted) as caught:
            await side.stub.Greet(Note())
    assert caught.value.error_reason == Overloaded.reason
    assert caught.value.retry_after is not None
    assert not side.seen.contexts
    await side.stub.Greet(Note())
    assert side.seen.rode == 1


async def test_an_older_server_gets_calls_by_themselves(rig: Rig) -> None:
    """It has no carriers, and says so."""
    seen = Seen()
    await rig.serve(seen, methods=METHODS)
    channel = rig.mesh(methods=CARRIED).channel("echo_svc")
    for number in range(50):
        assert (await EchoStub(channel).Greet(Note(number=number))).number == number
    assert not channel.carrying
    assert (len(seen.contexts), seen.rode) == (50, 0)


async def test_a_method_that_the_server_does_not_let_ride_goes_by_itself(rig: Rig) -> None:
    """The two versions differ in one policy: it is refused before anything was done, and made anew."""
    seen = Seen()
    fewer = {path: METHODS[path] if path.endswith("/Make") else policy for path, policy in CARRIED.items()}
    await rig.serve(seen, methods=fewer)
    channel = rig.mesh(methods=CARRIED).channel("echo_svc")
    await riding(channel)
    seen.contexts.clear()
    assert (await EchoStub(channel).Make(Note(number=4))).number == 4
    assert (len(seen.contexts), seen.rode) == (1, 0)
    assert channel.carrying


async def test_a_server_that_stops_ends_what_it_has_begun(rig: Rig) -> None:
    """And no carrier holds it up: its grace is an hour."""
    side = await Side.open(rig, grace_seconds=3600.0)
    waiting = [asyncio.ensure_future(side.stub.Greet(Note(text="wait"))) for _ in range(5)]
    await eventually(lambda: side.seen.waiting == 5, what="calls under way")
    stopping = asyncio.ensure_future(side.server.stop())
    await eventually(lambda: not side.channel.carrying, what="the news that it drains")
    side.seen.go.set()
    assert [answer.text for answer in await asyncio.gather(*waiting)] == ["wait"] * 5
    await stopping
    assert side.seen.rode == 5


async def test_calls_go_on_while_servers_come_and_go(rig: Rig) -> None:
    """None of a client's calls is lost or made twice, though no call may be tried again."""
    seen = [Seen(), Seen()]
    servers = [await rig.serve(each, methods=CARRIED, drain_seconds=0.5) for each in seen]
    rig.targets["echo_svc"] = f"ipv4:{servers[0].address},{servers[1].address}"
    stub = EchoStub(rig.mesh(methods=ONCE).channel("echo_svc"))
    done = asyncio.Event()
    made = 0

    async def caller() -> None:
        nonlocal made
        while not done.is_set():
            made += 1
            await stub.Make(Note(number=made))

    callers = [asyncio.ensure_future(caller()) for _ in range(8)]
    await eventually(lambda: all(each.rode > 50 for each in seen), what="calls that ride to both")
    await servers[0].stop()
    before = seen[1].rode
    await eventually(lambda: seen[1].rode > before + 50, what="calls that ride to the other")
    done.set()
    await asyncio.gather(*callers)
    assert made == sum(len(each.contexts) for each in seen)


async def test_a_carrier_ends_with_the_age_of_connections(rig: Rig) -> None:
    """So that calls reach the connection that is dialled anew; none of them fails."""
    side = await Side.open(rig, connection_age_seconds=0.5)

    done = asyncio.Event()

    async def caller() -> None:
        while not done.is_set():
            await side.stub.Greet(Note())

    calling = asyncio.ensure_future(caller())
    await eventually(lambda: len({each.peer() for each in side.seen.contexts if isinstance(each, CarriedContext)}) > 1, what="another one")
    done.set()
    await calling


async def test_a_new_connection_takes_over(side: Side) -> None:
    """As when a certificate is renewed: calls under way end on the old one, which does not stay for the carrier's sake."""
    waiting = asyncio.ensure_future(side.stub.Greet(Note(text="wait")))
    await eventually(lambda: side.seen.waiting == 1, what="a call under way")
    assert await side.channel.renew(grace=3600)
    await riding(side.channel)
    side.seen.go.set()
    await waiting
    await side.stub.Greet(Note())
    await eventually(lambda: not side.channel.retiring, what="the end of the old connection")


async def test_a_closed_channel_cancels_what_is_left(side: Side) -> None:
    """As it does with calls by themselves."""
    waiting = asyncio.ensure_future(side.stub.Greet(Note(text="wait")))
    await eventually(lambda: side.seen.waiting == 1, what="a call under way")
    await side.channel.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await eventually(lambda: side.seen.given_up == 1, what="the handler's end")
