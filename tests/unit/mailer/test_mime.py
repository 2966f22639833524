"""Mail as bytes: whatever is put in comes out again, and nothing can begin a header."""

import email
import email.policy
import re
from email.message import EmailMessage, MIMEPart
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer_svc.channels.mime import MailComposer, Sender, encode_body, subject_header
from mailer_svc.domain import Content, SubjectInvalid
from tocsin.errors import InvalidInput

COMPOSER = MailComposer(sender=Sender.parse("Töcsin <tocsin@example.org>"))
HEADERS = ["From", "Auto-Submitted", "MIME-Version", "Date", "Message-ID", "To", "Subject", "Content-Type", "Content-Transfer-Encoding"]
BREAKS = ["\r", "\n", "\r\n", "\0", "\u0085", "\u2028", "\u2029", "\v", "\f", "\x1b"]

lines = st.characters(exclude_categories=("Cc", "Zl", "Zp", "Cs"))
subjects = st.text(lines | st.just("\t"), max_size=300)
bodies = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=500)
tricky = st.lists(
    st.sampled_from(["\n", "\r", "\r\n", ".", "--", "=_tocsin_alternative", "=", "é", " ", "\t", "x" * 80, "From ", "\x0c"])
).map("".join)


def compose(subject: str = "s", text: str = "", html: str = "") -> tuple[bytes, EmailMessage]:
    """The bytes, and what a parser makes of them."""
    data = COMPOSER.compose(to="ann@example.com", content=Content(subject, text, html), message_id="<d1@example.org>", created=10**15)
    return data, email.message_from_bytes(data, policy=email.policy.default)


def normal(body: str) -> str:
    """Line breaks as mail has them, and one at the end."""
    crlf = re.sub(r"\r\n|\r|\n", "\r\n", body)
    return crlf if crlf.endswith("\r\n") else crlf + "\r\n"


def read(part: MIMEPart) -> str:
    """A body, decoded by the parser and nothing else."""
    return cast("bytes", part.get_payload(decode=True)).decode()


@given(subjects, bodies | tricky, bodies | tricky)
def test_what_goes_in_comes_out(subject: str, text: str, html: str) -> None:
    """Python's parser finds the subject, both bodies and the same headers, without defects, in lines that every server takes."""
    data, mail = compose(subject, text, html)
    assert list(dict(mail.items())) == HEADERS[: len(mail.keys())]
    assert mail["Subject"] == subject
    parts = list(mail.iter_parts()) if mail.is_multipart() else [mail]
    wanted = [body for body in (text, html) if body] or [""]
    assert [normal(read(part)) for part in parts] == [normal(body) for body in wanted]
    assert not any(part.defects for part in mail.walk())
    assert data.isascii()
    assert data.replace(b"\r\n", b"").count(b"\n") == data.replace(b"\r\n", b"").count(b"\r") == 0
    assert max(map(len, data.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("character", BREAKS)
@given(before=subjects, after=subjects)
def test_a_subject_with_a_line_break_is_refused(character: str, before: str, after: str) -> None:
    """Whatever somebody calls the end of a line, in any place."""
    with pytest.raises(SubjectInvalid):
        compose(before + character + after, "x")


@pytest.mark.parametrize("address", ["a@b.c\r\nBcc: e@x.y", "a@b.c\n", "a b@c.d", "a@b.c\u2028", "a@b.c\0"])
def test_an_address_that_is_none_gets_into_no_header(address: str) -> None:
    """The composer checks again what was checked at the door."""
    with pytest.raises(InvalidInput):
        COMPOSER.compose(to=address, content=Content("s", "t"), message_id="<d@x>", created=0)


@given(subjects)
def test_subject_lines_are_short(subject: str) -> None:
    """RFC 5322 asks for 78 characters, RFC 2047 for 76."""
    assert all(len(line) <= 78 for line in subject_header(subject).split("\r\n"))


def test_every_attempt_sends_the_same_bytes() -> None:
    """Date and Message-ID are the delivery's, not the attempt's."""
    assert compose("s", "t", "h")[0] == compose("s", "t", "h")[0]


def test_names_that_are_not_ascii_are_encoded_in_from() -> None:
    """The sender's name arrives as it was written."""
    assert compose()[1]["From"] == "Töcsin <tocsin@example.org>"


@pytest.mark.parametrize("text", ["", "Tocsin", "a@b.c\r\nBcc: e@x.y", "Ann <a@b.c>\nX: y", "<>"])
def test_a_sender_that_is_none_is_refused(text: str) -> None:
    """At the start, not at the first mail."""
    with pytest.raises(InvalidInput):
        Sender.parse(text)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("plain", "7bit"),
        ("a\tb\n", "7bit"),
        ("Grüße, in plain words mostly", "quoted-printable"),
        ("x" * 2000, "quoted-printable"),
        ("--=_tocsin_alternative\n", "quoted-printable"),
        ("\u65e5\u672c\u8a9e", "base64"),
        ("bell \x07", "base64"),
    ],
)
def test_the_encoding_suits_the_body(body: str, encoding: str) -> None:
    """Readable where it can be, safe where it has to be."""
    assert encode_body(body)[0] == encoding
