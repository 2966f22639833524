"""The incidents, which the scheduler has."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, Protocol


class LinkAnswer(Enum):
    """What somebody says by a link, or by a reply."""

    ASK = "ask"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    SNOOZE = "snooze"
    NOTE = "note"


class PersonalAnswer(NamedTuple):
    """What somebody says.

    Attributes:
        kind: what it is.
        snooze: for how long a SNOOZE puts the incident off, in microseconds.
        note: what a NOTE says.
        message_id: what makes a SNOOZE or a NOTE one of a kind.
    """

    kind: LinkAnswer
    snooze: int = 0
    note: str = ""
    message_id: str = ""


class IncidentStanding(Enum):
    """Where an incident stands."""

    WAITING = "waiting"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class IncidentFacts(NamedTuple):
    """What a page shows of an incident; ``actor`` has it, or has ended it: "recipients/ann"."""

    title: str
    standing: IncidentStanding
    actor: str


class IncidentKey(NamedTuple):
    """An incident of a tenant."""

    tenant: str
    incident: str


class IncidentLookup(Protocol):
    """What the mailer asks about incidents, and tells of answers."""

    async def answer(self, key: IncidentKey, *, actor: str, via: str, answer: PersonalAnswer) -> IncidentFacts:
        """Passes an answer on; how the incident stands then.

        Raises:
            NotFound: there is no such incident any more.
            FailedPrecondition: it is over, and cannot be put off.
            Unavailable: the scheduler cannot be reached.
        """
        ...

    async def waiting(self, keys: Sequence[IncidentKey]) -> Sequence[bool]:
        """Of each incident whether it waits for an answer.

        Raises:
            Unavailable: the scheduler cannot be reached.
        """
        ...


class IncidentTelling(Protocol):
    """What the mailer asks before it tells everybody who was told of an incident how that goes on."""

    async def telling(self, keys: Sequence[IncidentKey]) -> Sequence[bool]:
        """Of each incident whether a step of it has been taken and has not come here yet.

        Raises:
            Unavailable: the scheduler cannot be reached.
        """
        ...


class AskedPerson(NamedTuple):
    """Whom a message asked about an incident, where, and when: microseconds since the epoch."""

    tenant: str
    incident: str
    recipient_id: str
    channel: str
    address: str
    created: int


class AskedMails(Protocol):
    """The messages that people may reply to."""

    async def asked(self, delivery: str) -> AskedPerson | None:
        """What a delivery asked; None: there is none of this id that is about an incident."""
        ...


class MailIntake(Protocol):
    """The scheduler, as the one that takes alerts."""

    async def receive(self, *, key: str, message_id: str, sender: str, subject: str, text: str) -> None:
        """Hands a mail over; one of a known id has no effect.

        Raises:
            NotFound: nothing has this key.
            InvalidInput: what it says cannot be taken.
            ResourceExhausted: too many come.
            Unavailable: the scheduler cannot be reached.
        """
        ...
