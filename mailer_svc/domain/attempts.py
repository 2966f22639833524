"""What follows from an attempt, and how many may run."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

from mailer_svc.domain.checks import printable
from mailer_svc.domain.model import DeliveryState, SendJob
from tocsin.priority import Priority


class SendResult(Enum):
    """How an attempt ended.

    ``PROVIDER_DOWN``: the provider could not be used at all, which says nothing about the message. ``LOST``: the connection broke before
    the message was handed over. ``DEFERRED``: this message was not taken now. ``REFUSED``: it never will be. ``GONE``: it never will be,
    nor will another message to this address. ``OPTED_OUT``: it never will be, for the owner of the address told the provider that they want
    nothing of us. ``MISCONFIGURED``: the provider refuses us, whatever the message; an operator is needed.
    ``UNKNOWN``: it was handed over and no answer came. ``NOT_TRIED``: nothing was attempted.
    """

    SENT = "sent"
    PROVIDER_DOWN = "provider_down"
    LOST = "lost"
    DEFERRED = "deferred"
    REFUSED = "refused"
    GONE = "gone"
    OPTED_OUT = "opted_out"
    MISCONFIGURED = "misconfigured"
    UNKNOWN = "unknown"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """The result of an attempt.

    Attributes:
        result: how it ended.
        code: the provider's; 0: none.
        detail: the provider's words, or ours.
        retry_after: seconds that the provider asks to wait before another attempt; None: it does not say.
        reference: the provider's name for the message, by which what it tells later is found.
        new_address: the address that the provider says to use instead; another attempt goes there.
    """

    result: SendResult
    code: int = 0
    detail: str = ""
    retry_after: float | None = None
    reference: str = ""
    new_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What an attempt makes of a delivery. ``wait`` is the number of seconds to the next attempt; None: there is none."""

    state: DeliveryState
    attempts: int
    deferrals: int
    wait: float | None
    code: int = 0
    detail: str = ""
    reference: str = ""
    new_address: str = ""


_AWAY_INITIAL = 5.0
_AWAY_LONGEST = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """When and how often a message is tried again, after RFC 5321, 4.5.4.1: for days, soon at first and then every half hour or so.

    A provider that does not work says nothing of the message: it is tried again within a minute, and the breaker bounds how many are. A
    connection that broke is tried again soon, and then like what was put off.

    Attributes:
        initial: upper bound of the first wait of a message that was put off, in seconds; doubles with every attempt.
        longest: upper bound of every wait, in seconds.
        expiry: seconds after its acceptance, or after somebody asked for it again, a message that still waits is dead.
        max_deferrals: a message that was put off so often is dead; 0: only time ends it.
    """

    initial: float = 60.0
    longest: float = 1800.0
    expiry: float = 5 * 86400.0
    max_deferrals: int = 0

    def times(self, factor: float) -> "RetrySchedule":
        """The same with waits that are ``factor`` times as long."""
        return replace(self, initial=self.initial * factor, longest=self.longest * factor)

    def expired(self, job: SendJob, *, now: int) -> bool:
        """Whether a message that still waits at ``now`` (microseconds) has waited too long."""
        return (now - job.since) / 1e6 >= self.expiry

    def wait(self, attempts: int, draw: Callable[[], float], *, result: SendResult = SendResult.DEFERRED) -> float:
        """Seconds to wait after ``attempts`` attempts that ended with ``result``: exponential, the upper half at random."""
        away = result in (SendResult.PROVIDER_DOWN, SendResult.MISCONFIGURED)
        initial = min(self.initial, _AWAY_INITIAL) if away or result is SendResult.LOST else self.initial
        longest = min(self.longest, _AWAY_LONGEST) if away else self.longest
        bound = min(initial * 2.0 ** min(attempts - 1, 32), longest)
        return bound * (0.5 + 0.5 * draw())


_FINAL = {
    SendResult.SENT: DeliveryState.SENT,
    SendResult.REFUSED: DeliveryState.DEAD,
    SendResult.GONE: DeliveryState.DEAD,
    SendResult.OPTED_OUT: DeliveryState.DEAD,
}


def next_step(job: SendJob, outcome: SendOutcome, *, rule: RetrySchedule, now: int, draw: Callable[[], float]) -> NextStep:
    """What follows from the ``outcome`` of an attempt at ``job`` that ended at ``now`` (microseconds)."""
    result = outcome.result
    attempts = job.attempts + (result is not SendResult.NOT_TRIED)
    deferrals = job.deferrals + (result is SendResult.DEFERRED)
    if result is SendResult.NOT_TRIED and not rule.expired(job, now=now):
        state = DeliveryState.RETRYING if job.attempts else DeliveryState.ACCEPTED
        return NextStep(state=state, attempts=job.attempts, deferrals=job.deferrals, wait=0.0, code=outcome.code, detail=outcome.detail)
    final = _FINAL.get(result)
    detail = outcome.detail
    if result is SendResult.UNKNOWN and not job.resend:
        final = DeliveryState.OUTCOME_UNKNOWN
    elif final is None and rule.max_deferrals and deferrals >= rule.max_deferrals:
        final, detail = DeliveryState.DEAD, f"gave up after {attempts} attempts: {detail}"
    elif final is None and rule.expired(job, now=now):
        final, detail = DeliveryState.DEAD, f"expired after {attempts} attempts: {detail}"
    elif final is None and result is SendResult.UNKNOWN:
        detail = f"outcome unknown, sent again as its resend policy says: {detail}"
    return NextStep(
        state=final or DeliveryState.RETRYING,
        attempts=attempts,
        deferrals=deferrals,
        wait=None if final else _wait(outcome, deferrals if result is SendResult.DEFERRED else attempts, rule, draw),
        code=outcome.code,
        detail=printable(detail),
        reference=outcome.reference,
        new_address=outcome.new_address,
    )


def _wait(outcome: SendOutcome, attempts: int, rule: RetrySchedule, draw: Callable[[], float]) -> float:
    """Seconds to the next attempt: as the provider asks, but neither sooner than by the schedule nor longer than its longest wait."""
    if outcome.new_address:
        return 0.0
    own = rule.wait(attempts, draw, result=outcome.result)
    return own if outcome.retry_after is None else min(max(own, outcome.retry_after), max(rule.longest, own))


@dataclass(slots=True)
class PriorityLimits:
    """How many messages of each priority may be with a provider at once, so that the less urgent cannot take every connection."""

    capacity: int
    running: dict[Priority, int] = field(default_factory=lambda: dict.fromkeys(Priority, 0))

    def admits(self, priority: Priority) -> bool:
        """Whether one more may start: a quarter of the connections, one at least, is kept from bulk, an eighth from normal."""
        everything = not_more_urgent = 0
        for other, count in self.running.items():
            everything += count
            if other >= priority:
                not_more_urgent += count
        if everything >= self.capacity:
            return False
        if priority is Priority.CRITICAL:
            return True
        reserved = max(1, self.capacity // 4) if priority is Priority.BULK else self.capacity // 8
        return not_more_urgent < max(1, self.capacity - reserved)
