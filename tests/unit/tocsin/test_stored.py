"""Values as they stand in a database, whatever somebody put there."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tocsin.errors import StoredRowUnreadable
from tocsin.stored import FIRST, LAST, ToldOnce, as_type, clamped, instant, int32, readable, row_reader
from tocsin.telemetry.metrics import stored_damage


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


@pytest.mark.parametrize(
    ("kind", "stored", "read"),
    [
        *((str, stored, read) for stored, read in ((b"\xffa", "\ufffda"), (7, "7"), ("a", "a"), (None, None))),
        *((bytes, stored, read) for stored, read in (("a", b"a"), (7, b""), (b"a", b"a"), (None, None))),
        *((int, stored, read) for stored, read in (("7", 0), (b"7", 0), (2.9, 2), (7, 7), (None, None))),
        *((float, stored, read) for stored, read in (("7", 0.0), (7, 7.0), (2.5, 2.5), (None, None))),
    ],
)
def test_a_value_is_read_as_one_of_its_columns_type(kind: type[Any], stored: Any, read: Any) -> None:
    """The nearest one, or nothing; what is not there stays so."""
    found = as_type(kind, stored)
    assert (found, type(found)) == (read, type(read))


def test_rows_that_cannot_be_read_are_left_out_and_counted() -> None:
    """Whatever reading them raises, by a reader that names them or not; whoever reads one by itself is told its name."""

    @row_reader(lambda row: f"things/{row}")
    def read(row: str) -> int:
        return {"1": 1, "2": 2}[row]

    before = stored_damage_rows()
    assert readable(["1", "x", "2"], read) == [1, 2]
    assert readable(["1", "x", "2"], int) == [1, 2]
    assert stored_damage_rows() - before == 2
    with pytest.raises(StoredRowUnreadable, match=r"^things/x is stored"):
        read("x")


def stored_damage_rows() -> float:
    """The count of a scrape."""
    return next(sample.value for family in stored_damage.collect() for sample in family.samples if sample.labels == {"what": "row"})
