"""Sessions, as their owners and administrators see and end them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from auth_svc.domain import SecurityEvent, Session, TokenCaller
from auth_svc.ports import SecurityLog, Store
from tocsin.clock import Clock


class SessionList:
    """Shows and ends the sessions of users; gateways are told of those that end."""

    def __init__(self, *, store: Store, log: SecurityLog, clock: Clock, longest: timedelta) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._longest = longest

    def end_of(self, session: Session) -> datetime:
        """When a session ends at the latest."""
        return session.end(self._longest)

    async def sessions(self, caller: TokenCaller, user: str, *, before: str, limit: int) -> Sequence[Session]:
        """Those of a user of the caller's tenant that can be continued, the newest first; whose ids are less than ``before``.

        Raises:
            UserNotFound: the tenant has no such user.
        """
        await self._store.get_user(caller.tenant, user)
        return await self._store.list_sessions(caller.tenant, user, before=before, limit=limit, now=self._clock.now())

    async def end(self, caller: TokenCaller, user: str, session: str) -> None:
        """Ends one session.

        Raises:
            SessionNotFound: the user has no such session.
        """
        await self._store.end_session(caller.tenant, user, session)
        self._log.record(SecurityEvent.SESSION_REVOKED, tenant=caller.tenant, subject=f"users/{user}", session=session, by=caller.subject)

    async def end_all(self, caller: TokenCaller, user: str, *, keep_current: bool) -> int:
        """Ends the sessions of a user, but perhaps the one that asks; how many.

        Raises:
            UserNotFound: the tenant has no such user.
        """
        await self._store.get_user(caller.tenant, user)
        ended = await self._store.end_sessions(caller.tenant, user, keep=caller.session if keep_current else "")
        self._log.record(
            SecurityEvent.SESSIONS_REVOKED, tenant=caller.tenant, subject=f"users/{user}", sessions=str(len(ended)), by=caller.subject
        )
        return len(ended)
