"""One audit: due times and rows, side by side."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Final

from scheduler_svc.domain import Origin, Outcome
from scheduler_svc.ports import AuditStore, LedgerRow
from scheduler_svc.service.audit.expected import ExpectedRows
from scheduler_svc.service.audit.parts import AuditFinding, FindingKind, Summary
from scheduler_svc.service.cooperative import CooperativeYield
from tocsin.clock import SECOND, Clock
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
OVERDUE: Final[Micros] = 60 * SECOND
"""A due time that is not in the ledger is on its way for so long; later it is missing."""
_CHANGE_OF_ZONE: Final[Micros] = 3 * 3600 * SECOND
"""As much as a new time-zone database moves a due time."""
_ALARMS: Final = 200
_ROWS: Final = 5000
_DIFFERENCES: Final = 500


class Run:
    """One audit of a tenant: compares what its rules mean with what its ledger holds, alarm by alarm."""

    def __init__(self, *, store: AuditStore, clock: Clock, tenant: str, summary: Summary, moved: Micros | None) -> None:
        self._store = store
        self._tenant = tenant
        self._summary = summary
        self._overdue = clock.micros() - OVERDUE
        self._moved = moved
        self._checkpoint = CooperativeYield(clock)
        self._unreadable = set[str]()

    async def of_all(self) -> AsyncGenerator[AuditFinding]:
        """Every alarm of the tenant, and rows of none."""
        after = ""
        while batch := await self._store.alarms_after(self._tenant, after=after, since=self._summary.start, most=_ALARMS):
            after = batch[-1]
            async for finding in self.of_alarms(batch):
                yield finding
        async for finding in self._strays():
            yield finding

    async def of_alarms(self, alarms: Sequence[str]) -> AsyncGenerator[AuditFinding]:
        """These alarms, in order of their ids."""
        rules = await self._rules(alarms)
        for group in await self._groups([alarm for alarm in alarms if alarm not in self._unreadable], rules):
            rows = _Rows(self._store, self._tenant, group, start=self._summary.start, end=self._summary.end)
            for alarm in group:
                async for finding in self._one(alarm, rules[alarm], rows):
                    yield finding

    async def _rules(self, alarms: Sequence[str]) -> dict[str, list[ExpectedRows]]:
        rules: dict[str, list[ExpectedRows]] = {alarm: [] for alarm in alarms}
        for rule in await self._store.rules(self._tenant, alarms, since=self._summary.start):
            try:
                rules[rule.alarm].append(ExpectedRows.of(rule))
            except Exception as error:  # noqa: BLE001  whatever is stored there: what it means nobody can say, and the others are judged
                self._give_up(rule.alarm, error)
            await self._checkpoint(4)
        return rules

    def _give_up(self, alarm: str, error: Exception) -> None:
        if alarm not in self._unreadable:
            self._unreadable.add(alarm)
            self._summary.unreadable += 1
            _log.warning("a rule cannot be read", alarm=alarm, tenant=self._tenant, exc_info=error)

    async def _groups(self, alarms: Sequence[str], rules: Mapping[str, Sequence[ExpectedRows]]) -> list[list[str]]:
        """The alarms, together as long as a page holds their rows."""
        groups, room = list[list[str]](), 0
        for alarm in alarms:
            weight = sum(expected.rows_at_most(self._summary.start, self._summary.end) for expected in rules[alarm])
            await self._checkpoint(4)
            if not groups or weight > room:
                groups.append([])
                room = _ROWS
            groups[-1].append(alarm)
            room -= weight
        return groups

    async def _one(self, alarm: str, rules: Sequence[ExpectedRows], rows: "_Rows") -> AsyncGenerator[AuditFinding]:
        summary, differences = self._summary, _Differences(alarm)
        summary.alarms += 1
        async for due, owed in self._due_times(rules):
            while (row := await rows.take(alarm, before=due)) is not None:
                self._ad_hoc(row, rules, differences)
            if (row := await rows.take(alarm, before=due + 1)) is not None:
                self._found(row, expected=True)
            elif owed:
                differences.missing.append(due)
            if differences.many:
                async for finding in self._settle(differences):
                    yield finding
        while (row := await rows.take(alarm, before=summary.end)) is not None:
            await self._checkpoint()
            self._ad_hoc(row, rules, differences)
            if differences.many:
                async for finding in self._settle(differences):
                    yield finding
        async for finding in self._settle(differences):
            yield finding

    async def _due_times(self, rules: Sequence[ExpectedRows]) -> AsyncGenerator[tuple[Micros, bool]]:
        """The due times that any of the rules means, each once, with whether it must have its row."""
        walks = list[Iterator[tuple[Micros, bool]]]()
        for expected in rules:
            due, left = await expected.enter(self._summary.start, self._checkpoint)
            walks.append(expected.walk(due, left, self._summary.end, self._overdue))
        for due, same in groupby(merge(*walks), key=itemgetter(0)):
            await self._checkpoint()
            yield due, any(owed for _, owed in same)

    def _found(self, row: LedgerRow, *, expected: bool) -> None:
        self._summary.found += 1
        self._summary.expected += expected
        name = row.outcome.name if isinstance(row.outcome, Outcome) else str(row.outcome)
        self._summary.outcomes[name] += 1

    def _ad_hoc(self, row: LedgerRow, rules: Sequence[ExpectedRows], differences: "_Differences") -> None:
        """A row at a time when no rule was in force that means it."""
        if row.origin == Origin.BACKFILL and any(expected.means(row.due) for expected in rules):
            self._found(row, expected=True)
        else:
            differences.surplus.append(row)

    async def _settle(self, differences: "_Differences") -> AsyncGenerator[AuditFinding]:
        """Tells what is left of the differences after a second look."""
        missing, surplus = differences.missing, differences.surplus
        if surplus:
            surplus = await self._changed_since(differences.alarm, surplus)
        if self._moved is not None and surplus and missing:
            missing, surplus = self._without_moves(missing, surplus, self._moved)
        for due in missing:
            self._summary.expected += 1
            self._summary.missing += 1
            yield AuditFinding(kind=FindingKind.MISSING, alarm=differences.alarm, due=due)
        for row in surplus:
            self._found(row, expected=False)
            self._summary.unexpected += 1
            yield AuditFinding(kind=FindingKind.UNEXPECTED, alarm=row.alarm, due=row.due, firing=row.firing)
        differences.clear()

    async def _changed_since(self, alarm: str, surplus: list[LedgerRow]) -> list[LedgerRow]:
        """The rows that no rule means either that the alarm got after its rules were read."""
        rules = (await self._rules([alarm]))[alarm]
        left = list[LedgerRow]()
        for row in surplus:
            await self._checkpoint(4)
            if any([await self._in_force(expected, row.due) for expected in rules]):
                self._found(row, expected=True)
            else:
                left.append(row)
        return left

    async def _in_force(self, expected: ExpectedRows, due: Micros) -> bool:
        found, left = await expected.enter(due, self._checkpoint)
        return next((at for at, _ in expected.walk(found, left, due + 1, self._overdue)), None) == due

    def _without_moves(self, missing: list[Micros], surplus: list[LedgerRow], moved: Micros) -> tuple[list[Micros], list[LedgerRow]]:
        """Without the pairs of a row and a due time nearby that an older time-zone database had at another instant."""
        absent, rest, at = list[Micros](), list[LedgerRow](), 0
        for row in surplus:
            while at < len(missing) and missing[at] < row.due - _CHANGE_OF_ZONE:
                absent.append(missing[at])
                at += 1
            if row.due < moved and at < len(missing) and missing[at] <= row.due + _CHANGE_OF_ZONE:
                self._found(row, expected=True)
                at += 1
            else:
                rest.append(row)
        return [*absent, *missing[at:]], rest

    async def _strays(self) -> AsyncGenerator[AuditFinding]:
        """Rows of alarms that were never there."""
        after: tuple[Micros, str] | None = (self._summary.start - 1, "")
        while after is not None:
            rows, after = await self._store.strays(self._tenant, start=self._summary.start, end=self._summary.end, after=after, most=_ROWS)
            for row in rows:
                self._found(row, expected=False)
                self._summary.unexpected += 1
                yield AuditFinding(kind=FindingKind.UNEXPECTED, alarm=row.alarm, due=row.due, firing=row.firing)


@dataclass(slots=True)
class _Differences:
    """What was seen of one alarm and is not told yet."""

    alarm: str
    missing: list[Micros] = field(default_factory=list[Micros])
    surplus: list[LedgerRow] = field(default_factory=list[LedgerRow])

    @property
    def many(self) -> bool:
        return len(self.missing) + len(self.surplus) >= _DIFFERENCES

    def clear(self) -> None:
        self.missing, self.surplus = [], []


class _Rows:
    """The rows of some alarms, page by page."""

    def __init__(self, store: AuditStore, tenant: str, alarms: Sequence[str], *, start: Micros, end: Micros) -> None:
        self._store = store
        self._tenant = tenant
        self._alarms = alarms
        self._start = start
        self._end = end
        self._page: AsyncIterator[LedgerRow] = self._read()
        self._head: LedgerRow | None = None
        self._over = False

    async def take(self, alarm: str, *, before: Micros) -> LedgerRow | None:
        """The next row, if it is of that alarm and due before ``before``."""
        if self._head is None and not self._over:
            self._head = await anext(self._page, None)
            self._over = self._head is None
        head = self._head
        if head is None or head.alarm != alarm or head.due >= before:
            return None
        self._head = None
        return head

    async def _read(self) -> AsyncGenerator[LedgerRow]:
        after = ("", self._start)
        while True:
            page = await self._store.rows(self._tenant, self._alarms, start=self._start, end=self._end, after=after, most=_ROWS)
            for row in page:
                yield row
            if len(page) < _ROWS:
                return
            after = (page[-1].alarm, page[-1].due)
