"""What becomes of an alarm's due times that are due: which fire, which are skipped or coalesced, and which one is next. Pure.

Every due time gets its row, and none is passed over: a plan that cannot hold all of them stops, and the next plan goes on from there.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from scheduler_svc.domain import COUNTED, FIRE_QUOTA, OWN_TRACE, RULE_TOO_COSTLY, SERIAL, SINGLE, Alarm, FiringState, Outcome, fired_outcome
from scheduler_svc.triggers import Outage, after_outage
from tocsin.clock import MINUTE
from tocsin.recurrence import CatchUp, CatchUpMode, Compiled, Micros, Overlapping, Rule, TooCostly, Trigger, compiled

_LATEST: Final = CatchUp(mode=CatchUpMode.LATEST)
_FIRST_LOOK_BACK: Final[Micros] = MINUTE
_MOST_PREVIEWED: Final = 200
_CATCH: Final = '"catch":'
_OVERLAP: Final = '"overlap":'
_INSTANT: Final = '{"at":'
_ONCE: Final = (_INSTANT, '{"local":')
_FLAGS: Final = {Overlapping.SKIP: SINGLE, Overlapping.QUEUE: SERIAL, Overlapping.CANCEL_OTHER: SINGLE}
STILL_RUNNING: Final = "OVERLAP"
"""Reason of a due time that is skipped because the firing before still runs."""
CANCELLED: Final = "OVERLAP_CANCELLED"
"""Reason of a firing that is given up because the next due time of its alarm has come (overlap CANCEL_OTHER)."""


class Planned(NamedTuple):
    """One row for the ledger."""

    due: Micros
    state: FiringState
    outcome: Outcome
    reason: str


class Plan(NamedTuple):
    """What one transaction does for one alarm: the rows, the next due time (None: the rule is exhausted), and the new ordinal.

    ``signal``: it waits for something from outside, and so stays active; its rows are raised. ``flags`` are those of the firings.
    ``pause``: why it is paused.
    """

    rows: tuple[Planned, ...]
    due: Micros | None
    ordinal: int
    signal: bool = False
    flags: int = 0
    pause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The part of an alarm that a plan is made from; ``busy``: a firing by its rule is not over."""

    trigger: Compiled
    due: Micros
    ordinal: int
    skip_before: Micros | None = None
    busy: bool = False

    def after(self, due: Micros, ordinal: int) -> Micros | None:
        """The due time after ``due``, which is the one with this ordinal, from 0."""
        limit = self.trigger.limit
        if limit is not None and ordinal + 1 >= limit:
            return None
        found = self.trigger.rule.next_after(due)
        return found.due if found is not None else None


def plan(schedule: Schedule, *, now: Micros, most: int, grace: Micros, outage: Outage | None = None) -> Plan:
    """Accounts for the due times up to ``now``, for ``most`` of them at most.

    Args:
        schedule: an alarm whose next due time has come.
        now: the instant of the transaction.
        most: rows at most.
        grace: with catch-up NONE, a due time that is late by more than this counts as missed.
        outage: when nobody could take a ping.
    """
    if not schedule.trigger.trigger.calendar:
        return _signal_plan(schedule, now=now, outage=outage)
    judge = _RowPlanner(schedule, now=now, grace=grace)
    single = schedule.trigger.trigger.overlap is Overlapping.SKIP
    busy = single and schedule.busy
    rows: list[Planned] = []
    due, ordinal = schedule.due, schedule.ordinal
    following: Micros | None = due
    while following is not None and following <= now and len(rows) < most:
        due = following
        following = schedule.after(due, ordinal)
        row = judge(due, superseded=following is not None and following <= now)
        if busy and row.state is FiringState.PENDING:
            row = Planned(due, FiringState.CLOSED, Outcome.SKIPPED, STILL_RUNNING)
        busy = busy or (single and row.state is FiringState.PENDING)
        rows.append(row)
        ordinal += 1
    if schedule.trigger.trigger.overlap is Overlapping.CANCEL_OTHER:
        rows = _last_alone(rows)
    return Plan(tuple(rows), following, ordinal)


def _last_alone(rows: list[Planned]) -> list[Planned]:
    """The rows, of which only the last that fires does so: each would be cancelled by the next."""
    last = max((row.due for row in rows if row.state is FiringState.PENDING), default=None)
    return [
        Planned(row.due, FiringState.CLOSED, Outcome.SKIPPED, CANCELLED) if row.state is FiringState.PENDING and row.due != last else row
        for row in rows
    ]


def overlapping(encoded: str) -> Overlapping:
    """What a stored trigger says about overlaps, without reading all of it: a quote within a text of it is escaped."""
    at = encoded.find(_OVERLAP)
    if at < 0:
        return Overlapping.DEFAULT
    try:
        return Overlapping(int(encoded[at + len(_OVERLAP)]))
    except (ValueError, IndexError):
        return Overlapping.DEFAULT  # nobody can read it; it is told when it is planned


def flags_of(encoded: str, *, auto_pause_after: int) -> int:
    """The flags of a firing by the rule that is stored as ``encoded``."""
    flags = (COUNTED if auto_pause_after else 0) | (0 if encoded.startswith(_ONCE) else OWN_TRACE)
    return flags if _OVERLAP not in encoded else flags | _FLAGS.get(overlapping(encoded), 0)


def plan_once(encoded: str, *, due: Micros, ordinal: int, now: Micros) -> Plan | None:
    """The plan of an instant to which no policy applies: it fires. Most alarms of a herd are such; None for any other."""
    if not encoded.startswith(_INSTANT) or _CATCH in encoded or _OVERLAP in encoded or due > now:
        return None
    outcome, reason = fired_outcome(due=due, now=now)
    return Plan((Planned(due, FiringState.PENDING, outcome, reason),), None, ordinal + 1)


def going(made: Plan) -> int:
    """How many rows of a plan fire."""
    return sum(row.state is FiringState.PENDING for row in made.rows)


def within_quota(made: Plan, room: int, *, encoded: str) -> Plan:
    """The plan of an alarm of which only ``room`` rows may fire now, by its trigger ``encoded``.

    Where missed due times are not caught up with the others are skipped; otherwise the alarm waits at the first of them.
    """
    skipping = _catching_up(encoded) is CatchUpMode.NONE
    rows: list[Planned] = []
    for place, row in enumerate(made.rows):
        if row.state is FiringState.PENDING and not room:
            if not skipping:
                return Plan(tuple(rows), row.due, made.ordinal - len(made.rows) + place, flags=made.flags, pause=FIRE_QUOTA)
            rows.append(Planned(row.due, FiringState.CLOSED, Outcome.SKIPPED, FIRE_QUOTA))
            continue
        room -= row.state is FiringState.PENDING
        rows.append(row)
    return made._replace(rows=tuple(rows))


def _catching_up(encoded: str) -> CatchUpMode:
    rule = Trigger.decode(encoded).catch_up if _CATCH in encoded else None
    return _LATEST.mode if rule is None else rule.mode


def explained(made: Plan, waited_for: str) -> Plan:
    """The plan of an alarm that could not be fired for a reason: what fires late because of it says so. No reason is none."""
    if not waited_for:
        return made
    rows = (row._replace(reason=waited_for) if row.outcome is Outcome.LATE else row for row in made.rows)
    return made._replace(rows=tuple(rows))


def plan_too_costly(*, due: Micros, ordinal: int, now: Micros, skip_before: Micros | None) -> Plan:
    """The plan of an alarm whose next due time takes too many steps to find: this one has its row, and then it is paused."""
    if skip_before is not None and due < skip_before:
        row = Planned(due, FiringState.CLOSED, Outcome.SKIPPED, "PAUSED")
    else:
        row = Planned(due, FiringState.PENDING, *fired_outcome(due=due, now=now))
    return Plan((row,), due, ordinal + 1, pause=RULE_TOO_COSTLY)


def _signal_plan(schedule: Schedule, *, now: Micros, outage: Outage | None) -> Plan:
    """Raises an alarm that waited for something from outside until now: a threshold, or a heartbeat without its ping.

    A heartbeat whose ping could not be heard, because it was expected while nobody could take it, gets a new deadline instead.
    """
    later = after_outage(schedule.trigger.trigger, schedule.due, outage=outage)
    if later is not None and later > now:
        return Plan((), later, schedule.ordinal, signal=True)
    row = Planned(schedule.due, FiringState.PENDING, *fired_outcome(due=schedule.due, now=now))
    return Plan((row,), None, schedule.ordinal + 1, signal=True)


class _RowPlanner:
    """Decides about single due times."""

    __slots__ = ("_catch_up", "_cutoff", "_grace", "_now", "_schedule")

    def __init__(self, schedule: Schedule, *, now: Micros, grace: Micros) -> None:
        self._schedule = schedule
        self._now = now
        self._grace = grace
        self._catch_up = schedule.trigger.trigger.catch_up or _LATEST
        self._cutoff: Micros | None = None

    def __call__(self, due: Micros, *, superseded: bool) -> Planned:
        """The row of ``due``; ``superseded`` when a later one is due as well."""
        reason = self._skipped(due, superseded=superseded)
        if reason:
            return Planned(due, FiringState.CLOSED, Outcome.SKIPPED, reason)
        if superseded and self._catch_up.mode in (CatchUpMode.DEFAULT, CatchUpMode.LATEST):
            return Planned(due, FiringState.CLOSED, Outcome.COALESCED, "CATCH_UP_LATEST")
        return Planned(due, FiringState.PENDING, *fired_outcome(due=due, now=self._now))

    def _skipped(self, due: Micros, *, superseded: bool) -> str:
        rule, age = self._catch_up, self._now - due
        if self._schedule.skip_before is not None and due < self._schedule.skip_before:
            return "PAUSED"
        if rule.window is not None and age > rule.window:
            return "CATCH_UP_WINDOW"
        if rule.mode is CatchUpMode.NONE and (superseded or age > self._grace):
            return "CATCH_UP_NONE"
        if rule.mode is CatchUpMode.ALL and superseded and due < self._first_that_fires():
            return "CATCH_UP_LIMIT"
        return ""

    def _first_that_fires(self) -> Micros:
        """The oldest of the newest ``limit`` due times up to now."""
        if self._cutoff is None:
            rule, since = self._schedule.trigger.rule, self._schedule.due
            self._cutoff = _newest(rule, since=since, until=self._now, most=self._catch_up.most)
        return self._cutoff


def _newest(rule: Rule, *, since: Micros, until: Micros, most: int) -> Micros:
    """The oldest of the ``most`` newest due times within [since, until]; looks back ever further, so old ones cost nothing."""
    back = _FIRST_LOOK_BACK
    while True:
        start = max(since, until - back)
        found = [occurrence.due for occurrence in rule.between(start, until + 1)]
        if len(found) >= most or start <= since:
            return found[-most:][0] if found else since
        back *= 2


def upcoming(alarm: Alarm) -> Micros | None:
    """The next time that ``alarm`` will fire, as far as its rule says: due times of a pause do not count."""
    due, skip = alarm.due, alarm.skip_before
    if due is None or skip is None or due >= skip:
        return due
    try:
        return _after_pause(alarm, due, skip)
    except TooCostly:
        return None  # it is about to be paused


def _after_pause(alarm: Alarm, due: Micros, skip: Micros) -> Micros | None:
    trigger = compiled(alarm.trigger.encode(), alarm.anchor, seed=alarm.id)
    if trigger.limit is None:
        found = trigger.rule.next_after(skip - 1)
        return found.due if found is not None else None
    schedule = Schedule(trigger=trigger, due=due, ordinal=alarm.ordinal)
    ordinal, steps, following = alarm.ordinal, 0, alarm.due
    while following is not None and following < skip and steps < _MOST_PREVIEWED:
        following = schedule.after(following, ordinal)
        ordinal, steps = ordinal + 1, steps + 1
    if following is not None and following < skip:
        found = trigger.rule.next_after(skip - 1)  # too many to count here; it is this one unless the count ends before it
        return found.due if found is not None else None
    return following
