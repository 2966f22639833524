"""Mail as bytes: whatever is put in comes out again, and nothing can begin a header."""

import base64
import email
import email.policy
import re
from email.message import EmailMessage, MIMEPart
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer_svc.channels.mime import ListLinks, MailComposer, Sender
from mailer_svc.channels.mime.bodies import encode_body
from mailer_svc.channels.mime.headers import mailbox_header, subject_header
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


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(200))).decode()
LINKS = ListLinks("https://alarms.example.com/u/", "leave@example.org")


def leaving(links: ListLinks, token: str = "t0ken") -> EmailMessage:
    """A mail of something that may be left."""
    composer = MailComposer(sender=Sender.parse("tocsin@example.org"), links=links)
    data = composer.compose(to="ann@example.com", content=Content("s", "t"), message_id="<d@x>", created=0, leave=token)
    return email.message_from_bytes(data, policy=email.policy.default)


def test_what_may_be_left_says_how() -> None:
    """RFC 8058: the link first, then the address, and the header that makes it one click."""
    mail = leaving(LINKS)
    assert mail["List-Unsubscribe"] == "<https://alarms.example.com/u/t0ken>, <mailto:leave@example.org?subject=t0ken>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "List-Unsubscribe" not in compose()[1]


@pytest.mark.parametrize(
    ("links", "header", "post"),
    [
        (ListLinks(), None, None),
        (ListLinks("http://h/u/"), "<http://h/u/t0ken>", None),
        (ListLinks("https://h/u/"), "<https://h/u/t0ken>", "List-Unsubscribe=One-Click"),
        (ListLinks(mailto="jörg@x.y"), "<mailto:j%C3%B6rg@x.y?subject=t0ken>", None),
    ],
)
def test_one_click_needs_https(links: ListLinks, header: str | None, post: str | None) -> None:
    """RFC 8058, 3.1; what nobody set is not offered."""
    mail = leaving(links)
    assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (header, post)


@given(st.text(min_size=1, max_size=50).filter(lambda text: not re.fullmatch(r"[A-Za-z0-9_-]+", text)))
def test_a_token_that_is_none_gets_into_no_header(token: str) -> None:
    """Whatever it holds."""
    with pytest.raises(InvalidInput):
        leaving(LINKS, token)


@given(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=200)
    | tricky
    | st.sampled_from(["=?utf-8?q?x?=", '"', "\\", "<e@x.y>", "a, b"])
)
def test_a_name_stands_with_the_address_and_begins_nothing(name: str) -> None:
    """A parser finds the one address, and the name as far as it is printable; whatever the name holds."""
    data = COMPOSER.compose(to="ann@example.com", content=Content("s", "t"), message_id="<d@x>", created=0, name=name)
    mail = email.message_from_bytes(data, policy=email.policy.default)
    assert list(dict(mail.items())) == HEADERS
    assert [address.addr_spec for address in mail["To"].addresses] == ["ann@example.com"]
    assert not mail["To"].defects
    if name.isprintable() and len(name) <= 100:
        # The parser puts blanks between encoded words, which RFC 2047, 6.2 forbids it.
        assert "".join(mail["To"].addresses[0].display_name.split()) == "".join(name.split())
    assert all(len(line) <= 78 for line in data.split(b"\r\n"))


@pytest.mark.parametrize("header", ["To", "Reply-To"])
def test_addresses_beyond_ascii_go_as_they_are(header: str) -> None:
    """RFC 6532; the name is an encoded word all the same."""
    assert mailbox_header(header, "jörg@example.org", "Jörg") == f"{header}: =?utf-8?b?SsO2cmc=?=\r\n <jörg@example.org>"


def test_answers_go_where_they_are_asked_to() -> None:
    """Reply-To, with a name."""
    composer = MailComposer(sender=Sender.parse("tocsin@example.org"), reply_to="Töchter <desk@example.org>")
    data = composer.compose(to="ann@example.com", content=Content("s", "t"), message_id="<d@x>", created=0)
    assert email.message_from_bytes(data, policy=email.policy.default)["Reply-To"] == "Töchter <desk@example.org>"


@pytest.mark.parametrize("text", ["", "plain"])
def test_images_in_the_html_become_parts(text: str) -> None:
    """Each once, named by its Content-ID, in a multipart/related with the HTML first; what is no image stays."""
    html = f'<img src="data:image/png;base64,{PNG}"><IMG alt="x" src=\'data:image/png;base64,{PNG}\'><img src="data:image/png;base64,AB=A">'
    data, mail = compose("s", text, html)
    related = next(part for part in mail.walk() if part.get_content_type() == "multipart/related")
    body, image = related.iter_parts()
    name = image["Content-ID"][1:-1]
    assert read(body).strip() == f'<img src="cid:{name}"><IMG alt="x" src=\'cid:{name}\'><img src="data:image/png;base64,AB=A">'
    assert image.get_content() == base64.b64decode(PNG)
    assert image.get_content_type() == "image/png"
    assert mail.get_content_type() == ("multipart/alternative" if text else "multipart/related")
    assert not any(part.defects for part in mail.walk())
    assert max(map(len, data.split(b"\r\n"))) <= 998


def test_images_are_bounded() -> None:
    """Beyond 32 they stay where they are."""
    images = [base64.b64encode(bytes([number] * 30)).decode() for number in range(40)]
    _, mail = compose("s", "", "".join(f'<img src="data:image/gif;base64,{image}">' for image in images))
    body, *parts = mail.iter_parts()
    assert len(parts) == 32
    assert read(body).count("data:image/gif") == 8


@given(
    tricky,
    st.lists(st.sampled_from(['<img src="data:image/png;base64,', PNG, '">', "'", "=", "\r\n", "A" * 80, "cid:x", "é"])).map("".join),
)
def test_html_with_images_and_traps_is_well_formed(text: str, html: str) -> None:
    """Whatever stands in it, the mail has no defect and no long line."""
    data, mail = compose("s", text, html)
    assert not any(part.defects for part in mail.walk())
    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 998
