"""Trailing metadata of several authors: gRPC keeps what was set last, and the mesh has some of its own beside a handler's."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from tocsin.mesh.server.call_facts import Context

R = TypeVar("R")
Trailers: TypeAlias = tuple[tuple[str, str | bytes], ...]


def beside(own: Trailers, context: Context) -> Trailers:
    """``own``, and what has been set for the call by other names."""
    names = {key for key, _ in own}
    said: Any = context.trailing_metadata() or ()
    return (*own, *((key, value) for key, value in said if key not in names))


def keeping(body: Callable[[Any, Context], Awaitable[R]], own: Trailers) -> Callable[[Any, Context], Awaitable[R]]:
    """``body``, whose handler may set trailing metadata beside ``own``."""

    async def run(first: Any, context: Context) -> R:
        context.set_trailing_metadata(own)
        try:
            return await body(first, context)
        finally:
            context.set_trailing_metadata(beside(own, context))

    return run
