"""Work on many items that one of them may spoil: what it spoils costs it alone, and the others go on."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from mailer_svc.ports import AWAY

Item = TypeVar("Item")


async def together_or_apart(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], Awaitable[None]],
    *,
    spoiled: Callable[[Item, Exception], Awaitable[None]],
) -> None:
    """Does ``work`` on all items; if that fails, on each by itself.

    Args:
        items: what there is to do; the work may meet one that it has done already.
        work: done with all that it is given.
        spoiled: told of each item whose work fails also by itself; it sees to it that the item is not met again at once.

    Raises:
        Unavailable: the database is away, which is no item's doing.
    """
    try:
        await work(items)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its item gets it
        if len(items) == 1:
            await spoiled(items[0], error)
            return
        for item in items:
            await together_or_apart([item], work, spoiled=spoiled)
