"""The calls of many processes as one stream."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from typing import Any, Final, TypeAlias

from tocsin.errors import TocsinError

_AHEAD: Final = 4
"""Answers that are read before the client takes them; beyond that the services keep their calls, and count what they leave out."""

Endpoint: TypeAlias = tuple[str, str]
"""A process: its service and its address."""


async def merged(streams: Mapping[Endpoint, AsyncIterable[Any]]) -> AsyncGenerator[tuple[Endpoint, Any]]:
    """What the streams bring, each with whose it is; an error is the last that comes from its stream. Ends when all have."""
    arrived: asyncio.Queue[tuple[Endpoint, Any]] = asyncio.Queue(_AHEAD)

    async def read(endpoint: Endpoint, stream: AsyncIterable[Any]) -> None:
        try:
            async for answer in stream:
                await arrived.put((endpoint, answer))
        except TocsinError as error:
            await arrived.put((endpoint, error))
        else:
            await arrived.put((endpoint, None))

    reading = [asyncio.create_task(read(endpoint, stream)) for endpoint, stream in streams.items()]
    left = len(reading)
    try:
        while left:
            endpoint, answer = await arrived.get()
            left -= answer is None or isinstance(answer, TocsinError)
            yield endpoint, answer
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
