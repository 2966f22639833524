"""What a delivery is and how it moves: identity, addresses, states, and what follows from an attempt (pure)."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from tocsin.errors import FailedPrecondition, InvalidInput, NotFound, ResourceExhausted

MAX_SUBJECT_CHARS = 900
MAX_BODY_BYTES = 512 * 1024
_ANY_DOMAIN = ".example.com"
_MAX_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
# Nearly every address: dot-atom and host name of RFC 5321, 4.1.2, within the lengths of 4.5.3.1. Names in Punycode get the full check.
_PLAIN_ADDRESS = re.compile(
    r"(?=[^@]{1,64}@)([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@"
    r"((?:(?![A-Za-z0-9-]{2}--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*(?![A-Za-z0-9-]{2}--)[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)"
)
_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Channel(StrEnum):
    """How a message travels."""

    EMAIL = "email"
    INBOX = "inbox"


class Lane(IntEnum):
    """How urgent a message is; the smaller goes first."""

    CRITICAL = 1
    NORMAL = 2
    BULK = 3


class State(IntEnum):
    """Where a delivery stands; the numbers are those of the contract."""

    ACCEPTED = 1
    SENDING = 2
    SENT = 3
    RETRYING = 4
    DEAD = 5
    OUTCOME_UNKNOWN = 6


WAITING = (State.ACCEPTED, State.RETRYING)
"""States in which a delivery may be claimed by a sender."""

FINAL = (State.SENT, State.DEAD, State.OUTCOME_UNKNOWN)
"""States that no attempt follows."""


class DeliveryNotFound(NotFound):
    """There is no such delivery."""


class MessageNotFound(NotFound):
    """There is no such message in the inbox."""


class TemplateNotFound(NotFound):
    """There is no such template."""


class AddressInvalid(InvalidInput):
    """The address is not an email address."""


class SubjectInvalid(InvalidInput):
    """The subject is not a single line of text."""


class MessageInvalid(InvalidInput):
    """The message is not complete or not well-formed."""


class ContentTooLarge(ResourceExhausted):
    """The content is larger than a message may be."""


class NoProvider(FailedPrecondition):
    """No provider is configured for this channel."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says. ``text`` or ``html`` may be empty."""

    subject: str
    text: str = ""
    html: str = ""


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """A template by its code, and the values of its variables."""

    code: str
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A message as a processor hands it in. ``channel`` is empty for the default one; ``key`` correlates the acknowledgement."""

    key: int
    tenant: str
    firing: str
    alarm: str
    to: str
    channel: str
    lane: int
    content: Content | TemplateUse | None
    resend: bool = False
    traceparent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A message that was found good and is to be stored."""

    id: str
    tenant: str
    firing: str
    alarm: str
    channel: Channel
    to: str
    lane: Lane
    content: Content
    message_id: str
    resend: bool
    traceparent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """What became of a submission: the id of its delivery, or why it was refused."""

    key: int
    delivery: str = ""
    reason: str = ""
    message: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One change of a delivery; ``at`` in microseconds since the epoch, ``code`` the provider's."""

    at: int
    state: State
    provider: str = ""
    code: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A stored delivery; times in microseconds since the epoch."""

    id: str
    tenant: str
    firing: str
    alarm: str
    channel: Channel
    to: str
    subject: str
    state: State
    attempts: int
    message_id: str
    created: int
    updated: int
    next_attempt: int | None
    timeline: tuple[TimelineEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxMessage:
    """A mail that is shown instead of sent; its id is that of its delivery."""

    id: str
    tenant: str
    to: str
    content: Content
    message_id: str
    received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One version of a template. ``uid`` names this version for ever, also after the code was deleted and used again."""

    tenant: str
    code: str
    version: int
    uid: str
    content: Content
    variables: tuple[str, ...]
    resend: bool
    created: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A claimed delivery. ``epoch`` is the fencing number of the claim: it grows with each, and only the newest may change the row."""

    id: str
    epoch: int
    tenant: str
    lane: Lane
    to: str
    content: Content
    message_id: str
    attempts: int
    deferrals: int
    created: int
    resend: bool
    traceparent: str


class Result(Enum):
    """How an attempt ended.

    ``PROVIDER_DOWN``: the provider could not be used at all, which says nothing about the message. ``DEFERRED``: this message was not taken
    now. ``REFUSED``: it never will be. ``UNKNOWN``: it was handed over and no answer came. ``NOT_TRIED``: nothing was attempted.
    """

    SENT = "sent"
    PROVIDER_DOWN = "provider_down"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an attempt, with the provider's code (0: none) and words."""

    result: Result
    code: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What an attempt makes of a delivery. ``wait`` is the number of seconds to the next attempt; None: there is none."""

    state: State
    attempts: int
    deferrals: int
    wait: float | None
    code: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """When and how often a message is tried again.

    Attributes:
        max_deferrals: a message that was deferred so often is dead; failures of the provider as such do not count.
        initial: upper bound of the first wait, in seconds; doubles with every attempt.
        longest: upper bound of every wait, in seconds.
        expiry: seconds after its acceptance a message that still waits is dead (RFC 5321, 4.5.4.1 suggests 4 to 5 days).
    """

    max_deferrals: int = 8
    initial: float = 5.0
    longest: float = 3600.0
    expiry: float = 3 * 86400.0

    def wait(self, attempts: int, draw: Callable[[], float]) -> float:
        """Seconds to wait after the given number of attempts: exponential, the upper half of it at random."""
        bound = min(self.initial * 2.0 ** min(attempts - 1, 32), self.longest)
        return bound * (0.5 + 0.5 * draw())


def next_step(job: Job, outcome: Outcome, *, rule: RetryRule, now: int, draw: Callable[[], float]) -> Step:
    """What follows from the ``outcome`` of an attempt at ``job`` that ended at ``now`` (microseconds)."""
    result = outcome.result
    attempts = job.attempts + 1
    deferrals = job.deferrals + (result is Result.DEFERRED)
    if result is Result.NOT_TRIED:
        state = State.RETRYING if job.attempts else State.ACCEPTED
        return Step(state=state, attempts=job.attempts, deferrals=job.deferrals, wait=0.0, code=outcome.code, detail=outcome.detail)
    final = {Result.SENT: State.SENT, Result.REFUSED: State.DEAD}.get(result)
    detail = outcome.detail
    if result is Result.UNKNOWN and not job.resend:
        final = State.OUTCOME_UNKNOWN
    elif final is None and deferrals >= rule.max_deferrals:
        final, detail = State.DEAD, f"gave up after {attempts} attempts: {detail}"
    elif final is None and (now - job.created) / 1e6 >= rule.expiry:
        final, detail = State.DEAD, f"expired after {attempts} attempts: {detail}"
    elif final is None and result is Result.UNKNOWN:
        detail = f"outcome unknown, sent again as its resend policy says: {detail}"
    wait = None if final else rule.wait(attempts, draw)
    return Step(state=final or State.RETRYING, attempts=attempts, deferrals=deferrals, wait=wait, code=outcome.code, detail=detail)


def delivery_id(*, tenant: str, firing: str, channel: str, address: str) -> str:
    """The id of a delivery: 32 hexadecimal digits that derive from what it is, so that handing it in twice gives the same.

    ``channel`` is the one asked for, empty for the default: a default that changes between two submissions makes no second delivery.
    Addresses that differ in case alone are one.
    """
    identity = "\0".join((tenant, firing, channel, address.casefold())).encode()
    return hashlib.blake2b(identity, digest_size=16).hexdigest()


def message_id(delivery: str, domain: str) -> str:
    """The Message-ID of every attempt at a delivery (RFC 5322, 3.6.4)."""
    return f"<{delivery}@{domain}>"


def normal_address(address: str) -> str:
    """The address with its domain in lower case and ASCII (IDNA); the local part keeps its case.

    Raises:
        AddressInvalid: it is not an address of RFC 5321 and RFC 6531; a line break in it is the usual header injection.
    """
    plain = _PLAIN_ADDRESS.fullmatch(address) if len(address) <= _MAX_ADDRESS else None
    if plain is not None:
        return f"{plain[1]}@{plain[2].lower()}"
    return _unusual_address(address)


@lru_cache(maxsize=4096)
def _unusual_address(address: str) -> str:
    try:
        if len(address) > _MAX_ADDRESS:
            raise AddressInvalid.at("to", f"longer than {_MAX_ADDRESS} characters")
        # Mail inside of a company, or of one machine, goes to names such as "localhost" or "intra.local" that the library refuses; as a
        # part of a longer name it asks nothing of them but their form.
        found = validate_email(address + _ANY_DOMAIN, check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        raise AddressInvalid.at("to", str(error)) from None
    domain = (found.ascii_domain or "").removesuffix(_ANY_DOMAIN)
    if domain.rpartition(".")[2].isdigit():
        raise AddressInvalid.at("to", "the part after the @-sign is a number, not a name")
    return f"{found.local_part}@{domain}"


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


@dataclass(slots=True)
class LaneLimits:
    """How many messages of each lane may be with a provider at once, so that the less urgent cannot take every connection."""

    capacity: int
    running: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))

    def admits(self, lane: Lane) -> bool:
        """Whether one more of ``lane`` may start: a quarter of the connections, one at least, is kept from bulk, an eighth from normal."""
        if sum(self.running.values()) >= self.capacity:
            return False
        if lane is Lane.CRITICAL:
            return True
        reserved = max(1, self.capacity // 4) if lane is Lane.BULK else self.capacity // 8
        not_more_urgent = sum(count for other, count in self.running.items() if other >= lane)
        return not_more_urgent < max(1, self.capacity - reserved)
