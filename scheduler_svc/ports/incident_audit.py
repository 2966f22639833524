"""What an audit reads of incidents: what happened to them, and the rows of the ledger by which people were told."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from scheduler_svc.domain import Outcome
from scheduler_svc.domain.incident_words import EventKind
from scheduler_svc.domain.incidents import Incident
from scheduler_svc.domain.silences import Silence
from tocsin.recurrence import Micros


class AuditedIncident(NamedTuple):
    """An incident as it is, with the number of its events; without a document that can be read it is None."""

    id: str
    incident: Incident | None
    events: int


class RecordedEvent(NamedTuple):
    """An event of an incident, as it is stored; ``facts`` is JSON, or empty."""

    incident: str
    number: int
    kind: EventKind
    at: Micros
    actor: str
    note: str
    step: int
    firing: str
    facts: str


class IncidentLife(NamedTuple):
    """When an incident was opened, and when it ended; None: it has not."""

    opened: Micros
    ended: Micros | None


class StepRow(NamedTuple):
    """A row of the ledger of the origin ESCALATION; ``incident`` is what it says that it is about."""

    firing: str
    due: Micros
    fired: Micros | None
    outcome: Outcome | int
    reason: str
    incident: str


class IncidentAuditStore(Protocol):
    """Incidents with their timelines, silences, and the rows of the ledger that stand for steps."""

    async def incidents_after(self, tenant: str, *, after: str, since: Micros, most: int) -> Sequence[AuditedIncident]:
        """The next incidents in order of their ids: those that are open, or were changed at ``since`` or later."""
        ...

    async def one(self, tenant: str, incident: str) -> AuditedIncident | None:
        """One of them; None: there is none of that id."""
        ...

    async def reassignments(self, tenant: str, incidents: Collection[str]) -> Sequence[RecordedEvent]:
        """Their events of the kind REASSIGNED, in order."""
        ...

    async def events(self, tenant: str, incidents: Collection[str], *, after: tuple[str, int], most: int) -> Sequence[RecordedEvent]:
        """Their events behind (incident, number), in that order."""
        ...

    async def rows_of(self, tenant: str, firings: Collection[str]) -> Mapping[str, StepRow]:
        """Those of the firings that are in the ledger, by id."""
        ...

    async def rows_between(
        self, tenant: str, *, start: Micros, end: Micros, after: tuple[Micros, str], most: int
    ) -> tuple[Sequence[StepRow], tuple[Micros, str] | None]:
        """Of the next ``most`` rows behind (due, id) those of the origin ESCALATION, and where to go on; None: that was all."""
        ...

    async def lives(self, tenant: str, incidents: Collection[str]) -> Mapping[str, IncidentLife]:
        """When those of the incidents that are there, and can be read, were open."""
        ...

    async def named(self, tenant: str, incidents: Collection[str]) -> set[str]:
        """The firings that the timelines of the incidents name."""
        ...

    async def silences(self, tenant: str, *, since: Micros) -> Sequence[Silence]:
        """The silences that end at ``since`` or later."""
        ...
