"""The one parser of addresses."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.addresses import PLAIN, AddressInvalid, Mailbox, normal_address, parse_mailbox


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann@EXAMPLE.com", "Ann@example.com"),
        ("o'neil+tag@a-b.example.co.uk", "o'neil+tag@a-b.example.co.uk"),
        ("me@localhost", "me@localhost"),
        ("ops@intra.local", "ops@intra.local"),
        ("a@münchen.de", "a@xn--mnchen-3ya.de"),
        ("a@xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de"),
        ("jürgen@example.com", "jürgen@example.com"),
        ("übung@Bücher.example", "übung@xn--bcher-kva.example"),
        (" ann@example.com ", "ann@example.com"),
        ("Ann <ann@example.com>", "ann@example.com"),
        ("<ann@example.com>", "ann@example.com"),
        ("Acme, Inc. <a@Example.com>", "a@example.com"),
        ("a" * 64 + "@x.de", "a" * 64 + "@x.de"),
        ("a@" + "b" * 63 + ".de", "a@" + "b" * 63 + ".de"),
    ],
)
def test_addresses_have_one_spelling(address: str, expected: str) -> None:
    """The domain is lower-case ASCII; the local part is the receiver's business."""
    assert normal_address(address) == expected


@pytest.mark.parametrize(
    "address",
    [
        "", "ann", "@x.de", "ann@", "a b@x.de", "a@b c", "a@x.de\n", "a@x.de\r\nBcc: b@x.de", "a@x.de\0", "a@x.de,b@x.de",
        "a..b@x.de", ".a@x.de", "a.@x.de", "a@-x.de", "a@x-.de", "a@x..de", "a@x.de.", "a@1.2.3.4", "a@[1.2.3.4]", '"a b"@x.de', "a@b@c.de",
        "a" * 65 + "@x.de", "a@" + "b" * 64 + ".de", "a@" + "b." * 130 + "de", "a\u2028@x.de",
        "ü" * 33 + "@x.de", "Ann <a@x.de", "Ann a@x.de>", "<<a@x.de>>", "a@x.de <b@x.de>x", "Ann\n<a@x.de>", "Ann <>",
        "a@x\u0085.de",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    """Lists, breaks and broken syntax alike."""
    with pytest.raises(AddressInvalid):
        normal_address(address)


@given(st.text(st.characters(max_codepoint=127), max_size=20))
def test_a_checked_address_never_breaks_a_line(text: str) -> None:
    """Whatever passes is one printable word with one at sign."""
    try:
        address = normal_address(f"{text}@example.com")
    except AddressInvalid:
        return
    assert address.isprintable()
    assert " " not in address
    assert address.count("@") == 1
    assert "<" not in address
    assert ">" not in address


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("a@x.de", Mailbox("a@x.de")),
        ("Ann <a@x.de>", Mailbox("a@x.de", "Ann")),
        ("Acme, Inc. <a@x.de>", Mailbox("a@x.de", "Acme, Inc.")),
        ('"Acme, Inc." <a@x.de>', Mailbox("a@x.de", "Acme, Inc.")),
        (r'"Ann \"A\" Example" <a@x.de>', Mailbox("a@x.de", 'Ann "A" Example')),
        ("Änne @ Köln: <a@x.de>", Mailbox("a@x.de", "Änne @ Köln:")),
        ("Ann<a@x.de>", Mailbox("a@x.de", "Ann")),
    ],
)
def test_a_name_may_stand_before_an_address(text: str, mailbox: Mailbox) -> None:
    """In quotes or not, whatever it holds."""
    assert parse_mailbox(text) == mailbox


def test_a_refusal_names_the_field() -> None:
    """So that one of a thousand is found."""
    with pytest.raises(AddressInvalid) as refused:
        normal_address("a..b@x.example", field="action.notify.to[7]")
    assert refused.value.violations[0].field == "action.notify.to[7]"


@given(st.text(st.sampled_from('aZ0.-_@<>" ü+'), max_size=80))
def test_what_is_plain_is_an_address(text: str) -> None:
    """The quick way never takes what the long one would refuse."""
    if re.match(PLAIN, text):
        assert normal_address(text) == normal_address(f"<{text}>")
