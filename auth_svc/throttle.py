"""Slows down whoever guesses passwords, without keeping anybody out who has been here before (pure)."""

from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from auth_svc.domain import TooManyAttempts
from tocsin.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleRule:
    """After ``free`` failures, each new attempt waits twice as long, from one second to ``longest``; ``window`` without any forgets.

    Times are seconds; ``capacity`` is the number of keys remembered.
    """

    free: int = 5
    longest: float = 30.0
    window: float = 900.0
    capacity: int = 10_000


class GuessBound(Enum):
    """Why an attempt has to wait: for what one client tried on one account, what it tried in all, or what all tried on the account."""

    PAIR = "pair"
    CLIENT = "client"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guesser:
    """Who tries to sign in.

    Attributes:
        place: where from; see `tocsin.client_network`.
        device: digest of a token that an earlier sign-in to this account left; empty without one.
        known: whether this device, or somebody at this place, has signed in to this account before.
    """

    place: str
    device: str = ""
    known: bool = False


@dataclass(slots=True)
class _Record:
    failures: int
    last: float


class _FailureCounts:
    """Failures by key, under one rule."""

    def __init__(self, *, clock: Clock, rule: ThrottleRule) -> None:
        self._clock = clock
        self._rule = rule
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def wait(self, key: str) -> float:
        """Seconds until the next attempt may be made."""
        record = self._living(key)
        return 0.0 if record is None else self._delay(record.failures) - (self._clock.monotonic() - record.last)

    def add(self, key: str) -> None:
        """One more failure."""
        record = self._living(key) or _Record(failures=0, last=0.0)
        record.failures += 1
        record.last = self._clock.monotonic()
        self._records[key] = record
        self._records.move_to_end(key)
        while len(self._records) > self._rule.capacity:
            self._records.popitem(last=False)

    def take_back(self, key: str) -> None:
        """One failure fewer."""
        record = self._records.get(key)
        if record is not None:
            record.failures -= 1
            if record.failures <= 0:
                del self._records[key]

    def forget(self, key: str) -> None:
        """No failures."""
        self._records.pop(key, None)

    def _living(self, key: str) -> _Record | None:
        record = self._records.get(key)
        return None if record is None or self._clock.monotonic() - record.last >= self._rule.window else record

    def _delay(self, failures: int) -> float:
        beyond = failures - self._rule.free
        return 0.0 if beyond < 0 else min(self._rule.longest, 2.0 ** min(beyond, 30))


@dataclass(slots=True)
class Guess:
    """One that is being judged; it counts as wrong until ``right`` is set."""

    right: bool = False


class LoginThrottle:
    """Counts failed sign-ins, in the memory of this replica: of an account by one client, of a client, and of an account by all.

    A client is a device that has signed in to the account before, or else everybody at one address. What others guess does not count
    against it, and what all of them guess together does not slow down who has signed in to the account before ("device cookies", OWASP):
    whoever guesses from elsewhere can neither get far nor keep the owner out. The waits are bounded, so that nobody is locked out for good.
    It takes any name, so that it tells nobody which accounts exist. Where more keys than ``capacity`` fail, those that failed longest ago
    are forgotten.
    """

    def __init__(self, *, clock: Clock, pair: ThrottleRule, client: ThrottleRule, account: ThrottleRule) -> None:
        """Makes it.

        Args:
            clock: source of time.
            pair: for an account and a client together.
            client: for all that one address tries; devices that are known do not count.
            account: for all that is tried on one account.
        """
        self._pairs = _FailureCounts(clock=clock, rule=pair)
        self._clients = _FailureCounts(clock=clock, rule=client)
        self._accounts = _FailureCounts(clock=clock, rule=account)

    @property
    def sizes(self) -> Sequence[int]:
        """How many keys of each kind are remembered."""
        return (len(self._pairs), len(self._clients), len(self._accounts))

    @contextmanager
    def guess(self, account: str, guesser: Guesser, *, delayed: Callable[[str], None]) -> Generator[Guess]:
        """What judges a guess stands in this block, and says if it is right. An error in the block excuses it: it was not judged.

        Args:
            account: that is guessed at.
            guesser: who guesses.
            delayed: is told the bound of a guess that has to wait, before the error is raised.

        Raises:
            TooManyAttempts: on enter: it has to wait.
        """
        try:
            self.attempt(account, guesser)
        except TooManyAttempts as error:
            delayed(error.metadata["bound"])
            raise
        made = Guess()
        try:
            yield made
        except BaseException:
            self.excused(account, guesser)
            raise
        if made.right:
            self.succeeded(account, guesser)

    def attempt(self, account: str, guesser: Guesser) -> None:
        """Counts an attempt as failed until `succeeded` or `excused` says otherwise, so that attempts at the same time count as well.

        Raises:
            TooManyAttempts: it has to wait; ``retry_after`` says how long, ``bound`` why. Such an attempt does not count.
        """
        waits = {GuessBound.PAIR: self._pairs.wait(_pair(account, guesser))}
        if not guesser.device:
            waits[GuessBound.CLIENT] = self._clients.wait(guesser.place)
        if not guesser.known:
            waits[GuessBound.ACCOUNT] = self._accounts.wait(account)
        bound, wait = max(waits.items(), key=lambda item: item[1])
        if wait > 0:
            raise TooManyAttempts(retry_after=wait, metadata={"bound": bound.value})
        for counts, key in self._keys(account, guesser):
            counts.add(key)

    def succeeded(self, account: str, guesser: Guesser) -> None:
        """The password was right: this client starts anew; what others have failed stays."""
        self.excused(account, guesser)
        self._pairs.forget(_pair(account, guesser))

    def excused(self, account: str, guesser: Guesser) -> None:
        """The attempt was not judged."""
        for counts, key in self._keys(account, guesser):
            counts.take_back(key)

    def _keys(self, account: str, guesser: Guesser) -> Sequence[tuple[_FailureCounts, str]]:
        keys = [(self._pairs, _pair(account, guesser)), (self._accounts, account)]
        return keys if guesser.device else [*keys, (self._clients, guesser.place)]


def _pair(account: str, guesser: Guesser) -> str:
    return f"{account}\0{guesser.device or guesser.place}"


class RequestBudget:
    """How many requests of a kind each client may make in a window of time; in the memory of this replica (pure)."""

    def __init__(self, *, clock: Clock, most: int, window: float, capacity: int = 10_000) -> None:
        """Allows ``most`` requests of a client within ``window`` seconds, and remembers ``capacity`` clients."""
        self._clock = clock
        self._most = most
        self._window = window
        self._capacity = capacity
        self._made: OrderedDict[str, list[float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Counts a request; 0 if it may be made, otherwise the seconds until the next one may."""
        now = self._clock.monotonic()
        made = [time for time in self._made.pop(client, []) if now - time < self._window]
        self._made[client] = made
        while len(self._made) > self._capacity:
            self._made.popitem(last=False)
        if len(made) >= self._most:
            return self._window - (now - made[0])
        made.append(now)
        return 0.0
