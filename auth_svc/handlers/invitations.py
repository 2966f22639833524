"""InvitationService."""

from collections.abc import Sequence
from typing import Any

import grpc

from auth_svc.domain import Invitation
from auth_svc.handlers.convert import caller, client_facts, timestamp
from auth_svc.service import Invitations
from tocsin.api.auth.v1 import invitation_service_pb2 as pb
from tocsin.api.auth.v1 import invitation_service_pb2_grpc as rpc
from tocsin.pages import Listing, list_page

_Context = grpc.aio.ServicerContext[Any, Any]


class InvitationHandlers(rpc.InvitationServiceServicer):
    """InvitationService."""

    def __init__(self, *, invitations: Invitations) -> None:
        self._invitations = invitations

    async def CreateInvitation(self, request: pb.CreateInvitationRequest, context: _Context) -> pb.Invitation:
        """Invites an address."""
        made = await self._invitations.create(caller(), email=request.email, role=request.role, locale=request.locale)
        return self._shown(made)

    async def GetInvitation(self, request: pb.GetInvitationRequest, context: _Context) -> pb.Invitation:
        """Reads an invitation."""
        return self._shown(await self._invitations.invitation(caller(), _id(request.name)))

    async def ListInvitations(self, request: pb.ListInvitationsRequest, context: _Context) -> pb.ListInvitationsResponse:
        """Lists invitations."""
        who = caller()

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Invitation], None]:
            return await self._invitations.invitations(who, before=behind[0] if behind else "", limit=most), None

        listing = Listing(f"invitations of {who.tenant}", (str,))
        found, token = await list_page(request, listing, read=read, show=self._shown, place=lambda each: (each.id,))
        return pb.ListInvitationsResponse(invitations=found, next_page_token=token)

    async def ResendInvitation(self, request: pb.ResendInvitationRequest, context: _Context) -> pb.Invitation:
        """Sends another mail."""
        return self._shown(await self._invitations.resend(caller(), _id(request.name)))

    async def RevokeInvitation(self, request: pb.RevokeInvitationRequest, context: _Context) -> pb.Invitation:
        """Withdraws an invitation."""
        return self._shown(await self._invitations.revoke(caller(), _id(request.name)))

    async def AcceptInvitation(self, request: pb.AcceptInvitationRequest, context: _Context) -> pb.AcceptInvitationResponse:
        """Makes the user."""
        user = await self._invitations.accept(
            request.token,
            display_name=request.display_name,
            username=request.username,
            password=request.password,
            client=client_facts(),
        )
        return pb.AcceptInvitationResponse(user=user.name, tenant=f"tenants/{user.tenant}")

    def _shown(self, invitation: Invitation) -> pb.Invitation:
        return pb.Invitation(
            name=invitation.name,
            email=invitation.email,
            role=invitation.role.name,
            inviter=invitation.inviter,
            state=pb.Invitation.State.Value(self._invitations.state(invitation).value),
            create_time=timestamp(invitation.created),
            send_time=timestamp(invitation.sent),
            expire_time=timestamp(invitation.expires),
            user=f"users/{invitation.user}" if invitation.user else "",
            locale=invitation.locale,
        )


def _id(name: str) -> str:
    return name.removeprefix("invitations/")
