"""Mail as bytes (RFC 5322, 2045, 2047), filled into a skeleton that is made once.

``email.message.EmailMessage`` takes 0.8 ms for what takes 20 µs here, and would be the bottleneck of sending. Every field of a message is
either checked against a pattern that holds no line break, or encoded, so nothing in it can begin a header.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from email.headerregistry import Address
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

from mailer_svc.domain import Content, checked_subject
from tocsin.addresses import parse_mailbox
from tocsin.clock import SECOND, from_micros
from tocsin.errors import InvalidInput

# Neither base64 nor quoted-printable can hold "=_" (RFC 2045, 6.7), so no body can hold this.
_BOUNDARY: Final = "=_tocsin_alternative"
_LINE: Final = 76  # characters, RFC 2045, 6.7 and 6.8
_WORD_BYTES: Final = 39  # of text in an encoded word: 52 characters of base64, 12 around them and 9 of "Subject: " fit into a line
_LONGEST_LINE: Final = 998  # RFC 5322, 2.1.1
_BREAKS: Final = re.compile(r"\r\n|\r|\n")
_NOT_PLAIN: Final = re.compile(r"[^\t\n\r\x20-\x7e]")
_PLAIN_SUBJECT: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_HIGH: Final = bytes(range(128, 256))


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the mail is from: the address of the envelope and the header, ready made."""

    address: str
    header: str

    @classmethod
    def parse(cls, text: str) -> "Sender":
        """Reads ``ann@example.com`` or ``Ann Example <ann@example.com>``.

        Raises:
            InvalidInput: it is neither.
        """
        mailbox = parse_mailbox(text, field="from")
        local, _, domain = mailbox.address.rpartition("@")
        policy = SMTP if mailbox.address.isascii() else SMTPUTF8
        written = str(Address(display_name=mailbox.name, username=local, domain=domain))
        return cls(mailbox.address, policy.header_factory("From", written).fold(policy=policy))

    @property
    def domain(self) -> str:
        """The part of the address after the at sign."""
        return self.address.rpartition("@")[2]


class MailComposer:
    """Makes mails of one sender."""

    def __init__(self, *, sender: Sender) -> None:
        # RFC 3834, 5: nobody's holiday notice answers an alarm.
        self._head = f"{sender.header}Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"

    def compose(self, *, to: str, content: Content, message_id: str, created: int) -> bytes:
        """The mail, with CRLF line ends; the same bytes for the same arguments, so that every attempt sends the same mail.

        Args:
            to: address, as `tocsin.addresses` gives it.
            content: what it says; a body that is empty is left out, unless both are.
            message_id: with its angle brackets.
            created: when the message was accepted, in microseconds since the epoch; its Date.

        Raises:
            InvalidInput: the subject or the address would not fit into one header.
        """
        if _BREAKS.search(to) or not to.isprintable() or " " in to:
            raise InvalidInput.at("to", "is not an address")
        date = _date(created // SECOND)
        head = f"{self._head}Date: {date}\r\nMessage-ID: {message_id}\r\nTo: {to}\r\n{subject_header(content.subject)}\r\n"
        if content.text and content.html:
            body = _alternative(content)
        elif content.html:
            body = _part("html", content.html)
        else:
            body = _part("plain", content.text)
        return (head + body).encode()


@lru_cache(maxsize=256)
def _date(seconds: int) -> str:
    """The Date of RFC 5322, 3.3; messages that come together share it."""
    return format_datetime(from_micros(seconds * SECOND))


def subject_header(subject: str) -> str:
    """The header ``Subject``, folded, without its last line break.

    A subject of printable ASCII stays as it is, any other becomes encoded words (RFC 2047).

    Raises:
        SubjectInvalid: it is not a single line.
    """
    checked_subject(subject)
    if not subject:
        return "Subject:"
    plain = _PLAIN_SUBJECT.fullmatch(subject) is not None and "=?" not in subject
    if plain and len(subject) <= _LINE - len("Subject: "):
        return f"Subject: {subject}"
    words = subject.split(" ") if plain else []
    if words and max(map(len, words)) < _LINE - len("Subject: "):
        return _folded(words)
    return "Subject: " + "\r\n ".join(_encoded_words(subject))


def _folded(words: list[str]) -> str:
    lines: list[str] = []
    line = "Subject:"
    for word in words:
        if len(line) + 1 + len(word) > _LINE:
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line])


def _encoded_words(text: str) -> list[str]:
    """``text`` as encoded words; each holds whole characters (RFC 2047, 5)."""
    words: list[str] = []
    chunk = b""
    for character in text:
        encoded = character.encode()
        if len(chunk) + len(encoded) > _WORD_BYTES:
            words.append(_encoded_word(chunk))
            chunk = b""
        chunk += encoded
    return [*words, _encoded_word(chunk)]


def _encoded_word(chunk: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(chunk).decode()}?="


def _alternative(content: Content) -> str:
    """Text and HTML, the richer one last (RFC 2046, 5.1.4)."""
    return (
        f'Content-Type: multipart/alternative; boundary="{_BOUNDARY}"\r\n\r\n'
        f"--{_BOUNDARY}\r\n{_part('plain', content.text)}\r\n"
        f"--{_BOUNDARY}\r\n{_part('html', content.html)}\r\n"
        f"--{_BOUNDARY}--\r\n"
    )


def _part(subtype: str, body: str) -> str:
    encoding, encoded = encode_body(body)
    return f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{encoded}"


def encode_body(body: str) -> tuple[str, str]:
    """The transfer encoding that suits ``body``, and the body in it, with CRLF line ends and a last line break.

    Line breaks of every kind become CRLF. ASCII with short lines goes as it is, mostly ASCII as quoted-printable, anything else as base64.
    """
    normal = _BREAKS.sub("\r\n", body)
    plain = _NOT_PLAIN.search(normal) is None
    # A line of 7bit that begins with "--" could be taken for a boundary, and "From " is changed by old mail stores.
    if plain and "\n--" not in normal and not normal.startswith("--") and max(map(len, normal.split("\r\n"))) <= _LONGEST_LINE:
        return "7bit", normal if normal.endswith("\r\n") else normal + "\r\n"
    data = normal.encode()
    high = len(data) - len(data.translate(None, _HIGH))
    controls = _NOT_PLAIN.search(normal) is not None and any(character < " " and character not in "\t\r\n" for character in normal)
    if controls or high * 6 > len(data):
        return "base64", _base64_lines(data)
    return "quoted-printable", _quoted_printable(data)


def _base64_lines(data: bytes) -> str:
    return base64.encodebytes(data).decode().replace("\n", "\r\n")


def _quoted_printable(data: bytes) -> str:
    """RFC 2045, 6.7; line breaks of the text stay line breaks."""
    lines = [binascii.b2a_qp(line, quotetabs=False, istext=True).decode().replace("=\n", "=\r\n") for line in data.split(b"\r\n")]
    text = "\r\n".join(lines)
    return text if text.endswith("\r\n") else text + "\r\n"
