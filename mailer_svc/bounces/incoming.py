"""What a mail says that somebody sends to us: sender, subject, text (pure). Parts, levels and sizes are bounded, as in `reading`."""

import re
from collections.abc import Iterator
from contextlib import suppress
from email.errors import MessageError
from email.header import decode_header, make_header
from email.utils import getaddresses
from hashlib import blake2b
from typing import Final, NamedTuple, cast

from mailer_svc.bounces.reading import AnyMessage, messages_in, parsed
from mailer_svc.channels.texts import shown
from mailer_svc.domain import printable

MOST_TEXT_BYTES: Final = 64 * 1024
MOST_SUBJECT_CHARS: Final = 900
_HEADER: Final = 4000
_ADDRESS: Final = 320  # RFC 5321, 4.5.3.1
_PARTS: Final = 50
_QUOTED_HTML: Final = re.compile(r"<blockquote\b|<div[^>]{0,200}\bgmail_quote\b", re.IGNORECASE)
_CHARSETS: Final = re.compile(
    r"utf-?8|utf-?16(?:le|be)?|us-ascii|ascii|iso-?8859-?\d{1,2}|windows-?125\d|cp125\d|koi8-[ru]|gb2312|gbk|gb18030|big5|euc-(?:jp|kr)"
    r"|shift_jis|iso-2022-jp",
    re.IGNORECASE,
)
_BULK: Final = frozenset({"bulk", "junk", "auto_reply", "list"})
_AWAY: Final = re.compile(
    r"\s*(?:(?:re|aw):\s*)?(?:out of (?:the )?office|automatic reply|auto(?:matic)?[ -]?(?:reply|response)|autoreply"
    r"|abwesenheit|automatische antwort|ich bin (?:derzeit )?(?:abwesend|nicht im))",
    re.IGNORECASE,
)


class MailFacts(NamedTuple):
    """What is read of a mail.

    Attributes:
        sender: the address of its From, in lower case; empty if it names none, or several.
        subject: decoded, one line.
        text: its text; of a mail in HTML alone, what that shows.
        message_id: its own; made up of its bytes if it has none.
        automatic: what its Auto-Submitted says (RFC 3834), in lower case; "no" if it says nothing.
        answers_itself: a program answers, or a list sends: nobody has read anything.
        hops: how many servers it came through.
    """

    sender: str
    subject: str
    text: str
    message_id: str
    automatic: str
    answers_itself: bool
    hops: int

    @property
    def digest(self) -> str:
        """What makes it one of a kind, in 32 characters."""
        return blake2b(self.message_id.encode("utf-8", "replace"), digest_size=16).hexdigest()


def read_mail(data: bytes) -> MailFacts:
    """What a mail says.

    Raises:
        BounceUnreadable: it has too many parts, levels or header lines, or cannot be taken apart.
    """
    message = parsed(data)
    subject = _decoded(message, "Subject")
    automatic = _decoded(message, "Auto-Submitted").partition(";")[0].strip().lower() or "no"
    return MailFacts(
        sender=_sender(message),
        subject=subject[:MOST_SUBJECT_CHARS],
        text=_bounded(_text(message)),
        message_id=_decoded(message, "Message-ID")[:MOST_SUBJECT_CHARS] or blake2b(data, digest_size=16).hexdigest(),
        automatic=automatic,
        answers_itself=automatic != "no" or _is_answer_of_a_program(message, subject),
        hops=len(cast("list[object]", message.get_all("Received", []))),
    )


def _is_answer_of_a_program(message: AnyMessage, subject: str) -> bool:
    """What says so beside Auto-Submitted: words of before RFC 3834, and of servers that do not heed it."""
    if _decoded(message, "Precedence").lower() in _BULK or message.get_content_type() == "multipart/report":
        return True
    return any(name in message for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress", "List-Id")) or bool(
        _AWAY.match(subject)
    )


def _sender(message: AnyMessage) -> str:
    """The one address of From (RFC 5322, 3.6.2); the names beside it say nothing."""
    named = cast("list[object]", message.get_all("From", []))
    if len(named) != 1:
        return ""
    try:
        found = getaddresses([str(named[0])[:_HEADER]])
    except RecursionError:  # comments within comments
        return ""
    if len(found) != 1:
        return ""
    address = found[0][1].lower()
    return address if len(address) <= _ADDRESS and address.count("@") == 1 and address.isprintable() and " " not in address else ""


def _decoded(message: AnyMessage, name: str) -> str:
    """A header as one printable line."""
    text = str(message[name] or "")[:_HEADER]
    with suppress(MessageError, LookupError, ValueError):  # then it stays as it is written
        text = str(make_header(decode_header(text)))
    return printable(" ".join(text.split()))


def _text(message: AnyMessage) -> str:
    html = ""
    for part in _parts(message):
        kind = part.get_content_type()
        if part.get_content_disposition() == "attachment":
            continue
        if kind == "text/plain" and (text := _content(part)).strip():
            return text
        if kind == "text/html" and not html:
            html = _content(part)
    quoted = _QUOTED_HTML.search(html)
    return shown(html[: quoted.start()] if quoted else html)


def _parts(message: AnyMessage) -> Iterator[AnyMessage]:
    """The parts of a mail itself, not those of mails that it forwards."""
    if not message.is_multipart():
        yield message
        return
    if message.get_content_maintype() != "multipart":
        return
    for part in messages_in(message)[:_PARTS]:
        yield from _parts(part)


def _content(part: AnyMessage) -> str:
    payload: object = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        charset = str(part.get_content_charset() or "utf-8")  # raises for a parameter that is none (RFC 2231)
        return payload.decode(charset if _CHARSETS.fullmatch(charset) else "utf-8", "replace")
    except (LookupError, ValueError):
        return payload.decode("utf-8", "replace")


def _bounded(text: str) -> str:
    """What can be stored of a text, in as many bytes as are taken."""
    clean = text.replace("\r\n", "\n").replace("\0", "\ufffd").strip().encode("utf-8", "replace")
    return clean[:MOST_TEXT_BYTES].decode("utf-8", "ignore")
