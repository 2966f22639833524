"""Searches in lists that are short enough to be read: what a text is in, whatever the case of its letters."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

Row = TypeVar("Row")

_BATCH: Final = 200
_MOST: Final = 2000
"""Rows that are read for one answer; the next one goes on behind them."""


def mentions(wanted: str, *texts: str) -> bool:
    """Whether one of the texts has ``wanted`` in it."""
    return any(wanted.casefold() in text.casefold() for text in texts)


async def search(
    read: Callable[[str, int], Awaitable[Sequence[Row]]],
    *,
    meets: Callable[[Row], bool],
    place: Callable[[Row], str],
    after: str,
    limit: int,
) -> tuple[list[Row], str | None]:
    """The next rows that meet a condition, up to ``limit``. With fewer comes where to go on; None: they were the last.

    Args:
        read: reads rows in order, behind a place, up to a number.
        meets: the condition.
        place: where a row stands.
        after: behind which place to begin.
        limit: rows wanted.
    """
    found: list[Row] = []
    for _ in range(_MOST // _BATCH):
        rows = await read(after, _BATCH)
        for row in rows:
            if meets(row):
                found.append(row)
                if len(found) == limit:
                    return found, None
        if len(rows) < _BATCH:
            return found, None
        after = place(rows[-1])
    return found, after
