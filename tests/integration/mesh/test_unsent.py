"""A call that found no connection goes to another replica, whether it may be tried again or not: nobody has seen it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from tests.integration.mesh.support import Echo, Note, Rig, path
from tocsin.errors import Unavailable
from tocsin.mesh.client.calls import StreamUnary, UnaryUnary
from tocsin.mesh.client.method import Pick, Picker
from tocsin.mesh.policy import MethodKind
from tocsin.testing.process import free_port


class InOrder(Picker):
    """Picks what a test says, one after the other."""

    __slots__ = ("_picks",)

    def __init__(self, picks: Sequence[Pick]) -> None:
        super().__init__(picks[-1])
        self._picks = list(picks)

    @property
    def balanced(self) -> bool:
        return True

    async def pick(self, tried: set[str]) -> Pick:
        del tried
        return self._picks.pop(0)


async def picker(rig: Rig, echo: Echo, kind: MethodKind, method: str) -> InOrder:
    """First a replica that is gone since it was chosen, then one that serves."""
    live = (await rig.serve(echo)).address
    mesh = rig.mesh()
    key = (kind, path(method), Note.SerializeToString, Note.FromString)
    return InOrder([mesh.channel("echo_svc", endpoint=address).way(key) for address in (f"127.0.0.1:{free_port()}", live)])


async def test_a_call_that_is_never_tried_again_goes_to_another_replica_when_it_was_not_sent(rig: Rig) -> None:
    """Make is not idempotent."""
    echo = Echo()
    call = UnaryUnary(await picker(rig, echo, MethodKind.UNARY_UNARY, "Make"))
    assert (await call(Note(number=7))).number == 7
    assert echo.calls == 1


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_the_requests_of_a_stream_that_was_not_sent_go_to_another_replica(rig: Rig, *, asynchronous: bool) -> None:
    """All of them, in order, once."""

    async def later() -> AsyncIterator[Any]:
        for number in range(4):
            yield Note(number=10**number)

    requests = later() if asynchronous else (Note(number=10**number) for number in range(4))
    call = StreamUnary(await picker(rig, Echo(), MethodKind.STREAM_UNARY, "Collect"))
    assert (await call(requests)).number == 1111


async def test_a_stream_whose_first_request_is_awaited_fails(rig: Rig) -> None:
    """gRPC waits for that request: it would be lost to another call."""

    async def never() -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield Note()

    call = StreamUnary(await picker(rig, Echo(), MethodKind.STREAM_UNARY, "Collect"))
    with pytest.raises(Unavailable):
        await call(never())
