"""What a call runs in at last: its handler, with what stands around it alone."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from tocsin.mesh.faults import Faults
from tocsin.mesh.server.call_facts import Context

R = TypeVar("R")
Body = Callable[[Any, Context], Awaitable[R]]


def faulty(body: Body[R], faults: Faults, path: str) -> Body[R]:
    """The body, behind the faults that are injected into its method."""

    async def run(first: Any, context: Context) -> R:
        await faults.inject(path)
        return await body(first, context)

    return run


def placed(body: Body[R], place: AbstractAsyncContextManager[None]) -> Body[R]:
    """The body, as long as it has its place."""

    async def run(first: Any, context: Context) -> R:
        async with place:
            return await body(first, context)

    return run
