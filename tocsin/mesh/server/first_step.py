"""Coroutines of gRPC whose first step is taken at once.

A task takes its first step in the next turn of the event loop, and a turn is as long as what computes in it. A call passed two of them
before its message was asked for, and a refusal waited for one, at the price of a task each. asyncio can do the same from Python 3.12 on
(``eager_start``). Only for coroutines that wait for futures and never ask in which task they run.
"""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any

from tocsin.telemetry import get_logger

_log = get_logger(__name__)


class Started:
    """A coroutine that has taken its first step, and what it began is under way. To be awaited once, by a task."""

    __slots__ = ("_coroutine", "_future", "_result")

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Takes the first step.

        Raises:
            Exception: of the coroutine, in its first step.
        """
        self._coroutine = coroutine
        self._future: asyncio.Future[Any] | None = None
        self._result: Any = None
        try:
            self._future = coroutine.send(None)
        except StopIteration as ended:
            self._result = ended.value

    def __await__(self) -> Generator[Any, Any, Any]:
        """What the coroutine returns."""
        if self._future is None:
            return self._result
        future, thrown = self._future, None
        while True:
            if not future.done():
                try:
                    yield future
                except BaseException as error:  # noqa: BLE001 - a task throws in what its future ended with: the coroutine's own to handle
                    thrown = error
            try:
                future = self._coroutine.send(None) if thrown is None else self._coroutine.throw(thrown)
            except StopIteration as ended:
                return ended.value
            thrown = None


class Steps:
    """A coroutine that takes its first step now, and each further one when the future it waits for is done; no task."""

    __slots__ = ("_coroutine", "_running")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], *, running: "set[Steps]") -> None:
        """Takes the first step.

        Args:
            coroutine: what it raises is logged.
            running: has this while it has not ended.
        """
        self._coroutine = coroutine
        self._running = running
        running.add(self)
        self._step()

    def _step(self, _: Any = None) -> None:
        try:
            future = self._coroutine.send(None)
        except StopIteration:
            self._running.discard(self)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - there is no task to keep it
            self._running.discard(self)
            _log.error("a step of a call failed", exc_info=error)
        else:
            future._asyncio_future_blocking = False  # noqa: SLF001 - the protocol of asyncio: whoever waits for a future says that it does
            future.add_done_callback(self._step)
