"""GroupService."""

from collections.abc import Iterable, Sequence
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from mailer_svc.domain import Member, MemberKind, RecipientGroup
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.service import Groups
from tocsin.api.mailer.v1 import group_service_pb2 as pb
from tocsin.api.mailer.v1 import group_service_pb2_grpc as rpc
from tocsin.masks import fields_to_change
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page
from tocsin.stored import int32

Context = grpc.aio.ServicerContext[Any, Any]

_COLLECTION = "groups/"
_KINDS = {"recipients": MemberKind.RECIPIENT, "groups": MemberKind.GROUP, "rotations": MemberKind.ROTATION}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class GroupHandlers(rpc.GroupServiceServicer):
    """Manages groups of the caller's tenant."""

    def __init__(self, *, groups: Groups) -> None:
        self._groups = groups

    async def CreateGroup(self, request: pb.CreateGroupRequest, context: Context) -> pb.Group:
        """Makes a group."""
        given = request.group
        return _group(await self._groups.create(tenant=principal().tenant, id=_id(given.name), display_name=given.display_name))

    async def GetGroup(self, request: pb.GetGroupRequest, context: Context) -> pb.Group:
        """Reads a group."""
        return _group(await self._groups.get(tenant=principal().tenant, id=_id(request.name)))

    async def ListGroups(self, request: pb.ListGroupsRequest, context: Context) -> pb.ListGroupsResponse:
        """Lists groups, by name."""
        tenant = principal().tenant

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[RecipientGroup], None]:
            return await self._groups.page(tenant=tenant, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"groups {tenant}", (str,))
        found, token = await list_page(request, listing, read=read, show=_group, place=lambda item: (item.id,))
        return pb.ListGroupsResponse(groups=found, next_page_token=token)

    async def UpdateGroup(self, request: pb.UpdateGroupRequest, context: Context) -> pb.Group:
        """Changes fields of a group."""
        given = request.group
        names = fields_to_change(request.update_mask, given, ("display_name",))
        name = given.display_name if "display_name" in names else None
        return _group(await self._groups.update(tenant=principal().tenant, id=_id(given.name), display_name=name))

    async def DeleteGroup(self, request: pb.DeleteGroupRequest, context: Context) -> Empty:
        """Removes a group."""
        await self._groups.delete(tenant=principal().tenant, id=_id(request.name))
        return Empty()

    async def AddGroupMembers(self, request: pb.AddGroupMembersRequest, context: Context) -> pb.Group:
        """Adds members."""
        members = _members(request.members)
        return _group(await self._groups.add_members(tenant=principal().tenant, id=_id(request.name), members=members))

    async def RemoveGroupMembers(self, request: pb.RemoveGroupMembersRequest, context: Context) -> pb.Group:
        """Removes members."""
        members = _members(request.members)
        return _group(await self._groups.remove_members(tenant=principal().tenant, id=_id(request.name), members=members))

    async def ListGroupMembers(self, request: pb.ListGroupMembersRequest, context: Context) -> pb.ListGroupMembersResponse:
        """Lists what is in a group itself."""
        tenant = principal().tenant
        group = (await self._groups.get(tenant=tenant, id=_id(request.name))).id

        async def read(behind: tuple[int, str] | None, most: int) -> tuple[Sequence[Member], None]:
            return await self._groups.members(tenant=tenant, id=group, after=behind or (0, ""), limit=most), None

        listing = Listing(f"members {tenant} {group}", (int, str))
        found, token = await list_page(request, listing, read=read, show=_member, place=lambda item: (int(item.kind), item.id))
        return pb.ListGroupMembersResponse(members=found, next_page_token=token)


def _id(name: str) -> str:
    return name.removeprefix(_COLLECTION)


def _members(names: Iterable[str]) -> list[Member]:
    found: dict[Member, None] = {}
    for name in names:
        collection, _, identity = name.partition("/")
        found[Member(_KINDS[collection], identity)] = None
    return list(found)


def _member(item: Member) -> pb.GroupMember:
    return pb.GroupMember(name=f"{_NAMES[item.kind]}/{item.id}")


def _group(item: RecipientGroup) -> pb.Group:
    return pb.Group(
        name=f"groups/{item.id}",
        display_name=item.display_name,
        create_time=timestamp(item.created),
        update_time=timestamp(item.updated),
        member_count=int32(item.member_count),
    )
