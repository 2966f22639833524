"""Staying signed in, and signing out."""

from datetime import datetime, timedelta
from typing import Final

from auth_svc.domain import (
    BrowserSessionEnded,
    ClientFacts,
    RefreshTokenRefused,
    SecurityEvent,
    Session,
    digest,
    new_browser_secret,
    new_refresh_token,
)
from auth_svc.ports import RefreshRefusal, Refused, SecurityLog, Store
from auth_svc.service.opening import SessionOpening, SessionRule, TokenPair
from tocsin.clock import Clock

NOTED: Final = timedelta(minutes=1)
"""A use of a browser's session is stored this often at most."""


class OpenSessions:
    """Continues sessions, hands them to browsers, and ends them."""

    def __init__(self, *, store: Store, opening: SessionOpening, log: SecurityLog, clock: Clock, rule: SessionRule) -> None:
        """Makes it; ``opening`` makes the tokens, and ``rule`` says how long a session lasts."""
        self._store = store
        self._opening = opening
        self._log = log
        self._clock = clock
        self._rule = rule

    async def refresh(self, refresh_token: str, *, client: ClientFacts, scope: str = "") -> TokenPair:
        """Continues a session: spends the token and gives the next pair, whose access token has no more than ``scope`` asks for.

        What the session does not have is left out, and the answer says so (RFC 6749, 3.3): the old token is spent by then.

        Raises:
            RefreshTokenRefused: the token is unknown, its session is over, or it was spent before, which ends the session for both holders.
        """
        now = self._clock.now()
        successor = new_refresh_token()
        result = await self._store.rotate(
            old=digest(refresh_token),
            new=digest(successor),
            now=now,
            idle=self._rule.idle,
            longest=self._rule.longest,
            client=client,
        )
        if isinstance(result, Refused):
            self._log_refusal(result)
            raise RefreshTokenRefused
        self._log.record(SecurityEvent.SESSION_REFRESHED, tenant=result.tenant.id, subject=result.user.name, session=result.session.id)
        return self._opening.pair(result.session, result.user, result.tenant, successor, frozenset(scope.split()))

    async def open_browser(self, refresh_token: str, *, client: ClientFacts) -> tuple[str, datetime]:
        """Turns the session of a refresh token into one of a browser: the secret of its cookie, and when the session ends at the latest.

        Raises:
            RefreshTokenRefused: as `refresh` does.
        """
        secret = new_browser_secret()
        result = await self._store.rotate(
            old=digest(refresh_token),
            new=digest(secret),
            now=self._clock.now(),
            idle=self._rule.idle,
            longest=self._rule.longest,
            client=client,
            browser=True,
        )
        if isinstance(result, Refused):
            self._log_refusal(result)
            raise RefreshTokenRefused
        return secret, result.session.end(self._rule.longest)

    async def of_browser(self, secret: str) -> tuple[str, TokenPair]:
        """The id of the session of a browser's ``secret``, and what it gives now; without a refresh token, for the secret stays good.

        Raises:
            BrowserSessionEnded: somebody ended it, its time is over, or there is none.
        """
        found = await self._store.use_secret(
            digest(secret), now=self._clock.now(), idle=self._rule.idle, longest=self._rule.longest, noted=NOTED
        )
        if found is None:
            raise BrowserSessionEnded
        return found.session.id, self._opening.pair(found.session, found.user, found.tenant, "")

    def _log_refusal(self, refused: Refused) -> None:
        event = SecurityEvent.REFRESH_REUSED if refused.why is RefreshRefusal.REUSED else SecurityEvent.SESSION_REFUSED
        session = refused.session
        facts = {} if session is None else {"tenant": session.tenant, "subject": f"users/{session.user}", "session": session.id}
        self._log.record(event, why=refused.why.value, **facts)

    async def sign_out(self, refresh_token: str) -> Session | None:
        """Ends the session of a refresh token, spent or not, or of a browser's secret; an unknown one is no error (RFC 7009, 2.2)."""
        session = await self._store.close_session(digest(refresh_token))
        if session is not None:
            self._log.record(SecurityEvent.SESSION_REVOKED, tenant=session.tenant, subject=f"users/{session.user}", session=session.id)
        return session
