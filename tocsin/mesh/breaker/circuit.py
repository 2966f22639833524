"""One circuit breaker."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tocsin.clock import Clock
from tocsin.errors import CircuitOpen
from tocsin.mesh.breaker.rule import BreakerRule, CallOutcome, CircuitState, Classify
from tocsin.mesh.breaker.window import Window

if TYPE_CHECKING:
    import pybreaker

_FOREVER = float("inf")
_UNCOUNTED = -1
_PROBE_PAUSE = 1.0
# A circuit that nobody has called for so long after it would have let a probe pass is idle: nobody knows whether the far end works.
_IDLE_SECONDS = 60.0
# Clocks count microseconds: who waits exactly as long as a rejection says must not be rejected again for a rounding error.
_RESOLUTION = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Permit:
    """The right to make one attempt. Its result counts only while the breaker is in the generation that gave it."""

    generation: int
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSnapshot:
    """What a breaker says about itself.

    Attributes:
        id: its identity in this process.
        target: what it guards.
        state: its state.
        failures: in the window, or in a row, whichever is more.
        calls: in the window.
        opened: since when it is open; None when closed.
        retry_after: seconds until a probe may pass; None unless open.
        forced: an order keeps it open or closed.
        idle: it is not closed only because nobody has called since it would let a probe pass. That is no fault.
        last_failure: when the last failure was recorded; None when there was none.
    """

    id: str
    target: str
    state: CircuitState
    failures: int
    calls: int
    opened: datetime | None
    retry_after: float | None
    forced: bool = False
    idle: bool = False
    last_failure: datetime | None = None


class Breaker:
    """Stops calls to something that fails, and probes it until it answers again.

    All methods are synchronous and belong to one event loop: between two of its awaits a task cannot be interrupted, so no lock is
    held while a call is under way.
    """

    __slots__ = (
        "_backoff",
        "_calls",
        "_clock",
        "_consecutive",
        "_draw",
        "_failures",
        "_forced",
        "_generation",
        "_last_failure",
        "_listeners",
        "_machine",
        "_opened",
        "_probes",
        "_rule",
        "_shared",
        "_state",
        "_successes",
        "_touched",
        "_until",
        "_window",
        "id",
        "target",
    )

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the contract's own word (CircuitBreaker.id)
        target: str,
        rule: BreakerRule,
        clock: Clock,
        listeners: "Callable[[Breaker], Sequence[pybreaker.CircuitBreakerListener]]" = lambda _: (),
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Makes a closed breaker.

        Args:
            id: identity, such as "mailer_svc/tocsin.api.mailer.v1.TemplateService/GetTemplate" or "database".
            target: what it guards; breakers are reset by target.
            rule: when it trips.
            clock: source of time.
            listeners: gives those who are told about each change of state; asked for at the first one.
            draw: source of the jitter; gives a number from 0 to 1.
        """
        self.id = id
        self.target = target
        self._rule = rule
        self._clock = clock
        self._draw = draw
        self._listeners = listeners
        self._machine: pybreaker.CircuitBreaker | None = None
        self._state = CircuitState.CLOSED
        self._window = Window(seconds=rule.window)
        self._generation = 0
        self._consecutive = 0
        self._forced = False
        self._touched = float("-inf")
        self._last_failure: datetime | None = None
        self._enter(CircuitState.CLOSED)

    @property
    def state(self) -> CircuitState:
        """The current state. An open breaker becomes half open when the next call asks, not by itself."""
        return self._state

    def adopt(self, rule: BreakerRule) -> None:
        """Keeps to ``rule`` from now on; the state stays, and a window of another length begins empty."""
        if rule.window != self._rule.window:
            self._window = Window(seconds=rule.window)
        self._rule = rule
        if self._state is CircuitState.CLOSED:
            self._backoff = rule.open

    @property
    def admits(self) -> bool:
        """Whether `admit` would give a permit now; asking changes nothing."""
        if self._state is CircuitState.CLOSED or (self._rule.observe_only and not self._forced):
            return True
        now = self._clock.monotonic()
        if self._state is CircuitState.OPEN:
            return self._until - now <= _RESOLUTION
        return sum(probe.expires > now for probe in self._probes) < self._rule.half_open_permits

    def add_listener(self, listener: "pybreaker.CircuitBreakerListener") -> None:
        """Tells ``listener`` about each later change of state."""
        self._listening().add_listener(listener)

    def _listening(self) -> "pybreaker.CircuitBreaker":
        """The machine of the listeners, in the present state, made when it is first needed.

        With pybreaker comes redis: a twentieth of a second of every start, for what a process that is well never needs.
        """
        if self._machine is None:
            from pybreaker import CircuitBreaker

            self._machine = CircuitBreaker(name=self.id)
            self._tell(self._machine)
            self._machine.add_listeners(*self._listeners(self))
        return self._machine

    def admit(self, lifetime: float = _FOREVER) -> Permit:
        """Gives the right to make one attempt, which must end with ``record``.

        Args:
            lifetime: seconds after which a probe's permit lapses, because an attempt cannot be under way any more.

        Raises:
            CircuitOpen: the attempt must not be made; ``retry_after`` says when a probe may pass.
        """
        if self._state is CircuitState.CLOSED:
            return self._shared
        now = self._touched = self._clock.monotonic()
        if self._state is CircuitState.OPEN:
            if self._until - now > _RESOLUTION:
                return self._refuse(self._until - now)
            self._forced = False  # an order for a time is over
            self._enter(CircuitState.HALF_OPEN)
        return self._probe(now, lifetime)

    def _probe(self, now: float, lifetime: float) -> Permit:
        self._probes = [probe for probe in self._probes if probe.expires > now]
        if len(self._probes) >= self._rule.half_open_permits:
            return self._refuse(_PROBE_PAUSE)
        permit = Permit(self._generation, now + lifetime)
        self._probes.append(permit)
        return permit

    def _refuse(self, retry_after: float) -> Permit:
        """Refuses an attempt, or lets it pass uncounted where the circuit only observes."""
        if self._rule.observe_only and not self._forced:
            return Permit(_UNCOUNTED, _FOREVER)
        after = None if retry_after == _FOREVER else retry_after
        raise CircuitOpen(f"The circuit to {self.target} is open.", retry_after=after, metadata={"target": self.target, "breaker": self.id})

    def record(self, permit: Permit, outcome: CallOutcome, *, slow: bool = False) -> None:
        """Tells how the attempt of ``permit`` ended. Results of an earlier generation, or of a lapsed permit, change nothing.

        Args:
            permit: what ``admit`` gave.
            outcome: what the attempt says about the far end.
            slow: it took more than 80 % of its declared timeout; a slow probe is a failed probe.
        """
        if outcome is CallOutcome.FAILURE:
            self._last_failure = self._clock.now()
        if permit.generation != self._generation:
            return
        if self._state is CircuitState.CLOSED:
            if outcome is not CallOutcome.IGNORED:
                self._count(failed=outcome is CallOutcome.FAILURE, slow=slow)
        else:
            self._probed(permit, CallOutcome.FAILURE if slow and outcome is CallOutcome.SUCCESS else outcome)

    def stream_accepted(self, permit: Permit) -> Permit:
        """Tells that a stream was accepted: its far end sent the initial metadata.

        One such proof closes a half-open breaker, for a stream may last for hours and be the only call. While the breaker is closed it
        counts nothing, so that a stream that ends at once in an error, again and again, opens it.

        Returns:
            The permit for the rest of the stream: a later failure counts in the generation that the proof began.
        """
        if permit.generation == self._generation and self._state is CircuitState.HALF_OPEN and permit in self._probes:
            self._enter(CircuitState.CLOSED)
            return self._shared
        return permit

    def _count(self, *, failed: bool, slow: bool) -> None:
        window = self._window
        window.add(self._clock.monotonic(), failed=failed, slow=slow)
        self._consecutive = self._consecutive + 1 if failed else 0
        if not (window.failures or window.slow):
            return
        rule = self._rule
        if self._forced:
            return
        full = window.calls >= rule.minimum_calls
        # Among many calls a short row means little: one bad replica of three fails five in a row soon, when many are under way.
        if self._consecutive >= (max(rule.minimum_calls, rule.consecutive_failures) if full else rule.consecutive_failures) or (
            full and (window.failures * 100 > rule.failure_percent * window.calls or window.slow * 100 >= rule.slow_percent * window.calls)
        ):
            self._failures = max(window.failures, self._consecutive)
            self._calls = window.calls
            self._enter(CircuitState.OPEN)

    def _probed(self, permit: Permit, outcome: CallOutcome) -> None:
        if permit not in self._probes or permit.expires <= self._clock.monotonic():
            return
        self._probes.remove(permit)
        if outcome is CallOutcome.FAILURE:
            self._failures += 1
            self._backoff = min(self._backoff * 2, self._rule.max_open)
            self._enter(CircuitState.OPEN)
        elif outcome is CallOutcome.SUCCESS:
            self._successes += 1
            if self._successes >= self._rule.half_open_permits:
                self._enter(CircuitState.CLOSED)

    def _enter(self, state: CircuitState) -> None:
        machine = self._listening() if state is not self._state else None
        self._state = state
        self._generation += 1
        self._shared = Permit(self._generation, _FOREVER)
        self._probes: list[Permit] = []
        self._successes = 0
        if state is CircuitState.CLOSED:
            self._until = 0.0
            self._opened: datetime | None = None
            self._backoff = self._rule.open
            self._failures = self._calls = self._consecutive = 0
            self._window.clear()
        elif state is CircuitState.OPEN:
            self._until = self._touched = self._clock.monotonic() + self._open_seconds()
            self._opened = self._opened or self._clock.now()
        if machine is not None:
            self._tell(machine)

    def _tell(self, machine: "pybreaker.CircuitBreaker") -> None:
        """Brings the machine of the listeners to the present state."""
        if self._state is CircuitState.CLOSED:
            machine.close()
        elif self._state is CircuitState.OPEN:
            machine.open()
        else:
            machine.half_open()

    def _open_seconds(self) -> float:
        spread = 1.0 + self._rule.jitter * (2.0 * self._draw() - 1.0)
        return min(self._backoff * spread, self._rule.max_open)

    def probe_now(self) -> None:
        """Lets the next call of an open breaker probe, for the far end seems to be back; a failure waits as at first.

        Until that call the breaker is idle, for what opened it is over.
        """
        if self._state is CircuitState.OPEN and not self._forced:
            self._until = self._clock.monotonic()
            self._touched = float("-inf")
            self._backoff = self._rule.open / 2  # a failed probe doubles it

    def reset(self) -> bool:
        """Closes the breaker and forgets what it counted; results of attempts under way are dropped.

        Returns:
            True if it was not closed before, or was kept so by an order.
        """
        changed, self._forced = self._forced or self._state is not CircuitState.CLOSED, False
        self._enter(CircuitState.CLOSED)
        return changed

    def force(self, state: CircuitState, *, seconds: float = _FOREVER) -> None:
        """Keeps the breaker open, or closed, whatever happens, until `reset`, or until the time of an open one is over: then it is probed.

        Args:
            state: OPEN or CLOSED.
            seconds: how long an open one is kept so.

        Raises:
            ValueError: half open cannot be kept.
        """
        if state is CircuitState.HALF_OPEN:
            raise ValueError("a breaker cannot be kept half open")
        self._forced = True
        self._enter(state)
        if state is CircuitState.OPEN:
            self._until = self._clock.monotonic() + seconds

    def guard(self, classify: Classify, *, timeout: float = _FOREVER) -> "GuardedBlock":
        """An asynchronous context that admits its block, or raises CircuitOpen, and records how the block ends.

        Args:
            classify: what an exception of the block means.
            timeout: seconds that the block is given by whoever runs it; more than 80 % of it counts as slow.
        """
        return GuardedBlock(self, classify, timeout)

    def snapshot(self) -> BreakerSnapshot:
        """What the breaker says about itself now."""
        now = self._clock.monotonic()
        failures, calls = self._failures, self._calls
        if self._state is CircuitState.CLOSED:
            self._window.advance(now)
            failures, calls = max(self._window.failures, self._consecutive), self._window.calls
        return BreakerSnapshot(
            id=self.id,
            target=self.target,
            state=self._state,
            failures=failures,
            calls=calls,
            opened=self._opened,
            retry_after=max(0.0, self._until - now) if self._state is CircuitState.OPEN and self._until != _FOREVER else None,
            forced=self._forced,
            idle=self._state is not CircuitState.CLOSED and not self._forced and self.admits and now - self._touched > _IDLE_SECONDS,
            last_failure=self._last_failure,
        )

    def now(self) -> float:
        """Seconds on the breaker's monotonic clock."""
        return self._clock.monotonic()


class GuardedBlock:
    """One guarded block; made by ``Breaker.guard``."""

    __slots__ = ("_breaker", "_classify", "_permit", "_started", "_timeout")

    def __init__(self, breaker: Breaker, classify: Classify, timeout: float) -> None:
        self._breaker = breaker
        self._classify = classify
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        self._permit = self._breaker.admit(self._timeout)
        self._started = self._breaker.now()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        outcome = CallOutcome.SUCCESS
        if error is not None:
            outcome = self._classify(error) if isinstance(error, Exception) else CallOutcome.IGNORED
        slow = self._breaker.now() - self._started > 0.8 * self._timeout
        self._breaker.record(self._permit, outcome, slow=slow)
