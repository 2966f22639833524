"""Who calls: a token that is verified on the spot, or an API key or the cookie of a browser, which auth_svc turns into one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.ports import KeyExchange, SessionExchange
from gateway.secret_cache import KeyCacheRule, SecretCache
from gateway.transcoding.problems import CredentialMissing
from tocsin.clock import Clock
from tocsin.errors import Unauthenticated
from tocsin.mesh.tokens import LEEWAY, Principal, TokenVerifier
from tocsin.telemetry import get_logger

KEY_PREFIX = "tk_"
_LONGEST_KEY = 256
_LONGEST_TOKEN: Final = timedelta(hours=1)
"""No access token lasts longer (TOCSIN_AUTH_ACCESS_TOKEN_SECONDS)."""
_MOST_ENDED: Final = 100_000
_SWEEP_SECONDS: Final = 10.0
SESSIONS: Final = "sessions/"
_log = get_logger(__name__)
_COOKIE: Final = b"\0cookie "
"""Begins the credential of a browser's session. No header may hold a NUL (RFC 9110, 5.5), so that no client can say it."""


class MalformedAuthorization(Unauthenticated):
    """The Authorization header must be "Bearer" and a token or an API key."""


class KeyRefused(Unauthenticated):
    """The API key is not valid or has been revoked."""


class SessionEnded(Unauthenticated):
    """The session of this browser has ended: sign in again."""


class TokenSessionEnded(Unauthenticated):
    """The session of this token has ended: sign in again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialBounds:
    """What a credential may do by now, whatever its tokens of before say.

    Attributes:
        scopes: at most; empty if nothing.
        until: when the last token of before ends.
    """

    scopes: frozenset[str]
    until: datetime


def cookie_credential(secret: str) -> bytes:
    """The secret of a browser's cookie, as what stands in the place of an Authorization header."""
    return _COOKIE + secret.encode()


class Authenticator:
    """Finds the principal of an Authorization header, or of what stands in its place."""

    def __init__(
        self,
        *,
        verifier: TokenVerifier,
        keys: KeyExchange,
        sessions: SessionExchange,
        clock: Clock,
        rule: KeyCacheRule,
        session_rule: KeyCacheRule,
    ) -> None:
        """Makes the authenticator.

        Args:
            verifier: verifies tokens.
            keys: exchanges API keys.
            sessions: exchanges the secrets of browsers' sessions.
            clock: source of time.
            rule: how long answers about API keys hold.
            session_rule: the same of browsers' sessions.
        """
        self._verifier = verifier
        self._clock = clock
        self._ended: dict[str, datetime] = {}
        self._changed: dict[str, CredentialBounds] = {}
        self._swept = clock.monotonic()

        async def exchange_key(secret: str, held: str, address: str) -> str:
            del held
            return await keys.exchange(secret, address)

        async def exchange_session(secret: str, held: str, address: str) -> str:
            del address
            return await sessions.exchange_session(secret, held)

        self._keys = SecretCache(exchange=exchange_key, refused=KeyRefused, verifier=verifier, clock=clock, rule=rule)
        self._sessions = SecretCache(exchange=exchange_session, refused=SessionEnded, verifier=verifier, clock=clock, rule=session_rule)

    def known(self, authorization: bytes) -> Principal | None:
        """The principal of a credential that was found good a moment ago, without asking anybody."""
        found = self._known(authorization)
        return None if found is None else self._now(found)

    def _now(self, principal: Principal) -> Principal | None:
        """The principal of a token, with what it may do by now; None if that is nothing."""
        name = principal.session or principal.subject
        if name in self._ended:
            return None
        bounds = self._changed.get(name)
        if bounds is None or principal.scopes <= bounds.scopes:
            return principal
        return replace(principal, scopes=principal.scopes & bounds.scopes) if bounds.scopes else None

    def _known(self, authorization: bytes) -> Principal | None:
        if authorization.startswith(_COOKIE):
            return self._sessions.known(_cookie(authorization))
        scheme, _, credential = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not credential.isascii():
            return None
        text = credential.decode("ascii").strip()
        return self._keys.known(text) if text.startswith(KEY_PREFIX) else self._verifier.known(text)

    async def authenticate(self, authorization: bytes | None, *, address: str = "") -> Principal:
        """The principal that a credential speaks for; ``address`` is of whoever showed it, for the record of a key's last use.

        Raises:
            Unauthenticated: it is missing or malformed, or not valid.
            Unavailable: it cannot be verified now.
        """
        if authorization is None:
            raise CredentialMissing
        if authorization.startswith(_COOKIE):
            return self._living(await self._sessions.principal(_cookie(authorization)), SessionEnded)
        scheme, _, credential = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not credential.isascii():
            raise MalformedAuthorization
        text = credential.decode("ascii").strip()
        if not text:
            raise MalformedAuthorization
        if not text.startswith(KEY_PREFIX):
            return self._living(await self._verifier.verify(text), TokenSessionEnded)
        if len(text) > _LONGEST_KEY:
            raise KeyRefused
        return self._living(await self._keys.principal(text, address=address), KeyRefused)

    def _living(self, principal: Principal, refused: type[Unauthenticated]) -> Principal:
        if (found := self._now(principal)) is None:
            raise refused
        return found

    def good_for(self, authorization: bytes, principal: Principal) -> float:
        """Seconds after which the credential that gave ``principal`` is to be asked about again; at least one."""
        if authorization.startswith(_COOKIE):
            return self._sessions.good_for(_cookie(authorization))
        secret = authorization.partition(b" ")[2].strip().decode("ascii", "replace")
        if not secret.startswith(KEY_PREFIX):
            return max(1.0, (principal.expires + LEEWAY - self._clock.now()).total_seconds())
        return self._keys.good_for(secret)

    def end_sessions(self, sessions: Collection[str]) -> None:
        """Takes nothing more of ``sessions``, which have ended: no cookie, and no access token, for as long as one may last."""
        until = self._clock.now() + _LONGEST_TOKEN
        self.end({f"{SESSIONS}{session}": until for session in sessions})

    def end(self, credentials: Mapping[str, datetime]) -> None:
        """Takes nothing more of "sessions/…" and "apiKeys/…" that have ended: no access token until the instant given, no secret."""
        self._sweep()
        # As principals name them.
        ended = {name.removeprefix(SESSIONS): until for name, until in credentials.items()}
        self._ended.update(ended)
        over = len(self._ended) - _MOST_ENDED
        if over > 0:
            _log.warning("ended credentials forgotten", count=over, most=_MOST_ENDED)
            for session in sorted(self._ended, key=self._ended.__getitem__)[:over]:  # those whose tokens end next
                del self._ended[session]
        self._forget(ended)

    def change(self, changes: Mapping[str, CredentialBounds]) -> None:
        """Lets "sessions/…" and "apiKeys/…" do no more than is said, whatever tokens of before say, and asks anew about their secrets."""
        self._sweep()
        changed = {name.removeprefix(SESSIONS): bounds for name, bounds in changes.items()}
        self._changed.update(changed)
        over = len(self._changed) - _MOST_ENDED
        if over > 0:
            _log.warning("changed credentials forgotten", count=over, most=_MOST_ENDED)
            for name in sorted(self._changed, key=lambda name: self._changed[name].until)[:over]:
                del self._changed[name]
        self._forget(changed)

    def _forget(self, names: Collection[str]) -> None:
        self._sessions.forget_principals(lambda principal: principal.session in names)
        self._keys.forget_principals(lambda principal: principal.subject in names)

    def _sweep(self) -> None:
        """Forgets those whose tokens have ended by themselves."""
        now = self._clock.monotonic()
        if now - self._swept >= _SWEEP_SECONDS:
            self._swept = now
            instant = self._clock.now()
            self._ended = {session: until for session, until in self._ended.items() if until > instant}
            self._changed = {name: bounds for name, bounds in self._changed.items() if bounds.until > instant}

    def forget(self, authorization: bytes) -> None:
        """Asks about the session of a browser anew the next time, for it has ended."""
        if authorization.startswith(_COOKIE):
            self._sessions.forget(_cookie(authorization))


def _cookie(authorization: bytes) -> str:
    return authorization.removeprefix(_COOKIE).decode()
