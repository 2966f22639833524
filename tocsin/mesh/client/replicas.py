"""The replicas of one service, and which of them gets the next attempt.

Each replica has a connection and breakers of its own, so that a bad one of two closes no way to the good one. An attempt goes to a replica
that serves and whose breaker lets it pass: to the less costly of two (`tocsin.mesh.client.balancing`), or to the next in turn; first among
those that are preferred (`tocsin.mesh.client.preference`). A further attempt of the same call goes to another replica.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Final, Generic, TypeVar

import grpc

from tocsin.errors import TocsinError
from tocsin.mesh.client.balancing import SlowStart, cheaper
from tocsin.mesh.client.preference import Preference
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
        whole: bool = True,
    ) -> None:
        """Connects nothing.

        Args:
            endpoints: resolves the addresses of the replicas; asked every few seconds.
            channel: the connection to one of them.
            fixed: the addresses, when they never change.
            now: monotonic seconds, by which replicas are warmed up.
            draw: gives a number from 0 to 1, less than 1.
            whole: whether the way that all replicas share leads to each of them.
        """
        self._whole = whole
        self._least = 2 if whole else 1
        self.draw = draw
        self._slow_start = SlowStart(now)
        self._endpoints = endpoints
        self.channel = channel
        self._known: Sequence[str] = fixed or ()
        self._until = float("-inf") if fixed is None else float("inf")
        self._turn = 0
        self._served = float("-inf")

    @property
    def balanced(self) -> bool:
        """Whether there is a choice, or the addresses have to be resolved again before anybody can say."""
        return len(self._known) >= self._least or (self._until != float("inf") and self._now() >= self._until)

    @property
    def sole(self) -> bool:
        """Whether there is one replica, as far as is known, to which the way that all share must lead."""
        return self._whole and len(self._known) == 1

    async def pick(
        self,
        tried: set[str],
        *,
        connection: Callable[[R], Connection],
        admits: Callable[[R], bool],
        cost: Callable[[R], float] | None = None,
        preference: Preference | None = None,
    ) -> R | None:
        """The replica for one attempt.

        Args:
            tried: addresses that the call has tried; the chosen one is added.
            connection: the connection to a replica that the attempt would take.
            admits: whether the breaker of a replica lets the attempt pass.
            cost: what one more call would cost at a replica, in seconds; None for taking turns.
            preference: which replicas come first; None for no difference.

        Returns:
            A replica that serves; one that ``admits`` refuses only when no other serves. None when there is no choice, or none serves yet:
            then the way that all replicas share must do.
        """
        known = await self._resolve()
        if len(known) < self._least:
            return None
        self._turn += 1
        left: Sequence[Sequence[str]]
        if preference is None:
            left = (self._in_order(known, tried, drawn=cost is not None),)
        else:
            groups = preference.groups(known, tried, lambda name: self._takes(name, connection, admits))
            left = [self._in_order(group, (), drawn=cost is not None) for group in groups if group]
        found = self._chosen(left, connection, admits, cost)
        if found is None and (awaited := self._awaited(left, connection)):
            await self._wait(*awaited)
            found = self._chosen(left, connection, admits, cost)
        if found is None:
            return self._without_choice(known, preference)
        self._served = self._now()
        tried.add(found)
        return self.channel(found)

    def _without_choice(self, known: Sequence[str], preference: Preference | None) -> R | None:
        """Where a call goes while nobody serves that it may go to; None for the way that all replicas share."""
        splits = preference is not None and preference.splits
        if self._whole and not splits:
            return None
        names = preference.open(known) if preference is not None else known
        return self.channel(names[self._turn % len(names)]) if names else None

    def _takes(self, name: str, connection: Callable[[R], Connection], admits: Callable[[R], bool]) -> bool:
        """Whether a replica serves, and its breaker lets attempts pass."""
        replica = self.channel(name)
        return connection(replica).get_state(try_to_connect=True) is _READY and admits(replica)

    def _in_order(self, known: Sequence[str], tried: Collection[str], *, drawn: bool) -> list[str]:
        """The replicas that are left, beginning with the next in turn, or with two that are drawn."""
        start = int(self.draw() * len(known)) if drawn else self._turn % len(known)
        left = [name for name in (*known[start:], *known[:start]) if name not in tried]
        if drawn and len(left) > 2:
            other = 1 + int(self.draw() * (len(left) - 1))
            left[1], left[other] = left[other], left[1]
        return left

    def _chosen(
        self,
        groups: Sequence[Sequence[str]],
        connection: Callable[[R], Connection],
        admits: Callable[[R], bool],
        cost: Callable[[R], float] | None,
    ) -> str | None:
        """The replica that the attempt goes to, of the first group of which one serves; None when none does."""
        wanted = 1 if cost is None and not self._slow_start.ongoing else 2
        refused: str | None = None
        for names in groups:
            found, held_back = self._serving(names, connection, admits, wanted)
            if found:
                return found[0] if len(found) < 2 else self._of_two(found, cost)
            refused = refused or held_back
        return refused

    def _of_two(self, names: Sequence[str], cost: Callable[[R], float] | None) -> str:
        one, other = names
        if cost is None:
            return one if self.draw() * self._warmer(one, other) < self._slow_start.warmth(one) else other
        first, second = cost(self.channel(one)), cost(self.channel(other))
        if self._slow_start.ongoing:
            first, second = first / self._slow_start.warmth(one), second / self._slow_start.warmth(other)
        return one if cheaper(first, second, self.draw) else other

    def _warmer(self, one: str, other: str) -> float:
        return max(self._slow_start.warmth(one), self._slow_start.warmth(other))

    def _serving(
        self, names: Sequence[str], connection: Callable[[R], Connection], admits: Callable[[R], bool], wanted: int
    ) -> tuple[Sequence[str], str | None]:
        """The first ``wanted`` that serve and are not refused by their breakers, and the first that is refused."""
        found: list[str] = []
        refused: str | None = None
        for name in names:
            replica = self.channel(name)
            # One that is not connected begins to connect by being asked.
            serving = connection(replica).get_state(try_to_connect=True) is _READY
            self._slow_start.seen(name, serving=serving)
            if serving and admits(replica):
                found.append(name)
                if len(found) == wanted:
                    return found, refused
            elif serving:
                refused = refused or name
        return found, refused

    def _awaited(self, groups: Sequence[Sequence[str]], connection: Callable[[R], Connection]) -> tuple[float, Sequence[Connection]] | None:
        """How many seconds to wait for which connections; None when no wait would help."""
        connections = [connection(self.channel(name)) for names in groups for name in names]
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
