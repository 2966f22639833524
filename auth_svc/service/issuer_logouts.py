"""Signing out here and at the issuer at once (OpenID Connect Back-Channel Logout 1.0; RP-Initiated Logout 1.0)."""

from collections.abc import Callable, Sequence

from auth_svc.domain import IdentityProviderNotFound, IssuerUnavailable, LogoutTokenRefused, SecurityEvent
from auth_svc.ports import Issuers, SecurityLog, Store
from auth_svc.service.oidc import end_session_url, told_unavailable
from auth_svc.service.open_sessions import OpenSessions
from tocsin.clock import Clock


class IssuerLogouts:
    """Ends the sessions of whom an issuer has signed out, and tells where a browser signs out there."""

    def __init__(
        self, *, store: Store, issuers: Issuers, sessions: OpenSessions, log: SecurityLog, clock: Clock, link: Callable[[str], str]
    ) -> None:
        """Takes what it needs; ``link`` is the URL of a path of this installation, empty if nobody knows it."""
        self._store = store
        self._issuers = issuers
        self._sessions = sessions
        self._log = log
        self._clock = clock
        self._link = link

    async def end(self, provider: str, token: str) -> Sequence[str]:
        """Ends the sessions that ``token`` names, which came to the address of ``provider``; the ids of those that there were.

        Raises:
            IdentityProviderNotFound: there is none that signs in: it has no sessions.
            LogoutTokenRefused: the token cannot be trusted, or was used before.
            IssuerUnavailable: nobody can say whether it can be trusted.
        """
        found = await self._store.find_identity_provider(provider)
        if found is None or found.disabled:
            raise IdentityProviderNotFound
        facts = {"tenant": found.tenant, "subject": found.name}
        try:
            said = await self._issuers.logout_token(found, token)
            ended = await self._store.end_issuer_sessions(found, said, now=self._clock.now())
            if ended is None:
                raise LogoutTokenRefused(metadata={"why": "jti"})
        except IssuerUnavailable as error:
            raise told_unavailable(self._log, found, error) from None
        except LogoutTokenRefused as error:
            self._log.record(SecurityEvent.OIDC_LOGOUT_REFUSED, **facts, why=error.metadata["why"])
            raise
        self._log.record(SecurityEvent.OIDC_SIGNED_OUT, **facts, sessions=str(len(ended)))
        return ended

    async def close(self, secret: str) -> str:
        """Ends the session of a browser's ``secret``; where the browser signs out at the issuer, if its provider wants that, or empty."""
        session = await self._sessions.sign_out(secret)
        provider = await self._store.find_identity_provider(session.provider) if session is not None and session.provider else None
        if provider is None or not provider.sign_out_at_issuer:
            return ""
        return await end_session_url(self._issuers, provider, self._link)
