"""Carries what waits to its service, one call after the other, in the order in which they came."""

import asyncio
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.ports import Unary
from gateway.spool.spool import Spool
from gateway.spool.store import Entry
from tocsin.background import Background, Wake, worked
from tocsin.clock import Clock
from tocsin.errors import Aborted, DeadlineExceeded, Internal, ResourceExhausted, TocsinError, Unavailable
from tocsin.mesh.context import acting_for, detached
from tocsin.telemetry import carry, get_logger

_log = get_logger(__name__)

_BATCH: Final = 200
_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 2.0
_LATER: Final = (Unavailable, DeadlineExceeded, ResourceExhausted, Aborted, Internal)
"""Errors after which the same call may succeed; any other is the call's own, and would be the same for ever."""


class Forwarder:
    """Empties the spool; a component."""

    def __init__(self, *, spool: Spool, unary: Callable[[str], Unary], clock: Clock, registry: CollectorRegistry) -> None:
        """Takes what it stands on.

        Args:
            spool: what waits.
            unary: gives the caller of an RPC.
            clock: source of time.
            registry: of the metrics.
        """
        self._spool = spool
        self._unary = unary
        self._clock = clock
        self._news = Wake(clock)
        self._background = Background(clock)
        Gauge("tocsin_gateway_spool_depth", "Calls that wait for a service that is away.", registry=registry).set_function(
            lambda: spool.depth
        )
        self._ends = Counter("tocsin_gateway_spool_forwarded", "Calls forwarded later, by how they ended.", ("end",), registry=registry)

    def ring(self) -> None:
        """Something waits."""
        self._news.set()

    async def start(self) -> None:
        """Begins with what an earlier start has left."""
        if not self._background.running:
            self._news.set()
            self._background.supervised("spool", self._run)

    async def stop(self) -> None:
        """Ends; what waits stays, and a call under way is made again: its identity makes that harmless."""
        await self._background.stop()

    async def _run(self) -> None:
        wait = _FIRST_WAIT
        while True:
            while self._spool.depth:
                try:
                    gone = await self._forward(await self._spool.oldest(_BATCH))
                except _LATER as error:
                    _log.info("spool waits", depth=self._spool.depth, error=error.message)
                    gone = False
                wait = _FIRST_WAIT if gone else min(wait * 2, _LONGEST_WAIT)
                if not gone:
                    await self._clock.sleep(wait)
            worked()
            await self._news.wait(None)

    async def _forward(self, entries: list[Entry]) -> bool:
        """Makes the calls until one has to wait; whether any is gone."""
        over = 0
        try:
            for entry in entries:
                await self._call(entry)
                over += 1
        finally:
            if over:
                await asyncio.shield(self._spool.done(entries[:over]))
        return over > 0

    async def _call(self, entry: Entry) -> None:
        if entry.traceparent:
            carry(entry.traceparent)
        try:
            with acting_for(entry.tenant) if entry.tenant else detached():
                await self._unary(entry.path)(entry.request)
        except _LATER:
            raise
        except TocsinError as error:
            self._ends.labels("refused").inc()
            _log.warning("spooled call refused", path=entry.path, tenant=entry.tenant, error=error.message)
        else:
            self._ends.labels("done").inc()
