from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import InvalidInput
from tocsin.listing import Condition, FilterField, FilterKind, PageToken, page_size, parse_filter

FIELDS = {
    "name": FilterField(),
    "state": FilterField(kind=FilterKind.CHOICE, choices=("ACTIVE", "PAUSED")),
    "due_time": FilterField(kind=FilterKind.TIME),
    "attempts": FilterField(kind=FilterKind.INTEGER),
    "recurring": FilterField(kind=FilterKind.BOOLEAN, operators=("=",)),
    "labels": FilterField(kind=FilterKind.MAP, operators=("=",)),
}
FORGED = [PageToken.encode(cursor, query="q") for cursor in (("1",), (1, 1), (2**63,), ("a\x00",))]
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("  \n", ()),
        ('name="a"', (Condition(field="name", operator="=", value="a"),)),
        ("name = a", (Condition(field="name", operator="=", value="a"),)),
        ("name='it''s'"[:9], (Condition(field="name", operator="=", value="it"),)),
        (r'name="say \"hi\" \\ AND"', (Condition(field="name", operator="=", value='say "hi" \\ AND'),)),
        ('state!="PAUSED"', (Condition(field="state", operator="!=", value="PAUSED"),)),
        ("attempts>=-3", (Condition(field="attempts", operator=">=", value=-3),)),
        ("recurring=true", (Condition(field="recurring", operator="=", value=True),)),
        ('labels.team="core"', (Condition(field="labels", operator="=", value="core", key="team"),)),
        ('labels."a b"="c"', (Condition(field="labels", operator="=", value="c", key="a b"),)),
        ("labels.a.b=c", (Condition(field="labels", operator="=", value="c", key="a.b"),)),
        ('due_time<"2026-01-01T01:00:00+01:00"', (Condition(field="due_time", operator="<", value=NEW_YEAR),)),
        (
            'due_time>="2026-01-01T00:00:00Z" AND state="ACTIVE"',
            (Condition(field="due_time", operator=">=", value=NEW_YEAR), Condition(field="state", operator="=", value="ACTIVE")),
        ),
    ],
)
def test_a_filter_becomes_its_conditions(text: str, expected: tuple[Condition, ...]) -> None:
    """Every form of the subset is read, with values of the field's type."""
    assert parse_filter(text, fields=FIELDS) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nme=1", "column 1: unknown field nme; known are attempts, due_time"),
        ("name.x=1", "column 1: unknown field name.x"),
        ('state="OPEN"', "column 7: state is one of ACTIVE, PAUSED, not OPEN"),
        ("state<ACTIVE", "column 6: state cannot be compared by <"),
        ("recurring!=true", "column 10: recurring cannot be compared by !="),
        ("recurring=1", "recurring is true or false, not 1"),
        ("attempts=many", "attempts is an integer, not many"),
        ("attempts=9999999999999999999", "attempts is an integer"),
        ('due_time<"yesterday"', "due_time is an RFC 3339 time"),
        ('due_time<"2026-01-01T00:00:00"', "due_time is an RFC 3339 time"),
        ('due_time<"0001-01-01T00:00:00+14:00"', "due_time is an RFC 3339 time"),
        ("name", "column 5: expected an operator after name"),
        ("name=", "column 6: expected a value for name instead of the end"),
        ('name="a', "column 6: this quote is not closed"),
        ("name=a OR name=b", "column 8: expected AND instead of OR"),
        ("name=a AND", "column 11: expected a field name instead of the end"),
        ("NOT name=a", "column 1: expected a field name instead of NOT"),
        ("(name=a)", "column 1: expected a field name instead of ("),
        ("name:a", "name cannot be compared by :"),
        ("name='a\x00'", "column 8: control characters are not allowed"),
        ("labels=a", "labels needs a key"),
        ("labels.=a", "labels needs a key"),
        ('labels.""=a', "labels needs a key"),
    ],
)
def test_a_bad_filter_is_refused_with_its_position(text: str, words: str) -> None:
    """The error names the field "filter", the column and what was expected there."""
    with pytest.raises(InvalidInput) as refused:
        parse_filter(text, fields=FIELDS)
    assert words in refused.value.message
    assert refused.value.violations[0].field == "filter"


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """No text raises anything but InvalidInput."""
    with suppress(InvalidInput):
        parse_filter(text, fields=FIELDS)


@given(st.text(st.characters(exclude_characters="\x00"), max_size=40))
def test_any_quoted_text_arrives_as_it_was(text: str) -> None:
    """Quoting with backslashes loses nothing."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_filter(f'name="{quoted}"', fields=FIELDS)[0].value == text


@given(
    st.integers(min_value=-(2**62), max_value=2**62),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
    st.text(max_size=30),
)
def test_a_page_token_gives_its_cursor_back(number: int, text: str, query: str) -> None:
    """Encoding and decoding with the same query is the identity."""
    token = PageToken.encode((number, text), query=query)
    assert PageToken.decode(token, query=query, shape=(int, str)) == (number, text)


def test_an_empty_page_token_asks_for_the_first_page() -> None:
    """No token, no cursor."""
    assert PageToken.decode("", query="q", shape=(int,)) is None


def test_a_page_token_of_another_query_is_refused() -> None:
    """A token is bound to the query that made it."""
    token = PageToken.encode((1,), query="tenant a")
    with pytest.raises(InvalidInput, match="belongs to another list"):
        PageToken.decode(token, query="tenant b", shape=(int,))


@pytest.mark.parametrize("token", ["x", "a===", "AAAA", "bnVsbA", "W10", "WzFd", "é", "W" * 900, *FORGED])
def test_a_broken_page_token_is_refused(token: str) -> None:
    """Anything that is not a token of this shape is bad input, not an internal error."""
    with pytest.raises(InvalidInput) as refused:
        PageToken.decode(token, query="q", shape=(int,))
    assert refused.value.violations[0].field == "pageToken"


@given(st.text(max_size=40))
def test_any_text_as_page_token_is_refused(token: str) -> None:
    """No text raises anything but InvalidInput."""
    if token:
        with pytest.raises(InvalidInput):
            PageToken.decode(token, query="q", shape=(int,))


@pytest.mark.parametrize(("requested", "expected"), [(0, 50), (1, 1), (1000, 1000), (5000, 1000)])
def test_a_page_has_a_size_within_bounds(requested: int, expected: int) -> None:
    """Zero means the default; too much is cut."""
    assert page_size(requested) == expected


def test_a_negative_page_size_is_refused() -> None:
    """AIP-158: negative sizes are an error."""
    with pytest.raises(InvalidInput, match="pageSize"):
        page_size(-1)


DOCUMENT = {"data": FilterField(kind=FilterKind.DOCUMENT)}


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("data.total>100", ("total",), 100.0),
        ("data.a.b.c=-1.5e3", ("a", "b", "c"), -1500.0),
        ("data.a=true", ("a",), True),
        ('data.a="true"', ("a",), "true"),
        ("data.a!=null", ("a",), None),
        ("data.a=FR", ("a",), "FR"),
        ('data."unit price".gross=1', ("unit price", "gross"), 1.0),
        ('data.a."b.c"=1', ("a", "b.c"), 1.0),
    ],
)
def test_a_document_is_asked_by_path(text: str, path: tuple[str, ...], value: object) -> None:
    """A word without quotes is what JSON would take it for."""
    (condition,) = parse_filter(text, fields=DOCUMENT)
    assert (condition.field, condition.path, condition.value, type(condition.value)) == ("data", path, value, type(value))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data=1", "column 1: data needs a path"),
        ("data.=1", "column 1: data needs a path"),
        ("data.a..b=1", "column 1: data needs a path"),
        ('data.a."b', "column 1: data needs a path"),
        ("data.a<false", "column 8: false can only be compared by = !="),
        ("data.a:1", "column 7: data cannot be compared by :"),
    ],
)
def test_a_path_that_is_none_is_told(text: str, told: str) -> None:
    """The error names its column."""
    with pytest.raises(InvalidInput, match=told):
        parse_filter(text, fields=DOCUMENT)


@pytest.mark.parametrize("name", ["display_name", "displayName"])
def test_a_field_goes_by_either_name(name: str) -> None:
    """A filter may say what JSON shows."""
    fields = {"display_name": FilterField(), "labels": FilterField(kind=FilterKind.MAP)}
    (found,) = parse_filter(f'{name}="x"', fields=fields)
    assert (found.field, found.value) == ("display_name", "x")
    (label,) = parse_filter('labels.teamName="x"', fields=fields)
    assert label.key == "teamName"
