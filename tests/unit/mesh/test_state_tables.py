"""The rules of breakers, retries and hedging as tables: every state with every event, every code with every condition.

`WORDS` goes through what resilience4j, Failsafe, Envoy and gRFC A6 let one say, and names for each word the test that holds the mesh to it,
or the reason why the mesh has no such word.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import grpc
import pytest

from tocsin import errors
from tocsin.mesh.breaker import Breaker, BreakerRule, CallOutcome, CircuitState
from tocsin.mesh.client.hedge import Hedger
from tocsin.mesh.retry import RetryBudget, RetryRule
from tocsin.mesh.rpc_metrics import Durations
from tocsin.mesh.status import code_of
from tocsin.testing.clock import FakeClock

ROOT: Final = Path(__file__).resolve().parents[3]
OK, FAIL, SKIP = CallOutcome.SUCCESS, CallOutcome.FAILURE, CallOutcome.IGNORED
CLOSED, HALF, OPEN = CircuitState.CLOSED, CircuitState.HALF_OPEN, CircuitState.OPEN


def later(clock: FakeClock, seconds: float) -> None:
    """Lets time pass."""
    clock.set(clock.now() + timedelta(seconds=seconds))


def attempt(breaker: Breaker, *outcomes: CallOutcome, slow: bool = False) -> None:
    """One attempt after the other, until one is refused."""
    for outcome in outcomes:
        try:
            permit = breaker.admit()
        except errors.CircuitOpen:
            return
        breaker.record(permit, outcome, slow=slow)


def accepted(breaker: Breaker) -> None:
    """A stream that is accepted, if it is let pass."""
    if breaker.admits:
        breaker.stream_accepted(breaker.admit())


def in_state(state: str, clock: FakeClock) -> Breaker:
    """A breaker in a state; a row of the table."""
    breaker = Breaker(id="b", target="t", rule=BreakerRule(jitter=0.0), clock=clock)
    if state in ("open", "due", "half open"):
        attempt(breaker, *[FAIL] * 5)
    if state in ("due", "half open"):
        later(clock, 5)
    if state == "half open":
        breaker.admit()
    if state.startswith("forced"):
        breaker.force(OPEN if state == "forced open" else CLOSED)
    return breaker


Event = Callable[[Breaker, FakeClock], object]
STATES: Final = ("closed", "open", "due", "half open", "forced open", "forced closed")
BREAKERS: Final[dict[str, tuple[Event, tuple[CircuitState, ...]]]] = {
    "a success": (lambda b, _: attempt(b, OK), (CLOSED, OPEN, HALF, HALF, OPEN, CLOSED)),
    "a failure": (lambda b, _: attempt(b, FAIL), (CLOSED, OPEN, OPEN, OPEN, OPEN, CLOSED)),
    "what says nothing": (lambda b, _: attempt(b, SKIP), (CLOSED, OPEN, HALF, HALF, OPEN, CLOSED)),
    "a slow success": (lambda b, _: attempt(b, OK, slow=True), (CLOSED, OPEN, OPEN, OPEN, OPEN, CLOSED)),
    "five failures": (lambda b, _: attempt(b, *[FAIL] * 5), (OPEN, OPEN, OPEN, OPEN, OPEN, CLOSED)),
    "three successes": (lambda b, _: attempt(b, OK, OK, OK), (CLOSED, OPEN, CLOSED, CLOSED, OPEN, CLOSED)),
    "two successes and a failure": (lambda b, _: attempt(b, OK, OK, FAIL), (CLOSED, OPEN, OPEN, OPEN, OPEN, CLOSED)),
    "a stream that is accepted": (lambda b, _: accepted(b), (CLOSED, OPEN, CLOSED, CLOSED, OPEN, CLOSED)),
    "a reset": (lambda b, _: b.reset(), (CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED)),
    "an order to stay open": (lambda b, _: b.force(OPEN), (OPEN, OPEN, OPEN, OPEN, OPEN, OPEN)),
    "an order to stay closed": (lambda b, _: b.force(CLOSED), (CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED)),
    "a far end that is back": (lambda b, _: (b.probe_now(), attempt(b, OK)), (CLOSED, HALF, HALF, HALF, OPEN, CLOSED)),
    "a minute": (lambda _, clock: later(clock, 60), (CLOSED, OPEN, OPEN, HALF, OPEN, CLOSED)),
    "a minute and a success": (lambda b, clock: (later(clock, 60), attempt(b, OK)), (CLOSED, HALF, HALF, HALF, OPEN, CLOSED)),
}
"""By event, the state after it for each of `STATES`."""


@pytest.mark.parametrize("event", BREAKERS)
def test_every_state_of_a_breaker_with_every_event(event: str, clock: FakeClock) -> None:
    """One line of the table."""
    happens, wanted = BREAKERS[event]
    found: list[CircuitState] = []
    for state in STATES:
        breaker = in_state(state, clock)
        happens(breaker, clock)
        found.append(breaker.state)
    assert dict(zip(STATES, found, strict=True)) == dict(zip(STATES, wanted, strict=True))


ERRORS: Final[dict[grpc.StatusCode, errors.TocsinError]] = {
    code_of(error): error
    for error in (
        *(errors.Cancelled(), errors.UnknownFailure(), errors.InvalidInput(), errors.DeadlineExceeded(), errors.NotFound()),
        *(errors.AlreadyExists(), errors.PermissionDenied(), errors.ResourceExhausted(retry_after=1), errors.FailedPrecondition()),
        *(errors.Aborted(), errors.OutOfRange(), errors.Unimplemented(), errors.Internal(), errors.Unavailable(), errors.DataLoss()),
        errors.Unauthenticated(),
    )
}
NAMED: Final = {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL", "UNKNOWN", "DATA_LOSS", "DEADLINE_EXCEEDED"}
"""Codes that a contract may name."""


def test_every_code_with_every_condition() -> None:
    """What a contract names is tried again, and nothing else; other codes cannot be named."""
    assert ERRORS.keys() == {*grpc.StatusCode} - {grpc.StatusCode.OK}
    for condition in (code.name for code in ERRORS):
        if condition not in NAMED:
            with pytest.raises(ValueError, match=f"{condition} cannot be retried"):
                RetryRule(codes=frozenset({condition}))
            continue
        rule = RetryRule(codes=frozenset({condition}))
        assert {code.name for code, error in ERRORS.items() if rule.heals(error)} == {condition}


@pytest.mark.parametrize(
    ("events", "tokens", "allowed"),
    [
        ("", 10.0, True),
        ("s" * 50, 10.0, True),
        ("f" * 4, 6.0, True),
        ("f" * 5, 5.0, False),
        ("f" * 5 + "s", 5.1, True),
        ("f" * 5 + "s" * 10, 6.0, True),
        ("f" * 11, 0.0, False),
        ("f" * 11 + "s" * 50, 5.0, False),
        ("f" * 11 + "s" * 52, 5.2, True),
        ("fs" * 5, 5.5, True),
    ],
)
def test_the_throttling_of_retries(events: str, tokens: float, allowed: bool) -> None:
    """Ten tokens, a tenth for a success: between nothing and all, and retries above half of them alone (A6)."""
    budget = RetryBudget(capacity=10, ratio=0.1)
    for event in events:
        if event == "f":
            budget.failed()
        else:
            budget.succeeded()
    assert budget.tokens == pytest.approx(tokens)
    if tokens != 5.0 or "s" not in events:  # tenths do not add up to a half exactly
        assert budget.allows() is allowed


@pytest.mark.parametrize(
    ("first", "second", "made", "end"),
    [
        ("answers", "", 1, "first"),
        ("fails", "", 1, "first"),
        ("waits", "answers", 2, "second"),
        ("answers with it", "fails", 2, "first"),
        ("answers after", "fails", 2, "first"),
        ("fails after", "fails", 2, "first"),
        ("waits", "breaks", 2, "broken"),
    ],
)
async def test_hedging(first: str, second: str, made: int, end: str) -> None:
    """The first answer counts; of two failures the later one; what is no failure of a call at once."""
    over = asyncio.Event()
    begun = 0

    async def one() -> str:
        nonlocal begun
        begun += 1
        name, way = ("first", first) if begun == 1 else ("second", second)
        if way.endswith(("with it", "after")):
            await over.wait()
        for _ in range(10 * way.endswith("after")):
            await asyncio.sleep(0)
        if way == "waits":
            await asyncio.Event().wait()
        if name == "second":
            over.set()
        if way == "breaks":
            raise ValueError("broken")
        if way.startswith("fails"):
            raise errors.Unavailable(name)
        return name

    hedger = Hedger(delay=0.001, durations=Durations("t", "m"), budget=RetryBudget(), on_hedge=lambda: None)
    try:
        ended = await hedger.run(one)
    except (errors.Unavailable, ValueError) as error:
        ended = str(error)
    assert (ended, begun) == (end, made)


RULES, ORDERS, STREAMS = (f"tests/unit/mesh/test_breaker_{name}.py::test_" for name in ("rules", "orders", "streams"))
RETRY, HEDGE, HERE = (f"tests/unit/mesh/test_{name}.py::test_" for name in ("retry", "hedge", "state_tables"))
CONDITIONS, HEDGING, UNSENT, RESILIENCE = (
    f"tests/integration/mesh/test_{name}.py::test_" for name in ("retry_conditions", "hedging", "unsent", "resilience")
)
HTTP: Final = "It is of HTTP's status; a far end that speaks gRPC has a code, and what has none gets one by gRPC's own table."
WORDS: Final = {
    "resilience4j": {
        "failureRateThreshold": f"{RULES}when_it_trips",
        "minimumNumberOfCalls": f"{RULES}when_it_trips",
        "slowCallRateThreshold": f"{RULES}the_share_of_slow_calls_is_reached_not_exceeded",
        "slowCallDurationThreshold": f"{RULES}a_guard_rejects_when_open_and_measures_slowness",
        "slidingWindowType TIME_BASED": f"{RULES}calls_leave_the_window_after_ten_seconds",
        "slidingWindowType COUNT_BASED": "A window of calls holds the outage of last night against a service that is asked once an hour.",
        "waitDurationInOpenState": f"{RULES}open_rejects_at_once_and_says_until_when",
        "waitIntervalFunctionInOpenState": f"{RULES}the_open_time_doubles_up_to_a_minute_and_starts_over_after_closing",
        "permittedNumberOfCallsInHalfOpenState": f"{RULES}half_open_lets_three_probes_pass_at_a_time",
        "maxWaitDurationInHalfOpenState": f"{RULES}permits_expire_with_their_attempt",
        "automaticTransitionFromOpenToHalfOpenEnabled": f"{RESILIENCE}an_open_circuit_closes_as_soon_as_the_service_is_back",
        "recordExceptions, ignoreExceptions": f"{RULES}a_guarded_block_is_classified",
        "recordResultPredicate": "An answer is a success, whatever it says: what failed has a code.",
        "METRICS_ONLY": f"{ORDERS}one_that_observes_opens_and_closes_and_refuses_nothing",
        "DISABLED": f"{RULES}a_breaker_that_is_kept_closed_never_trips",
        "FORCED_OPEN": f"{RULES}a_breaker_that_is_kept_open_never_probes",
        "reset": f"{RULES}reset_closes_and_forgets",
        "event publisher": f"{RULES}listeners_hear_of_every_change",
        "every state with every event": f"{HERE}every_state_of_a_breaker_with_every_event",
    },
    "Failsafe": {
        "failure threshold in a row": f"{RULES}when_it_trips",
        "failure threshold, k of n": "The share in a time says it, and does not hold old calls against a service that is seldom asked.",
        "failure rate in a time": f"{RULES}when_it_trips",
        "success threshold": f"{RULES}how_half_open_ends",
        "success threshold, k of n": "A failed probe opens again at once: a far end that fails one of three is not well.",
        "delay": f"{RULES}the_open_time_doubles_up_to_a_minute_and_starts_over_after_closing",
        "delay by result": "A server that knows when to come back says so by pushback, which retries obey.",
        "jitter": f"{RULES}jitter_spreads_the_open_time_by_half",
        "onOpen, onHalfOpen, onClose": f"{RULES}listeners_hear_of_every_change",
        "a stream as a probe": f"{STREAMS}one_accepted_stream_closes_a_half_open_breaker",
    },
    "Envoy": {
        "retry_on: unavailable, internal, resource-exhausted": f"{HERE}every_code_with_every_condition",
        "retry_on: cancelled": f"{HERE}every_code_with_every_condition",
        "retry_on: deadline-exceeded": f"{RETRY}an_attempt_that_was_cut_short_is_tried_again",
        "retry_on: connect-failure, reset-before-request": f"{UNSENT}"
        "a_call_that_is_never_tried_again_goes_to_another_replica_when_it_was_not_sent",
        "retry_on: reset": f"{RESILIENCE}an_idempotent_call_is_tried_again",
        "retry_on: refused-stream": "gRPC tries such a stream again by itself (its transparent retries), which the mesh leaves on.",
        "retry_on: 5xx, gateway-error, retriable-4xx, retriable-status-codes": HTTP,
        "retry_on: envoy-ratelimited": "What was refused for its rate is tried again when the server says so: RESOURCE_EXHAUSTED.",
        "retry_on: retriable-headers": "A server forbids or delays a retry by pushback, the header that gRPC has for it.",
        "retry_on: http3-post-connect-failure": "gRPC speaks HTTP/2, and nothing else.",
        "num_retries": f"{RETRY}the_first_attempt_counts",
        "per_try_timeout": f"{CONDITIONS}an_attempt_never_outlives_the_call",
        "retry_back_off": f"{RETRY}a_rule_that_makes_no_sense_is_refused",
        "rate_limited_retry_back_off": f"{RETRY}the_servers_wish_is_waited_for",
        "retry_budget": f"{HERE}the_throttling_of_retries",
        "previous_hosts": f"{RESILIENCE}calls_go_round_the_replicas",
        "hedge_on_per_try_timeout": f"{HEDGING}a_slow_attempt_gets_a_second_beside_it",
    },
    "gRFC A6": {
        "maxAttempts": f"{RETRY}the_first_attempt_counts",
        "initialBackoff, maxBackoff": f"{RETRY}a_rule_that_makes_no_sense_is_refused",
        "backoffMultiplier": "It is 2: tenacity's, whose waits are drawn from nothing up to the bound.",
        "retryableStatusCodes": f"{CONDITIONS}what_the_contract_names_is_tried_again",
        "pushback with a time": f"{RETRY}the_servers_wish_is_waited_for",
        "pushback that forbids": f"{RETRY}only_an_unreachable_far_end_is_tried_again",
        "maxTokens, tokenRatio": f"{HERE}the_throttling_of_retries",
        "a deadline for all attempts": f"{RESILIENCE}retries_stay_inside_the_deadline",
        "committed by the first message": f"{RESILIENCE}a_stream_is_tried_again_until_its_first_message",
        "grpc-previous-rpc-attempts": "Attempts are numbered on their spans; a server does not treat a later one otherwise.",
        "buffers of what is sent": "A single request is at hand, and a stream of requests is not tried again once it was sent.",
        "hedgingDelay": f"{HEDGE}the_second_attempt_comes_after_the_usual_time",
        "hedging: maxAttempts": "Two: a third would triple the load on a service that is slow already.",
        "hedging: nonFatalStatusCodes": f"{HEDGING}an_answer_that_refuses_is_an_answer_when_it_is_the_last",
        "hedging: throttling": f"{HEDGE}no_second_attempt_without_knowledge_or_budget",
        "hedging: pushback": "A first attempt that has failed gets none beside it, and there is no third that could be held back.",
        "hedging: which answer counts": f"{HERE}hedging",
    },
}


def unanswered(words: dict[str, dict[str, str]]) -> list[str]:
    """Words whose test does not exist, and which have no reason either."""
    found: list[str] = []
    for system, rows in words.items():
        for word, answer in rows.items():
            file, test, name = answer.partition("::")
            told = f"def {name}(" in (ROOT / file).read_text("utf-8") if test else answer.endswith(".") and len(answer.split()) > 3
            found += [] if told else [f"{system}: {word}"]
    return found


def test_every_word_of_others_has_a_test_or_a_reason() -> None:
    """A test that is renamed or removed is missed here."""
    assert unanswered(WORDS) == []


def test_a_word_without_either_is_found() -> None:
    """The test above can fail."""
    rows = {"a": f"{RULES}no_such_test", "b": "", "c": f"{RULES}when_it_trips", "d": "It would not do any good."}
    assert unanswered({"x": rows}) == ["x: a", "x: b"]
