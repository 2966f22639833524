"""Notifications: one message to many people, and how far their deliveries are made."""

import hashlib
from dataclasses import dataclass, replace
from enum import IntEnum

from msgspec import Struct

from mailer_svc.domain.model import NO_ALERT, Content, DeliveryState, MessageAlert, Submission, TemplateUse
from tocsin.priority import Priority


class NotificationState(IntEnum):
    """Where a notification stands; the numbers are those of the contract."""

    PENDING = 1
    EXPANDING = 2
    COMPLETED = 3
    CANCELLED = 4
    FAILED = 5


UNEXPANDED = (NotificationState.PENDING, NotificationState.EXPANDING)
"""States in which deliveries are still to be made."""


class ExpansionCursor(Struct, frozen=True):
    """How far the deliveries of a notification are made: so many of its addresses, and then all recipients up to the id ``after``.

    Rotations mean whoever is on call at the instant ``at`` (microseconds; 0: there are none, or nobody has looked yet).
    """

    addresses: int = 0
    after: str = ""
    at: int = 0

    def __str__(self) -> str:
        """The text that is stored."""
        return f"{self.addresses}@{self.at}/{self.after}" if self.at else f"{self.addresses}/{self.after}"

    @classmethod
    def parse(cls, text: str) -> "ExpansionCursor":
        """The cursor of a stored text; an empty one is the beginning.

        Raises:
            ValueError: it is none.
        """
        head, _, after = text.partition("/")
        addresses, _, at = head.partition("@")
        return cls(int(addresses or 0), after, int(at or 0))


_BEGINNING = ExpansionCursor()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A notification; times in microseconds since the epoch.

    Attributes:
        id: derives from what makes it one: the firing, or the caller's request id.
        tenant: whose.
        firing: id of the firing that it is of; empty if a client sent it.
        alarm: resource name of the alarm; empty if a client sent it.
        priority: goes for its deliveries.
        category: id; empty: none.
        channels: names; none: those of the category, or the default one.
        to: addresses.
        recipients: "recipients/{id}", "groups/{id}" and "rotations/{id}".
        content: what to say.
        resend: of inline content, see `NewDelivery`.
        traceparent: of whoever asked for it.
        alert: that it is about.
        metadata: a JSON object of the caller's; empty: none.
        status_url: where changes of its deliveries are posted; empty: nowhere.
        send_time: when its deliveries are made.
        state: where it stands.
        detail: why it FAILED.
        cursor: how far its deliveries are made.
        epoch: the fencing number of the claim; see `SendJob`.
        created: when it was taken.
        updated: when its state changed last.
        incident: id of the incident that it is about; empty: none.
        urgent: whether that incident is.
    """

    id: str
    tenant: str
    firing: str = ""
    alarm: str = ""
    priority: Priority = Priority.NORMAL
    category: str = ""
    channels: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    content: Content | TemplateUse
    resend: bool = False
    traceparent: str = ""
    alert: MessageAlert = NO_ALERT
    metadata: str = ""
    status_url: str = ""
    send_time: int
    state: NotificationState = NotificationState.PENDING
    detail: str = ""
    cursor: ExpansionCursor = _BEGINNING
    epoch: int = 0
    created: int
    updated: int
    incident: str = ""
    urgent: bool = False

    @property
    def origin(self) -> str:
        """What its deliveries are of, which is a part of their identity: the firing, or else the notification itself.

        So one whom an alarm addresses by recipient and by address as well gets the message once.
        """
        return self.firing or self.id


@dataclass(frozen=True, slots=True)
class PeopleSubmission:
    """A message of a firing to recipients: what it says and of what it is as in a `Submission`, which has no address."""

    message: Submission
    recipients: tuple[str, ...]
    channels: tuple[str, ...]

    @property
    def notification(self) -> str:
        """The id of its notification: handing it in twice makes one."""
        return notification_id(tenant=self.message.tenant, kind="firing", key=self.message.firing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """A step of a notification under the claim ``epoch``: stored together with the deliveries that it made, or not at all.

    Attributes:
        tenant: whose.
        id: of the notification.
        epoch: of the claim.
        state: where the notification stands then.
        cursor: how far it is expanded then.
        due: when the claim ends; None: nothing is left to do.
        detail: why it FAILED.
    """

    tenant: str
    id: str
    epoch: int
    state: NotificationState
    cursor: ExpansionCursor
    due: int | None = None
    detail: str = ""

    def failed(self, detail: str) -> "Advance":
        """The same step, if it was not possible for good."""
        return replace(self, state=NotificationState.FAILED, due=None, detail=detail)


@dataclass(frozen=True, slots=True)
class DeliveryCount:
    """How many deliveries of a notification are in a state for a reason."""

    state: DeliveryState
    reason: str
    count: int


def notification_id(*, tenant: str, kind: str, key: str) -> str:
    """The id of a notification that derives from what makes it one: ``kind`` is "firing" or "request", ``key`` says which."""
    return hashlib.blake2b("\0".join((tenant, kind, key)).encode(), digest_size=16).hexdigest()
