import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from scheduler_svc.domain import (
    MAX_ERROR,
    ON_TIME,
    PLAIN_FIELDS,
    SPEC_FIELDS,
    Action,
    Failed,
    FailedAttempt,
    FiringState,
    Outcome,
    QueuedFiring,
    Released,
    RetryPolicy,
    fired_outcome,
    firing_id,
    new_id,
    requested_firing_id,
    shard_of,
)
from tocsin.recurrence import END_OF_TIME

SECOND = 1_000_000
NOW = 10**15


def _queued(*, attempts: int = 0, retry: str = "") -> QueuedFiring:
    return QueuedFiring(
        id="f", tenant="t", alarm="a", shard=0, due=0, ready=0, priority=2, action=Action("task", b""), retry=retry, attempts=attempts
    )


def test_plain_fields_come_last() -> None:
    """They are passed on by their places, behind the fields that are converted."""
    assert SPEC_FIELDS[-len(PLAIN_FIELDS) :] == tuple(PLAIN_FIELDS)


@given(st.text(max_size=30), st.integers(0, END_OF_TIME))
def test_an_occurrence_has_the_id_of_its_alarm_and_due_time(alarm: str, due: int) -> None:
    """Whoever computes it, whenever; it is a ULID whose time is the due time, so ids sort as their due times do."""
    identity = firing_id(alarm, due)
    assert firing_id(alarm, due) == identity
    assert ULID.from_str(identity).milliseconds == due // 1000
    assert identity not in (firing_id(alarm, due + 1), firing_id(alarm + "x", due))


def test_a_request_has_one_firing_id() -> None:
    """It depends on the tenant, the alarm and the request, and on nothing else."""
    identity = requested_firing_id("t", "a", "r")
    others = {requested_firing_id(*parts) for parts in (("u", "a", "r"), ("t", "b", "r"), ("t", "a", "s"))}
    assert requested_firing_id("t", "a", "r") == identity
    assert identity not in others
    assert len(ULID.from_str(identity).bytes) == 16


@given(st.text(max_size=40))
def test_a_shard_is_one_of_256(identity: str) -> None:
    """And always the same."""
    assert 0 <= shard_of(identity) < 256
    assert shard_of(identity) == shard_of(identity)


def test_shards_are_even() -> None:
    """Ids born together spread over all shards."""
    counts = [0] * 256
    for number in range(25_600):
        counts[shard_of(new_id(NOW + number))] += 1
    assert min(counts) > 50
    assert max(counts) < 160


@pytest.mark.parametrize(
    ("now", "expected"), [(0, (Outcome.FIRED, "")), (ON_TIME, (Outcome.FIRED, "")), (ON_TIME + 1, (Outcome.LATE, "LET_GO_LATE"))]
)
def test_more_than_a_second_is_late(now: int, expected: tuple[Outcome, str]) -> None:
    """The boundary counts as on time."""
    assert fired_outcome(due=0, now=now) == expected


@given(
    st.builds(
        RetryPolicy,
        max_attempts=st.integers(0, 100),
        initial_backoff=st.none() | st.integers(0, 86_400 * SECOND),
        max_backoff=st.none() | st.integers(0, 86_400 * SECOND),
    ),
    st.integers(1, 200),
)
def test_a_retry_policy_is_stored_exactly_and_waits_within_its_bounds(policy: RetryPolicy, attempts: int) -> None:
    """Encoding is the identity; a wait is between half and all of the doubled, capped backoff."""
    assert RetryPolicy.decode(policy.encode()) == policy
    first = SECOND if policy.initial_backoff is None else policy.initial_backoff
    longest = 300 * SECOND if policy.max_backoff is None else policy.max_backoff
    full = min(first * 2 ** (attempts - 1), longest)
    assert full // 2 <= policy.wait(attempts, random.Random(attempts)) <= full


@pytest.mark.parametrize(
    ("queued", "end", "state", "attempts", "wait"),
    [
        (_queued(), Failed(reason="R", message="m", retry_after=5), FiringState.RETRYING, 1, 5),
        (_queued(attempts=3), Failed(reason="R", message="m", retry_after=0), FiringState.RETRYING, 4, 0),
        (_queued(attempts=4), Failed(reason="R", message="m", retry_after=5), FiringState.DEAD, 5, None),
        (_queued(), Failed(reason="R", message="m", retryable=False), FiringState.DEAD, 1, None),
        (_queued(retry="1//"), Failed(reason="R", message="m"), FiringState.DEAD, 1, None),
        (_queued(attempts=2), Released(message="away", wait=7), FiringState.RETRYING, 2, 7),
        (_queued(attempts=2), Released(message="away"), FiringState.PENDING, 2, 0),
    ],
)
def test_a_delivery_without_success_leads_on_or_ends(
    queued: QueuedFiring, end: Failed | Released, state: FiringState, attempts: int, wait: int | None
) -> None:
    """By the policy, by what the processor says, and never beyond the last attempt."""
    back = FailedAttempt.after(queued, end, now=NOW, draw=random.Random(1))
    assert (back.state, back.attempts) == (state, attempts)
    assert back.ready == (None if wait is None else NOW + wait)


def test_an_error_is_kept_within_bounds() -> None:
    """Long texts are cut, and U+0000, which PostgreSQL cannot hold, is left out."""
    back = FailedAttempt.after(_queued(), Failed(reason="R", message="\0" + "x" * 9999), now=NOW, draw=random.Random(1))
    assert len(back.error) == MAX_ERROR
    assert "\0" not in back.error
