"""The states of a threshold: a function of its readings, in the order in which they count, and of the clock while it is pending."""

from typing import NamedTuple

from scheduler_svc.triggers.state import SignalState, Status
from tocsin.recurrence import Comparison, Micros, Threshold


class Change(NamedTuple):
    """It was raised (RAISED) or resolved (OK), and when."""

    status: Status
    at: Micros


class Step(NamedTuple):
    """Where it stands after a reading, and what happened on the way."""

    state: SignalState
    changes: tuple[Change, ...]


def observed(spec: Threshold, state: SignalState, *, value: float, at: Micros) -> Step:
    """What a reading, measured at ``at``, leads to.

    The metric counts as beyond the limit from the first reading that is, until the first one that is not: so a wait that was over
    by ``at`` has raised it before this reading is looked at.
    """
    state, changes = matured(spec, state, now=at)
    beyond = is_beyond(spec, value)
    match state.status:
        case Status.RAISED:
            if is_back(spec, value):
                return Step(SignalState(Status.OK, at), (*changes, Change(Status.OK, at)))
        case Status.PENDING:
            if not beyond:
                return Step(SignalState(Status.OK, at), changes)
        case _:
            if beyond:
                after = matured(spec, SignalState(Status.PENDING, at), now=at)
                return Step(after.state, (*changes, *after.changes))
            if state.status is Status.WAITING:
                return Step(SignalState(Status.OK, at), changes)
    return Step(state, changes)


def matured(spec: Threshold, state: SignalState, *, now: Micros) -> Step:
    """What the clock leads to: a pending one whose wait is over is raised, at the end of the wait."""
    due = pending_until(spec, state)
    if due is None or due > now:
        return Step(state, ())
    return Step(SignalState(Status.RAISED, due), (Change(Status.RAISED, due),))


def pending_until(spec: Threshold, state: SignalState) -> Micros | None:
    """When the wait of a pending one is over; None for any other."""
    return state.since + spec.for_duration if state.status is Status.PENDING else None


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
