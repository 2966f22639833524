"""Personal data in texts: what is found, what is not, and that no input takes longer than its length explains."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from tocsin.pii import EVERY_KIND, MAX_CHARACTERS, PiiFinding, PiiKind, find, redact
from tocsin.pii.detection import MAX_FINDINGS
from tocsin.pii.folding import fold

FOUND = {
    "mail ann@example.com now": "mail [email] now",
    "<ann.o'neil+tag@mail.example.co.uk>, b@x.de.": "<[email]>, [email].",
    "user@\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444": "[email]",
    "mailto:ann@xn--e1afmkfd.xn--p1ai": "mailto:[email]",
    "call +49 30 901820 today": "call [phone] today",
    "+41446681800": "[phone]",
    "0041 44 668 18 00": "[phone]",
    "(650) 253-0000, 650-253-0000, 1-650-253-0000, 650.253.0000": "[phone], [phone], [phone], [phone]",
    "020 7946 0958 is British": "[phone] is British",
    "tel: 03090182000": "tel: [phone]",
    "card 4111 1111 1111 1111.": "card [card].",
    "4111111111111111": "[card]",
    "4111-1111-1111-1111": "[card]",
    "3782 822463 10005": "[card]",
    "5555555555554444/2223003122003222": "5555555555554444/2223003122003222",  # joined: the rest of something longer
    "6011 1111 1111 1117": "[card]",
    "DE89 3704 0044 0532 0130 00 and then": "[iban] and then",
    "gb82west12345698765432": "[iban]",
    "NL91ABNA0417164300.": "[iban].",
    "from 192.168.1.5:8080": "from [ip address]:8080",
    "2001:db8::1 and fe80::1ff:fe23:4567:890a": "[ip address] and [ip address]",
    "::ffff:10.1.2.3": "[ip address]",
    "123-45-6789": "[national id]",
    "SSN 123456789": "SSN [national id]",
    "pesel 44051401359": "pesel [national id]",
    "rssmra85t10a562s": "[national id]",
    "AB 12 34 56 C": "[national id]",
    "756.9217.0769.85": "[national id]",
    "800101-2229": "800101-2229",
    "131052-308T": "[national id]",
    "2 55 08 14 168 025 38": "[national id]",
    "390.533.447-05": "[national id]",
    "12345678Z": "[national id]",
    "ann&#64;example&period;com": "[email]",
    "ann&#x40;example.com": "[email]",
    "4111\u200b1111\u200b1111\u200b1111": "[card]",
    "\uff14\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11 \uff11\uff11\uff11\uff11": "[card]",
    "\u0664\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661": "[card]",
    "4111\u00a01111\u20131111\u00a01111": "4111\u00a01111\u20131111\u00a01111",  # signs that differ are no grouping
    "4111\u20131111\u20131111\u20131111": "[card]",
    "ann\uff20example.com": "[email]",
}

NOT_FOUND = [
    "",
    "x@y",
    "@example.com",
    "ann@-example.com",
    "2026-11-29T10:30:45.123456Z",
    "1764412345678",
    "order 1234567890 at 10:30",
    "12345678901",
    "4111111111111112",
    "41111111111111110000000",
    "0.4111111111111111",
    "550e8400-e29b-41d4-a716-446655440000",
    "v1.2.3, 127.0.0.1, 0.0.0.0, ::1, ::, 255.255.255.0, 224.0.0.1",
    "std::vector Add::Face 10:30:45 a:b:c",
    "DE89370400440532013001",
    "000-12-3456",
    "&unknown; &#99999999; & &amp",
    "+1 2 3",
    "01.02.2026 - 03.02.2026",
    "10 20 30 40 50 60 70 80 90 100",
]


@pytest.mark.parametrize(("text", "redacted"), FOUND.items())
def test_what_is_found(text: str, redacted: str) -> None:
    """Wherever it stands, however it is written; what is no finding stays."""
    assert redact(text, find(text)) == redacted


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_is_not_found(text: str) -> None:
    """Numbers that a log is full of, and what only looks alike."""
    assert find(text) == []


def test_only_what_is_asked_for_is_found() -> None:
    """Each kind by itself."""
    text = "ann@example.com 4111111111111111"
    assert [each.kind for each in find(text, {PiiKind.CARD})] == [PiiKind.CARD]
    assert [each.kind for each in find(text, {PiiKind.EMAIL})] == [PiiKind.EMAIL]
    assert find(text, {PiiKind.IBAN}) == []


def test_a_field_may_announce_a_number() -> None:
    """Its name stands before the text."""
    assert find("44051401359") == []
    assert [each.kind for each in find("44051401359", about="customer pesel")] == [PiiKind.NATIONAL_ID]
    assert [each.kind for each in find("03090182000", about="mobile_phone")] == [PiiKind.PHONE]


@given(st.text(alphabet=st.characters(), max_size=300))
def test_any_text_can_be_scanned(text: str) -> None:
    """Findings are in order, apart, inside the text; and nothing of the text stands in their repr."""
    found = find(text)
    behind = 0
    for each in found:
        assert behind <= each.start < each.end <= len(text)
        behind = each.end
    redact(text, found)
    assert repr(found) == repr([PiiFinding(each.kind, each.start, each.end) for each in found])


PIECES = st.sampled_from([*FOUND, "0", "1", "+", "@", ".", ":", "-", " ", "(", ")", "&#", "&#64;", "\u200b", "a", "DE", "\uff11", "tel "])


@given(st.lists(PIECES, max_size=12))
def test_what_looks_alike_can_be_scanned(pieces: list[str]) -> None:
    """Pieces of what is found, put together at random; a redacted text is scanned again without a fault."""
    text = "".join(pieces)
    shown = redact(text, find(text))
    find(shown)


@given(st.from_regex(r"4[0-9]{14}", fullmatch=True), st.sampled_from(["", " ", "-", "\u200b"]), st.text(max_size=5), st.text(max_size=5))
def test_every_card_is_found(digits: str, sign: str, before: str, behind: str) -> None:
    """With a right check digit, however it is grouped, whatever prose stands around it."""
    number = digits + luhn.calc_check_digit(digits)
    written = sign.join(number[place : place + 4] for place in range(0, 16, 4))
    text = f"{before} pay {written} now {behind}"
    assert "[card]" in redact(text, find(text, {PiiKind.CARD}))
    assert number not in re.sub(r"[^0-9]", "", redact(text, find(text, {PiiKind.CARD})))


@given(st.text(max_size=100))
def test_folding_leads_back(text: str) -> None:
    """Each character of the folded text stands for a place in the original; the places are in order."""
    folded = fold(text)
    spans = [folded.original(place, place + 1) for place in range(len(folded.text))]
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert spans == sorted(spans)


def test_what_is_beyond_the_bound_counts_as_found() -> None:
    """A text that is too long is not let through unseen."""
    text = "a" * MAX_CHARACTERS + "4111111111111111"
    assert find(text) == [PiiFinding(PiiKind.UNSCANNED, MAX_CHARACTERS, len(text))]
    assert redact(text, find(text)) == "a" * MAX_CHARACTERS + "[unscanned]"
    assert find(text, {PiiKind.EMAIL})[0].kind is PiiKind.UNSCANNED


@pytest.mark.parametrize("piece", ["a@b.co ", "pesel 44051401358 ", "+49 30 901820 ", "DE89 ", "4111111111111111 ", "tel 0123456789 "])
def test_checks_are_bounded(piece: str) -> None:
    """What would cost more than a scan may is not looked at; the findings before it stay."""
    text = piece * 12_000
    found = find(text)
    assert found[-1].kind is PiiKind.UNSCANNED
    assert found[-1].end == len(text)
    assert len(found) <= MAX_FINDINGS + 1
    assert all(each.kind in EVERY_KIND for each in found[:-1])


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "0",
        "@",
        "a@",
        "+",
        "+0",
        "(",
        "((1",
        ":",
        "1:",
        "a:",
        "1.",
        "1-",
        "1 ",
        "&#",
        "&amp;",
        "AA 1 ",
        "4111 ",
        "a.@",
        "\u200b1",
        "\U0001d7ce",
        "\u4e2d",
    ],
)
def test_no_input_is_looked_at_twice(piece: str) -> None:
    """A hundred thousand characters of each: a search that goes back would not end within this test's patience."""
    text = piece * (100_000 // len(piece))
    for each in find(text):
        assert each.end <= len(text)
