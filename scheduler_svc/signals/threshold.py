"""The states of a threshold: a function of its readings, in the order in which they count, and of the clock while it is pending."""

from typing import NamedTuple

from scheduler_svc.recurrence import Comparison, Micros, Threshold
from scheduler_svc.signals.standing import Standing, Status


class Change(NamedTuple):
    """It was raised (RAISED) or resolved (OK), and when."""

    status: Status
    at: Micros


class Step(NamedTuple):
    """Where it stands after a reading, and what happened on the way."""

    standing: Standing
    changes: tuple[Change, ...]


def observed(spec: Threshold, standing: Standing, *, value: float, at: Micros) -> Step:
    """What a reading, measured at ``at``, leads to.

    The metric counts as beyond the limit from the first reading that is, until the first one that is not: so a wait that was over
    by ``at`` has raised it before this reading is looked at.
    """
    standing, changes = matured(spec, standing, now=at)
    beyond = is_beyond(spec, value)
    match standing.status:
        case Status.RAISED:
            if is_back(spec, value):
                return Step(Standing(Status.OK, at), (*changes, Change(Status.OK, at)))
        case Status.PENDING:
            if not beyond:
                return Step(Standing(Status.OK, at), changes)
        case _:
            if beyond:
                after = matured(spec, Standing(Status.PENDING, at), now=at)
                return Step(after.standing, (*changes, *after.changes))
            if standing.status is Status.WAITING:
                return Step(Standing(Status.OK, at), changes)
    return Step(standing, changes)


def matured(spec: Threshold, standing: Standing, *, now: Micros) -> Step:
    """What the clock leads to: a pending one whose wait is over is raised, at the end of the wait."""
    due = pending_until(spec, standing)
    if due is None or due > now:
        return Step(standing, ())
    return Step(Standing(Status.RAISED, due), (Change(Status.RAISED, due),))


def pending_until(spec: Threshold, standing: Standing) -> Micros | None:
    """When the wait of a pending one is over; None for any other."""
    return standing.since + spec.for_duration if standing.status is Status.PENDING else None


def is_beyond(spec: Threshold, value: float) -> bool:
    """Whether the value is beyond the limit."""
    match spec.comparison:
        case Comparison.GREATER_THAN:
            return value > spec.value
        case Comparison.GREATER_OR_EQUAL:
            return value >= spec.value
        case Comparison.LESS_THAN:
            return value < spec.value
        case Comparison.LESS_OR_EQUAL:
            return value <= spec.value


def is_back(spec: Threshold, value: float) -> bool:
    """Whether the value is behind the limit again, by the hysteresis at least."""
    match spec.comparison:
        case Comparison.GREATER_THAN:
            return value <= spec.value - spec.hysteresis
        case Comparison.GREATER_OR_EQUAL:
            return value <= spec.value - spec.hysteresis and value < spec.value
        case Comparison.LESS_THAN:
            return value >= spec.value + spec.hysteresis
        case Comparison.LESS_OR_EQUAL:
            return value >= spec.value + spec.hysteresis and value > spec.value
