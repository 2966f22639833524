"""A search in a list that is read: page by page, each of its rows once, and never more of them than it may."""

from collections.abc import Sequence

import pytest

from tocsin.searching import mentions, search

ROWS = [f"{number:05}" for number in range(5000)]


async def pages(wanted: str, limit: int) -> list[list[str]]:
    """Every page of the rows that end so."""
    found: list[list[str]] = []
    after: str | None = ""
    read: list[int] = []

    async def rows(behind: str, most: int) -> Sequence[str]:
        part = [row for row in ROWS if row > behind][:most]
        read.append(len(part))
        return part

    while after is not None:
        read.clear()
        page, further = await search(rows, meets=lambda row: row.endswith(wanted), place=str, after=after, limit=limit)
        assert sum(read) <= 2200
        found.append(page)
        after = page[-1] if len(page) == limit else further
    return found


@pytest.mark.parametrize(("wanted", "count"), [("7", 500), ("999", 5), ("4999", 1), ("x", 0), ("", 5000)])
@pytest.mark.parametrize("limit", [1, 7, 300])
async def test_every_match_comes_once(wanted: str, count: int, limit: int) -> None:
    """However few there are, and however small the pages."""
    found = [row for page in await pages(wanted, max(limit, count // 50)) for row in page]
    assert found == [row for row in ROWS if row.endswith(wanted)]
    assert len(found) == count


@pytest.mark.parametrize(
    ("wanted", "text", "is_in"), [("STRASSE", "Straße 1", True), ("ops", "Ops", True), ("", "", True), ("a", "", False)]
)
def test_a_text_is_found_whatever_the_case(wanted: str, text: str, is_in: bool) -> None:
    """By the rules of Unicode."""
    assert mentions(wanted, "1", text) is is_in
