"""What a returned mail says (pure): reports of RFC 3464, complaints of RFC 5965, and what other servers write.

The mail is a stranger's. Before it is parsed its parts are counted in the bytes, for a parser of nested parts takes time and memory without
bound; so is what is looked at.
"""

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import Message
from typing import Any, Final, NamedTuple, TypeAlias, cast

from mailer_svc.domain import ReportKind, printable

MAX_BYTES: Final = 1024 * 1024
"""Of a mail; a longer one is refused."""

_LOOKED_AT: Final = 128 * 1024  # a report stands before the mail that it returns
_MAX_NESTED: Final = 12
_MAX_BOUNDARIES: Final = 200
_MAX_HEADERS: Final = 2000
_DETAIL: Final = 500
_MAX_BLOCKS: Final = 10_000
_NESTING: Final = re.compile(rb"multipart/|message/", re.IGNORECASE)
_REPORT: Final = re.compile(rb"delivery-status", re.IGNORECASE)
_BLOCKS: Final = re.compile(rb"(?:\r\n|\r|\n){2}")
_STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
# The mailbox is not there: RFC 3463, 3.2 without what is about the sender (5.1.7, 5.1.8). It is disabled: 5.2.1; its account is: 5.7.13.
_FOR_GOOD: Final = re.compile(r"5\.1\.(?!7$|8$)\d+|5\.2\.1|5\.7\.13")
_ACTIONS: Final = {"failed": ReportKind.BOUNCED, "delivered": ReportKind.DELIVERED}
_FEEDBACK: Final = {
    "abuse": ReportKind.COMPLAINED,
    "fraud": ReportKind.COMPLAINED,
    "opt-out": ReportKind.UNSUBSCRIBED,
    "unsubscribe": ReportKind.UNSUBSCRIBED,
}

AnyMessage: TypeAlias = "Message[Any, Any]"


class BounceFinding(NamedTuple):
    """What a mail says of the one that it answers; ``soft``: it may be otherwise next time."""

    kind: ReportKind
    detail: str
    soft: bool = False


class BounceUnreadable(ValueError):
    """The mail has more parts than a report has, or cannot be taken apart."""


def parsed(data: bytes) -> AnyMessage:
    """The mail, as far as it is looked at.

    Raises:
        BounceUnreadable: it has too many parts, levels, header lines or blocks of a report, or a parameter that is none.
    """
    head = data[:_LOOKED_AT]
    if len(_NESTING.findall(head)) > _MAX_NESTED or head.count(b"\n--") > _MAX_BOUNDARIES or head.count(b":") > _MAX_HEADERS:
        raise BounceUnreadable
    if _REPORT.search(head) and sum(1 for _ in _BLOCKS.finditer(head)) > _MAX_BLOCKS:
        raise BounceUnreadable  # the parser makes a message of each block, an empty one as well
    try:
        return email.message_from_bytes(head, policy=email.policy.compat32)
    except ValueError:  # a boundary with a NUL in its character set, or with a number of thousands of digits (RFC 2231)
        raise BounceUnreadable from None


def standard_finding(message: AnyMessage) -> BounceFinding | None:
    """What a report in a standard form says; None: it is in none."""
    for part in message.walk():
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            return _worst(_recipients(part))
        if kind == "message/feedback-report":
            return _complaint(part)
    return None


def other_finding(message: AnyMessage, failed: bool | None) -> BounceFinding:
    """What a mail in no standard form says: ``failed`` tells what the scanners of other forms found, for good or for now; None: nothing."""
    subject = _text(message["Subject"])
    if failed is None:
        return BounceFinding(ReportKind.NOTED, f"an answer that is no report: {subject}"[:_DETAIL])
    if failed:
        return BounceFinding(ReportKind.BOUNCED, f"returned: {subject}"[:_DETAIL])
    return BounceFinding(ReportKind.NOTED, f"delayed: {subject}"[:_DETAIL])


def _recipients(part: AnyMessage) -> Iterator[BounceFinding]:
    """One for each block that names a recipient (RFC 3464, 2.1): the parser makes a message of each block."""
    for block in messages_in(part):
        action = _text(block["Action"]).strip().lower()
        if action:
            yield _recipient(block, action)


def messages_in(part: AnyMessage) -> list[AnyMessage]:
    """The messages that a part holds, or its parts."""
    payload: object = part.get_payload()
    return cast("list[AnyMessage]", payload) if isinstance(payload, list) else []


def _recipient(block: AnyMessage, action: str) -> BounceFinding:
    status, diagnostic = _text(block["Status"]), _text(block["Diagnostic-Code"])
    found = _STATUS.search(status)
    code = found[0] if found else ""
    # Many servers put 5.0.0 where the words of the far end say more.
    told = _STATUS.search(diagnostic)
    if told and (not code or code.endswith(".0.0")):
        code = told[0]
    kind = _ACTIONS.get(action, ReportKind.NOTED)
    soft = kind is ReportKind.BOUNCED and _FOR_GOOD.fullmatch(code) is None
    words = " ".join(part for part in (action, code, diagnostic) if part)
    return BounceFinding(kind, words[:_DETAIL], soft)


def _worst(findings: Iterator[BounceFinding]) -> BounceFinding | None:
    """Of several, the one that says most; each of our mails has one recipient, but a list may have forwarded it to many."""
    found = list(findings)
    return max(found, key=lambda item: (item.kind is ReportKind.BOUNCED, not item.soft, item.kind is ReportKind.DELIVERED), default=None)


def _complaint(part: AnyMessage) -> BounceFinding:
    """RFC 5965, 3.1; the fields are the body of the part, which the parser takes for the header of a message."""
    fields = next(iter(messages_in(part)), part)
    kind = _text(fields["Feedback-Type"]).strip().lower()
    return BounceFinding(_FEEDBACK.get(kind, ReportKind.NOTED), f"feedback report: {kind} {_text(fields['User-Agent'])}"[:_DETAIL])


def _text(value: object) -> str:
    """A header as one printable line."""
    return printable(" ".join(str(value or "").split()))[: 2 * _DETAIL]
