"""Stream tokens: what a URL may carry to open one stream, as whoever made it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from auth_svc.domain import Grant, SecurityEvent, StreamGrant, StreamTokenVoid, TokenCaller, path_digest
from auth_svc.ports import SecurityLog, Store, StreamTokenCodec, TokenSigner
from auth_svc.service.authorizer import require_alive
from tocsin.clock import Clock
from tocsin.errors import Unauthenticated

_LIFETIME: Final = timedelta(seconds=60)


class StreamTokens:
    """Makes and exchanges them; nothing is stored, so that every replica knows them."""

    def __init__(self, *, store: Store, codec: StreamTokenCodec, signer: TokenSigner, log: SecurityLog, clock: Clock) -> None:
        self._store = store
        self._codec = codec
        self._signer = signer
        self._log = log
        self._clock = clock

    async def create(self, grant: Grant, *, path: str) -> tuple[str, datetime]:
        """A token that opens streams at ``path`` with the caller's ``grant``, and when it ends.

        Raises:
            CallerGone: the caller was removed.
        """
        await require_alive(self._store, _caller(grant), self._clock)
        now = self._clock.now().replace(microsecond=0)
        expires = min(now + _LIFETIME, grant.expires)
        return self._codec.sign(
            StreamGrant(grant=replace(grant, issued=now, expires=expires), path=path_digest(path), until=grant.expires)
        ), expires

    async def exchange(self, token: str, *, path: str) -> str:
        """The access token that the stream at ``path`` is served with: of the same rights, and of the life of the one that made it.

        Raises:
            StreamTokenVoid: it is no stream token, has ended, or is for another path.
            CallerGone: whoever made it was removed.
        """
        try:
            found = await self._codec.read(token)
        except Unauthenticated as error:
            self._log.record(SecurityEvent.STREAM_TOKEN_REFUSED, why=error.error_reason)
            raise StreamTokenVoid from error
        if found.path != path_digest(path):
            self._log.record(SecurityEvent.STREAM_TOKEN_REFUSED, why="path", tenant=found.grant.tenant, subject=found.grant.subject)
            raise StreamTokenVoid("The stream token is for another path.")
        await require_alive(self._store, _caller(found.grant), self._clock)
        now = self._clock.now().replace(microsecond=0)
        return self._signer.sign(replace(found.grant, issued=now, expires=found.until))


def _caller(grant: Grant) -> TokenCaller:
    return TokenCaller(tenant=grant.tenant, subject=grant.subject, scopes=grant.scopes)
