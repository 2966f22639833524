"""AccountService."""

from typing import Any

import grpc
from google.protobuf import empty_pb2

from auth_svc.handlers.convert import caller, client_facts, timestamp
from auth_svc.service import Accounts, AddressChanges, FactorAnswer, Reauthentication, Sessions
from tocsin.api.auth.v1 import account_service_pb2 as pb
from tocsin.api.auth.v1 import account_service_pb2_grpc as rpc

_Context = grpc.aio.ServicerContext[Any, Any]


class AccountHandlers(rpc.AccountServiceServicer):
    """AccountService."""

    def __init__(self, *, accounts: Accounts, addresses: AddressChanges, proofs: Reauthentication, sessions: Sessions) -> None:
        self._accounts = accounts
        self._addresses = addresses
        self._proofs = proofs
        self._sessions = sessions

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: _Context) -> empty_pb2.Empty:
        """Changes one's own password."""
        await self._accounts.change_password(caller(), current=request.current_password, new=request.new_password, client=client_facts())
        return empty_pb2.Empty()

    async def BeginReauthentication(self, request: pb.BeginReauthenticationRequest, context: _Context) -> pb.BeginReauthenticationResponse:
        """Tells how one shows again who one is."""
        methods, challenge, options = await self._proofs.begin(caller())
        return pb.BeginReauthenticationResponse(methods=methods, challenge=challenge, options=options)

    async def Reauthenticate(self, request: pb.ReauthenticateRequest, context: _Context) -> empty_pb2.Empty:
        """Shows again who one is."""
        await self._proofs.prove(
            caller(),
            password=request.password,
            answer=FactorAnswer(code=request.code, passkey=request.passkey_response),
            challenge=request.challenge,
            client=client_facts(),
        )
        return empty_pb2.Empty()

    async def RequestPasswordReset(self, request: pb.RequestPasswordResetRequest, context: _Context) -> empty_pb2.Empty:
        """Has a link sent."""
        await self._accounts.request_reset(email=request.email, locale=request.locale, client=client_facts())
        return empty_pb2.Empty()

    async def ResetPassword(self, request: pb.ResetPasswordRequest, context: _Context) -> empty_pb2.Empty:
        """Sets a password by a link."""
        await self._accounts.reset_password(request.token, new=request.new_password, client=client_facts())
        return empty_pb2.Empty()

    async def VerifyAddress(self, request: pb.VerifyAddressRequest, context: _Context) -> pb.VerifyAddressResponse:
        """Confirms an address by a link."""
        user = await self._accounts.verify_address(request.token)
        return pb.VerifyAddressResponse(user=user.name, tenant=f"tenants/{user.tenant}")

    async def ChangeAddress(self, request: pb.ChangeAddressRequest, context: _Context) -> empty_pb2.Empty:
        """Has a link sent to another address."""
        await self._addresses.ask(caller(), address=request.new_email, client=client_facts())
        return empty_pb2.Empty()

    async def ConfirmAddressChange(self, request: pb.ConfirmAddressChangeRequest, context: _Context) -> pb.ConfirmAddressChangeResponse:
        """Makes another address count by a link."""
        user = await self._addresses.confirm(request.token)
        return pb.ConfirmAddressChangeResponse(user=user.name, tenant=f"tenants/{user.tenant}")

    async def RevertAddressChange(self, request: pb.RevertAddressChangeRequest, context: _Context) -> pb.RevertAddressChangeResponse:
        """Takes another address back by a link."""
        user = await self._addresses.revert(request.token)
        return pb.RevertAddressChangeResponse(user=user.name, tenant=f"tenants/{user.tenant}")

    async def CreateSignInLink(self, request: pb.CreateSignInLinkRequest, context: _Context) -> pb.CreateSignInLinkResponse:
        """Makes a sign-in link."""
        token, expires = await self._sessions.create_link(caller(), request.user.removeprefix("users/"))
        return pb.CreateSignInLinkResponse(token=token, expire_time=timestamp(expires))

    async def ResendVerification(self, request: pb.ResendVerificationRequest, context: _Context) -> empty_pb2.Empty:
        """Has another mail sent."""
        await self._accounts.resend_verification(caller())
        return empty_pb2.Empty()
