"""Values as they stand in a database, whatever somebody put there."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tocsin.stored import FIRST, LAST, ToldOnce, clamped, instant, int32


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (7, 7),
        (2.9, 2),
        (2**62, 2**31 - 1),
        (-(2**62), -(2**31)),
        (1e308, 2**31 - 1),
        *((odd, 0) for odd in (float("nan"), float("-inf"), "x", "7", b"\xff", None)),
    ],
)
def test_a_number_is_shown_as_the_nearest(stored: Any, shown: int) -> None:
    """SQLite holds texts and bytes in the column of a number, too: those are 0, as an integer and as a time."""
    assert int32(stored) == shown
    assert FIRST <= clamped(stored) <= LAST
    if not shown:
        assert instant(stored) == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_row_is_told_of_once() -> None:
    """Another one, or another value of it, is told of as well; of more rows than are remembered it may be told again."""
    told = ToldOnce(most=2)
    assert [told.first(*row) for row in (("a", 1), ("a", 1), ("a", 2), ("a", 1), ("b", 1), ("a", 1))] == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]
