"""One stream to each replica of another service: found by the resolver, reopened when it breaks."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_FIRST_WAIT: Final = 0.05
_LONGEST_WAIT: Final = 1.0
_LOOK_SECONDS: Final = 0.05
_DISCOVERY_SECONDS: Final = 5.0
_log = get_logger(__name__)


class ReplicaStreams:
    """Keeps `session(endpoint)` running for each endpoint; a component.

    A session that ends is started again after a short wait, which doubles with jitter up to a second while it keeps failing. The wait ends
    early when a lost connection is back.
    """

    def __init__(
        self,
        *,
        name: str,
        endpoints: Callable[[], Awaitable[Sequence[str]]],
        session: Callable[[str], Awaitable[None]],
        connected: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        """Starts nothing.

        Args:
            name: name of the service, for logs.
            endpoints: the addresses of all replicas.
            session: runs one stream to its end; it returns, or raises a `TocsinError`.
            connected: whether the address is connected; starts to connect if not.
            clock: paces waits and discovery.
        """
        self._name = name
        self._endpoints = endpoints
        self._session = session
        self._connected = connected
        self._clock = clock
        self._streams: dict[str, Background] = {}
        self._discovery = Background(clock)
        self._stopping = False

    async def start(self) -> None:
        """Starts to discover replicas."""
        self._stopping = False
        if not self._discovery.running:
            self._discovery.periodic(f"{self._name}-discovery", self._until_look, self._discover)

    async def stop(self, *, grace_seconds: float = 0.0) -> None:
        """Starts no more sessions; cancels those that have not ended within ``grace_seconds``."""
        self._stopping = True
        # All at once: a session that ends while discovery is stopped is to find that its stream stops as well, not that it has failed.
        ends = [self._discovery.stop(), *(stream.stop(grace_seconds=grace_seconds) for stream in self._streams.values())]
        await asyncio.gather(*ends)
        self._streams.clear()

    async def _discover(self) -> None:
        found = set(await self._endpoints())
        for gone in self._streams.keys() - found:
            await self._streams.pop(gone).stop()
        for new in found - self._streams.keys():
            self._streams[new] = Background(self._clock)
            self._streams[new].supervised(self._name, partial(self._keep, new))

    def _until_look(self) -> float:
        return _DISCOVERY_SECONDS if self._streams else _LONGEST_WAIT

    async def _keep(self, endpoint: str) -> None:
        wait = _FIRST_WAIT
        while not self._stopping:
            begun = self._clock.monotonic()
            try:
                await self._session(endpoint)
            except TocsinError as error:
                _log.info("stream broken", target=self._name, endpoint=endpoint, error=error.message)
            if self._stopping:
                return
            report_progress()  # however it ended, it was dealt with
            if self._clock.monotonic() - begun > _LONGEST_WAIT:
                wait = _FIRST_WAIT
            back = await self._pause(endpoint, random.uniform(wait / 2, wait))  # noqa: S311 - spreads load, guards nothing
            wait = _FIRST_WAIT if back else min(2 * wait, _LONGEST_WAIT)

    async def _pause(self, endpoint: str, seconds: float) -> bool:
        """Waits, or until a lost connection is back; returns whether it is."""
        lost = not self._connected(endpoint)
        looks = math.ceil(seconds / _LOOK_SECONDS)
        for _ in range(looks):
            await self._clock.sleep(seconds / looks)
            connected = self._connected(endpoint)
            if lost and connected:
                return True
            lost = lost or not connected
        return False
