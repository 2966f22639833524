"""Secrets that auth_svc turns into short-lived tokens, API keys and those of browsers' sessions, and how long its answers hold."""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import DeadlineExceeded, Unauthenticated, Unavailable
from tocsin.mesh.tokens import Principal, TokenRefused, TokenVerifier

_MOST_ASKED: Final = 10
"""Questions about one secret for one request, if it changes while they are under way."""

SecretExchange: TypeAlias = Callable[[str, str, str], Awaitable[str]]
"""Turns a secret, the token that it was exchanged for before (or "") and the address of whoever showed it (or "") into an access token.

Unauthenticated if it is not good.
"""


@dataclass(slots=True)
class _KnownSecret:
    """What is known of one secret; ``principal`` is None for one that was refused."""

    principal: Principal | None
    asked: float
    answered: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCacheRule:
    """How long answers about secrets hold.

    Attributes:
        fresh_seconds: a secret is asked about again after this; a revoked one works no longer.
        stale_seconds: how long a known secret works while auth_svc cannot be asked.
        refused_seconds: how long a refusal holds.
        retry_seconds: pause between two questions about one secret while auth_svc cannot be asked.
        capacity: most secrets remembered.
    """

    fresh_seconds: float
    stale_seconds: float
    refused_seconds: float
    retry_seconds: float
    capacity: int


class SecretCache:
    """The principals of secrets of one kind."""

    def __init__(
        self, *, exchange: SecretExchange, refused: type[Unauthenticated], verifier: TokenVerifier, clock: Clock, rule: KeyCacheRule
    ) -> None:
        """Knows nothing yet.

        Args:
            exchange: asks auth_svc.
            refused: what is raised for a secret that is not good.
            verifier: verifies the tokens.
            clock: source of time.
            rule: how long answers hold.
        """
        self._exchange_secret = exchange
        self._refused = refused
        self._verifier = verifier
        self._clock = clock
        self._background = Background(clock)
        self._rule = rule
        self._known: OrderedDict[bytes, _KnownSecret] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Principal]] = {}
        # What ended during each question that is under way, whose answer may be of the time before.
        self._flights: list[list[Callable[[Principal], bool]]] = []

    def known(self, secret: str) -> Principal | None:
        """The principal of a secret that was found good a moment ago, without asking anybody."""
        entry = self._known.get(_digest(secret))
        if entry is None or entry.principal is None or not self._fresh(entry, self._clock.monotonic()):
            return None
        return self._verifier.known(entry.principal.token)

    def good_for(self, secret: str) -> float:
        """Seconds after which the secret is to be asked about again, since it may have ended by then; at least one."""
        entry = self._known.get(_digest(secret))
        if entry is None or entry.principal is None:
            return 1.0
        fresh = entry.answered + self._rule.fresh_seconds - self._clock.monotonic()
        return max(1.0, min(fresh, (entry.principal.expires - self._clock.now()).total_seconds()))

    def forget(self, secret: str) -> None:
        """Asks about ``secret`` anew the next time."""
        self._known.pop(_digest(secret), None)

    def forget_principals(self, ended: Callable[[Principal], bool]) -> None:
        """Asks anew about what gives a principal that has ``ended``, and does not take it while auth_svc cannot be asked."""
        for flight in self._flights:
            flight.append(ended)
        for digest in [digest for digest, known in self._known.items() if known.principal is not None and ended(known.principal)]:
            del self._known[digest]

    async def principal(self, secret: str, *, address: str = "") -> Principal:
        """Whom a secret speaks for, which somebody at ``address`` shows.

        Raises:
            Unauthenticated: it is not good; of the class that was given.
            Unavailable: it cannot be known now.
        """
        # Secrets are not kept: their digest is enough to know them again.
        digest = _digest(secret)
        entry = self._known.get(digest)
        now = self._clock.monotonic()
        if entry is not None:
            self._known.move_to_end(digest)
            if entry.principal is None:
                if now - entry.answered < self._rule.refused_seconds:
                    raise self._refused
            elif self._fresh(entry, now):
                # Its token's signing key may have been withdrawn meanwhile; the secret is good all the same.
                with contextlib.suppress(TokenRefused):
                    return await self._verifier.verify(entry.principal.token)
            elif now - entry.asked < self._rule.retry_seconds and (stale := self._stale(entry, now)) is not None:
                return stale
        try:
            return await asyncio.shield(self._ask(digest, secret, address))
        except (Unavailable, DeadlineExceeded):
            entry = self._known.get(digest)  # not what was known when the question began: it may have ended meanwhile
            if entry is not None and (stale := self._stale(entry, self._clock.monotonic())) is not None:
                entry.asked = self._clock.monotonic()
                return stale
            raise

    def _fresh(self, entry: _KnownSecret, now: float) -> bool:
        """Whether the answer for a secret that was good need not be asked for again."""
        return entry.principal is not None and now - entry.answered < self._rule.fresh_seconds and self._alive(entry.principal)

    def _alive(self, principal: Principal) -> bool:
        return principal.expires > self._clock.now()

    def _stale(self, entry: _KnownSecret, now: float) -> Principal | None:
        """The principal of a secret that was valid not long ago."""
        if entry.principal is None or now - entry.answered >= self._rule.stale_seconds or not self._alive(entry.principal):
            return None
        return entry.principal

    def _ask(self, digest: bytes, secret: str, address: str) -> "asyncio.Task[Principal]":
        """The question that is under way, or a new one; it outlives the request that asked first."""
        task = self._asking.get(digest)
        if task is None:
            task = self._background.once("key-exchange", partial(self._exchange, digest, secret, address))
            self._asking[digest] = task
            task.add_done_callback(lambda done: self._answered(digest, done))
        return task

    def _answered(self, digest: bytes, task: "asyncio.Task[Principal]") -> None:
        self._asking.pop(digest, None)
        if not task.cancelled():
            task.exception()  # Every waiter has it; nobody may be left to ask.

    async def _exchange(self, digest: bytes, secret: str, address: str) -> Principal:
        """Asks; and again if what the secret speaks for ended or changed meanwhile."""
        for _ in range(_MOST_ASKED):
            ended: list[Callable[[Principal], bool]] = []
            self._flights.append(ended)
            try:
                principal = await self._ask_once(digest, secret, address)
            finally:
                self._flights = [flight for flight in self._flights if flight is not ended]
            if not any(matches(principal) for matches in ended):
                self._remember(digest, principal)
                return principal
        raise Unavailable("What this credential may do is changing.", retry_after=1)

    async def _ask_once(self, digest: bytes, secret: str, address: str) -> Principal:
        entry = self._known.get(digest)
        held = entry.principal.token if entry is not None and entry.principal is not None else ""
        try:
            token = await self._exchange_secret(secret, held, address)
        except Unauthenticated as error:
            self._remember(digest, None)
            raise self._refused from error
        # The secret is good. A token that we cannot accept, as that of a clock which is ahead of ours, says nothing of the secret.
        return await self._verifier.verify(token)

    def _remember(self, digest: bytes, principal: Principal | None) -> None:
        now = self._clock.monotonic()
        self._known[digest] = _KnownSecret(principal=principal, asked=now, answered=now)
        self._known.move_to_end(digest)
        while len(self._known) > self._rule.capacity:
            self._known.popitem(last=False)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
