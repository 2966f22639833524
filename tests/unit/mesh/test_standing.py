"""A limit for calls whose handlers wait for something that cannot keep up, and for no others."""

import pytest

from tests.unit.mesh.queued_database import NORMAL, SHEDDABLE
from tocsin.mesh.shedding import SHARES
from tocsin.mesh.standing import StandingLimit

DEADLINE = 2.0


class Calls:
    """Calls of one method, on a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.limit = StandingLimit(now=lambda: self.now)

    def end(self, took: float, *, left: float | None = None, passed: bool = True) -> None:
        """One that began so long ago is over; its caller had two seconds unless said."""
        self.limit.under_way += 1
        self.limit.ended(self.now - took, passed=passed, left=max(0.0, DEADLINE - took) if left is None else left)

    def run(self, seconds: float, *took: float, passed: bool = True, left: float | None = None, more: int = 0) -> None:
        """A hundred end in each second, in turn after so long; with each so many more are under way."""
        for each in range(int(seconds * 100)):
            self.now += 0.01
            self.end(took[each % len(took)], passed=passed, left=left)
            self.limit.under_way += more

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.limit.value != float("inf")


@pytest.fixture
def calls() -> Calls:
    """Those of a method that took 10 ms so far."""
    made = Calls()
    made.run(2, 0.01)
    return made


def test_twenty_are_never_too_many(calls: Calls) -> None:
    """A few callers, each with one call under way, of whom every one waits for the others: sheddable ones half of them."""
    calls.run(3, 1.9, more=1)
    assert calls.limited
    calls.limit.under_way = 19
    assert not calls.limit.refuses(SHARES[NORMAL])
    calls.limit.under_way = 20
    assert calls.limit.refuses(SHARES[NORMAL])
    calls.limit.under_way = 9
    assert not calls.limit.refuses(SHARES[SHEDDABLE])


def test_slow_calls_beside_fast_ones_are_no_overload(calls: Calls) -> None:
    """A slow method, or a dependency that hangs for nine calls of ten."""
    calls.run(30, *(1.99,) * 8, *(DEADLINE,), 0.01)
    calls.run(30, *(1.99,) * 9, 0.01)
    assert not calls.limited


def test_what_was_always_slow_is_no_overload() -> None:
    """There was no time when it was faster."""
    calls = Calls()
    calls.run(60, 1.5)
    assert not calls.limited


def test_what_became_slow_but_leaves_its_callers_time_is_no_overload(calls: Calls) -> None:
    """Thirty times as slow as it was, and a fifth of what callers wait for."""
    calls.run(60, 0.3)
    assert not calls.limited


def test_a_stop_is_no_overload(calls: Calls) -> None:
    """Everything ends at once, after a second and a half; what comes afterwards is as fast as ever."""
    for _ in range(10):
        calls.now += 1.5
        for _ in range(200):
            calls.end(1.5)
        calls.run(0.5, 0.01)
    assert not calls.limited


def test_long_polls_and_those_that_wait_for_ever_are_no_overload(calls: Calls) -> None:
    """Nor are calls that fail, or whose callers go."""
    calls.run(30, 29.0, left=1.0)
    calls.run(30, 1.9, left=0.1, passed=False)
    for _ in range(3000):
        calls.now += 0.01
        calls.limit.under_way += 1
        calls.limit.ended(calls.now - 1.9, passed=True, left=None)
    assert not calls.limited
    assert calls.limit.under_way == 0


def test_a_call_that_took_no_time_by_the_clock_is_no_division_by_zero(calls: Calls) -> None:
    """Clocks have a resolution."""
    calls.run(10, 0.0, left=0.0)
    assert not calls.limited


def test_the_limit_follows_what_the_fastest_takes(calls: Calls) -> None:
    """Up while it is fast and calls are refused, down while it is slow."""
    calls.run(3, 1.0, more=1)
    least = calls.limit.value
    for _ in range(5):
        calls.limit.under_way = 10_000
        assert calls.limit.refuses(1.0)
        calls.limit.under_way = 0
        calls.run(0.2, 0.02)
    grown = calls.limit.value
    assert grown > 3 * least
    calls.run(1, 1.0)
    assert calls.limit.value < grown / 2


def test_slow_calls_that_do_not_become_more_are_no_overload(calls: Calls) -> None:
    """All of them take a hundred times as long as they did, and all are answered in time."""
    calls.limit.under_way = 100
    calls.run(60, 1.0)
    assert not calls.limited


def test_callers_who_give_up_are_one(calls: Calls) -> None:
    """A twentieth of them, and the others wait nearly as long."""
    calls.limit.under_way = 100
    for _ in range(10):
        calls.run(0.19, 1.9)
        calls.run(0.01, DEADLINE, passed=False)
    assert calls.limited


def test_a_limit_goes_when_nothing_is_answered(calls: Calls) -> None:
    """What takes its places may hang: who comes when all is well again must not wait for that."""
    calls.run(3, 1.0, more=1)
    assert calls.limit.refuses(1.0)
    calls.now += 1.9
    assert calls.limit.refuses(1.0)
    calls.now += 0.2
    assert not calls.limit.refuses(1.0)
    assert not calls.limited


def test_a_limit_that_nobody_met_for_long_goes(calls: Calls) -> None:
    """Whoever comes first after a quiet hour is not refused for what was then."""
    calls.run(3, 1.0, more=1)
    calls.limit.under_way = 0
    calls.now += 3600
    calls.limit.under_way = 500
    assert not calls.limit.refuses(1.0)


def test_a_limit_that_was_in_vain_does_not_come_again_for_a_minute(calls: Calls) -> None:
    """And then not for two."""
    spans: list[float] = []
    for _ in range(3):
        begun = calls.now
        while not calls.limited:
            calls.run(0.5, 0.01)
            calls.run(2, 1.0, more=1)
            calls.limit.under_way = 0
        spans.append(calls.now - begun)
        while calls.limited:
            calls.limit.under_way = 10_000
            calls.limit.refuses(1.0)
            calls.limit.under_way = 0
            calls.run(0.1, 1.0)
    assert spans[0] < 10
    assert 55 < spans[1] < 70
    assert 115 < spans[2] < 130


def test_a_wall_clock_that_jumps_is_no_overload(calls: Calls) -> None:
    """gRPC tells by it how long callers wait: whatever was under way seems to have no time left, or an hour."""
    calls.limit.under_way = 100
    for _ in range(20):
        calls.run(0.2, 0.01, left=0.0)
        calls.run(0.2, 0.01, left=3600.0)
        calls.run(0.2, 0.01)
    assert not calls.limited
