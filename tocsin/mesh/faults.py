"""Faults on demand: a server delays, refuses or never answers a share of its calls, so that a test or a game day sees what then happens.

Nothing is injected unless the setting ``faults_enabled`` allows it and an operator has asked for it.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tocsin.errors import FailedPrecondition, TocsinError


class FaultsDisabled(FailedPrecondition):
    """Fault injection is disabled: TOCSIN_<SERVICE>_FAULTS_ENABLED is not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a share of the calls.

    Attributes:
        method: full path of a method, "/package.Service/Method"; a prefix of it that ends with "/" for a whole service; "" for all.
        percent: share of the calls, above 0 and up to 100.
        delay: seconds that they wait first.
        abort: makes the error that they end with; None lets them pass.
        drop: they get no answer at all, until their deadline.
    """

    method: str
    percent: float
    delay: float = 0.0
    abort: Callable[[], TocsinError] | None = None
    drop: bool = False

    def concerns(self, path: str) -> bool:
        """Whether a call of ``path`` may be hit."""
        return path.startswith(self.method) if not self.method or self.method.endswith("/") else path == self.method


class Faults:
    """The faults of one process. Of those that concern a call, the most special one counts."""

    __slots__ = ("_draw", "_enabled", "_faults", "injected")

    def __init__(self, *, enabled: bool, draw: Callable[[], float] = random.random) -> None:
        """No faults at first.

        Args:
            enabled: whether any may be set.
            draw: gives a number from 0 to 1.
        """
        self._enabled = enabled
        self._draw = draw
        self._faults: dict[str, Fault] = {}
        self.injected = 0

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._faults)

    @property
    def all(self) -> Sequence[Fault]:
        """Every fault, by method."""
        return [fault for _, fault in sorted(self._faults.items())]

    def set(self, fault: Fault) -> None:
        """Adds ``fault``, in place of the one for the same method.

        Raises:
            FaultsDisabled: the process takes none.
        """
        if not self._enabled:
            raise FaultsDisabled
        self._faults[fault.method] = fault

    def clear(self, method: str = "") -> list[str]:
        """Removes the fault of exactly this method, or all; the methods whose fault is gone."""
        gone = sorted(name for name in self._faults if method in ("", name))
        for name in gone:
            del self._faults[name]
        return gone

    async def inject(self, path: str) -> None:
        """Does to a call of ``path`` what its fault says, if it is hit.

        Raises:
            TocsinError: the fault's.
        """
        fault = max((fault for fault in self._faults.values() if fault.concerns(path)), key=lambda fault: len(fault.method), default=None)
        if fault is None or self._draw() * 100 >= fault.percent:
            return
        self.injected += 1
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.drop:
            await asyncio.Event().wait()
        if fault.abort is not None:
            raise fault.abort()
