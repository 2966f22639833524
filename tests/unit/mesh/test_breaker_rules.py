"""Every rule of the circuit breaker, one table each. The rules are those of the design's page on the mesh."""

from datetime import timedelta

import pybreaker
import pytest

from tocsin.errors import CircuitOpen
from tocsin.mesh.breaker import Breaker, BreakerRegistry, BreakerRule, CallOutcome, CircuitState, failing_on
from tocsin.testing.clock import FakeClock

OK, FAIL, SKIP = CallOutcome.SUCCESS, CallOutcome.FAILURE, CallOutcome.IGNORED
RULE = BreakerRule(jitter=0.0)


def jump(clock: FakeClock, seconds: float) -> None:
    """Lets time pass; nobody sleeps on the clock."""
    clock.set(clock.now() + timedelta(seconds=seconds))


def make(clock: FakeClock, rule: BreakerRule = RULE, draw: float = 0.5) -> Breaker:
    """A breaker with a known jitter."""
    return Breaker(id="b", target="t", rule=rule, clock=clock, draw=lambda: draw)


def run(breaker: Breaker, outcomes: list[CallOutcome], *, slow: bool = False) -> None:
    """Makes one attempt after the other until the breaker rejects."""
    for outcome in outcomes:
        try:
            permit = breaker.admit()
        except CircuitOpen:
            return
        breaker.record(permit, outcome, slow=slow)


def alternating(failures: int, successes: int) -> list[CallOutcome]:
    """The given numbers of outcomes, without five failures in a row."""
    outcomes: list[CallOutcome] = []
    while failures or successes:
        take = min(4, failures)
        outcomes += [FAIL] * take
        failures -= take
        if successes:
            outcomes.append(OK)
            successes -= 1
    return outcomes


def opened(clock: FakeClock, rule: BreakerRule = RULE, draw: float = 0.5) -> Breaker:
    """A breaker that has just tripped."""
    breaker = make(clock, rule, draw)
    run(breaker, [FAIL] * rule.consecutive_failures)
    assert breaker.state is CircuitState.OPEN
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "slow", "expected"),
    [
        pytest.param([FAIL] * 4, False, CircuitState.CLOSED, id="four in a row are too few"),
        pytest.param([FAIL] * 5, False, CircuitState.OPEN, id="five in a row trip while calls are few"),
        pytest.param([OK] * 40 + [FAIL] * 19, False, CircuitState.CLOSED, id="among many calls 19 in a row are too few"),
        pytest.param([OK] * 40 + [FAIL] * 20, False, CircuitState.OPEN, id="20 in a row trip, whatever the window holds"),
        pytest.param([FAIL] * 4 + [OK] + [FAIL] * 4, False, CircuitState.CLOSED, id="a success starts the row anew"),
        pytest.param([FAIL] * 4 + [SKIP] * 9 + [FAIL], False, CircuitState.OPEN, id="what is ignored does not end a row"),
        pytest.param([SKIP] * 100, False, CircuitState.CLOSED, id="what is ignored never trips"),
        pytest.param(alternating(10, 9), False, CircuitState.CLOSED, id="19 calls are too few for a share"),
        pytest.param(alternating(10, 10), False, CircuitState.CLOSED, id="exactly half is not more than half"),
        pytest.param(alternating(11, 9), False, CircuitState.OPEN, id="more than half of 20 trips"),
        pytest.param(alternating(11, 9)[:19] + [SKIP] * 5, False, CircuitState.CLOSED, id="ignored calls do not fill the window"),
        pytest.param([OK] * 19, True, CircuitState.CLOSED, id="19 slow calls are too few"),
        pytest.param([OK] * 20, True, CircuitState.OPEN, id="20 slow calls trip although they succeed"),
    ],
)
def test_when_it_trips(clock: FakeClock, outcomes: list[CallOutcome], slow: bool, expected: CircuitState) -> None:
    """Trips on five failures in a row, on more than half failed, on four fifths slow, the last two of at least 20 calls."""
    breaker = make(clock)
    run(breaker, outcomes, slow=slow)
    assert breaker.state is expected


@pytest.mark.parametrize(("slow", "expected"), [(15, CircuitState.CLOSED), (16, CircuitState.OPEN)])
def test_the_share_of_slow_calls_is_reached_not_exceeded(clock: FakeClock, slow: int, expected: CircuitState) -> None:
    """80 % of slow calls trip, 75 % do not."""
    breaker = make(clock)
    run(breaker, [OK] * (20 - slow))
    run(breaker, [OK] * slow, slow=True)
    assert breaker.state is expected


def test_calls_leave_the_window_after_ten_seconds(clock: FakeClock) -> None:
    """Failures of the past do not add up with those of now."""
    breaker = make(clock)
    run(breaker, alternating(10, 8))
    jump(clock, 10)
    run(breaker, [OK, FAIL])
    assert breaker.snapshot().calls == 2
    assert breaker.state is CircuitState.CLOSED


def test_open_rejects_at_once_and_says_until_when(clock: FakeClock) -> None:
    """A rejection is CircuitOpen with the remaining time and the breaker's name."""
    breaker = opened(clock)
    jump(clock, 2)
    with pytest.raises(CircuitOpen) as rejected:
        breaker.admit()
    assert rejected.value.retry_after == pytest.approx(3)
    assert rejected.value.metadata == {"target": "t", "breaker": "b"}


def test_the_open_time_doubles_up_to_a_minute_and_starts_over_after_closing(clock: FakeClock) -> None:
    """5, 10, 20, 40, 60, 60 seconds while probes fail; 5 again once it was closed."""
    breaker, seen = opened(clock), list[float]()
    for _ in range(6):
        pause = breaker.snapshot().retry_after or 0
        seen.append(pause)
        jump(clock, pause)
        breaker.record(breaker.admit(), FAIL)
    assert seen == pytest.approx([5, 10, 20, 40, 60, 60])
    jump(clock, 60)
    run(breaker, [OK] * 3)
    assert breaker.state is CircuitState.CLOSED
    run(breaker, [FAIL] * 5)
    assert breaker.snapshot().retry_after == pytest.approx(5)


@pytest.mark.parametrize(("draw", "expected"), [(0.0, 2.5), (0.5, 5.0), (1.0, 7.5)])
def test_jitter_spreads_the_open_time_by_half(clock: FakeClock, draw: float, expected: float) -> None:
    """Replicas that tripped together probe at different times."""
    assert opened(clock, BreakerRule(), draw).snapshot().retry_after == pytest.approx(expected)


def test_jitter_never_exceeds_the_longest_open_time(clock: FakeClock) -> None:
    """max_open bounds the drawn time too."""
    assert opened(clock, BreakerRule(open=60), 1.0).snapshot().retry_after == pytest.approx(60)


def half_opened(clock: FakeClock) -> Breaker:
    """A breaker whose next call is a probe."""
    breaker = opened(clock)
    jump(clock, 5)
    return breaker


def test_half_open_lets_three_probes_pass_at_a_time(clock: FakeClock) -> None:
    """The fourth is rejected until one of them ends."""
    breaker = half_opened(clock)
    permits = [breaker.admit() for _ in range(3)]
    assert breaker.state is CircuitState.HALF_OPEN
    with pytest.raises(CircuitOpen):
        breaker.admit()
    breaker.record(permits[0], SKIP)
    breaker.admit()


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        pytest.param([OK, OK], CircuitState.HALF_OPEN, id="two successes are too few"),
        pytest.param([OK, OK, OK], CircuitState.CLOSED, id="three successes close"),
        pytest.param([OK, OK, FAIL], CircuitState.OPEN, id="one failure reopens"),
        pytest.param([FAIL], CircuitState.OPEN, id="the first failure reopens"),
        pytest.param([OK, SKIP, OK, SKIP], CircuitState.HALF_OPEN, id="what is ignored proves nothing"),
        pytest.param([OK, SKIP, OK, OK], CircuitState.CLOSED, id="what is ignored spoils nothing"),
    ],
)
def test_how_half_open_ends(clock: FakeClock, outcomes: list[CallOutcome], expected: CircuitState) -> None:
    """Three successes close, one failure reopens, ignored outcomes only give their permit back."""
    breaker = half_opened(clock)
    run(breaker, outcomes)
    assert breaker.state is expected


def test_permits_expire_with_their_attempt(clock: FakeClock) -> None:
    """A probe that never reports gives its permit back when it cannot be under way any more, and counts nothing when it comes late."""
    breaker = half_opened(clock)
    lost = [breaker.admit(2.0) for _ in range(3)]
    jump(clock, 2)
    permit = breaker.admit()
    for late in lost:
        breaker.record(late, FAIL)
    assert breaker.state is CircuitState.HALF_OPEN
    breaker.record(permit, FAIL)
    assert breaker.state is CircuitState.OPEN


@pytest.mark.parametrize("late", [OK, FAIL])
def test_a_lapsed_permit_counts_nothing_even_if_nobody_took_its_place(clock: FakeClock, late: CallOutcome) -> None:
    """Its time is over, whether or not another call has asked since."""
    breaker = half_opened(clock)
    lost = [breaker.admit(2.0) for _ in range(3)]
    jump(clock, 2)
    for permit in lost:
        breaker.record(permit, late)
    assert breaker.state is CircuitState.HALF_OPEN


@pytest.mark.parametrize("late", [OK, FAIL])
def test_results_of_an_earlier_generation_are_dropped(clock: FakeClock, late: CallOutcome) -> None:
    """Calls that began before the breaker opened neither close nor reopen it."""
    breaker = make(clock)
    early = [breaker.admit() for _ in range(10)]
    run(breaker, [FAIL] * 5)
    jump(clock, 5)
    breaker.admit()
    for permit in early:
        breaker.record(permit, late)
    assert breaker.state is CircuitState.HALF_OPEN


def test_a_permit_counts_once(clock: FakeClock) -> None:
    """Reporting one probe three times does not close the breaker."""
    breaker = half_opened(clock)
    permit = breaker.admit()
    for _ in range(3):
        breaker.record(permit, OK)
    assert breaker.state is CircuitState.HALF_OPEN


def test_reset_closes_and_forgets(clock: FakeClock) -> None:
    """After a reset the breaker is as new, and results of calls under way are dropped."""
    breaker = make(clock)
    early = [breaker.admit() for _ in range(5)]
    run(breaker, [FAIL] * 5)
    assert breaker.reset()
    for permit in early:
        breaker.record(permit, FAIL)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.failures, snapshot.calls, snapshot.opened) == (CircuitState.CLOSED, 0, 0, None)
    assert not breaker.reset()


def test_a_snapshot_tells_what_happened(clock: FakeClock) -> None:
    """State, failures, calls and since when: kept while it is open, however long."""
    breaker = opened(clock)
    at = clock.now()
    jump(clock, 4)
    snapshot = breaker.snapshot()
    assert (snapshot.id, snapshot.target, snapshot.state, snapshot.failures, snapshot.calls) == ("b", "t", CircuitState.OPEN, 5, 5)
    assert snapshot.opened == at
    assert snapshot.retry_after == pytest.approx(1)


def test_listeners_hear_of_every_change(clock: FakeClock) -> None:
    """Pybreaker's listener surface reports open, half open, closed."""
    heard: list[str] = []

    class Listener(pybreaker.CircuitBreakerListener):
        def state_change(self, cb: pybreaker.CircuitBreaker, old_state: object, new_state: pybreaker.CircuitBreakerState) -> None:
            heard.append(f"{cb.name}: {new_state.name}")

    registry = BreakerRegistry(clock=clock)
    breaker = registry.get(id="b", target="t", rule=RULE)
    registry.add_listener(Listener())
    run(breaker, [FAIL] * 5)
    jump(clock, 60)
    run(breaker, [OK] * 3)
    assert heard == ["b: open", "b: half-open", "b: closed"]


def test_a_listener_that_comes_late_hears_what_changes_from_then_on(clock: FakeClock) -> None:
    """It is told nothing of the past, and each change with the state that was before it."""
    heard: list[tuple[str, str]] = []

    class Listener(pybreaker.CircuitBreakerListener):
        def state_change(
            self, cb: pybreaker.CircuitBreaker, old_state: pybreaker.CircuitBreakerState | None, new_state: pybreaker.CircuitBreakerState
        ) -> None:
            heard.append((old_state.name if old_state else "", new_state.name))

    breaker = opened(clock)
    breaker.add_listener(Listener())
    assert heard == []
    jump(clock, 60)
    run(breaker, [OK] * 3)
    assert heard == [("open", "half-open"), ("half-open", "closed")]


def test_the_registry_gives_one_breaker_per_id_and_resets_by_target(clock: FakeClock) -> None:
    """Two methods of one target are closed together; other targets stay open."""
    registry = BreakerRegistry(clock=clock)
    breakers = [registry.get(id=name, target=name[0], rule=RULE) for name in ("a1", "a2", "b1")]
    assert registry.get(id="a1", target="a") is breakers[0]
    for breaker in breakers:
        run(breaker, [FAIL] * 5)
    assert registry.open_targets() == {"a", "b"}
    assert registry.reset("a") == ["a1", "a2"]
    assert [snapshot.state for snapshot in registry.snapshot()] == [CircuitState.CLOSED, CircuitState.CLOSED, CircuitState.OPEN]
    assert registry.reset() == ["b1"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("window", 0),
        ("minimum_calls", 0),
        ("failure_percent", 0),
        ("failure_percent", 101),
        ("slow_percent", -1),
        ("consecutive_failures", 0),
        ("half_open_permits", 0),
        ("open", 0),
        ("max_open", 1),
        ("jitter", 1),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(field: str, value: float) -> None:
    """The message names the field."""
    values: dict[str, float] = {field: value}
    with pytest.raises(ValueError, match=field):
        BreakerRule(**values)  # pyright: ignore[reportArgumentType] - the point is that the value is wrong


class Refused(Exception): ...


class Broken(Exception): ...


class Busy(Exception): ...


@pytest.mark.parametrize(("error", "failures"), [(Broken, 1), (Refused, 0), (Busy, 0)])
async def test_a_guarded_block_is_classified(clock: FakeClock, error: type[Exception], failures: int) -> None:
    """A guard counts what its classification names, and lets the exception pass."""
    breaker = make(clock)
    with pytest.raises(error):
        async with breaker.guard(failing_on(Broken, ignoring=(Busy,))):
            raise error
    assert breaker.snapshot().failures == failures
    assert breaker.snapshot().calls == (0 if error is Busy else 1)


async def test_a_guard_rejects_when_open_and_measures_slowness(clock: FakeClock) -> None:
    """The block of an open breaker does not run; blocks over 80 % of their time are slow."""
    breaker = make(clock)
    for number in range(20):
        async with breaker.guard(failing_on(Broken), timeout=0.1):
            jump(clock, 0.08 if number < 4 else 0.081)
    assert breaker.state is CircuitState.OPEN
    with pytest.raises(CircuitOpen):
        async with breaker.guard(failing_on(Broken)):
            pytest.fail("an open breaker ran its block")


@pytest.mark.parametrize("outcomes", [[FAIL] * 50, alternating(50, 1)])
def test_a_breaker_that_is_kept_closed_never_trips(clock: FakeClock, outcomes: list[CallOutcome]) -> None:
    """An operator knows better, until the reset."""
    breaker = make(clock)
    breaker.force(CircuitState.CLOSED)
    run(breaker, outcomes)
    assert (breaker.state, breaker.snapshot().forced) == (CircuitState.CLOSED, True)
    assert breaker.reset()
    run(breaker, [FAIL] * 5)
    assert breaker.state is CircuitState.OPEN


def test_a_breaker_that_is_kept_open_never_probes(clock: FakeClock) -> None:
    """Neither time nor a connection that is back lets a call pass, and nobody is told when to come again."""
    breaker = make(clock)
    breaker.force(CircuitState.OPEN)
    jump(clock, 10_000)
    breaker.probe_now()
    with pytest.raises(CircuitOpen) as rejected:
        breaker.admit()
    assert rejected.value.retry_after is None
    assert breaker.snapshot().retry_after is None
    assert breaker.reset()
    assert breaker.admit()


def test_half_open_cannot_be_kept(clock: FakeClock) -> None:
    """It is a moment, no state to stay in."""
    with pytest.raises(ValueError, match="half open"):
        make(clock).force(CircuitState.HALF_OPEN)


def test_a_hastened_breaker_probes_at_once_and_waits_as_at_first_when_it_fails(clock: FakeClock) -> None:
    """A connection that is back is a reason to try, and none to give up the pause."""
    breaker = opened(clock)
    breaker.probe_now()
    breaker.record(breaker.admit(), FAIL)
    assert breaker.state is CircuitState.OPEN
    assert breaker.snapshot().retry_after == RULE.open


@pytest.mark.parametrize(("target", "identity"), [("t", ""), ("", "t/a"), ("", "")])
def test_an_order_holds_for_breakers_made_later(clock: FakeClock, target: str, identity: str) -> None:
    """A process makes its breakers with its first calls; a reset takes the order back."""
    breakers = BreakerRegistry(clock=clock)
    assert breakers.force(CircuitState.OPEN, target=target, id=identity) == []
    assert breakers.get(id="t/a", target="t").state is CircuitState.OPEN
    assert breakers.get(id="u/b", target="u").state is (CircuitState.CLOSED if target or identity else CircuitState.OPEN)
    breakers.reset(target, id=identity)
    assert breakers.open_targets() == set()
    assert breakers.get(id="t/c", target="t").state is CircuitState.CLOSED
