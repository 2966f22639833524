"""Identity, addresses, subjects, and what follows from an attempt."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer_svc.domain import (
    Content,
    DeliveryState,
    Priority,
    PriorityLimits,
    RetrySchedule,
    SendJob,
    SendOutcome,
    SendResult,
    checked_subject,
    checked_traceparent,
    delivery_id,
    next_step,
)

RULE = RetrySchedule(max_deferrals=3, initial=4.0, longest=90.0, expiry=1000.0)
texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)


def job(attempts: int = 0, deferrals: int = 0, *, resend: bool = False) -> SendJob:
    """A claimed delivery, accepted at zero."""
    return SendJob(
        id="d",
        epoch=1,
        tenant="t",
        priority=Priority.NORMAL,
        to="a@b.c",
        content=Content("s"),
        message_id="<d@x>",
        attempts=attempts,
        deferrals=deferrals,
        created=0,
        since=0,
        resend=resend,
        traceparent="",
    )


@pytest.mark.parametrize(
    ("given_job", "result", "seconds", "state", "attempts", "deferrals", "wait"),
    [
        (job(), SendResult.SENT, 1, DeliveryState.SENT, 1, 0, None),
        (job(4, 2), SendResult.SENT, 1, DeliveryState.SENT, 5, 2, None),
        (job(), SendResult.REFUSED, 1, DeliveryState.DEAD, 1, 0, None),
        (job(), SendResult.DEFERRED, 1, DeliveryState.RETRYING, 1, 1, 4.0),
        (job(1, 1), SendResult.DEFERRED, 1, DeliveryState.RETRYING, 2, 2, 8.0),
        (job(2, 2), SendResult.DEFERRED, 1, DeliveryState.DEAD, 3, 3, None),
        (job(9, 0), SendResult.DEFERRED, 1, DeliveryState.RETRYING, 10, 1, 4.0),
        (job(2, 0), SendResult.LOST, 1, DeliveryState.RETRYING, 3, 0, 16.0),
        (job(9, 2), SendResult.LOST, 1, DeliveryState.RETRYING, 10, 2, 90.0),
        (job(9, 2), SendResult.PROVIDER_DOWN, 1, DeliveryState.RETRYING, 10, 2, 60.0),
        (job(99, 2), SendResult.PROVIDER_DOWN, 999, DeliveryState.RETRYING, 100, 2, 60.0),
        (job(99, 2), SendResult.PROVIDER_DOWN, 1000, DeliveryState.DEAD, 100, 2, None),
        (job(), SendResult.UNKNOWN, 1, DeliveryState.OUTCOME_UNKNOWN, 1, 0, None),
        (job(resend=True), SendResult.UNKNOWN, 1, DeliveryState.RETRYING, 1, 0, 4.0),
        (job(), SendResult.NOT_TRIED, 1, DeliveryState.ACCEPTED, 0, 0, 0.0),
        (job(1, 1), SendResult.NOT_TRIED, 1, DeliveryState.RETRYING, 1, 1, 0.0),
    ],
)
def test_what_follows_from_an_attempt(
    given_job: SendJob, result: SendResult, seconds: int, state: DeliveryState, attempts: int, deferrals: int, wait: float | None
) -> None:
    """A provider that is away costs no life, a deferral does, time ends everything, and an unknown outcome obeys the resend policy."""
    step = next_step(given_job, SendOutcome(result, 1, "words"), rule=RULE, now=seconds * 1_000_000, draw=lambda: 1.0)
    assert (step.state, step.attempts, step.deferrals, step.wait) == (state, attempts, deferrals, wait)


@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0], ids=["critical", "normal", "bulk"])
def test_by_default_a_mail_that_is_put_off_lives_for_days(factor: float) -> None:
    """RFC 5321, 4.5.4.1: a greylisted mail is tried again soon, then every half hour or so, and is dead after four days at the earliest."""
    rule, now, waits, mail = RetrySchedule().times(factor), 0.0, list[float](), job()
    while (
        step := next_step(mail, SendOutcome(SendResult.DEFERRED, 450), rule=rule, now=round(now * 1e6), draw=lambda: 1.0)
    ).wait is not None:
        waits.append(step.wait)
        now += step.wait
        mail = replace(mail, attempts=step.attempts, deferrals=step.deferrals)
    assert step.state is DeliveryState.DEAD
    assert now >= 4 * 86400
    assert waits[0] <= 300
    assert max(waits) <= 7200
    assert waits == sorted(waits)


@given(st.integers(1, 1000), st.floats(0, 1))
def test_waits_grow_within_their_bounds(attempts: int, draw: float) -> None:
    """At least half of the bound, never more than the longest."""
    wait = RULE.wait(attempts, lambda: draw)
    assert RULE.initial / 2 <= wait <= RULE.longest


@given(texts, texts, st.sampled_from(["", "email", "inbox"]), texts)
def test_the_id_derives_from_what_the_delivery_is(tenant: str, firing: str, channel: str, address: str) -> None:
    """The same for the same, whatever the case of the address; another for another part."""
    base = delivery_id(tenant=tenant, origin=firing, channel=channel, address=address)
    assert base == delivery_id(tenant=tenant, origin=firing, channel=channel, address=address.upper())
    assert base != delivery_id(tenant=tenant + "x", origin=firing, channel=channel, address=address)
    assert base != delivery_id(tenant=tenant, origin=firing + "x", channel=channel, address=address)
    assert base != delivery_id(tenant=tenant, origin=firing, channel=channel + "x", address=address)
    assert base != delivery_id(tenant=tenant, origin=firing, channel=channel, address=address + "x")
    assert len(base) <= 64


@given(st.text(st.characters(exclude_categories=("Cc", "Zl", "Zp", "Cs")), max_size=50))
def test_a_single_line_is_a_subject(subject: str) -> None:
    """Nothing else is demanded of it."""
    assert checked_subject(subject) == subject


@pytest.mark.parametrize(("value", "kept"), [("00-" + "a" * 32 + "-" + "b" * 16 + "-01", True), ("", False), ("x\r\ny", False)])
def test_a_broken_traceparent_is_dropped(value: str, kept: bool) -> None:
    """It is no reason to withhold a message."""
    assert checked_traceparent(value) == (value if kept else "")


@pytest.mark.parametrize(("capacity", "bulk", "normal"), [(1, 1, 1), (2, 1, 2), (4, 3, 4), (16, 12, 14), (100, 75, 88)])
def test_connections_are_kept_for_the_more_urgent(capacity: int, bulk: int, normal: int) -> None:
    """Bulk takes three quarters at most, bulk and normal seven eighths; critical takes what is left and, alone, everything."""
    for priority, most in ((Priority.BULK, bulk), (Priority.NORMAL, normal), (Priority.CRITICAL, capacity)):
        limits = PriorityLimits(capacity)
        while limits.admits(priority):
            limits.running[priority] += 1
        assert limits.running[priority] == most
    limits = PriorityLimits(16)
    limits.running[Priority.BULK] = 12
    limits.running[Priority.NORMAL] = 2
    assert not limits.admits(Priority.NORMAL)
    assert limits.admits(Priority.CRITICAL)
