"""Pages and messages that are bounded in bytes as well as in rows (AIP-158: a page may be shorter than was asked for).

Rows are read in steps, and how many comes from what those before came to, so that neither the answer nor the memory that it takes grows
with the size of the rows. One row alone is always shown: what can be created is smaller than a message.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from google.protobuf.message import Message

from tocsin.errors import StoredRowUnreadable
from tocsin.listing import DEFAULT_PAGE_SIZE, Cursor, PageToken, page_size
from tocsin.stored import NOT_READABLE, unreadable

PAGE_BYTES: Final = 1024 * 1024
"""Bytes of the items in one message, unless a single item has more; a quarter of what a message may have by default."""

_FIRST_ROWS: Final = DEFAULT_PAGE_SIZE + 1
_MOST_ROWS: Final = 100

Row = TypeVar("Row")
Item = TypeVar("Item", bound=Message)
Place = tuple[Cursor, ...]


class ListRequest(Protocol):
    """What the requests of all lists have in common."""

    page_size: int
    page_token: str


class Listing(NamedTuple):
    """Which list a request asks for: its page tokens continue no other.

    Attributes:
        query: the list, with its tenant and its filter, as one text.
        shape: the types of a cursor.
    """

    query: str
    shape: Sequence[type[Cursor]]


class BatchSizer:
    """How many rows to read at once, so that they come to about `PAGE_BYTES`. They are never many: the next ones may be larger."""

    __slots__ = ("_bytes", "_rows")

    def __init__(self) -> None:
        self._rows = self._bytes = 0

    def take(self) -> int:
        """How many to read next, by what the rows of the last step came to."""
        rows, size = self._rows, self._bytes
        self._rows = self._bytes = 0
        return max(1, min(_MOST_ROWS, PAGE_BYTES * rows // max(1, size))) if rows else _FIRST_ROWS

    def saw(self, size: int) -> None:
        """A row that was read came to ``size`` bytes."""
        self._rows += 1
        self._bytes += size


async def list_page(
    request: ListRequest,
    listing: Listing,
    *,
    read: Callable[[Any, int], Awaitable[tuple[Sequence[Row], Place | None]]],
    show: Callable[[Row], Item],
    place: Callable[[Row], Place],
    hidden: Callable[[Row], int] = lambda _: 0,
) -> tuple[list[Item], str]:
    """The items of one page, and the token of the next; an empty one on the last.

    Args:
        request: of the list.
        listing: which list it is.
        read: reads rows behind a cursor, which is None for the first ones, up to a number. With fewer rows than that comes where to go on
            if they were not the last ones, which ends the page; None if they were.
        show: makes the item of a row. A row of which it cannot make one is left out.
        place: the cursor of a row.
        hidden: bytes that a row takes in memory beside what its item shows.

    Raises:
        InvalidInput: the size or the token is not valid.
    """
    size, behind = page_size(request.page_size), PageToken.decode(request.page_token, query=listing.query, shape=listing.shape)
    items: list[Item] = []
    room, step = PAGE_BYTES, BatchSizer()
    while True:
        wanted = min(step.take(), size - len(items) + 1)
        rows, further = await read(behind, wanted)
        for row in rows:
            try:
                item = show(row)
                weight = item.ByteSize()
                step.saw(weight + hidden(row))
            except NOT_READABLE as error:  # what no message can carry: left out, and told
                if not isinstance(error, StoredRowUnreadable):
                    unreadable(f"{type(row).__name__} {place(row)[-1]}", error)
                behind = place(row)
                continue
            room -= weight
            if items and (len(items) == size or room < 0):
                return items, _token(behind, listing)
            items.append(item)
            behind = place(row)
        if len(rows) < wanted:
            return items, _token(further, listing)


def _token(behind: Place | None, listing: Listing) -> str:
    return "" if behind is None else PageToken.encode(behind, query=listing.query)


def split_into_messages(items: Iterable[Item], *, step: BatchSizer | None = None) -> Iterator[list[Item]]:
    """The items, as many at a time as one message of a stream may hold.

    Args:
        items: what is to be sent.
        step: told of each item.
    """
    batch: list[Item] = []
    room = PAGE_BYTES
    for item in items:
        size = item.ByteSize()
        if step is not None:
            step.saw(size)
        if batch and size > room:
            yield batch
            batch, room = [], PAGE_BYTES
        batch.append(item)
        room -= size
    if batch:
        yield batch
