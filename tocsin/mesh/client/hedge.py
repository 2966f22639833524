"""Hedging: a second attempt beside one that takes longer than most; the first answer counts (Dean and Barroso, The Tail at Scale)."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from tocsin.errors import TocsinError
from tocsin.mesh.retry import RetryBudget
from tocsin.mesh.rpc_metrics import Durations

T = TypeVar("T")

_SHARE: Final = 0.95
_LEAST_CALLS: Final = 100
"""Before so many successful calls nobody knows how long most of them take."""


class Hedger:
    """Makes the second attempts of one method's calls; they count against the same budget as retries."""

    __slots__ = ("_budget", "_delay", "_durations", "_on_hedge")

    def __init__(self, *, delay: float | None, durations: Durations, budget: RetryBudget, on_hedge: Callable[[], None]) -> None:
        """Takes what decides when.

        Args:
            delay: seconds before the second attempt; None for what 95 % of the successful calls did not exceed.
            durations: of the method's attempts.
            budget: of the target.
            on_hedge: told about each second attempt, for the metrics.
        """
        self._delay = delay
        self._durations = durations
        self._budget = budget
        self._on_hedge = on_hedge

    async def run(self, attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The first answer of one attempt, or of two when the first is slow.

        Raises:
            TocsinError: both failed; the error of the last.
        """
        delay = self._delay if self._delay is not None else self._durations.successes_within(_SHARE, least=_LEAST_CALLS)
        if delay is None:
            return await attempt()
        attempts = {asyncio.create_task(attempt())}
        try:
            done, _ = await asyncio.wait(attempts, timeout=delay)
            if not done and self._budget.allows():
                self._budget.failed()
                self._on_hedge()
                attempts.add(asyncio.create_task(attempt()))
            return await _first_success(attempts)
        finally:
            for each in attempts:
                each.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)


async def _first_success(attempts: "set[asyncio.Task[T]]") -> T:
    pending = attempts
    while True:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        # Both may have ended in the same turn of the loop, one of them well.
        ended = sorted(done, key=_failed)
        if not pending or not _failed(ended[0]):
            return await ended[0]


def _failed(attempt: "asyncio.Task[Any]") -> bool:
    return not attempt.cancelled() and isinstance(attempt.exception(), TocsinError)
