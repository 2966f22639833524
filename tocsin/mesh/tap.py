"""Calls as they end, for an operator who looks: who called what, how it ended, how long it took. Never what they carried."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from tocsin.clock import Clock
from tocsin.errors import ResourceExhausted

_MOST_LISTENERS: Final = 8
_KEPT: Final = 2000
"""Calls that wait for one listener; of more the oldest are left out."""
_BATCH: Final = 200
ANY_ERROR: Final = "ERROR"


class TooManyTaps(ResourceExhausted):
    """Too many look at the calls of this process already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCall:
    """One call that this process served, or made to a service outside of the mesh.

    Attributes:
        ended: when.
        method: full path.
        caller: the service that called; empty when it is not known.
        tenant: whom it was for; empty when nobody knows.
        code: name of the code.
        reason: of the error; empty without one.
        seconds: how long it was served, or how long its caller waited.
        request_bytes: of a request that is one message.
        response_bytes: of an answer that is one message.
        trace: id of its trace; empty without one.
        target: the service outside of the mesh that was called; empty for calls that this process served.
    """

    ended: datetime
    method: str
    caller: str
    tenant: str
    code: str
    reason: str
    seconds: float
    request_bytes: int
    response_bytes: int
    trace: str
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapFilter:
    """Which calls somebody looks at; empty texts take all.

    Attributes:
        method: full path, or its end from a name on.
        caller: the service that called.
        tenant: whom it was for.
        code: name of the code; `ANY_ERROR` for every one but OK.
        target: the service outside of the mesh that was called.
    """

    method: str = ""
    caller: str = ""
    tenant: str = ""
    code: str = ""
    target: str = ""

    def takes(self, call: EndedCall) -> bool:
        """Whether ``call`` is one of them."""
        return (
            _names(self.method, call.method)
            and self.caller in ("", call.caller)
            and self.tenant in ("", call.tenant)
            and self.target in ("", call.target)
            and (self.code in ("", call.code) or (self.code == ANY_ERROR and call.code != "OK"))
        )


def _names(wanted: str, path: str) -> bool:
    if not wanted or wanted == path:
        return True
    return path.endswith(wanted) and path[-len(wanted) - 1] in "/."


class TapBatch(NamedTuple):
    """Calls for one listener.

    Attributes:
        calls: in the order in which they ended.
        dropped: calls before them that were left out, because the listener was too slow.
    """

    calls: list[EndedCall]
    dropped: int


class TapListener:
    """The calls that wait for one listener."""

    def __init__(self, wanted: TapFilter) -> None:
        """Waits for calls that ``wanted`` takes."""
        self._wanted = wanted
        self._waiting: deque[EndedCall] = deque(maxlen=_KEPT)
        self._dropped = 0
        self._arrived = asyncio.Event()

    def put(self, call: EndedCall) -> None:
        """Takes a call, if it is one of those that are looked at."""
        if not self._wanted.takes(call):
            return
        if len(self._waiting) == _KEPT:
            self._dropped += 1
        self._waiting.append(call)
        self._arrived.set()

    async def batches(self) -> AsyncGenerator[TapBatch]:
        """The calls, as they come."""
        while True:
            await self._arrived.wait()
            taken = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            dropped, self._dropped = self._dropped, 0
            if not self._waiting:
                self._arrived.clear()
            yield TapBatch(taken, dropped)


class Tap:
    """Where one process tells its calls, while anybody listens. Belongs to one event loop."""

    __slots__ = ("_clock", "_listeners", "listened")

    def __init__(self, clock: Clock) -> None:
        """Nobody listens.

        Args:
            clock: tells when calls ended.
        """
        self._clock = clock
        self._listeners: list[TapListener] = []
        self.listened = False
        """Whether anybody listens: until then a call costs the question."""

    def put(self, call: EndedCall) -> None:
        """Tells everybody who looks at such calls."""
        for listener in self._listeners:
            listener.put(call)

    def now(self) -> datetime:
        """The time by which calls end."""
        return self._clock.now()

    @contextmanager
    def listening(self, wanted: TapFilter) -> Generator[TapListener]:
        """Listens for the length of the block.

        Raises:
            TooManyTaps: eight do already.
        """
        if len(self._listeners) >= _MOST_LISTENERS:
            raise TooManyTaps(f"{_MOST_LISTENERS} look at the calls of this process already")
        listener = TapListener(wanted)
        self._listeners.append(listener)
        self.listened = True
        try:
            yield listener
        finally:
            self._listeners.remove(listener)
            self.listened = bool(self._listeners)
