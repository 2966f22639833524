"""The header of a mail (RFC 5322, 2047, 6532, 8058): nothing that is put in can begin another line of it."""

import base64
import re
from dataclasses import dataclass
from email.headerregistry import Address
from email.policy import SMTP, SMTPUTF8
from typing import Final
from urllib.parse import quote

from mailer_svc.domain import checked_subject, printable
from tocsin.addresses import parse_mailbox
from tocsin.errors import InvalidInput

_FOLD: Final = "\r\n "
_LINE: Final = 76  # characters of a line, RFC 2047, 2
_WORD_BYTES: Final = 39  # of text in an encoded word: 52 characters of base64, 12 around them and 9 of "Subject: " fit into a line
_NAME: Final = 120  # characters of a name that are written
_PLAIN_SUBJECT: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")  # atoms, RFC 5322, 3.2.3
_QUOTABLE_NAME: Final = re.compile(r"[\x20-\x7e]+")
_LEAVE: Final = re.compile(r"[A-Za-z0-9_-]{1,700}")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the mail is from: the address of the envelope and the header, ready made."""

    address: str
    header: str

    @classmethod
    def parse(cls, text: str, *, header: str = "From") -> "Sender":
        """Reads ``ann@example.com`` or ``Ann Example <ann@example.com>``; ``header`` is the name of the header.

        Raises:
            InvalidInput: it is neither.
        """
        mailbox = parse_mailbox(text, field="from")
        local, _, domain = mailbox.address.rpartition("@")
        policy = SMTP if mailbox.address.isascii() else SMTPUTF8
        written = str(Address(display_name=mailbox.name, username=local, domain=domain))
        return cls(mailbox.address, policy.header_factory(header, written).fold(policy=policy))

    @property
    def domain(self) -> str:
        """The part of the address after the at sign."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class ListLinks:
    """How recipients leave what a mail belongs to.

    Attributes:
        url: what a token is put behind; empty: there is no page.
        mailto: the address that takes a token as the subject of a mail; empty: there is none.
    """

    url: str = ""
    mailto: str = ""

    def headers(self, token: str) -> str:
        """Those of `fields` as lines of a mail."""
        return "".join(f"{name}: {value.replace(', ', f',{_FOLD}')}\r\n" for name, value in self.fields(token).items())

    def fields(self, token: str) -> dict[str, str]:
        """``List-Unsubscribe``, and ``List-Unsubscribe-Post`` where the link is HTTPS (RFC 8058, 3.1); empty without any link.

        Raises:
            InvalidInput: the token has other characters than those of base64url.
        """
        if not _LEAVE.fullmatch(token):
            raise InvalidInput.at("leave", "is no token")
        links = [f"<{self.url}{token}>"] if self.url else []
        if self.mailto:
            links.append(f"<mailto:{quote(self.mailto, safe='@')}?subject={token}>")
        if not links:
            return {}
        post = {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} if self.url.startswith("https://") else {}
        return {"List-Unsubscribe": ", ".join(links), **post}


NO_LINKS: Final = ListLinks()


def mailbox_header(header: str, address: str, name: str = "") -> str:
    """A header that holds an address, and a name with it if there is one; without its last line break.

    A name of atoms stays as it is, other ASCII is quoted, anything else becomes encoded words (RFC 2047, 5).

    Raises:
        InvalidInput: the address has a blank, or a character that is not printable.
    """
    if not address.isprintable() or " " in address:
        raise InvalidInput.at("to", "is not an address")
    if not name:
        return f"{header}: {address}"
    name = printable(name[:_NAME]).strip()
    phrase = _phrase(name)
    if not phrase or len(header) + len(phrase) + 2 > _LINE:
        words = "\r\n ".join(encoded_words(name))
        return f"{header}: {words}\r\n <{address}>"
    between = " " if len(header) + len(phrase) + len(address) + 5 <= _LINE else "\r\n "
    return f"{header}: {phrase}{between}<{address}>"


def _phrase(name: str) -> str:
    """``name`` as a phrase of RFC 5322, 3.2.5, where it can be one; else empty."""
    if _PLAIN_NAME.fullmatch(name) and "=?" not in name:
        return name
    if "=?" in name or not _QUOTABLE_NAME.fullmatch(name):
        return "" if name else '""'
    escaped = name.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


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
    return "Subject: " + "\r\n ".join(encoded_words(subject))


def _folded(words: list[str]) -> str:
    lines: list[str] = []
    line = "Subject:"
    for word in words:
        if len(line) + 1 + len(word) > _LINE:
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line])


def encoded_words(text: str) -> list[str]:
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
