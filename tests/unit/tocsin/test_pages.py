"""Pages and messages bounded in bytes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.api.processor.v1.record_service_pb2 import ListRecordsRequest, Record
from tocsin.errors import InvalidInput
from tocsin.pages import PAGE_BYTES, BatchSizer, Listing, list_page, split_into_messages

LISTING = Listing("records t", (int,))
LARGE = PAGE_BYTES // 3
SIZES = st.lists(st.sampled_from((1, 300, LARGE, PAGE_BYTES, 2 * PAGE_BYTES)), max_size=12) | st.lists(st.just(10), max_size=450)


class Rows:
    """A list of rows, and the most that was read of it at once."""

    def __init__(self, sizes: Sequence[int], *, short: int = 0) -> None:
        self.rows = list(enumerate(sizes))
        self.most = 0
        self._short = short

    async def read(self, behind: tuple[int] | None, most: int) -> tuple[list[tuple[int, int]], tuple[int] | None]:
        """Rows behind a cursor, ``short`` at a time if it is given: as a filter does that looks at so many and finds fewer."""
        self.most = max(self.most, most)
        first = behind[0] + 1 if behind else 0
        looked_at = self.rows[first : first + min(most, self._short or most)]
        more = len(looked_at) < most and first + len(looked_at) < len(self.rows)
        return looked_at, (looked_at[-1][0],) if more else None


def shown(row: tuple[int, int]) -> Record:
    """A record of about the row's size."""
    return Record(key=str(row[0]), value="x" * row[1])


async def page(rows: Rows, size: int, token: str) -> tuple[list[Record], str]:
    """One page of ``rows``."""
    request = ListRecordsRequest(page_size=size, page_token=token)
    return await list_page(request, LISTING, read=rows.read, show=shown, place=lambda row: (row[0],))


@given(sizes=SIZES, size=st.sampled_from((0, 1, 2, 7, 50, 51, 100, 101, 1000)), short=st.sampled_from((0, 1, 3)))
async def test_pages_hold_everything_once_in_order_and_are_bounded(sizes: list[int], size: int, short: int) -> None:
    """Whatever the sizes: each row comes once, in order; no page is too large or empty; the last one alone has no token."""
    rows, token, seen = Rows(sizes, short=short), "", list[str]()
    while True:
        items, token = await page(rows, size, token)
        assert len(items) <= (size or 50)
        assert len(items) <= 1 or sum(item.ByteSize() for item in items) <= PAGE_BYTES
        assert items or not sizes
        seen += [item.key for item in items]
        if not token:
            break
    assert seen == [str(number) for number in range(len(sizes))]
    assert rows.most <= 100


async def test_a_page_of_large_rows_reads_few_of_them() -> None:
    """What a step came to says how many rows the next one reads; the rows behind them may be of any size."""
    rows = Rows([10] * 51 + [LARGE] * 500)
    items, _ = await page(rows, 1000, "")
    assert len(items) == 51 + 2
    step = BatchSizer()
    assert step.take() == 51
    for _ in range(51):
        step.saw(LARGE)
    assert step.take() == 3
    step.saw(1)
    assert step.take() == 100


async def test_a_token_of_another_list_or_a_negative_size_is_refused() -> None:
    """As AIP-158 says."""
    _, token = await page(Rows([1, 1]), 1, "")
    request = ListRecordsRequest(page_token=token)
    with pytest.raises(InvalidInput, match="belongs to another list"):
        await list_page(request, Listing("records u", (int,)), read=Rows([]).read, show=shown, place=lambda row: (row[0],))
    with pytest.raises(InvalidInput, match="negative"):
        await page(Rows([]), -1, "")


@given(sizes=SIZES)
def test_messages_hold_everything_once_in_order_and_are_bounded(sizes: list[int]) -> None:
    """A message of a stream is too large only for a single item that is."""
    batches = list(split_into_messages(map(shown, enumerate(sizes))))
    assert [item.key for batch in batches for item in batch] == [str(number) for number in range(len(sizes))]
    assert all(len(batch) == 1 or sum(item.ByteSize() for item in batch) <= PAGE_BYTES for batch in batches)
    assert all(batches)


@pytest.mark.parametrize("spoiled", [(0,), (3,), (4,), (9,), (2, 3, 4), tuple(range(10))])
async def test_what_no_message_can_carry_is_left_out(spoiled: tuple[int, ...]) -> None:
    """Wherever it stands, the page goes on behind it, and all others are shown once."""
    rows, token, found = Rows([10] * 10), "", list[str]()

    def show(row: tuple[int, int]) -> Record:
        return Record(key=str(row[0]), value="\ud800" if row[0] in spoiled else "x")

    for _ in range(12):
        request = ListRecordsRequest(page_size=3, page_token=token)
        items, token = await list_page(request, LISTING, read=rows.read, show=show, place=lambda row: (row[0],))
        found += [item.key for item in items]
        if not token:
            break
    assert not token
    assert found == [str(number) for number in range(10) if number not in spoiled]
