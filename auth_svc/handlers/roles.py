"""RoleService."""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import empty_pb2

from auth_svc.handlers.convert import caller, timestamp_or_none
from auth_svc.service import Roles
from auth_svc.service.roles import ShownRole
from tocsin.api.auth.v1 import role_service_pb2 as pb
from tocsin.api.auth.v1 import role_service_pb2_grpc as rpc
from tocsin.masks import fields_to_change
from tocsin.pages import Listing, list_page

_Context = grpc.aio.ServicerContext[Any, Any]
_CHANGEABLE = ("display_name", "description", "scopes")


class RoleHandlers(rpc.RoleServiceServicer):
    """RoleService."""

    def __init__(self, *, roles: Roles) -> None:
        self._roles = roles

    async def CreateRole(self, request: pb.CreateRoleRequest, context: _Context) -> pb.Role:
        """Makes a role."""
        given = request.role
        role = await self._roles.create(
            caller(),
            role_id=_id(given.name),
            display_name=given.display_name,
            description=given.description,
            scopes=list(given.scopes),
        )
        return _role(role)

    async def GetRole(self, request: pb.GetRoleRequest, context: _Context) -> pb.Role:
        """Reads a role."""
        return _role(await self._roles.role(caller(), _id(request.name)))

    async def ListRoles(self, request: pb.ListRolesRequest, context: _Context) -> pb.ListRolesResponse:
        """Lists roles."""
        who = caller()

        async def read(behind: tuple[int, str] | None, most: int) -> tuple[Sequence[ShownRole], None]:
            return await self._roles.roles(who, after=behind, limit=most), None

        listing = Listing(f"roles of {who.tenant}", (int, str))
        roles, token = await list_page(request, listing, read=read, show=_role, place=lambda role: role.place)
        return pb.ListRolesResponse(roles=roles, next_page_token=token)

    async def UpdateRole(self, request: pb.UpdateRoleRequest, context: _Context) -> pb.Role:
        """Changes a role."""
        given, fields = request.role, fields_to_change(request.update_mask, request.role, _CHANGEABLE)
        role = await self._roles.change(
            caller(),
            _id(given.name),
            display_name=given.display_name if "display_name" in fields else None,
            description=given.description if "description" in fields else None,
            scopes=list(given.scopes) if "scopes" in fields else None,
        )
        return _role(role)

    async def DeleteRole(self, request: pb.DeleteRoleRequest, context: _Context) -> empty_pb2.Empty:
        """Removes a role."""
        await self._roles.remove(caller(), _id(request.name))
        return empty_pb2.Empty()


def _id(name: str) -> str:
    return name.removeprefix("roles/")


def _role(role: ShownRole) -> pb.Role:
    own = role.custom
    return pb.Role(
        name=f"roles/{role.id}",
        display_name=role.display_name,
        description=role.description,
        scopes=sorted(role.scopes),
        built_in=own is None,
        create_time=timestamp_or_none(own.created if own else None),
        update_time=timestamp_or_none(own.updated if own else None),
    )
