"""The use case."""

from collections.abc import AsyncGenerator
from typing import Final

from scheduler_svc.domain import AlarmNotFound
from scheduler_svc.ports import AuditStore
from scheduler_svc.ports.incident_audit import IncidentAuditStore
from scheduler_svc.service.alarms import Caller
from scheduler_svc.service.audit.escalations import EscalationRun
from scheduler_svc.service.audit.parts import AuditFinding, Summary
from scheduler_svc.service.audit.run import Run
from tocsin.clock import DAY, HOUR, Clock
from tocsin.errors import InvalidInput
from tocsin.recurrence import Micros

_CLEANUP: Final[Micros] = HOUR
"""What is about to be cleaned up is not looked at: rows must not vanish while the audit runs."""


class Audits:
    """Audits of the caller's tenant."""

    def __init__(self, *, store: AuditStore, incidents: IncidentAuditStore, clock: Clock, ledger_days: float, incident_days: float) -> None:
        """Takes what it stands on.

        Args:
            store: where alarms, rules and the ledger are.
            incidents: where incidents and their timelines are.
            clock: source of time.
            ledger_days: how long the ledger keeps rows; 0: for ever.
            incident_days: how long incidents that are over are kept; 0: for ever.
        """
        self._store = store
        self._incidents = incidents
        self._clock = clock
        self._ledger_days = ledger_days
        self._incident_days = incident_days

    async def audit(
        self, caller: Caller, *, start: Micros, end: Micros | None, alarm: str = "", incident: str = ""
    ) -> AsyncGenerator[AuditFinding | Summary]:
        """Every difference within [start, end) between the ledger and what the rules and the policies mean, and at last the summary.

        Raises:
            InvalidInput: the period is empty, or both an alarm and an incident are named.
            AlarmNotFound: neither the alarm nor a rule of it is known.
            IncidentNotFound: there is no such incident.
        """
        if alarm and incident:
            raise InvalidInput.at("incident", "name either an alarm or an incident")
        now = self._clock.micros()
        last = now if end is None else min(end, now)
        if start >= last:
            raise InvalidInput.at("startTime", "must be before endTime and before now")
        facts = await self._store.facts()
        oldest = now - round(self._ledger_days * DAY) + _CLEANUP if self._ledger_days else start
        first = min(max(start, oldest, facts.get("history", start)), last)
        summary = Summary(start=first, end=last)
        run = Run(store=self._store, clock=self._clock, tenant=caller.tenant, summary=summary, moved=facts.get("tzdata/changed"))
        kept = now - round(self._incident_days * DAY) + _CLEANUP if self._incident_days else first
        steps = EscalationRun(store=self._incidents, clock=self._clock, tenant=caller.tenant, summary=summary, kept=kept)
        if alarm and not await self._store.rules(caller.tenant, [alarm], since=first):
            raise AlarmNotFound
        parts = (run.of_alarms([alarm]),) if alarm else (steps.of_one(incident),) if incident else (run.of_all(), steps.of_all())
        for part in parts:
            async for finding in part:
                yield finding
        yield summary
