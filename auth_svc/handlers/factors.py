"""FactorService."""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import empty_pb2

from auth_svc.domain import Factor
from auth_svc.domain.totp import qr_code
from auth_svc.handlers.convert import caller, timestamp
from auth_svc.service import FactorOffice
from tocsin.api.auth.v1 import factor_service_pb2 as pb
from tocsin.api.auth.v1 import factor_service_pb2_grpc as rpc
from tocsin.errors import InvalidInput
from tocsin.masks import fields_to_change
from tocsin.stored import shown

_Context = grpc.aio.ServicerContext[Any, Any]


class FactorHandlers(rpc.FactorServiceServicer):
    """FactorService."""

    def __init__(self, *, office: FactorOffice) -> None:
        self._office = office

    async def ListFactors(self, request: pb.ListFactorsRequest, context: _Context) -> pb.ListFactorsResponse:
        """Lists one's own factors."""
        who = caller()
        return _listed(*await self._office.factors(who, who.user))

    async def EnrolTotp(self, request: pb.EnrolTotpRequest, context: _Context) -> pb.EnrolTotpResponse:
        """Makes the secret of an app."""
        made = await self._office.enrol_app(caller(), display_name=request.display_name)
        picture = await asyncio.to_thread(qr_code, made.uri)
        return pb.EnrolTotpResponse(name=made.factor.name, secret=made.secret, uri=made.uri, qr_code=picture)

    async def ConfirmTotp(self, request: pb.ConfirmTotpRequest, context: _Context) -> pb.EnrolledFactor:
        """Makes an app a factor."""
        return _enrolled(*await self._office.confirm_app(caller(), _id(request.name), code=request.code))

    async def BeginPasskeyEnrolment(self, request: pb.BeginPasskeyEnrolmentRequest, context: _Context) -> pb.BeginPasskeyEnrolmentResponse:
        """Gives what a browser makes a passkey by."""
        challenge, options = await self._office.begin_passkey(caller())
        return pb.BeginPasskeyEnrolmentResponse(challenge=challenge, options=options)

    async def EnrolPasskey(self, request: pb.EnrolPasskeyRequest, context: _Context) -> pb.EnrolledFactor:
        """Makes a passkey a factor."""
        made = await self._office.enrol_passkey(
            caller(), challenge=request.challenge, response=request.passkey_response, display_name=request.display_name
        )
        return _enrolled(*made)

    async def UpdateFactor(self, request: pb.UpdateFactorRequest, context: _Context) -> pb.Factor:
        """Renames a factor."""
        if not fields_to_change(request.update_mask, request.factor, ("display_name",)) and request.update_mask.paths:
            raise InvalidInput.at("updateMask", "names nothing that can be changed; display_name can")
        return _factor(await self._office.rename(caller(), _id(request.factor.name), display_name=request.factor.display_name))

    async def DeleteFactor(self, request: pb.DeleteFactorRequest, context: _Context) -> empty_pb2.Empty:
        """Removes a factor."""
        await self._office.remove(caller(), _id(request.name))
        return empty_pb2.Empty()

    async def CreateRecoveryCodes(self, request: pb.CreateRecoveryCodesRequest, context: _Context) -> pb.CreateRecoveryCodesResponse:
        """Makes recovery codes."""
        return pb.CreateRecoveryCodesResponse(recovery_codes=await self._office.make_codes(caller()))

    async def ListUserFactors(self, request: pb.ListUserFactorsRequest, context: _Context) -> pb.ListFactorsResponse:
        """Lists the factors of a user."""
        return _listed(*await self._office.factors(caller(), request.user.removeprefix("users/")))

    async def ResetUserFactors(self, request: pb.ResetUserFactorsRequest, context: _Context) -> pb.ResetUserFactorsResponse:
        """Removes the factors of a user."""
        return pb.ResetUserFactorsResponse(removed=await self._office.reset(caller(), request.user.removeprefix("users/")))


def _id(name: str) -> str:
    return name.removeprefix("factors/")


def _listed(factors: Sequence[Factor], codes: int) -> pb.ListFactorsResponse:
    return pb.ListFactorsResponse(factors=map(_factor, factors), recovery_codes_left=codes)


def _enrolled(factor: Factor, codes: Sequence[str]) -> pb.EnrolledFactor:
    return pb.EnrolledFactor(factor=_factor(factor), recovery_codes=codes)


def _factor(factor: Factor) -> pb.Factor:
    return pb.Factor(
        name=factor.name,
        kind=dict(pb.Factor.Kind.items()).get(shown(factor.kind), pb.Factor.KIND_UNSPECIFIED),
        display_name=factor.display_name,
        create_time=timestamp(factor.created),
        last_use_time=None if factor.last_used is None else timestamp(factor.last_used),
        synced=factor.synced,
    )
