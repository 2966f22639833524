"""Short and plain forms of messages."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer_svc.channels.texts import cut, octets, plain_body, shown, utf16, whole
from mailer_svc.domain import Content


@given(st.text(), st.integers(0, 40), st.sampled_from([len, octets, utf16]))
def test_what_is_cut_fits(text: str, most: int, size: Callable[[str], int]) -> None:
    """In every measure; what fits stays as it is, and what does not is a beginning of it."""
    short = cut(text, most, size)
    assert size(short) <= most
    assert short == text if size(text) <= most else short == "" or (short[-1] == "…" and text.startswith(short[:-1]))


@pytest.mark.parametrize(
    ("content", "body", "text"),
    [
        (Content("S", " t \n"), "t", "S\n\nt"),
        (Content("S", "", "<p>h</p>"), "h", "S\n\nh"),
        (Content("S", "t", "<p>h</p>"), "t", "S\n\nt"),
        (Content("S"), "", "S"),
        (Content("Disk", "Disk full"), "Disk full", "Disk full"),
    ],
)
def test_a_message_as_text(content: Content, body: str, text: str) -> None:
    """Its text before its HTML; its subject once."""
    assert (plain_body(content), whole(content)) == (body, text)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<br>b", "a\nb"),
        ("<ul><li>a</li><li>b</li></ul>", "a\n\nb"),
        ("<p>a\n  b</p><p>c</p>", "a b\n\nc"),
        ("a</script></style>b", "ab"),
        ("a<script>x<b>y", "a"),
        ("&lt;b&gt; &#x1F642; &unknown;", "<b> 🙂 &unknown;"),
        ("<" * 1000, "<" * 1000),
        ("<!-- x > -->a<!DOCTYPE b>", "a"),
        ("a<!-- b", "a"),
        ("a < b <= c", "a < b <= c"),
        ("a<b", "a"),
    ],
)
def test_html_is_read_as_a_reader_does(html: str, text: str) -> None:
    """Whatever is wrong with it."""
    assert shown(html) == text


def test_a_page_of_half_a_megabyte_is_read_quickly() -> None:
    """In linear time: a test would hang."""
    assert shown("<div>" * 100_000) == ""
    assert len(shown("<p>a </p>" * 50_000)) > 50_000
    for piece in ("<a ", "<", "<!--", "</", "<script>", "<style", "&", "&#", "\n", "<b>\n"):
        assert shown(piece * 100_000) is not None
