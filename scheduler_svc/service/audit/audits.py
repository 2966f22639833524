"""The use case."""

from collections.abc import AsyncGenerator
from typing import Final

from scheduler_svc.domain import AlarmNotFound
from scheduler_svc.ports import AuditStore
from scheduler_svc.service.alarms import Caller
from scheduler_svc.service.audit.parts import AuditFinding, Summary
from scheduler_svc.service.audit.run import Run
from tocsin.clock import DAY, HOUR, Clock
from tocsin.errors import InvalidInput
from tocsin.recurrence import Micros

_CLEANUP: Final[Micros] = HOUR
"""What is about to be cleaned up is not looked at: rows must not vanish while the audit runs."""


class Audits:
    """Audits of the caller's tenant."""

    def __init__(self, *, store: AuditStore, clock: Clock, ledger_days: float) -> None:
        """Takes what it stands on.

        Args:
            store: where alarms, rules and the ledger are.
            clock: source of time.
            ledger_days: how long the ledger keeps rows; 0: for ever.
        """
        self._store = store
        self._clock = clock
        self._ledger_days = ledger_days

    async def audit(self, caller: Caller, *, start: Micros, end: Micros | None, alarm: str = "") -> AsyncGenerator[AuditFinding | Summary]:
        """Every difference between the rules and the ledger within [start, end), and at last the summary.

        Raises:
            InvalidInput: the period is empty.
            AlarmNotFound: neither the alarm nor a rule of it is known.
        """
        now = self._clock.micros()
        last = now if end is None else min(end, now)
        if start >= last:
            raise InvalidInput.at("startTime", "must be before endTime and before now")
        facts = await self._store.facts()
        oldest = now - round(self._ledger_days * DAY) + _CLEANUP if self._ledger_days else start
        first = min(max(start, oldest, facts.get("history", start)), last)
        summary = Summary(start=first, end=last)
        run = Run(store=self._store, clock=self._clock, tenant=caller.tenant, summary=summary, moved=facts.get("tzdata/changed"))
        if alarm:
            if not await self._store.rules(caller.tenant, [alarm], since=first):
                raise AlarmNotFound
            found = run.of_alarms([alarm])
        else:
            found = run.of_all()
        async for finding in found:
            yield finding
        yield summary
