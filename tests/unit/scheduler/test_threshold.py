"""The states of a threshold."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler_svc.triggers import Change, SignalState, Status, matured, observed, pending_until
from scheduler_svc.triggers.threshold import is_back, is_beyond
from tocsin.recurrence import Threshold
from tocsin.recurrence.specs import Comparison

OK, PENDING, RAISED, WAITING = Status.OK, Status.PENDING, Status.RAISED, Status.WAITING


def above(value: float = 10, **fields: Any) -> Threshold:
    """A threshold that a larger value is beyond."""
    return Threshold(metric="m", comparison=Comparison.GREATER_THAN, value=value, **fields)


@pytest.mark.parametrize(
    ("comparison", "beyond", "behind"),
    [
        (Comparison.GREATER_THAN, [10.1, 11], [10, 9]),
        (Comparison.GREATER_OR_EQUAL, [10, 11], [9.9]),
        (Comparison.LESS_THAN, [9.9, 9], [10, 11]),
        (Comparison.LESS_OR_EQUAL, [10, 9], [10.1]),
    ],
)
def test_a_comparison_says_what_is_beyond(comparison: Comparison, beyond: list[float], behind: list[float]) -> None:
    """Without hysteresis a value is either beyond the limit or back."""
    spec = Threshold(metric="m", comparison=comparison, value=10)
    for values, expected in ((beyond, True), (behind, False)):
        for value in values:
            assert is_beyond(spec, value) is expected
            assert is_back(spec, value) is not expected


@pytest.mark.parametrize(
    ("comparison", "between", "back"),
    [
        (Comparison.GREATER_THAN, [10, 8.1], [8, 7]),
        (Comparison.GREATER_OR_EQUAL, [9.9, 8.1], [8, 7]),
        (Comparison.LESS_THAN, [10, 11.9], [12, 13]),
        (Comparison.LESS_OR_EQUAL, [10.1, 11.9], [12, 13]),
    ],
)
def test_hysteresis_holds_what_is_raised(comparison: Comparison, between: list[float], back: list[float]) -> None:
    """A value between the limit and the hysteresis is neither beyond nor back."""
    spec = Threshold(metric="m", comparison=comparison, value=10, hysteresis=2)
    assert [(is_beyond(spec, value), is_back(spec, value)) for value in between] == [(False, False)] * len(between)
    assert all(is_back(spec, value) for value in back)


@pytest.mark.parametrize(
    ("spec", "readings", "expected", "state"),
    [
        (above(), [(1, 5)], [], (OK, 1)),
        (above(), [(1, 11)], [(RAISED, 1)], (RAISED, 1)),
        (above(), [(1, 11), (2, 12)], [(RAISED, 1)], (RAISED, 1)),
        (above(), [(1, 11), (2, 9)], [(RAISED, 1), (OK, 2)], (OK, 2)),
        (above(), [(1, 11), (2, 9), (3, 11)], [(RAISED, 1), (OK, 2), (RAISED, 3)], (RAISED, 3)),
        (above(hysteresis=2), [(1, 11), (2, 9), (3, 8)], [(RAISED, 1), (OK, 3)], (OK, 3)),
        (above(for_duration=5), [(1, 11)], [], (PENDING, 1)),
        (above(for_duration=5), [(1, 11), (5, 12)], [], (PENDING, 1)),
        (above(for_duration=5), [(1, 11), (6, 12)], [(RAISED, 6)], (RAISED, 6)),
        (above(for_duration=5), [(1, 11), (9, 12)], [(RAISED, 6)], (RAISED, 6)),
        (above(for_duration=5), [(1, 11), (5, 10)], [], (OK, 5)),
        (above(for_duration=5), [(1, 11), (6, 10)], [(RAISED, 6), (OK, 6)], (OK, 6)),
        (above(for_duration=5), [(1, 11), (9, 10)], [(RAISED, 6), (OK, 9)], (OK, 9)),
        (above(for_duration=5, hysteresis=2), [(1, 11), (3, 9), (4, 11)], [], (PENDING, 4)),
        (above(for_duration=5), [(1, 11), (1, 9), (1, 11)], [], (PENDING, 1)),
        (above(), [(1, 11), (1, 9), (1, 11)], [(RAISED, 1), (OK, 1), (RAISED, 1)], (RAISED, 1)),
    ],
)
def test_readings_raise_and_resolve(
    spec: Threshold, readings: list[tuple[int, float]], expected: list[tuple[Status, int]], state: tuple[Status, int]
) -> None:
    """By their own times: beyond for long enough raises at the end of the wait, whenever the next reading tells of it."""
    at, changes = SignalState(WAITING, 0), list[Change]()
    for instant, value in readings:
        at, changed = observed(spec, at, value=value, at=instant)
        changes += changed
    assert (changes, tuple(at)) == (expected, state)


@pytest.mark.parametrize(
    ("status", "now", "expected"),
    [(PENDING, 5, ()), (PENDING, 6, ((RAISED, 6),)), (PENDING, 60, ((RAISED, 6),)), (OK, 60, ()), (RAISED, 60, ()), (WAITING, 60, ())],
)
def test_the_clock_ends_a_wait(status: Status, now: int, expected: tuple[tuple[Status, int], ...]) -> None:
    """Only a pending one is raised by time alone, at the end of its wait and not before."""
    assert matured(above(for_duration=5), SignalState(status, 1), now=now).changes == expected


class Case(NamedTuple):
    spec: Threshold
    readings: list[tuple[int, float]]
    end: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A threshold, readings in order, and an instant after them."""
    spec = Threshold(
        metric="m",
        comparison=draw(st.sampled_from(Comparison)),
        value=draw(st.integers(-2, 2)),
        for_duration=draw(st.integers(0, 6)),
        hysteresis=draw(st.integers(0, 3)),
    )
    steps = draw(st.lists(st.tuples(st.integers(1, 4), st.integers(-5, 5).map(float)), max_size=12))
    readings, instant = list[tuple[int, float]](), 0
    for step, value in steps:
        instant += step
        readings.append((instant, value))
    return Case(spec, readings, instant + draw(st.integers(0, 10)))


def simulated(case: Case) -> list[tuple[Status, int]]:
    """The same, instant by instant: the last value holds until the next; at one instant the wait is looked at before the reading."""
    spec, values = case.spec, dict(case.readings)
    found, since, raised = list[tuple[Status, int]](), None, False
    for instant in range(case.end + 1):
        for _ in range(2):  # before the reading, and after it: without a wait both happen at once
            if since is not None and not raised and instant - since >= spec.for_duration:
                raised = True
                found.append((RAISED, instant))
            value = values.pop(instant, None)
            if value is None:
                continue
            if raised:
                if is_back(spec, value):
                    raised, since = False, None
                    found.append((OK, instant))
            elif not is_beyond(spec, value):
                since = None
            elif since is None:
                since = instant
    return found


@given(cases())
def test_the_states_are_those_of_a_model_that_looks_at_every_instant(case: Case) -> None:
    """Looking only when a reading comes, and once at the end, finds every change and its time."""
    at, changes = SignalState(WAITING, 0), list[Change]()
    for instant, value in case.readings:
        at, changed = observed(case.spec, at, value=value, at=instant)
        changes += changed
    changes += matured(case.spec, at, now=case.end).changes
    assert [tuple(change) for change in changes] == simulated(case)


@given(cases(), st.randoms(use_true_random=False))
def test_when_the_engine_looks_changes_nothing(case: Case, draw: Any) -> None:
    """Whether a wait is ended by the engine or by the next reading, the firings are the same."""
    at, changes = SignalState(WAITING, 0), list[Change]()
    for instant, value in case.readings:
        due = pending_until(case.spec, at)
        if due is not None and due <= instant and draw.random() < 0.5:
            at, changed = matured(case.spec, at, now=due)
            changes += changed
        at, changed = observed(case.spec, at, value=value, at=instant)
        changes += changed
    changes += matured(case.spec, at, now=case.end).changes
    assert [tuple(change) for change in changes] == simulated(case)
