"""What a message has to be before it is stored."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from mailer_svc.domain.errors import ContentTooLarge, MessageInvalid, SubjectInvalid
from mailer_svc.domain.model import Content, MessageAction, Submission
from tocsin.priority import Priority

MAX_SUBJECT_CHARS = 900
MAX_BODY_BYTES = 512 * 1024
MAX_LABEL_CHARS = 100
MAX_URL_CHARS = 2000
NO_SUBJECT = "(no subject)"
_PRIORITIES = tuple(Priority)
_ID = re.compile(r"[\x21-\x7e]{1,128}")
_NOT_IN_A_LINE = ("Cc", "Zl", "Zp", "Cs")  # controls, the separators U+2028 and U+2029, halves of characters
_WEB_PAGE = re.compile(r"https?://[\x21-\x7e\u00a0-\ud7ff\ue000-\U0010ffff]+", re.IGNORECASE)
_SURROGATES = re.compile("[\ud800-\udfff]")
_NOT_PRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def checked_submission(submission: Submission) -> None:
    """Refuses ids that could not be stored or that mean nothing.

    Raises:
        MessageInvalid: a field is missing or has characters or a value that it cannot have.
    """
    for name, value, required in (
        ("tenant", submission.tenant, True),
        ("firing", submission.origin, True),
        ("alarm", submission.alarm, False),
    ):
        if (value or required) and not _ID.fullmatch(value):
            raise MessageInvalid.at(name, "must be 1 to 128 visible ASCII characters")
    if submission.priority not in _PRIORITIES:
        raise MessageInvalid.at("lane", "must be 1 (critical), 2 (normal) or 3 (bulk)")
    if submission.content is None:
        raise MessageInvalid.at("content", "inline or template is required")


def checked_traceparent(value: str) -> str:
    """``value``, or an empty text when it is not a traceparent: a broken one is no reason to withhold a message."""
    return value if _TRACEPARENT.fullmatch(value) else ""


def repaired_content(content: Content) -> Content:
    """``content`` as it can be sent and stored: an alert with an odd character in it is still an alert.

    The subject becomes one line, see `repaired_subject`. In the bodies U+0000 and halves of characters (lone surrogates) become U+FFFD. A
    button without a label, or that opens no web page, is left out.

    Raises:
        ContentTooLarge: a body is too large.
    """
    actions = tuple(_repaired_actions(content.actions)) if content.actions else ()
    repaired = Content(repaired_subject(content.subject), _storable(content.text), _storable(content.html), actions)
    for name, body in (("text", repaired.text), ("html", repaired.html)):
        if len(body) > MAX_BODY_BYTES or (not body.isascii() and len(body.encode()) > MAX_BODY_BYTES):
            raise ContentTooLarge(f"{name} is larger than {MAX_BODY_BYTES} bytes")
    return repaired


def repaired_subject(subject: str) -> str:
    """``subject`` as one line of up to 900 characters that says something.

    Line breaks of every kind and other control characters become blanks, and one who has nothing to say gets a stand-in.
    """
    subject = _one_line(subject)
    if len(subject) > MAX_SUBJECT_CHARS:
        subject = subject[: MAX_SUBJECT_CHARS - 1] + "…"
    return subject if subject and not subject.isspace() else NO_SUBJECT


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(character) in _NOT_IN_A_LINE else character for character in text)


def _repaired_actions(actions: Iterable[MessageAction]) -> Iterator[MessageAction]:
    for action in actions:
        label, url = _one_line(action.label).strip()[:MAX_LABEL_CHARS], action.url.strip()
        if label and len(url) <= MAX_URL_CHARS and _WEB_PAGE.fullmatch(url):
            yield MessageAction(label, url)


def _storable(body: str) -> str:
    if "\0" in body:
        body = body.replace("\0", "\ufffd")
    return body if body.isascii() else _SURROGATES.sub("\ufffd", body)


def checked_subject(subject: str) -> str:
    """``subject``, if it is one line.

    Refused is every character that ends a line anywhere (CR, LF, NEL U+0085, U+2028, U+2029, vertical tab, form feed) and every other
    control character but the tab.

    Raises:
        SubjectInvalid: it is not, or is longer than 900 characters.
    """
    if len(subject) > MAX_SUBJECT_CHARS:
        raise SubjectInvalid.at("subject", f"longer than {MAX_SUBJECT_CHARS} characters")
    if not subject.isprintable():
        for character in subject:
            if character != "\t" and unicodedata.category(character) in _NOT_IN_A_LINE:
                raise SubjectInvalid.at("subject", f"must be a single line; it holds U+{ord(character):04X}")
    return subject


def printable(text: str) -> str:
    """``text`` with U+FFFD for whatever a database, a log or a terminal cannot hold: control characters, line ends, lone surrogates."""
    return text if text.isprintable() else _NOT_PRINTABLE.sub("\ufffd", text)
