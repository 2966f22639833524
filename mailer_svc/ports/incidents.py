"""The incidents, which the scheduler has."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, Protocol


class LinkAnswer(Enum):
    """What somebody says by a link."""

    ASK = "ask"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


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

    async def answer(self, key: IncidentKey, *, actor: str, via: str, answer: LinkAnswer) -> IncidentFacts:
        """Passes an answer on; how the incident stands then.

        Raises:
            NotFound: there is no such incident any more.
            Unavailable: the scheduler cannot be reached.
        """
        ...

    async def waiting(self, keys: Sequence[IncidentKey]) -> Sequence[bool]:
        """Of each incident whether it waits for an answer.

        Raises:
            Unavailable: the scheduler cannot be reached.
        """
        ...
