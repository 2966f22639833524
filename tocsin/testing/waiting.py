"""Waiting for something to become true, instead of sleeping and hoping."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def eventually(condition: Callable[[], bool | Awaitable[bool]], *, seconds: float = 120.0, what: str = "the condition") -> None:
    """Returns as soon as ``condition`` holds; it is asked again and again, in real time.

    ``seconds`` only bounds how long a test that fails takes: on a machine that is loaded everything takes longer, so leave it wide.

    Raises:
        AssertionError: it did not hold within ``seconds``.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not await _holds(condition):
        if loop.time() > end:
            msg = f"{what} did not become true within {seconds} s"
            raise AssertionError(msg)
        await asyncio.sleep(0.005)


async def _holds(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    answer = condition()
    return await answer if inspect.isawaitable(answer) else answer
