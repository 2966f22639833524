"""Who calls: a token that is verified on the spot, or an API key that auth_svc turns into one."""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from gateway.ports import KeyExchange
from gateway.transcoding.problems import CredentialMissing
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import DeadlineExceeded, Unauthenticated, Unavailable
from tocsin.mesh.tokens import LEEWAY, Principal, TokenRefused, TokenVerifier

KEY_PREFIX = "tk_"
_LONGEST_KEY = 256


class MalformedAuthorization(Unauthenticated):
    """The Authorization header must be "Bearer" and a token or an API key."""


class KeyRefused(Unauthenticated):
    """The API key is not valid or has been revoked."""


@dataclass(slots=True)
class _CachedKey:
    """What is known of one API key; ``principal`` is None for one that was refused."""

    principal: Principal | None
    asked: float
    answered: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCacheRule:
    """How long answers about API keys hold.

    Attributes:
        fresh_seconds: a key is asked about again after this; a revoked key works no longer.
        stale_seconds: how long a known key works while auth_svc cannot be asked.
        refused_seconds: how long a refusal holds.
        retry_seconds: pause between two questions about one key while auth_svc cannot be asked.
        capacity: most keys remembered.
    """

    fresh_seconds: float
    stale_seconds: float
    refused_seconds: float
    retry_seconds: float
    capacity: int


class Authenticator:
    """Finds the principal of an Authorization header."""

    def __init__(self, *, verifier: TokenVerifier, keys: KeyExchange, clock: Clock, rule: KeyCacheRule) -> None:
        """Makes the authenticator.

        Args:
            verifier: verifies tokens.
            keys: exchanges API keys.
            clock: source of time.
            rule: how long answers about API keys hold.
        """
        self._verifier = verifier
        self._keys = keys
        self._clock = clock
        self._background = Background(clock)
        self._rule = rule
        self._known: OrderedDict[bytes, _CachedKey] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Principal]] = {}

    def known(self, authorization: bytes) -> Principal | None:
        """The principal of a header that was found good a moment ago, without asking anybody."""
        scheme, _, credential = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not credential.isascii():
            return None
        text = credential.decode("ascii").strip()
        if not text.startswith(KEY_PREFIX):
            return self._verifier.known(text)
        entry = self._known.get(_digest(text))
        if entry is None or entry.principal is None or not self._fresh(entry, self._clock.monotonic()):
            return None
        return self._verifier.known(entry.principal.token)

    async def authenticate(self, authorization: bytes | None) -> Principal:
        """The principal that a header speaks for.

        Raises:
            Unauthenticated: it is missing or malformed, or the credential is not valid.
            Unavailable: it cannot be verified now.
        """
        if authorization is None:
            raise CredentialMissing
        scheme, _, credential = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not credential.isascii():
            raise MalformedAuthorization
        text = credential.decode("ascii").strip()
        if not text:
            raise MalformedAuthorization
        if not text.startswith(KEY_PREFIX):
            return await self._verifier.verify(text)
        if len(text) > _LONGEST_KEY:
            raise KeyRefused
        return await self._of_key(text)

    def good_for(self, authorization: bytes, principal: Principal) -> float:
        """Seconds after which the credential that gave ``principal`` is to be asked about again; at least one."""
        secret = authorization.partition(b" ")[2].strip().decode("ascii", "replace")
        if not secret.startswith(KEY_PREFIX):
            return max(1.0, (principal.expires + LEEWAY - self._clock.now()).total_seconds())
        entry = self._known.get(_digest(secret))
        return max(1.0, 0.0 if entry is None else entry.answered + self._rule.fresh_seconds - self._clock.monotonic())

    async def _of_key(self, secret: str) -> Principal:
        # Secrets are not kept: their digest is enough to know them again.
        digest = _digest(secret)
        entry = self._known.get(digest)
        now = self._clock.monotonic()
        if entry is not None:
            self._known.move_to_end(digest)
            if entry.principal is None:
                if now - entry.answered < self._rule.refused_seconds:
                    raise KeyRefused
            elif self._fresh(entry, now):
                # Its token's signing key may have been withdrawn meanwhile; the API key is good all the same.
                with contextlib.suppress(TokenRefused):
                    return await self._verifier.verify(entry.principal.token)
            elif now - entry.asked < self._rule.retry_seconds and (stale := self._stale(entry, now)) is not None:
                return stale
        try:
            return await asyncio.shield(self._ask(digest, secret))
        except (Unavailable, DeadlineExceeded):
            if entry is not None and (stale := self._stale(entry, self._clock.monotonic())) is not None:
                entry.asked = self._clock.monotonic()
                return stale
            raise

    def _fresh(self, entry: _CachedKey, now: float) -> bool:
        """Whether the answer for a key that was good need not be asked for again."""
        return entry.principal is not None and now - entry.answered < self._rule.fresh_seconds and self._alive(entry.principal)

    def _alive(self, principal: Principal) -> bool:
        return principal.expires > self._clock.now()

    def _stale(self, entry: _CachedKey, now: float) -> Principal | None:
        """The principal of a key that was valid not long ago."""
        if entry.principal is None or now - entry.answered >= self._rule.stale_seconds or not self._alive(entry.principal):
            return None
        return entry.principal

    def _ask(self, digest: bytes, secret: str) -> "asyncio.Task[Principal]":
        """The question that is under way, or a new one; it outlives the request that asked first."""
        task = self._asking.get(digest)
        if task is None:
            task = self._background.once("key-exchange", partial(self._exchange, digest, secret))
            self._asking[digest] = task
            task.add_done_callback(lambda done: self._answered(digest, done))
        return task

    def _answered(self, digest: bytes, task: "asyncio.Task[Principal]") -> None:
        self._asking.pop(digest, None)
        if not task.cancelled():
            task.exception()  # Every waiter has it; nobody may be left to ask.

    async def _exchange(self, digest: bytes, secret: str) -> Principal:
        try:
            token = await self._keys.exchange(secret)
        except Unauthenticated as error:
            self._remember(digest, None)
            raise KeyRefused from error
        # The key is good. A token that we cannot accept, as that of a clock which is ahead of ours, says nothing of the key.
        principal = await self._verifier.verify(token)
        self._remember(digest, principal)
        return principal

    def _remember(self, digest: bytes, principal: Principal | None) -> None:
        now = self._clock.monotonic()
        self._known[digest] = _CachedKey(principal=principal, asked=now, answered=now)
        self._known.move_to_end(digest)
        while len(self._known) > self._rule.capacity:
            self._known.popitem(last=False)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
