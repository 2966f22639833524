"""The judge: recomputes from the rules what must be in the ledger, and compares.

It trusts the recurrence package and the database's own journal of what users changed; nothing that the engine says. For each alarm the
journal tells when it had which rule. While it had one, its ledger rows must be the rule's due times from the first one on, in order and
without a gap; when it still has it at the end, all due times up to then must be there.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from scheduler_svc.dispatch.dispatcher import LOST
from scheduler_svc.domain import ON_TIME, SERIAL, AlarmState, FiringState, Origin, Outcome
from scheduler_svc.domain.planning import CANCELLED, STILL_RUNNING
from tests.simulation.processor import NONSENSE, Job
from tests.simulation.scenario import SECOND
from tests.simulation.world import World
from tocsin.recurrence import CatchUp, CatchUpMode, Compiled, Overlapping, Trigger, compiled

_SLACK: Final = 60 * SECOND
_PROMPT: Final = 5
_HARMLESS: Final = frozenset({"hints", "cuts", "manners", "processors"})
"""Faults that are no excuse for letting an alarm go late."""
_OUT_OF_TURN: Final = f"""
SELECT b.id FROM firings a JOIN firings b ON b.alarm = a.alarm AND b.due_at < a.due_at
WHERE a.id = ? AND (a.flags & b.flags & {SERIAL}) <> 0 AND a.origin = 0 AND b.origin = 0 AND a.state IN (1, 2) AND b.state IN (1, 2)
AND NOT EXISTS (SELECT 1 FROM log WHERE log.id = b.id AND log.was = 4)
"""  # noqa: S608  a constant
"""Firings of the same queue that come before one; those that were replayed have had their turn."""
_MODES: Final = {
    "CATCH_UP_LATEST": (CatchUpMode.DEFAULT, CatchUpMode.LATEST),
    "CATCH_UP_NONE": (CatchUpMode.NONE,),
    "CATCH_UP_LIMIT": (CatchUpMode.ALL,),
}
"""Which reasons belong to which catch-up."""
_CANCELLATIONS: Final = frozenset((before, FiringState.CLOSED) for before in (FiringState.PENDING, FiringState.RETRYING))
"""Changes of a firing that a later one cancels."""
_OVER: Final = (FiringState.SUCCEEDED, FiringState.DEAD, FiringState.CLOSED)
_CHANGES: Final = {
    (FiringState.PENDING, FiringState.RETRYING),
    (FiringState.RETRYING, FiringState.PENDING),
    (FiringState.PENDING, FiringState.PENDING),
    (FiringState.RETRYING, FiringState.RETRYING),
    *((before, FiringState.SUCCEEDED) for before in (FiringState.PENDING, FiringState.RETRYING, FiringState.DEAD)),
    *((before, FiringState.DEAD) for before in (FiringState.PENDING, FiringState.RETRYING)),
    (FiringState.DEAD, FiringState.PENDING),
}


@dataclass(slots=True)
class Row:
    """A ledger row."""

    id: str
    alarm: str
    origin: int
    due: int
    fired: int | None
    outcome: int
    reason: str
    state: int
    completed: int | None


@dataclass(slots=True)
class Reign:
    """The time in which an alarm had one rule."""

    alarm: str
    trigger: str
    anchor: int
    first: int | None
    rows: list[Row] = field(default_factory=list)

    @property
    def calendar(self) -> bool:
        """Whether the calendar makes it due."""
        return Trigger.decode(self.trigger).calendar

    @property
    def rule(self) -> Compiled:
        """Its rule."""
        return compiled(self.trigger, self.anchor, seed=self.alarm)


@dataclass(slots=True)
class Life:
    """An alarm, as the journal tells it."""

    reigns: list[Reign] = field(default_factory=list)
    state: int = AlarmState.ACTIVE
    gone: bool = False
    resumes: list[int] = field(default_factory=list)
    touched: list[float] = field(default_factory=list)


class Checker:
    """Looks on during a run, and judges at its end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._raw = world.storage.raw
        self._lives: dict[str, Life] = {}
        self._rows: dict[str, Row] = {}
        world.seen.on_job = self._job
        world.seen.on_confirmed = self._confirmed

    # -- during the run -----------------------------------------------------------------------------------------------------------------

    def _state(self, firing: str) -> int | None:
        found = self._raw.execute("SELECT state FROM firings WHERE id = ?", (firing,)).fetchone()
        return found[0] if found else None

    def _job(self, job: Job) -> None:
        self._world.note("job", job.lease.firing, job.lease.token)
        state = self._state(job.lease.firing)
        if state is None or (state == FiringState.CLOSED and not self._cancelled(job.lease.firing)):
            self._world.problem(f"firing {job.lease.firing} was delivered, and is {state} in the ledger")
        for (before,) in self._raw.execute(_OUT_OF_TURN, (job.lease.firing,)).fetchall():
            self._world.problem(f"firing {job.lease.firing} was delivered before {before}, whose turn it is, was over")

    def _cancelled(self, firing: str) -> bool:
        """Whether a later firing has cancelled one: it stays closed, however far its work has come."""
        found = self._raw.execute("SELECT reason FROM firings WHERE id = ?", (firing,)).fetchone()
        return found is not None and found[0] == CANCELLED

    def _confirmed(self, firing: str) -> None:
        self._world.note("confirmed", firing)
        if self._state(firing) != FiringState.SUCCEEDED and not self._cancelled(firing):
            self._world.problem(f"the success of firing {firing} was confirmed, and is not in the ledger")

    # -- at the end ---------------------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Finds everything that is wrong."""
        until = self._world.micros() - _SLACK
        self._read_rows()
        self._read_journal()
        for identity, life in sorted(self._lives.items()):
            self._judge(identity, life, until)
        for row in self._rows.values():
            self._judge_row(row, until)
        self._judge_promises()
        self._count()

    def _read_rows(self) -> None:
        query = "SELECT id, alarm, origin, due_at, fired_at, outcome, reason, state, completed_at FROM firings ORDER BY due_at, id"
        for values in self._raw.execute(query):
            self._rows[values[0]] = Row(*values)
        twice = self._raw.execute(
            "SELECT alarm, due_at, count(*) FROM firings WHERE origin = 0 GROUP BY alarm, due_at HAVING count(*) > 1"
        ).fetchall()
        for alarm, due, count in twice:
            self._world.problem(f"alarm {alarm} has {count} rows for its due time {due}")

    def _read_journal(self) -> None:
        succeeded: Counter[str] = Counter()
        cancelling = {row.alarm for row in self._rows.values() if row.reason == CANCELLED}
        query = "SELECT at, kind, id, state, trigger_rule, anchor, due, skip_before, was FROM log ORDER BY seq"
        for at, kind, identity, state, trigger, anchor, due, skip, was in self._raw.execute(query).fetchall():
            match kind:
                case "alarm":
                    self._read_alarm(identity, state, Reign(identity, trigger, anchor, due), skip, at)
                case "gone":
                    self._lives[identity].gone = True
                case "firing":
                    self._read_firing(identity, at)
                    if was and self._rows[identity].alarm not in cancelling:
                        self._world.problem(f"firing {identity} was fired while {was} of its alarm ran")
                case _:
                    succeeded[identity] += state == FiringState.SUCCEEDED
                    change = (FiringState(was), FiringState(state))
                    if change not in _CHANGES and not (change in _CANCELLATIONS and self._rows[identity].reason == CANCELLED):
                        self._world.problem(f"firing {identity} went from {FiringState(was).name} to {FiringState(state).name}")
        for identity, times in succeeded.items():
            if times > 1:
                self._world.problem(f"{times} successes of firing {identity} were accepted")

    def _read_alarm(self, identity: str, state: int, reign: Reign, skip: int | None, at: float) -> None:
        life = self._lives.setdefault(identity, Life())
        last = life.reigns[-1] if life.reigns else None
        if last is None or (last.trigger, last.anchor) != (reign.trigger, reign.anchor):
            life.reigns.append(reign)
        if life.state == AlarmState.PAUSED and state == AlarmState.ACTIVE and skip is not None:
            life.resumes.append(skip)
        life.state = state
        life.touched.append(at)

    def _read_firing(self, identity: str, at: float) -> None:
        row = self._rows.get(identity)
        if row is None or row.origin != Origin.SCHEDULE:
            return
        life = self._lives.get(row.alarm)
        if life is None or life.gone or life.state == AlarmState.PAUSED:
            self._world.problem(f"firing {identity} was made while its alarm {row.alarm} was paused or gone")
        else:
            life.reigns[-1].rows.append(row)
            self._judge_time(row, life, at)

    def _judge_time(self, row: Row, life: Life, at: float) -> None:
        """Never early; and on time unless something went wrong that the engine cannot help."""
        scenario = self._world.scenario
        late = self._world.scenario.epoch + round(at * SECOND) - row.due
        if late < 0 and "clocks" not in scenario.faults:
            self._world.problem(f"firing {row.id} came {-late} microseconds early")
        wait = (scenario.options.engine.heal_seconds + _PROMPT) * SECOND
        fresh = any(abs(at - touch) * SECOND - late <= wait for touch in life.touched)
        if "clocks" in scenario.faults and row.fired is not None:
            late = row.fired - row.due  # by its own clock
            fresh = fresh or any(before <= row.due <= after + wait for before, after in self._world.jumps)
        harmless = _HARMLESS | {"clocks"} if scenario.replicas == 1 else _HARMLESS
        if late > _PROMPT * SECOND and scenario.faults <= harmless and not fresh:
            self._world.problem(f"firing {row.id} of alarm {row.alarm} came {late} microseconds late for no reason")

    # -- an alarm -----------------------------------------------------------------------------------------------------------------------

    def _judge(self, identity: str, life: Life, until: int) -> None:
        before: set[int] = set()
        for reign in life.reigns:
            if not reign.calendar:
                continue  # see `tests.simulation.outside_checker`
            self._judge_order(identity, reign, before)
            before |= {row.due for row in reign.rows}
        if not life.gone and life.state != AlarmState.PAUSED and life.reigns[-1].calendar:
            self._judge_end(identity, life.reigns[-1], before, until)
        for reign in life.reigns:
            for row in reign.rows:
                self._judge_policy(row, reign, life)

    def _judge_order(self, identity: str, reign: Reign, before: set[int]) -> None:
        """The rows are the due times of the rule, in order, without a gap."""
        expected = (due for due in _due_times(reign) if due not in before)
        for row in reign.rows:
            due = next(expected, None)
            if row.due != due:
                self._world.problem(f"alarm {identity} {reign.trigger}: {due} was expected, and {row.due} is in the ledger")
                return

    def _judge_end(self, identity: str, reign: Reign, there: set[int], until: int) -> None:
        """Nothing that was due is missing."""
        for due in _due_times(reign):
            if due > until:
                return
            if due not in there:
                self._world.problem(f"alarm {identity} {reign.trigger}: {due} is missing in the ledger")
                return

    def _judge_policy(self, row: Row, reign: Reign, life: Life) -> None:
        """What was skipped, coalesced or fired had to be."""
        found = reign.rule.trigger
        rule = found.catch_up or CatchUp()
        wrong = ""
        if row.reason == "PAUSED" and not any(row.due < resume for resume in life.resumes):
            wrong = "was skipped as paused, and there was no pause"
        elif rule.mode not in _MODES.get(row.reason, (rule.mode,)):
            wrong = f"was left out as {row.reason}, and the mode is {rule.mode.name}"
        elif row.reason == STILL_RUNNING and found.overlap is not Overlapping.SKIP:
            wrong = "was skipped because of an overlap, which is allowed"
        elif row.reason == "CATCH_UP_WINDOW" and (rule.window is None or (row.completed or 0) - row.due <= rule.window):
            wrong = "was skipped, and was within its window"
        elif row.outcome == Outcome.COALESCED and not _superseded(row, reign):
            wrong = "was coalesced, and no later due time had come"
        if wrong:
            self._world.problem(f"alarm {row.alarm} {reign.trigger}: {row.due} {wrong}")

    # -- a firing -----------------------------------------------------------------------------------------------------------------------

    def _judge_row(self, row: Row, until: int) -> None:
        if row.fired is not None and row.fired < row.due:
            self._world.problem(f"firing {row.id} was fired {row.due - row.fired} microseconds early")
        if row.due <= until and row.state not in _OVER:
            self._world.problem(f"firing {row.id} of alarm {row.alarm!r} due {row.due} is still {FiringState(row.state).name}")
        if row.reason == NONSENSE:
            self._world.problem(f"firing {row.id} ended by what nobody to whom it was given said")
        if row.reason == LOST and self._world.scenario.hostile and row.id not in self._world.killers and not self._at_healing(row):
            self._world.problem(f"firing {row.id} was charged with the death of a processor that another one killed")
        effects = self._world.far_end.calls[row.id]
        if row.state == FiringState.SUCCEEDED and not effects:
            self._world.problem(f"firing {row.id} succeeded, and nothing was done")
        if row.reason == CANCELLED:
            later = (other.fired for other in self._rows.values() if other.alarm == row.alarm and other.due > row.due)
            if not any(fired is not None for fired in later):
                self._world.problem(f"firing {row.id} was cancelled by a later one, and there is none")
        elif row.state == FiringState.CLOSED and effects:
            self._world.problem(f"firing {row.id} was closed, and was worked on")
        late = row.fired is not None and row.fired - row.due > ON_TIME
        if row.outcome in (Outcome.FIRED, Outcome.LATE) and late != (row.outcome == Outcome.LATE):
            self._world.problem(f"firing {row.id} is {Outcome(row.outcome).name}, and was fired {row.due} {row.fired}")

    def _at_healing(self, row: Row) -> bool:
        """Whether it ended after all processors were killed at once by no work: the engine cannot know, and blames its suspects."""
        healed = self._world.healed_at
        return healed is not None and (row.completed or 0) >= healed

    def _judge_promises(self) -> None:
        promises = self._world.promises
        for identity in [*promises.alarms, *promises.removed]:
            if identity not in self._lives:
                self._world.problem(f"alarm {identity} was promised, and never made")
        for identity in promises.removed:
            if identity in self._lives and not self._lives[identity].gone:
                self._world.problem(f"alarm {identity} was said to be removed, and is there")
        for identity in promises.firings - self._rows.keys():
            self._world.problem(f"firing {identity} was promised, and never made")
        for identity in self._world.far_end.calls:
            if identity not in self._rows:
                self._world.problem(f"firing {identity} was worked on, and is not in the ledger")

    def _count(self) -> None:
        counts, rows = self._world.counts, self._rows.values()
        outcomes = Counter(Outcome(row.outcome).name.lower() for row in rows)
        counts.update({name: outcomes[name] for name in ("late", "skipped", "coalesced", "failed")})
        counts["alarms"] = len(self._lives)
        counts["occurrences"] = len(rows)
        deliveries = self._world.seen.deliveries
        counts["deliveries"] = sum(deliveries.values())
        counts["duplicate deliveries"] = counts["deliveries"] - len(deliveries)
        counts["duplicate effects"] = sum(self._world.far_end.calls.values()) - len(self._world.far_end.calls)
        counts["calls"] = self._world.promises.asked
        counts["calls without answer"] = self._world.promises.unknown


def _due_times(reign: Reign) -> Iterator[int]:
    """The due times of a rule from its first one on."""
    if reign.first is None:
        return iter(())
    found = reign.rule
    return islice((occurrence.due for occurrence in found.rule.between(reign.first, 1 << 62)), found.limit)


def _superseded(row: Row, reign: Reign) -> bool:
    later = reign.rule.rule.next_after(row.due)
    return later is not None and row.completed is not None and later.due <= row.completed
