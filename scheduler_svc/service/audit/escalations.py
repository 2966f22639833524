"""The audit of incidents: their timelines, replayed, against the ledger."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Final

from scheduler_svc.domain import Outcome
from scheduler_svc.domain.incidents import IncidentNotFound
from scheduler_svc.domain.silences import SilenceTimes
from scheduler_svc.ports.incident_audit import AuditedIncident, IncidentAuditStore, RecordedEvent, StepRow
from scheduler_svc.service.audit.facts import Difference, TimelineUnreadable, followed
from scheduler_svc.service.audit.holders import INCIDENTS, Holders
from scheduler_svc.service.audit.parts import AuditFinding, FindingKind, Summary
from scheduler_svc.service.audit.run import OVERDUE
from scheduler_svc.service.audit.timelines import SKEW, Replay
from scheduler_svc.service.cooperative import CooperativeYield
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_INCIDENTS: Final = 200
_EVENTS: Final = 2000
_ROWS: Final = 2000


class EscalationRun:
    """One audit of a tenant's incidents, page by page: first what their timelines mean, then the rows that no timeline names."""

    def __init__(
        self, *, store: IncidentAuditStore, clock: Clock, tenant: str, summary: Summary, kept: Micros, skew: Micros = SKEW
    ) -> None:
        """Begins with the first incident.

        Args:
            store: where incidents and the ledger are.
            clock: source of time.
            tenant: whose.
            summary: counts what is found; its period is looked at.
            kept: from when on all incidents are still there: the period begins no sooner.
            skew: by how much the clocks of replicas may differ.
        """
        self._store = store
        self._tenant = tenant
        self._summary = summary
        self._overdue = min(clock.micros() - OVERDUE, summary.end)
        self._checkpoint = CooperativeYield(clock)
        self._skew = skew
        self._start = min(max(summary.start, kept), summary.end)
        self._rows: Mapping[str, StepRow] = {}

    async def of_all(self) -> AsyncGenerator[AuditFinding]:
        """Every incident of the tenant, and rows of none."""
        holders = Holders(await self._silences())
        after = ""
        while batch := await self._store.incidents_after(self._tenant, after=after, since=self._start, most=_INCIDENTS):
            after = batch[-1].id
            for finding in await self._of(batch, holders):
                yield finding
        async for finding in self._strays():
            yield finding

    async def of_one(self, incident: str) -> AsyncGenerator[AuditFinding]:
        """One incident.

        Raises:
            IncidentNotFound: the tenant has none of that id.
        """
        found = await self._store.one(self._tenant, incident)
        if found is None:
            raise IncidentNotFound
        for finding in await self._of([found], Holders(await self._silences())):
            yield finding

    async def _silences(self) -> Mapping[str, SilenceTimes]:
        """The silences of the period that can be read, by id."""
        found = dict[str, SilenceTimes]()
        for silence in await self._store.silences(self._tenant, since=self._start - self._skew):
            await self._checkpoint()
            try:
                found[silence.id] = SilenceTimes(silence)
            except InvalidInput:
                _log.warning("a silence cannot be read", silence=silence.id, tenant=self._tenant)
        return found

    async def _of(self, batch: Sequence[AuditedIncident], holders: Holders) -> list[AuditFinding]:
        """What is wrong with these incidents, in order of their ids."""
        replays = await self._replays(batch, holders)
        lengths = {each.id: each.events for each in batch}
        after = ("", -1)
        while page := await self._store.events(self._tenant, list(lengths), after=after, most=_EVENTS):
            after = (page[-1].incident, page[-1].number)
            self._rows = await self._store.rows_of(self._tenant, [event.firing for event in page if event.firing])
            named = {event.actor.removeprefix(INCIDENTS) for event in page if event.actor.startswith(INCIDENTS)} - holders.lives.keys()
            holders.lives |= dict.fromkeys(named) | dict(await self._store.lives(self._tenant, named))
            for event in page:
                await self._checkpoint()
                if event.incident in replays and event.number < lengths[event.incident]:  # a later one came behind what was read
                    self._take(replays, event)
        findings = list[AuditFinding]()
        for identity, replay in replays.items():
            try:
                ended = replay.end(self._overdue)
            except Exception as error:  # noqa: BLE001  see `_take`
                self._give_up(identity, str(error))
            else:
                findings += self._settle(replay, ended)
        return findings

    async def _replays(self, batch: Sequence[AuditedIncident], holders: Holders) -> dict[str, Replay]:
        lengths = {each.id: each.events for each in batch}
        reassigned: dict[str, list[RecordedEvent]] = {identity: [] for identity in lengths}
        for event in await self._store.reassignments(self._tenant, list(lengths)):
            if event.number < lengths[event.incident]:
                reassigned[event.incident].append(event)
        replays = dict[str, Replay]()
        for identity, incident, _ in batch:
            if incident is None:
                self._give_up(identity, "it cannot be read")
                continue
            try:
                plans = followed(incident, reassigned[identity])
            except TimelineUnreadable as error:
                self._give_up(identity, str(error))
                continue
            replays[identity] = Replay(incident, plans, holders=holders, rows=self._row, skew=self._skew)
        return replays

    def _row(self, event: RecordedEvent) -> StepRow | None:
        return self._rows.get(event.firing)

    def _take(self, replays: dict[str, Replay], event: RecordedEvent) -> None:
        try:
            replays[event.incident].take(event)
        except Exception as error:  # noqa: BLE001  whatever is stored there: what it means nobody can say, and the others are judged
            del replays[event.incident]
            self._give_up(event.incident, str(error))

    def _give_up(self, incident: str, reason: str) -> None:
        self._summary.unreadable += 1
        _log.warning("an incident cannot be judged", incident=incident, tenant=self._tenant, reason=reason)

    def _settle(self, replay: Replay, ended: Sequence[Difference]) -> Iterable[AuditFinding]:
        """Counts what was found, and tells what is wrong within the period."""
        summary = self._summary
        summary.incidents += 1
        for row in replay.right:
            if self._start <= row.due < summary.end:
                summary.expected += 1
                summary.steps += 1
                self._found(row)
        within = [found for found in replay.findings if self._start <= found.finding.due < summary.end]
        for found in (*within, *ended):
            yield self._wrong(found)

    def _wrong(self, found: Difference) -> AuditFinding:
        if found.finding.kind is FindingKind.MISSING:
            self._summary.expected += 1
            self._summary.steps += 1
            self._summary.missing += 1
        else:
            self._summary.unexpected += 1
        if found.row is not None:
            self._found(found.row)
        return found.finding

    def _found(self, row: StepRow) -> None:
        self._summary.found += 1
        self._summary.outcomes[row.outcome.name if isinstance(row.outcome, Outcome) else str(row.outcome)] += 1

    async def _strays(self) -> AsyncGenerator[AuditFinding]:
        """Rows that the timeline of no incident names."""
        after: tuple[Micros, str] | None = (self._start - 1, "")
        while after is not None:
            rows, after = await self._store.rows_between(self._tenant, start=self._start, end=self._summary.end, after=after, most=_ROWS)
            named = await self._store.named(self._tenant, {row.incident for row in rows})
            for row in rows:
                await self._checkpoint()
                if row.firing not in named:
                    finding = AuditFinding(
                        kind=FindingKind.UNEXPECTED,
                        alarm="",
                        due=row.due,
                        firing=row.firing,
                        incident=row.incident,
                        detail="no timeline names it",
                    )
                    yield self._wrong(Difference(finding, row))
