"""Where further attempts go: to one replica after the other, so that a single bad one cannot spoil a call.

Round robin alone does not promise that. With many calls under way the next attempt of one of them meets any replica, also the one that has
just failed it: three attempts meet one bad replica of three in one case of 27.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

import grpc

from tocsin.errors import TocsinError

_KNOWN_SECONDS: Final = 5.0
# A further attempt waits so long for a connection of its own; after that it takes the common way.
_PATIENCE_SECONDS: Final = 0.1
_COMING: Final = (grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING)


class Replica(Protocol):
    """The connection to one replica; gRPC's own words."""

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state now."""
        ...

    async def channel_ready(self) -> None:
        """Returns when it is connected and reports SERVING."""
        ...


class Detours:
    """Ways to the single replicas of one service. Nothing is connected before an attempt has failed."""

    def __init__(self, *, endpoints: Callable[[], Awaitable[Sequence[str]]], replica: Callable[[str], Replica]) -> None:
        """Connects nothing.

        Args:
            endpoints: the addresses of the replicas.
            replica: the connection to one of them.
        """
        self._endpoints = endpoints
        self._replica = replica
        self._known: Sequence[str] = ()
        self._until = float("-inf")
        self._turn = 0

    async def next(self, tried: set[str]) -> str | None:
        """The address of a replica that serves and is not in ``tried``, to which it is added; None when there is no choice."""
        known = await self._resolve()
        if len(known) < 2:
            return None
        self._turn += 1
        start = self._turn % len(known)
        left = [name for name in (*known[start:], *known[:start]) if name not in tried]
        found = self._serving(left)
        if found is None and (coming := [name for name in left if self._replica(name).get_state() in _COMING]):
            await self._wait(coming)
            found = self._serving(left)
        if found is not None:
            tried.add(found)
        return found

    def _serving(self, names: Sequence[str]) -> str | None:
        ready = grpc.ChannelConnectivity.READY
        # All of them are asked: each begins to connect by that.
        states = [self._replica(name).get_state(try_to_connect=True) for name in names]
        return next((name for name, state in zip(names, states, strict=True) if state is ready), None)

    async def _wait(self, names: Sequence[str]) -> None:
        waits = [asyncio.ensure_future(self._replica(name).channel_ready()) for name in names]
        try:
            await asyncio.wait(waits, timeout=_PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _resolve(self) -> Sequence[str]:
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            self._until = now + _KNOWN_SECONDS
            # A name that has no address now may still stand for the replicas that it had.
            with suppress(TocsinError):
                self._known = await self._endpoints()
        return self._known
