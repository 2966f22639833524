"""Deliveries: how a firing's work comes to an end. Pure."""

import random
from dataclasses import dataclass
from typing import NamedTuple

from scheduler_svc.domain.alarms import (
    Action,
    RetryPolicy,
)
from scheduler_svc.domain.firings import MAX_ERROR, MAX_REASON, Firing, FiringState
from tocsin.recurrence import Micros


@dataclass(slots=True, kw_only=True)
class QueuedFiring:
    """A firing that waits for a processor, or is with one. Mutable: it is the memory of its deliveries.

    Attributes:
        ready: when the next attempt may begin.
        retry: its retry policy, as stored.
        lost: deliveries that ended without a result since the last attempt that counts.
        strange: how often in a row no processor knew its kind of action.
        token: fencing token of the newest delivery; 0 before the first.
        flags: `SERIAL` and `COUNTED`.
        context: a serialised structure, what it is about beside its alarm; empty without one.
        found: it was read from the ledger; whoever put it there may still offer it.
    """

    id: str
    tenant: str
    alarm: str
    shard: int
    due: Micros
    ready: Micros
    priority: int
    action: Action
    retry: str = ""
    traceparent: str = ""
    attempts: int = 0
    lost: int = 0
    strange: int = 0
    token: int = 0
    origin: int = 0
    flags: int = 0
    context: bytes = b""
    found: bool = False

    @classmethod
    def of(cls, firing: Firing) -> "QueuedFiring":
        """A stored firing, on its way."""
        return cls(
            id=firing.id,
            tenant=firing.tenant,
            alarm=firing.alarm,
            shard=firing.shard,
            due=firing.due,
            ready=firing.ready or 0,
            priority=int(firing.priority),
            action=firing.action,
            retry=firing.retry,
            traceparent=firing.traceparent,
            attempts=firing.attempts,
            origin=int(firing.origin),
            flags=firing.flags,
            context=firing.context,
        )


class Lease(NamedTuple):
    """One delivery of a firing."""

    firing: str
    token: int


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The work is done; ``output`` is a serialised answer."""

    output: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The work failed. ``retry_after`` is the wait before the next attempt; None leaves it to the policy."""

    reason: str
    message: str
    retryable: bool = True
    retry_after: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The work could not be done now; costs no attempt.

    Attributes:
        message: why; empty when there is nothing to tell.
        wait: before it is handed out again, in microseconds.
    """

    message: str = ""
    wait: Micros = 0


End = Succeeded | Failed | Released


class Report(NamedTuple):
    """How one delivery ended."""

    lease: Lease
    end: End


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """A delivery without success, as the ledger keeps it: PENDING or RETRYING with the next attempt's time, or DEAD without.

    ``failure`` is the reason of the failed attempt; empty when it was given back.
    """

    firing: str
    state: FiringState
    attempts: int
    ready: Micros | None
    reason: str
    error: str
    failure: str = ""

    @classmethod
    def after(cls, queued: QueuedFiring, end: Failed | Released, *, now: Micros, draw: random.Random) -> "FailedAttempt":
        """What a delivery of ``queued`` without success leads to: a failed attempt counts, by its retry policy; one given back does not."""
        if isinstance(end, Failed):
            return cls._after_failure(queued, end, now=now, draw=draw)
        state = FiringState.RETRYING if end.wait else FiringState.PENDING
        error = end.message.replace("\0", "")[:MAX_ERROR]
        return cls(firing=queued.id, state=state, attempts=queued.attempts, ready=now + end.wait, reason="", error=error)

    @classmethod
    def _after_failure(cls, queued: QueuedFiring, failure: Failed, *, now: Micros, draw: random.Random) -> "FailedAttempt":
        policy = RetryPolicy.decode(queued.retry)
        attempts = queued.attempts + 1
        error = f"{failure.reason}: {failure.message}".replace("\0", "")[:MAX_ERROR]
        if not failure.retryable or attempts >= policy.attempts:
            return cls(
                firing=queued.id,
                state=FiringState.DEAD,
                attempts=attempts,
                ready=None,
                reason=failure.reason[:MAX_REASON],
                error=error,
                failure=failure.reason,
            )
        wait = policy.wait(attempts, draw) if failure.retry_after is None else failure.retry_after
        return cls(
            firing=queued.id,
            state=FiringState.RETRYING,
            attempts=attempts,
            ready=now + wait,
            reason="",
            error=error,
            failure=failure.reason,
        )
