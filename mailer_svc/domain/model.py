"""The things that mailer_svc knows: messages, deliveries, templates.

What is made for each message is a struct of msgspec: a frozen dataclass takes four times as long to make, and forty times to copy.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from msgspec import Struct

from tocsin.priority import Priority


class DeliveryState(IntEnum):
    """Where a delivery stands; the numbers are those of the contract."""

    ACCEPTED = 1
    SENDING = 2
    SENT = 3
    RETRYING = 4
    DEAD = 5
    OUTCOME_UNKNOWN = 6
    HELD = 7
    SUPPRESSED = 8
    DELIVERED = 9
    BOUNCED = 10
    COMPLAINED = 11
    DIGESTED = 12


WAITING = (DeliveryState.ACCEPTED, DeliveryState.RETRYING)
"""States in which a delivery may be claimed by a sender."""

FINAL = (DeliveryState.SENT, DeliveryState.DEAD, DeliveryState.OUTCOME_UNKNOWN)
"""States in which an attempt ends for good."""

ENDED = (
    *FINAL,
    DeliveryState.SUPPRESSED,
    DeliveryState.DELIVERED,
    DeliveryState.BOUNCED,
    DeliveryState.COMPLAINED,
    DeliveryState.DIGESTED,
)
"""States in which nothing of ours is left to do."""


class GateRuling(Struct, frozen=True, kw_only=True):
    """What the gates say of a message.

    Attributes:
        state: ACCEPTED, HELD, SUPPRESSED, or DEAD for one that cannot be made.
        reason: why, as an identifier; empty if it is ACCEPTED.
        detail: why, for a person.
        hold_until: when the gates are asked again, in microseconds since the epoch.
        cap_count: it is one too many if its recipient has had so many; 0: there is no cap. Only the transaction that stores it can count.
        cap_window: in so many microseconds.
        digest_window: it waits so many microseconds for others to go out with; 0: it does not. The transaction knows which digest is open.
        digest: the one that it waits in.
    """

    state: DeliveryState = DeliveryState.ACCEPTED
    reason: str = ""
    detail: str = ""
    hold_until: int | None = None
    cap_count: int = 0
    cap_window: int = 0
    digest_window: int = 0
    digest: str = ""

    @property
    def open(self) -> bool:
        """Whether the transaction has to decide."""
        return self.state is DeliveryState.ACCEPTED and bool(self.cap_count or self.digest_window)


PASSED = GateRuling()
"""Of a message that nobody has anything against."""


@dataclass(frozen=True, slots=True)
class MessageAction:
    """A button of a message, where the channel has buttons; ``answers``: an empty POST to the URL acknowledges the incident."""

    label: str
    url: str
    answers: bool = False


class MessageEvent(IntEnum):
    """What a message says of the alert that it is about; the numbers are those of the contract."""

    TRIGGER = 1
    ACKNOWLEDGE = 2
    RESOLVE = 3


@dataclass(frozen=True, slots=True)
class MessageAlert:
    """The alert that a message is about, where the far end keeps alerts open.

    Attributes:
        key: messages of one key are about one alert; empty: the message alone is.
        event: what it says of it.
    """

    key: str = ""
    event: MessageEvent = MessageEvent.TRIGGER


NO_ALERT = MessageAlert()


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says, and of which alert. ``text`` or ``html`` may be empty."""

    subject: str
    text: str = ""
    html: str = ""
    actions: tuple[MessageAction, ...] = ()
    alert: MessageAlert = NO_ALERT


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """A template by its code, and what it is filled in with; what it does not use is no error.

    Attributes:
        code: of the template.
        variables: values by name.
        context: what the firing is about, a JSON object or empty; see `mailer_svc.language.program.RenderRun`.
        recipient: whom the message is for, as templates see it (``recipient.name``, ``recipient.attributes.plan``); None: nobody knows.
    """

    code: str
    variables: Mapping[str, str]
    context: str = ""
    recipient: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of a template.

    Attributes:
        used: their names, in the order of their appearance.
        required: those that have to be given a value; None in versions from before there was a difference: only the text tells.
    """

    used: tuple[str, ...]
    required: tuple[str, ...] | None


class Submission(Struct, frozen=True, kw_only=True):
    """A message as a processor hands it in, or as a notification brings it.

    Attributes:
        key: correlates the acknowledgement.
        tenant: whose.
        firing: id of the firing; empty if it is of a notification that a client sent.
        alarm: resource name of the alarm.
        to: the address; empty if the recipient has none.
        channel: empty for the default one.
        priority: a number of `Priority`.
        content: what to say.
        resend: of inline content; see `NewDelivery`.
        traceparent: of whoever asked for it.
        category: id; empty: none.
        recipient_id: whose address it is, as far as that is known already.
        notification: id; empty: it comes by address from an alarm.
        occasion: of what is of neither, such as a code: a word that nothing else has.
        incident: id of the incident that it is about; empty: none.
        urgent: whether that incident is.
        rule: the personal rule that it is made by, and when, in words that are its own within the notification; empty: none.
        hold_until: when it may go by that rule, in microseconds since the epoch; None: at once.
        nobody: why it is for nobody, and ``to`` a rotation in which nobody is on call; empty: it is for somebody.
        alert: that it is about.
    """

    key: int
    tenant: str
    firing: str
    alarm: str
    to: str
    channel: str
    priority: int
    content: Content | TemplateUse | None
    resend: bool = False
    traceparent: str = ""
    category: str = ""
    recipient_id: str = ""
    notification: str = ""
    occasion: str = ""
    incident: str = ""
    urgent: bool = False
    rule: str = ""
    hold_until: int | None = None
    nobody: str = ""
    alert: MessageAlert = NO_ALERT

    @property
    def origin(self) -> str:
        """What it is of, with channel and address its identity; see `Notification.origin`."""
        return self.firing or self.notification or self.occasion


class NewDelivery(Struct, frozen=True, kw_only=True):
    """A message that is to be stored; one that is ``kept`` and passed the gates is delivered by that.

    ``unbounded``: no quota holds it back, because it tells people of an incident.
    """

    id: str
    tenant: str
    firing: str
    alarm: str
    channel: str
    to: str
    priority: Priority
    content: Content
    message_id: str
    resend: bool
    traceparent: str
    kept: bool = False
    recipient_id: str = ""
    category: str = ""
    notification: str = ""
    unbounded: bool = False
    ruling: GateRuling = PASSED

    @property
    def is_own(self) -> bool:
        """Whether it is the mailer's own: a digest, a code, a test. It joins no digest."""
        return not (self.firing or self.notification)

    @property
    def delivered(self) -> bool:
        """Whether it is delivered by being stored."""
        return self.kept and self.ruling.state is DeliveryState.ACCEPTED


class Ack(Struct, frozen=True, kw_only=True):
    """What became of a submission: the id of its delivery or notification, or why it was refused."""

    key: int
    delivery: str = ""
    notification: str = ""
    reason: str = ""
    message: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One change of a delivery; ``at`` in microseconds since the epoch, ``code`` the provider's."""

    at: int
    state: DeliveryState
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
    channel: str
    to: str
    subject: str
    state: DeliveryState
    attempts: int
    message_id: str
    created: int
    updated: int
    next_attempt: int | None
    recipient_id: str = ""
    category: str = ""
    notification: str = ""
    reason: str = ""
    hold_until: int | None = None
    digest: str = ""
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
class SendJob:
    """A claimed delivery.

    ``epoch`` is the fencing number of the claim: it grows with each, and only the newest may change the row. Attempts go on until so long
    after ``since``: when it was accepted, or asked for again. ``created`` and ``since`` are microseconds since the epoch. ``may_leave``
    tells whether its category is one that a recipient may leave.
    """

    id: str
    epoch: int
    tenant: str
    priority: Priority
    to: str
    content: Content
    message_id: str
    attempts: int
    deferrals: int
    created: int
    since: int
    resend: bool
    traceparent: str
    recipient_id: str = ""
    category: str = ""
    notification: str = ""
    recipient_name: str = ""
    may_leave: bool = False

    @property
    def fresh(self) -> bool:
        """Whether it was never attempted."""
        return self.attempts == 0

    @property
    def urgent(self) -> bool:
        """Whether it waits for nothing that is not."""
        return self.priority is Priority.CRITICAL


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingReport:
    """A delivery as it is now, whose end the scheduler does not know yet; ``change`` is what made it so."""

    delivery: str
    change: int
    tenant: str
    firing: str
    channel: str
    to: str
    state: DeliveryState
    attempts: int
    reason: str


def delivery_id(*, tenant: str, origin: str, channel: str, address: str) -> str:
    """The id of a delivery: 32 hexadecimal digits that derive from what it is, so that handing it in twice gives the same.

    ``origin`` is the id of the firing, or that of the notification if there is no firing.
    ``channel`` is the one asked for, empty for the default: a default that changes between two submissions makes no second delivery.
    Addresses that differ in case alone are one.
    """
    identity = "\0".join((tenant, origin, channel, address.casefold())).encode()
    return hashlib.blake2b(identity, digest_size=16).hexdigest()


def message_id(delivery: str, domain: str) -> str:
    """The Message-ID of every attempt at a delivery (RFC 5322, 3.6.4)."""
    return f"<{delivery}@{domain}>"
