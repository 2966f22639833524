"""What the connection to a target says about its circuits.

Open circuits probe as soon as the connection is back: a service that was restarted is not kept waiting for a timer. And the calls that end
together with one connection are one failure.
"""

import asyncio
from collections.abc import Awaitable
from typing import Protocol

import grpc

from tocsin.background import Background
from tocsin.clock import SystemClock
from tocsin.mesh.breaker import Breaker, CircuitState


class Connection(Protocol):
    """The connection to a target or to one replica, with the methods of a gRPC channel."""

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state now."""
        ...

    def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> Awaitable[None]:
        """Returns when the state is another."""
        ...

    async def channel_ready(self) -> None:
        """Returns when it is connected and reports SERVING."""
        ...


class Recovery:
    """Watches the connection of one target while circuits to it are open.

    A circuit that opened although the connection stood is left to its timer: there the far end answers, and answers errors.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open: set[Breaker] = set()
        self._lost = float("-inf")
        self._background = Background(SystemClock())
        self._watch: asyncio.Task[None] | None = None

    def lost(self, started: float, now: float) -> bool:
        """Takes note of a call that ended because the connection broke or could not be made.

        Args:
            started: when the call began, on the event loop's clock.
            now: when it ended.

        Returns:
            False when the call was under way at the last loss already: it was lost with the same connection.
        """
        if started <= self._lost:
            return False
        self._lost = now
        return True

    def opened(self, breaker: Breaker) -> None:
        """``breaker`` is open now."""
        self._open.add(breaker)
        if self._watch is None or self._watch.done():
            self._watch = self._background.once("recovery", self._until_back)

    async def _until_back(self) -> None:
        connection = self._connection
        state = connection.get_state(try_to_connect=True)
        was_down = state is not grpc.ChannelConnectivity.READY
        while self._open and state is not grpc.ChannelConnectivity.SHUTDOWN:
            if state is grpc.ChannelConnectivity.READY and was_down:
                break
            await connection.wait_for_state_change(state)
            state = connection.get_state(try_to_connect=True)
            was_down = was_down or state is not grpc.ChannelConnectivity.READY
            self._open = {breaker for breaker in self._open if breaker.state is CircuitState.OPEN}
        back, self._open = self._open, set()
        for breaker in back:
            breaker.probe_now()

    async def moved(self) -> None:
        """The connection is another one, which is watched from now on."""
        breakers = set(self._open)
        await self.stop()
        for breaker in breakers:
            self.opened(breaker)

    async def stop(self) -> None:
        """Watches no more."""
        self._watch = None
        self._open.clear()
        await self._background.stop()
