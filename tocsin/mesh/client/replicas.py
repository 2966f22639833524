"""The replicas of one service, and which of them gets the next attempt.

Each replica has a connection and breakers of its own, so that a bad one of two closes no way to the good one. An attempt goes to a replica
that serves and whose breaker lets it pass: to the less costly of two (`tocsin.mesh.client.balancing`), or to the next in turn.
A further attempt of the same call goes to another replica.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Generic, TypeVar

import grpc

from tocsin.errors import TocsinError
from tocsin.mesh.client.balancing import SlowStart, cheaper
from tocsin.mesh.client.recovery import Connection

_KNOWN_SECONDS: Final = 5.0
# An attempt waits so long for a connection to a single replica; after that gRPC takes whichever it has.
_CONNECT_SECONDS: Final = 0.1
# Replicas that served a moment ago are being replaced, not away: one that is back is connected within gRPC's longest pause between two
# attempts (`tocsin.mesh.client.options`) and the handshake. Later than a moment after the last one served, a call fails at once.
_MOMENT_SECONDS: Final = 1.0
_BACK_SECONDS: Final = 0.5
_READY: Final = grpc.ChannelConnectivity.READY
_COMING: Final = (grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING)


R = TypeVar("R")


class Replicas(Generic[R]):
    """Chooses a replica for each attempt. Nothing is connected before the first."""

    def __init__(
        self,
        *,
        endpoints: Callable[[], Awaitable[Sequence[str]]],
        channel: Callable[[str], R],
        fixed: Sequence[str] | None,
        now: Callable[[], float],
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Connects nothing.

        Args:
            endpoints: resolves the addresses of the replicas; asked every few seconds.
            channel: the connection to one of them.
            fixed: the addresses, when they never change.
            now: monotonic seconds, by which replicas are warmed up.
            draw: gives a number from 0 to 1, less than 1.
        """
        self._draw = draw
        self._slow_start = SlowStart(now)
        self._endpoints = endpoints
        self._channel = channel
        self._known: Sequence[str] = fixed or ()
        self._until = float("-inf") if fixed is None else float("inf")
        self._turn = 0
        self._served = float("-inf")

    @property
    def balanced(self) -> bool:
        """Whether there is a choice, or the addresses have to be resolved again before anybody can say."""
        return len(self._known) > 1 or (self._until != float("inf") and self._now() >= self._until)

    async def pick(
        self,
        tried: set[str],
        *,
        connection: Callable[[R], Connection],
        admits: Callable[[R], bool],
        cost: Callable[[R], float] | None = None,
    ) -> R | None:
        """The replica for one attempt.

        Args:
            tried: addresses that the call has tried; the chosen one is added.
            connection: the connection to a replica that the attempt would take.
            admits: whether the breaker of a replica lets the attempt pass.
            cost: what one more call would cost at a replica, in seconds; None for taking turns.

        Returns:
            A replica that serves; one that ``admits`` refuses only when no other serves. None when there is no choice, or none serves yet:
            then the way that all replicas share must do.
        """
        known = await self._resolve()
        if len(known) < 2:
            return None
        left = self._in_order(known, tried, drawn=cost is not None)
        found = self._chosen(left, connection, admits, cost)
        if found is None and (awaited := self._awaited(left, connection)):
            await self._wait(*awaited)
            found = self._chosen(left, connection, admits, cost)
        if found is None:
            return None
        self._served = self._now()
        tried.add(found)
        return self._channel(found)

    def _in_order(self, known: Sequence[str], tried: set[str], *, drawn: bool) -> list[str]:
        """The replicas that are left, beginning with the next in turn, or with two that are drawn."""
        self._turn += 1
        start = int(self._draw() * len(known)) if drawn else self._turn % len(known)
        left = [name for name in (*known[start:], *known[:start]) if name not in tried]
        if drawn and len(left) > 2:
            other = 1 + int(self._draw() * (len(left) - 1))
            left[1], left[other] = left[other], left[1]
        return left

    def _chosen(
        self,
        names: Sequence[str],
        connection: Callable[[R], Connection],
        admits: Callable[[R], bool],
        cost: Callable[[R], float] | None,
    ) -> str | None:
        """The replica that the attempt goes to, of those in order; None when none serves."""
        wanted = 1 if cost is None and not self._slow_start.ongoing else 2
        found = self._serving(names, connection, admits, wanted)
        if len(found) < 2:
            return found[0] if found else None
        one, other = found
        if cost is None:
            return one if self._draw() * self._warmer(one, other) < self._slow_start.warmth(one) else other
        first, second = cost(self._channel(one)), cost(self._channel(other))
        if self._slow_start.ongoing:
            first, second = first / self._slow_start.warmth(one), second / self._slow_start.warmth(other)
        return one if cheaper(first, second, self._draw) else other

    def _warmer(self, one: str, other: str) -> float:
        return max(self._slow_start.warmth(one), self._slow_start.warmth(other))

    def _serving(
        self, names: Sequence[str], connection: Callable[[R], Connection], admits: Callable[[R], bool], wanted: int
    ) -> Sequence[str]:
        """The first ``wanted`` that serve and are not refused by their breakers; one that is refused when there is no other."""
        found: list[str] = []
        refused: str | None = None
        for name in names:
            replica = self._channel(name)
            # One that is not connected begins to connect by being asked.
            serving = connection(replica).get_state(try_to_connect=True) is _READY
            self._slow_start.seen(name, serving=serving)
            if serving and admits(replica):
                found.append(name)
                if len(found) == wanted:
                    return found
            elif serving:
                refused = refused or name
        return found or ([] if refused is None else [refused])

    def _awaited(self, names: Sequence[str], connection: Callable[[R], Connection]) -> tuple[float, Sequence[Connection]] | None:
        """How many seconds to wait for which connections; None when no wait would help."""
        connections = [connection(self._channel(name)) for name in names]
        if connections and self._now() - self._served < _MOMENT_SECONDS:
            return _BACK_SECONDS, connections
        coming = [each for each in connections if each.get_state() in _COMING]
        return (_CONNECT_SECONDS, coming) if coming else None

    async def _wait(self, seconds: float, connections: Sequence[Connection]) -> None:
        waits = [asyncio.ensure_future(connection.channel_ready()) for connection in connections]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _resolve(self) -> Sequence[str]:
        now = self._now()
        if now >= self._until:
            self._until = now + _KNOWN_SECONDS
            # A name that has no address now may still stand for the replicas that it had.
            with suppress(TocsinError):
                self._known = await self._endpoints()
        return self._known

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
