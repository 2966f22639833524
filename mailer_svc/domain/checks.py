"""What a message has to be before it is stored."""

import re
import unicodedata

from mailer_svc.domain.errors import ContentTooLarge, MessageInvalid, SubjectInvalid
from mailer_svc.domain.model import Content, Submission

MAX_SUBJECT_CHARS = 900
MAX_BODY_BYTES = 512 * 1024
_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def checked_submission(submission: Submission) -> None:
    """Refuses ids that could not be stored or that mean nothing.

    Raises:
        MessageInvalid: a field is missing or has characters or a value that it cannot have.
    """
    for name, value, required in (
        ("tenant", submission.tenant, True),
        ("firing", submission.firing, True),
        ("alarm", submission.alarm, False),
    ):
        if (value or required) and not _ID.fullmatch(value):
            raise MessageInvalid.at(name, "must be 1 to 128 visible ASCII characters")
    if submission.lane not in (1, 2, 3):
        raise MessageInvalid.at("lane", "must be 1 (critical), 2 (normal) or 3 (bulk)")
    if submission.channel not in ("", "email", "inbox"):
        raise MessageInvalid.at("channel", 'must be "email", "inbox" or empty')
    if submission.content is None:
        raise MessageInvalid.at("content", "inline or template is required")


def checked_traceparent(value: str) -> str:
    """``value``, or an empty text when it is not a traceparent: a broken one is no reason to withhold a message."""
    return value if _TRACEPARENT.fullmatch(value) else ""


def checked_content(content: Content) -> Content:
    """``content``, if it can be sent and stored.

    Raises:
        SubjectInvalid: the subject could break out of its header line, or is too long.
        MessageInvalid: there is nothing to say, or a body holds what no database or mail can.
        ContentTooLarge: a body is too large.
    """
    checked_subject(content.subject)
    if not (content.subject or content.text or content.html):
        raise MessageInvalid.at("content", "is empty")
    for name, body in (("text", content.text), ("html", content.html)):
        if "\0" in body:
            raise MessageInvalid.at(name, "holds U+0000")
        try:
            size = len(body) if body.isascii() else len(body.encode())
        except UnicodeEncodeError:
            raise MessageInvalid.at(name, "holds half of a character (a lone surrogate)") from None
        if size > MAX_BODY_BYTES:
            raise ContentTooLarge(f"{name} is larger than {MAX_BODY_BYTES} bytes")
    return content


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
            if character != "\t" and unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs"):
                raise SubjectInvalid.at("subject", f"must be a single line; it holds U+{ord(character):04X}")
    return subject
