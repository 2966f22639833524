"""Knowing what is in the store alone. Pure.

Memory holds a bounded number of firings. The others of a lane are behind a cursor: every unfinished firing of the owned shards that is not
in memory sorts behind it. Reading from the cursor on finds them all; those that are in memory as well are passed over.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from scheduler_svc.domain import QueuedFiring
from tocsin.recurrence import Micros

Cursor: TypeAlias = tuple[Micros, str]
_START: Final[Cursor] = (-1, "")


class Overflow:
    """One lane's firings that are in the store alone.

    Attributes:
        after: they sort behind this (ready, id); None when there are none.
        at: none of them is ready before this.
    """

    __slots__ = ("_meanwhile", "after", "at")

    def __init__(self) -> None:
        self.after: Cursor | None = None
        self.at: Micros = 0
        self._meanwhile: Cursor | None = None

    def all(self) -> None:
        """Anything may be in the store: a shard is new here."""
        self._lower(_START)

    def add(self, ready: Micros) -> None:
        """A firing that is ready at ``ready`` stays in the store."""
        self._lower((ready, ""))

    def _lower(self, cursor: Cursor) -> None:
        self.after, self.at = (cursor, cursor[0]) if self.after is None else (min(self.after, cursor), min(self.at, cursor[0]))
        self._meanwhile = cursor if self._meanwhile is None else min(self._meanwhile, cursor)

    def begin(self) -> Cursor:
        """Where to read from; what is added from now on may be missing in what is read."""
        self._meanwhile = None
        return self.after or _START

    def read(self, rows: Sequence[QueuedFiring], *, asked: int, taken: int) -> None:
        """Reading ``asked`` firings gave ``rows``, of which the first ``taken`` are in memory now."""
        if taken == len(rows) < asked:
            self.after, self.at = None, 0
        else:
            if taken:
                self.after = (rows[taken - 1].ready, rows[taken - 1].id)
            self.at = rows[min(taken, len(rows) - 1)].ready
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            self._lower(meanwhile)
