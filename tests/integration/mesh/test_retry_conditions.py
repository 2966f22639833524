"""A contract says which failures are tried again, and how long one attempt may take."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import pytest

from tests.integration.mesh.support import METHODS, Echo, EchoStub, Note, Rig, path
from tocsin.errors import Aborted, DeadlineExceeded, Internal, ResourceExhausted, TocsinError, Unavailable

FAST = 0.01
HANGS = "hangs"
"""Instead of an error: an attempt that is never answered."""


class Failing(Echo):
    """Fails in the given ways, one after the other, then answers."""

    def __init__(self, *ways: Any) -> None:
        super().__init__(self._fail)
        self.ways = list(ways)

    async def _fail(self, request: Any, context: Any) -> Any:
        way = self.ways.pop(0) if self.ways else None
        if isinstance(way, TocsinError):
            raise way
        if way == HANGS:
            await asyncio.sleep(60)
        elif isinstance(way, str):
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", (("grpc-retry-pushback-ms", way),))
        return request


async def connected(rig: Rig, echo: Failing, **retry: Any) -> EchoStub:
    """A client whose connection stands, and whose rule of retries says something else than the contract's."""
    policy = METHODS[path("Try")]
    methods = {**METHODS, policy.path: replace(policy, retry=replace(policy.retry, **retry))}
    stub, (echo.ways, ways) = rig.stub(methods=methods), ([], echo.ways)
    await stub.Greet(Note())
    echo.ways, echo.calls = ways, 0
    return stub


@pytest.mark.parametrize(
    ("ways", "calls", "error"),
    [
        ([Aborted(), Aborted()], 3, None),
        ([Aborted(), Aborted(), Aborted()], 3, Aborted),
        ([ResourceExhausted(retry_after=FAST)], 2, None),
        ([ResourceExhausted()], 1, ResourceExhausted),
        (["10"], 2, None),
        (["-1"], 1, ResourceExhausted),
        (["soon"], 1, ResourceExhausted),
        ([Unavailable()], 1, Unavailable),
        ([Internal()], 1, Internal),
    ],
    ids=str,
)
async def test_what_the_contract_names_is_tried_again(rig: Rig, ways: list[Any], calls: int, error: type[TocsinError] | None) -> None:
    """ABORTED, and a full server that says when to come back; nothing else (gRFC A6, with codes of our own)."""
    echo = Failing(*ways)
    await rig.serve(echo)
    stub = await connected(rig, echo, attempt_timeout=None)
    call = stub.Try(Note(text="x"))
    if error is None:
        assert (await call).text == "x"
    else:
        with pytest.raises(error):
            await call
    assert echo.calls == calls


@pytest.mark.parametrize("ways", [[HANGS], [HANGS, Aborted()]], ids=str)
async def test_an_attempt_that_hangs_is_left_for_another(rig: Rig, ways: list[Any]) -> None:
    """Until one is answered in its time, of which a busy machine may need several."""
    echo = Failing(*ways)
    await rig.serve(echo)
    stub = await connected(rig, echo, max_attempts=25)
    call = stub.Try(Note(text="x"))
    assert (await call).text == "x"
    assert call.attempts > len(ways)
    assert echo.ways == []


async def test_attempts_that_hang_are_as_many_as_the_rule_says(rig: Rig) -> None:
    """Then the call has failed, whichever of them the server has seen."""
    echo = Failing(HANGS, HANGS, HANGS)
    await rig.serve(echo)
    stub = await connected(rig, echo)
    call = stub.Try(Note(text="x"))
    with pytest.raises(DeadlineExceeded):
        await call
    assert call.attempts == 3


async def test_an_attempt_never_outlives_the_call(rig: Rig) -> None:
    """A caller with less time than an attempt gets one attempt, of that time."""
    echo = Failing(HANGS, HANGS)
    await rig.serve(echo)
    stub = await connected(rig, echo)
    call = stub.Try(Note(), timeout=0.8)
    with pytest.raises(DeadlineExceeded):
        await call
    assert call.attempts == 1
    assert echo.calls <= 1
