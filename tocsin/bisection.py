"""Work on many items that one of them may spoil: done again in halves, until that one is alone with its error."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tocsin.errors import Aborted, DataLoss, Internal, StoredRowUnreadable, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

_NOT_OF_AN_ITEM = (Unavailable, Aborted, DataLoss)
"""How work fails whatever its items are: again, in parts, it would fail as often as there are parts."""


async def run_with_bisection(
    work: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]], items: Sequence[Item]
) -> list[Result | Exception]:
    """Does ``work`` on all ``items``; after a failure on the first half, then on the second, and so on.

    Args:
        work: takes all of its items or none, and returns one result for each.
        items: in order, in which they are also taken.

    Returns:
        For each item its result or its error.

    Raises:
        Unavailable, Aborted, DataLoss: of the work on all items at once. In parts they are the errors of a part's items.
    """
    try:
        results = await work(items)
    except Exception as error:
        if isinstance(error, _NOT_OF_AN_ITEM) and not isinstance(error, StoredRowUnreadable):
            raise
        # Whatever it is, its item gets it.
        return [error] if len(items) == 1 else await _halves(work, items)
    if len(results) != len(items):
        return [Internal(f"a flush of {len(items)} items gave {len(results)} results")] * len(items)
    return list(results)


async def _halves(
    work: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]], items: Sequence[Item]
) -> list[Result | Exception]:
    middle = len(items) // 2
    found: list[Result | Exception] = []
    for half in (items[:middle], items[middle:]):
        try:
            found += await run_with_bisection(work, half)
        except _NOT_OF_AN_ITEM as error:
            found += [error] * len(half)
    return found
