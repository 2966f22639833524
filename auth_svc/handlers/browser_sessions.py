"""BrowserSessionService."""

from datetime import timedelta
from typing import Any

import grpc

from auth_svc.handlers.convert import client_facts, timestamp
from auth_svc.service import OpenSessions, TokenPair
from tocsin.api.auth.v1 import browser_session_service_pb2 as pb
from tocsin.api.auth.v1 import browser_session_service_pb2_grpc as rpc
from tocsin.clock import Clock
from tocsin.errors import Unauthenticated
from tocsin.mesh.tokens import TokenVerifier

_Context = grpc.aio.ServicerContext[Any, Any]


class BrowserSessionHandlers(rpc.BrowserSessionServiceServicer):
    """BrowserSessionService."""

    def __init__(self, *, sessions: OpenSessions, verifier: TokenVerifier, clock: Clock) -> None:
        self._sessions = sessions
        self._verifier = verifier
        self._clock = clock

    async def OpenBrowserSession(self, request: pb.OpenBrowserSessionRequest, context: _Context) -> pb.OpenBrowserSessionResponse:
        """Makes the secret of a browser's session."""
        secret, ends = await self._sessions.open_browser(request.refresh_token, client=client_facts())
        return pb.OpenBrowserSessionResponse(secret=secret, expire_time=timestamp(ends))

    async def ExchangeBrowserSession(
        self, request: pb.ExchangeBrowserSessionRequest, context: _Context
    ) -> pb.ExchangeBrowserSessionResponse:
        """Exchanges one for an access token."""
        session, pair = await self._sessions.of_browser(request.secret)
        held = request.held_token
        return pb.ExchangeBrowserSessionResponse(access_token=held if await self._still_says(held, session, pair) else pair.access_token)

    async def _still_says(self, held: str, session: str, pair: TokenPair) -> bool:
        """Whether a token is of the session, gives what a new one would, and for half as long at least: every service knows it already."""
        if not held:
            return False
        try:
            who = await self._verifier.verify(held)
        except Unauthenticated:
            return False
        left = who.expires - self._clock.now()
        return (who.session, who.scopes) == (session, pair.scopes) and left * 2 > timedelta(seconds=pair.expires_in)
