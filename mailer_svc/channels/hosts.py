"""What is known of the hosts and addresses that a provider sends to, where users choose them: one that fails must cost no other."""

from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager

from tocsin.clock import Clock
from tocsin.mesh.breaker import Breaker, BreakerRule
from tocsin.wake import Wake

_MOST = 2000
_PROMPT_SECONDS = 1.0
_MEETING_SECONDS = 0.25


class Pauses:
    """Who asked to be left alone, and until when; of many, those that asked last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()

    def add(self, key: str, seconds: float) -> None:
        """Leaves ``key`` alone for so long."""
        self._until[key] = max(self._until.pop(key, 0.0), self._clock.monotonic() + seconds)
        while len(self._until) > _MOST:
            self._until.popitem(last=False)

    def left(self, key: str) -> float:
        """Seconds for which ``key`` is still to be left alone; 0: it need not be."""
        if not self._until or (until := self._until.get(key)) is None:
            return 0.0
        left = until - self._clock.monotonic()
        if left <= 0:
            del self._until[key]
        return max(0.0, left)


class HostState:
    """A host: its circuit, and how many messages are with it."""

    def __init__(self, *, breaker: Breaker, clock: Clock) -> None:
        self.breaker = breaker
        self.running = 0
        self._clock = clock
        self._met = clock.monotonic()
        self._answered = float("-inf")
        self._heard = Wake(clock)

    def answered(self) -> None:
        """It did, just now."""
        if self._answered < self._met:
            self._heard.set()
        self._answered = self._clock.monotonic()

    async def answers(self) -> bool:
        """Whether it answered within the last second: one that does gives back what it takes. One that is new is waited for, a moment."""
        now = self._clock.monotonic()
        if self._answered < self._met and now < self._met + _MEETING_SECONDS:
            await self._heard.wait(self._met + _MEETING_SECONDS - now)
            now = self._clock.monotonic()
        return now - self._answered < _PROMPT_SECONDS

    @contextmanager
    def counted(self) -> Generator[None]:
        """Counts one message as long as it is with the host."""
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


class Hosts:
    """The hosts that messages went to last, by name and port. Their names never come out: they are part of addresses."""

    def __init__(self, *, provider: str, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._states: OrderedDict[str, HostState] = OrderedDict()

    def of(self, host: str) -> HostState:
        """What is known of a host."""
        state = self._states.get(host)
        if state is None:
            breaker = Breaker(id=self._provider, target=self._provider, rule=BreakerRule(), clock=self._clock)
            state = self._states[host] = HostState(breaker=breaker, clock=self._clock)
        self._states.move_to_end(host)
        while len(self._states) > _MOST:
            self._states.popitem(last=False)
        return state
