"""Lines and records: however the text is cut, they are the same."""

import csv
import io
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.bulk import records
from tocsin.bulk.records import RecordReader, ends_inside_quotes
from tocsin.bulk.table import cells
from tocsin.protojson.lines import Line, LineReader

MOST = 50
ALPHABET = b'a,"\n\r \xef\xbb\xbf\x00\xffz'


def read(reader: LineReader | RecordReader, pieces: list[bytes]) -> list[Line]:
    """Every line of a text that comes in these pieces."""
    return [line for piece in pieces for line in reader.feed(piece)] + list(reader.end())


def cut(text: bytes, seed: int) -> list[bytes]:
    """The text in pieces, some of them empty."""
    draw, pieces, at = random.Random(seed), list[bytes](), 0
    while at < len(text):
        size = draw.choice([0, 1, 1, 2, 7, 40])
        pieces.append(text[at : at + size])
        at += size
    return pieces


@given(st.lists(st.sampled_from(ALPHABET), max_size=300).map(bytes), st.integers(0, 1000))
def test_the_cut_does_not_matter(text: bytes, seed: int) -> None:
    """In one piece or in many, the lines are the same, with the same numbers and the same problems."""
    assert read(LineReader(most=MOST), cut(text, seed)) == read(LineReader(most=MOST), [text])
    assert read(RecordReader(most=MOST), cut(text, seed)) == read(RecordReader(most=MOST), [text])


@given(st.lists(st.sampled_from(ALPHABET), max_size=300).map(bytes))
def test_every_line_is_told_once(text: bytes) -> None:
    """No line is lost, and none comes twice, whatever its quotes do."""
    count = len(text.split(b"\n")) - text.endswith(b"\n") - (not text)
    assert [line.number for line in read(LineReader(most=MOST), [text])] == list(range(1, count + 1))
    seen = [number for line in read(RecordReader(most=MOST), [text]) for number in range(line.number, line.last + 1)]
    assert seen == list(range(1, count + 1))


@given(
    st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=12), min_size=2, max_size=4), max_size=8)
)
def test_what_csv_writes_is_read_back(rows: list[list[str]]) -> None:
    """Records are those that Python's own writer of RFC 4180 wrote."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    lines = read(RecordReader(), [out.getvalue().encode()])
    assert [cells(line.text.decode()) for line in lines] == [[cell.replace("\r\n", "\n") for cell in row] for row in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a\nb", [(1, b"a", True), (2, b"b", False)]),
        (b"a\r\n\r\nb\r\n", [(1, b"a", True), (2, b"", True), (3, b"b", True)]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", [(1, b"a", True), (2, b"\xef\xbb\xbfb", True)]),
        (b"", []),
        (b"\n", [(1, b"", True)]),
    ],
)
def test_lines(text: bytes, expected: list[tuple[int, bytes, bool]]) -> None:
    """LF and CRLF end a line; a byte order mark at the initial_signal is none of it."""
    assert [(line.number, line.text, line.whole) for line in read(LineReader(most=MOST), [text])] == expected


def test_a_line_that_is_too_long_costs_no_memory() -> None:
    """Of an endless line only its number is kept, and the next one is read."""
    reader = LineReader(most=10)
    for _ in range(100_000):
        assert list(reader.feed(b"x" * 100)) == []
    first, second = reader.feed(b"\nshort\n")
    assert (first.number, first.text, first.problem) == (1, b"", "is longer than 10 bytes")
    assert (second.number, second.text, second.problem) == (2, b"short", "")


def test_a_quote_that_is_never_closed_takes_one_line_along() -> None:
    """What it had swallowed is read again, line by line."""
    lines = read(RecordReader(), [b'a,b\n"oops,1\nc,d\ne,f\n'])
    assert [(line.number, line.text, line.problem) for line in lines] == [
        (1, b"a,b", ""),
        (2, b"", "has an unclosed quote"),
        (3, b"c,d", ""),
        (4, b"e,f", ""),
    ]


@pytest.mark.parametrize("end", [b"", b"x" * 2000 + b"\n"], ids=["of the text", "by a line that is too long"])
def test_quotes_that_are_never_closed_are_looked_at_once_more(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    """Each of thousands of lines opens one and closes none: what was taken is not read again and again, nor one call within another."""
    looked: list[bytes] = []

    def look(text: bytes, **more: Any) -> bool:
        looked.append(text)
        return ends_inside_quotes(text, **more)

    monkeypatch.setattr(records, "ends_inside_quotes", look)
    lines = read(RecordReader(most=1000), [b"a,b\n" + b'"c","\n' * 3000 + end])
    assert [line.problem for line in lines[1:3001]] == ["has an unclosed quote"] * 3000
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert len(looked) <= 2 * 3000


@pytest.mark.parametrize("record", ['"a"b,c', '"a', 'a,"b" ,c'])
def test_text_behind_a_closing_quote_is_refused(record: str) -> None:
    """Nobody can say what it means."""
    with pytest.raises(Exception, match="an unclosed quote"):
        cells(record)
