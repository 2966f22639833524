"""Escalation policies: whom an incident goes to, step by step, until somebody answers. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from tocsin.clock import MINUTE, SECOND
from tocsin.errors import Aborted, AlreadyExists, NotFound
from tocsin.recurrence import Micros, zone
from tocsin.recurrence.errors import UnknownZone

DEFAULT_WAIT: Final[Micros] = 5 * MINUTE
"""How long an acknowledgement is waited for, of a step that does not say."""

OUTSIDE_HOURS: Final = "OUTSIDE_HOURS"
"""Reason of a step that was left out: it counts at other hours."""

TOO_FEW_OCCURRENCES: Final = "TOO_FEW_OCCURRENCES"
"""Reason of a step that was left out: it counts from a number of triggers on."""

_DAY_MINUTES: Final = 24 * 60


class EscalationPolicyNotFound(NotFound):
    """There is no such escalation policy."""


class EscalationPolicyExists(AlreadyExists):
    """There is an escalation policy of this name already."""


class EscalationPolicyChanged(Aborted):
    """The policy was changed since it was read: its etag is another one now."""


class WeeklyHours(msgspec.Struct, frozen=True, omit_defaults=True):
    """The same hours of some days of the week, in wall time.

    Attributes:
        start: minutes after midnight.
        end: likewise; not after ``start``: of the next day.
        days: on which they begin, 1 (Monday) to 7 (Sunday); empty: on every one.
    """

    start: int
    end: int
    days: tuple[int, ...] = ()

    def holds(self, wall: datetime) -> bool:
        """Whether a wall time lies in them."""
        minute = wall.hour * 60 + wall.minute
        if self._begins(wall.isoweekday()) and self.start <= minute < (self.end if self.end > self.start else _DAY_MINUTES):
            return True
        return self.end <= self.start and minute < self.end and self._begins((wall - timedelta(days=1)).isoweekday())

    def _begins(self, day: int) -> bool:
        return not self.days or day in self.days


class EscalationStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step.

    Attributes:
        targets: who is told: "recipients/…", "groups/…", "rotations/…".
        wait: how long an acknowledgement is waited for.
        channels: by which they are told; empty: by their own.
        hours: in which the step counts, in the policy's zone; empty: in all.
        occurrences: the step counts when the incident was triggered so often; 0: always.
        window: within which that counts; 0: since the incident began.
    """

    targets: tuple[str, ...]
    wait: Micros = DEFAULT_WAIT
    channels: tuple[str, ...] = ()
    hours: tuple[WeeklyHours, ...] = ()
    occurrences: int = 0
    window: Micros = 0

    def skipped(self, *, zone_name: str, triggers: Sequence[Micros], count: int, at: Micros) -> str:
        """Why the step does not count at an instant; empty: it does.

        Args:
            zone_name: of its hours.
            triggers: the last times that the incident was triggered, the latest last.
            count: how often in all.
            at: the instant.
        """
        if self.hours and not self._within(zone_name, at):
            return OUTSIDE_HOURS
        if self.occurrences:
            times = sum(1 for trigger in triggers if trigger > at - self.window) if self.window else count
            if times < self.occurrences:
                return TOO_FEW_OCCURRENCES
        return ""

    def _within(self, zone_name: str, at: Micros) -> bool:
        try:
            wall = datetime.fromtimestamp(at // SECOND, zone(zone_name) if zone_name else UTC)
        except UnknownZone:  # tzdata had it once
            wall = datetime.fromtimestamp(at // SECOND, UTC)
        return any(hours.holds(wall) for hours in self.hours)


class EscalationPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a policy says: an incident keeps it as it was when it began.

    Attributes:
        steps: the first one first.
        repeat: how often all of them are gone through once more.
        round_robin: whether an incident tells one target of the first step, the next incident the next one.
        unacknowledge_after: an acknowledgement without a resolution lasts so long; 0: for ever.
        resolve_after: an incident ends so long after its last trigger; 0: never by itself.
        zone: of the hours of its steps; empty: UTC.
    """

    steps: tuple[EscalationStep, ...] = ()
    repeat: int = 0
    round_robin: bool = False
    unacknowledge_after: Micros = 0
    resolve_after: Micros = 0
    zone: str = ""

    @property
    def length(self) -> int:
        """How many steps there are in all, counted through the repetitions."""
        return len(self.steps) * (self.repeat + 1)

    def step(self, number: int, *, turn: int) -> EscalationStep:
        """The step of a number, for the incident of that turn; ``number`` is less than `length`."""
        place = number % len(self.steps)
        step = self.steps[place]
        if place == 0 and self.round_robin:
            return msgspec.structs.replace(step, targets=(step.targets[turn % len(step.targets)],))
        return step

    @property
    def longest_memory(self) -> int:
        """How many of its last triggers an incident has to remember for the plan."""
        return max((step.occurrences for step in self.steps if step.window), default=0)


class EscalationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy of a tenant."""

    id: str
    tenant: str
    display_name: str = ""
    plan: EscalationPlan
    version: int = 1
    created: Micros = 0
    updated: Micros = 0

    @property
    def etag(self) -> str:
        """Changes with every change."""
        return str(self.version)


def decode_plan(document: str) -> EscalationPlan:
    """The plan of a stored document.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _PLAN.decode(document)


_PLAN: Final = msgspec.json.Decoder(EscalationPlan)
