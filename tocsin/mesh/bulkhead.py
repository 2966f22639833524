"""Bulkheads: how much of one process a single tenant may take up at a time, so that its flood is its own.

Calls are counted by tenant and rate class. Streams hold a place as long as they last, and one that is not free is refused at once; calls
that compute or list wait for one in turn, as long as few others wait. What is refused says when to come back (RetryInfo). Calls between
services have no such bulkhead: they carry the work of all tenants.

A method whose policy says ``concurrent_calls`` has a bulkhead of its own for each caller, services among them, in which nothing waits.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final

from tocsin.errors import ResourceExhausted
from tocsin.mesh.options import BulkheadOptions
from tocsin.mesh.policy import Criticality, MethodKind, MethodPolicy

RETRY_SECONDS: Final = 1.0
_QUEUE: Final = 8
"""Calls that may wait for each place."""
_FREE: Final[AbstractAsyncContextManager[None]] = nullcontext()


class TooManyCalls(ResourceExhausted):
    """The tenant has too many concurrent calls of this kind."""


class TooManyStreams(ResourceExhausted):
    """The service has too many open streams."""


@dataclass(slots=True)
class _Places:
    """What one tenant has taken of one rate class."""

    taken: int = 0
    waiting: "deque[asyncio.Future[None]]" = field(default_factory=deque["asyncio.Future[None]"])


class Bulkheads:
    """The places of every tenant and rate class. Belongs to one event loop."""

    def __init__(self, settings: BulkheadOptions, *, tenant_streams: int | None = None, max_streams: int | None = None) -> None:
        """All places are free.

        Args:
            settings: how many there are.
            tenant_streams: in place of that of the settings.
            max_streams: likewise.
        """
        self._limits: Mapping[str, int] = {
            "stream": tenant_streams or settings.tenant_streams,
            "bulk": settings.tenant_bulk_streams,
            "compute": settings.tenant_compute_calls,
            "list": settings.tenant_list_calls,
        }
        self._callers: dict[tuple[str, str], int] = {}
        self._max_streams = max_streams or settings.max_streams
        self._places: dict[tuple[str, str], _Places] = {}
        self.streams = 0
        self.refused = 0

    def bounds(self, policy: MethodPolicy) -> bool:
        """Whether calls of the method need a place."""
        return policy.rate_class in self._limits and not policy.internal

    def place(self, policy: MethodPolicy, tenant: str) -> AbstractAsyncContextManager[None]:
        """A place for one call of the method, from enter to exit.

        Raises on enter:
            TooManyCalls: the tenant has none left.
            TooManyStreams: nobody has.
        """
        if not self.bounds(policy):
            return _FREE
        if policy.kind is MethodKind.UNARY_UNARY:
            return self._call(policy.rate_class, tenant)
        return self._stream(policy, tenant)

    @contextmanager
    def caller_place(self, method: str, caller: str, limit: int) -> Generator[None]:
        """A place for one call of a caller at a method, from enter to exit.

        Raises on enter:
            TooManyCalls: the caller has ``limit`` under way.
        """
        key = method, caller
        taken = self._callers.get(key, 0)
        if taken >= limit:
            self.refused += 1
            raise TooManyCalls(
                f"The caller has {limit} concurrent calls of this method, which is the limit.",
                retry_after=RETRY_SECONDS,
                metadata={"method": method, "limit": str(limit)},
            )
        self._callers[key] = taken + 1
        try:
            yield
        finally:
            if left := self._callers[key] - 1:
                self._callers[key] = left
            else:
                del self._callers[key]

    @asynccontextmanager
    async def _stream(self, policy: MethodPolicy, tenant: str) -> AsyncGenerator[None]:
        # Operators look at the mesh when it is full, too.
        if self.streams >= self._max_streams and policy.criticality is not Criticality.CRITICAL:
            self.refused += 1
            raise TooManyStreams(retry_after=RETRY_SECONDS, metadata={"limit": str(self._max_streams)})
        await self._take(policy.rate_class, tenant, queue=0)
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1
            self._leave(policy.rate_class, tenant)

    @asynccontextmanager
    async def _call(self, rate_class: str, tenant: str) -> AsyncGenerator[None]:
        await self._take(rate_class, tenant, queue=_QUEUE * self._limits[rate_class])
        try:
            yield
        finally:
            self._leave(rate_class, tenant)

    async def _take(self, rate_class: str, tenant: str, *, queue: int) -> None:
        limit = self._limits[rate_class]
        places = self._places.setdefault((rate_class, tenant), _Places())
        if places.taken < limit:
            places.taken += 1
            return
        if len(places.waiting) >= queue:
            self.refused += 1
            raise TooManyCalls(
                f"The tenant has {limit} concurrent calls of this kind, which is the limit.",
                retry_after=RETRY_SECONDS,
                metadata={"rate_class": rate_class, "limit": str(limit)},
            )
        turn = asyncio.get_running_loop().create_future()
        places.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._leave(rate_class, tenant)  # the place came just as nobody wanted it any more
            elif turn in places.waiting:
                places.waiting.remove(turn)
            raise

    def _leave(self, rate_class: str, tenant: str) -> None:
        """Gives the place to whoever has waited longest."""
        places = self._places[rate_class, tenant]
        while places.waiting:
            turn = places.waiting.popleft()
            if not turn.done():  # one that was cancelled may not have left the queue yet
                turn.set_result(None)
                return
        places.taken -= 1
        if not places.taken:
            del self._places[rate_class, tenant]
