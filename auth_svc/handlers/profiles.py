"""ProfileService."""

from typing import Any, Final

import grpc

from auth_svc.handlers.convert import caller
from auth_svc.handlers.users import user_message
from auth_svc.service import Profiles
from tocsin.api.auth.v1 import profile_service_pb2 as pb
from tocsin.api.auth.v1 import profile_service_pb2_grpc as rpc
from tocsin.api.auth.v1 import user_service_pb2
from tocsin.masks import check_left, fields_to_change

_Context = grpc.aio.ServicerContext[Any, Any]
_CHANGEABLE = ("display_name", "locale")
_ELSEWHERE: Final = "is not changed by the profile: PATCH /v1/users/{id} does it, for who may write users"
_LEFT: Final = {"role": _ELSEWHERE, "role_name": _ELSEWHERE}


class ProfileHandlers(rpc.ProfileServiceServicer):
    """ProfileService."""

    def __init__(self, *, profiles: Profiles) -> None:
        self._profiles = profiles

    async def GetProfile(self, request: pb.GetProfileRequest, context: _Context) -> user_service_pb2.User:
        """Reads the user who asks."""
        return user_message(await self._profiles.own(caller()))

    async def UpdateProfile(self, request: pb.UpdateProfileRequest, context: _Context) -> user_service_pb2.User:
        """Changes the user who asks."""
        given, fields = request.profile, fields_to_change(request.update_mask, request.profile, _CHANGEABLE)
        who = caller()
        check_left(request.update_mask, given, user_message(await self._profiles.own(who)), _LEFT, at="profile")
        changed = await self._profiles.change(
            who,
            display_name=given.display_name if "display_name" in fields else None,
            locale=given.locale if "locale" in fields else None,
        )
        return user_message(changed)

    async def BatchGetNames(self, request: pb.BatchGetNamesRequest, context: _Context) -> pb.BatchGetNamesResponse:
        """Tells what people and programs are called."""
        found = await self._profiles.names(caller(), request.names)
        return pb.BatchGetNamesResponse(names=[pb.CalledName(name=name, display_name=shown) for name, shown in found.items()])
