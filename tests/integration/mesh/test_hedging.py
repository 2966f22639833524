"""A second attempt beside a slow one: when it is made, and which answer counts."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.mesh.support import METHODS, Echo, Note, Rig, path
from tocsin.errors import InvalidInput
from tocsin.testing.waiting import eventually

Answer = Callable[[Any, Any], Awaitable[Any]]


def first_is(first: Answer) -> Echo:
    """A servicer whose first call is answered by ``first``, and each further one at once."""

    async def answer(request: Any, context: Any) -> Any:
        return await first(request, context) if echo.calls == 1 else Note(text="second")

    echo = Echo(answer)
    return echo


async def hang(_: Any, __: Any) -> Any:
    """Answers when it is far too late."""
    await asyncio.sleep(60)


async def test_a_slow_attempt_gets_a_second_beside_it(rig: Rig) -> None:
    """The second answer counts, and the first attempt is ended: the server does not go on working for nobody."""
    ended = asyncio.Event()

    async def wait(_: Any, __: Any) -> Any:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    echo = first_is(wait)
    await rig.serve(echo)
    assert (await rig.stub().Look(Note())).text == "second"
    assert echo.calls == 2
    await eventually(ended.is_set)


async def test_a_quick_attempt_stays_alone(rig: Rig) -> None:
    """Twenty calls, twenty attempts, all of them quicker than ten minutes."""
    echo = Echo()
    await rig.serve(echo)
    look = METHODS[path("Look")]
    stub = rig.stub(methods={**METHODS, look.path: replace(look, hedge_delay=600.0, timeout=900.0)})
    for _ in range(20):
        await stub.Look(Note())
    assert echo.calls == 20


async def test_a_method_without_the_option_is_not_hedged(rig: Rig) -> None:
    """The first attempt is waited for."""
    echo = first_is(hang)
    await rig.serve(echo)
    call = asyncio.ensure_future(rig.stub().Greet(Note()))
    await eventually(lambda: echo.calls == 1)
    await asyncio.sleep(0.2)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert echo.calls == 1


async def test_an_answer_that_refuses_is_an_answer_when_it_is_the_last(rig: Rig) -> None:
    """With both attempts failed the caller gets the error, and nothing else is tried."""

    async def refuse(_: Any, __: Any) -> Any:
        await asyncio.sleep(0.1)
        raise InvalidInput("no")

    echo = Echo(refuse)
    await rig.serve(echo)
    with pytest.raises(InvalidInput):
        await rig.stub().Look(Note())
    assert echo.calls == 2
