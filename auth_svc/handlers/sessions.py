"""SessionService."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf import empty_pb2

from auth_svc.domain import Session, TokenCaller
from auth_svc.handlers.convert import caller, timestamp
from auth_svc.service import EndedCredentials, SessionList
from tocsin.api.auth.v1 import session_service_pb2 as pb
from tocsin.api.auth.v1 import session_service_pb2_grpc as rpc
from tocsin.pages import Listing, list_page

_Context = grpc.aio.ServicerContext[Any, Any]


class SessionHandlers(rpc.SessionServiceServicer):
    """SessionService."""

    def __init__(self, *, sessions: SessionList, ended: EndedCredentials) -> None:
        self._sessions = sessions
        self._ended = ended

    async def ListSessions(self, request: pb.ListSessionsRequest, context: _Context) -> pb.ListSessionsResponse:
        """Lists one's own sessions."""
        who = caller()
        return await self._page(request, who, who.user, "")

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: _Context) -> empty_pb2.Empty:
        """Ends one of one's own sessions."""
        who = caller()
        await self._sessions.end(who, who.user, request.name.removeprefix("sessions/"))
        return empty_pb2.Empty()

    async def RevokeAllSessions(self, request: pb.RevokeAllSessionsRequest, context: _Context) -> pb.RevokeAllSessionsResponse:
        """Signs out everywhere."""
        who = caller()
        ended = await self._sessions.end_all(who, who.user, keep_current=request.keep_current)
        return pb.RevokeAllSessionsResponse(revoked=ended)

    async def ListUserSessions(self, request: pb.ListUserSessionsRequest, context: _Context) -> pb.ListSessionsResponse:
        """Lists the sessions of a user."""
        return await self._page(request, caller(), request.user.removeprefix("users/"), f"{request.user}/")

    async def DeleteUserSession(self, request: pb.DeleteUserSessionRequest, context: _Context) -> empty_pb2.Empty:
        """Ends a session of a user."""
        _, user, _, session = request.name.split("/")
        await self._sessions.end(caller(), user, session)
        return empty_pb2.Empty()

    async def RevokeUserSessions(self, request: pb.RevokeUserSessionsRequest, context: _Context) -> pb.RevokeAllSessionsResponse:
        """Ends the sessions of a user."""
        ended = await self._sessions.end_all(caller(), request.user.removeprefix("users/"), keep_current=False)
        return pb.RevokeAllSessionsResponse(revoked=ended)

    async def WatchEndedCredentials(
        self, request: pb.WatchEndedCredentialsRequest, context: _Context
    ) -> AsyncIterator[pb.WatchEndedCredentialsResponse]:
        """Streams what has ended."""
        async with aclosing(self._ended.watch(request.resume_token)) as batches:
            async for batch in batches:
                yield pb.WatchEndedCredentialsResponse(
                    credentials=[pb.EndedCredential(name=each.name, expire_time=timestamp(until)) for each, until in batch.credentials],
                    changed=[
                        pb.ChangedCredential(name=each.name, scopes=sorted(each.scopes), expire_time=timestamp(each.until))
                        for each in batch.changed
                    ],
                    resume_token=batch.token,
                    tenants_version=batch.tenants_version,
                )

    async def _page(self, request: Any, who: TokenCaller, user: str, parent: str) -> pb.ListSessionsResponse:
        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Session], None]:
            return await self._sessions.sessions(who, user, before=behind[0] if behind else "", limit=most), None

        listing = Listing(f"sessions of {who.tenant} {user}", (str,))
        shown = await list_page(request, listing, read=read, show=_shown_to(self._sessions, who, parent), place=lambda item: (item.id,))
        return pb.ListSessionsResponse(sessions=shown[0], next_page_token=shown[1])


def _shown_to(sessions: SessionList, who: TokenCaller, parent: str) -> Callable[[Session], pb.Session]:
    """How a session is shown; ``parent`` begins its name."""

    def show(session: Session) -> pb.Session:
        return pb.Session(
            name=f"{parent}sessions/{session.id}",
            create_time=timestamp(session.created),
            last_use_time=timestamp(session.last_used or session.created),
            expire_time=timestamp(sessions.end_of(session)),
            client_address=session.client.address,
            user_agent=session.client.agent,
            scopes=sorted(session.scopes),
            current=session.id == who.session,
            identity_provider=f"identityProviders/{session.provider}" if session.provider else "",
            browser=session.browser,
        )

    return show
