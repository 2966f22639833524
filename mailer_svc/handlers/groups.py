"""GroupService."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Final

import grpc
from google.protobuf.empty_pb2 import Empty

from mailer_svc.domain import GroupDraft, Member, RecipientGroup
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.handlers.people_imports import PeopleCodecs, exported, group_lines, imported
from mailer_svc.handlers.people_messages import group_line, member_name, members_of
from mailer_svc.ports import ImportedGroup
from mailer_svc.service import Groups, PeopleImports
from tocsin.api.mailer.v1 import group_service_pb2 as pb
from tocsin.api.mailer.v1 import group_service_pb2_grpc as rpc
from tocsin.api.mailer.v1.import_pb2 import ImportOptions
from tocsin.listing import FilterField, parse_filter
from tocsin.masks import fields_to_change
from tocsin.mesh.context import principal
from tocsin.mesh.tokens import Principal
from tocsin.pages import Listing, list_page
from tocsin.stored import int32

Context = grpc.aio.ServicerContext[Any, Any]

_COLLECTION = "groups/"
_FILTER = {"text": FilterField(operators=("=",))}
_MEMBERS_A_LINE: Final = 100
"""A line of an import with so many members takes as much of a batch as another line."""


class GroupHandlers(rpc.GroupServiceServicer):
    """Manages groups of the caller's tenant."""

    def __init__(self, *, groups: Groups, imports: PeopleImports, codecs: PeopleCodecs) -> None:
        self._groups = groups
        self._imports = imports
        self._codecs = codecs

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
        wanted = {condition.field: str(condition.value) for condition in parse_filter(request.filter, fields=_FILTER)}

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[RecipientGroup], tuple[str] | None]:
            after = behind[0] if behind else ""
            found, further = await self._groups.page(tenant=tenant, after=after, limit=most, text=wanted.get("text", ""))
            return found, (further,) if further is not None else None

        listing = Listing(f"groups {tenant} {request.filter}", (str,))
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
        members = members_of(request.members)
        return _group(await self._groups.add_members(tenant=principal().tenant, id=_id(request.name), members=members))

    async def RemoveGroupMembers(self, request: pb.RemoveGroupMembersRequest, context: Context) -> pb.Group:
        """Removes members."""
        members = members_of(request.members)
        return _group(await self._groups.remove_members(tenant=principal().tenant, id=_id(request.name), members=members))

    async def ListGroupMembers(self, request: pb.ListGroupMembersRequest, context: Context) -> pb.ListGroupMembersResponse:
        """Lists what is in a group itself."""
        tenant = principal().tenant
        group = (await self._groups.get(tenant=tenant, id=_id(request.name))).id

        async def read(behind: tuple[int, str] | None, most: int) -> tuple[Sequence[tuple[Member, str]], None]:
            members = await self._groups.members(tenant=tenant, id=group, after=behind or (0, ""), limit=most)
            return await self._groups.called(tenant=tenant, members=members), None

        def place(item: tuple[Member, str]) -> tuple[int, str]:
            return int(item[0].kind), item[0].id

        listing = Listing(f"members {tenant} {group}", (int, str))
        found, token = await list_page(request, listing, read=read, show=_member, place=place)
        return pb.ListGroupMembersResponse(members=found, next_page_token=token)

    async def ImportGroups(
        self, request_iterator: AsyncIterator[pb.ImportGroupsRequest], context: Context
    ) -> AsyncGenerator[pb.ImportGroupsResponse]:
        """Makes and changes many groups."""

        def begin(who: Principal, options: ImportOptions) -> tuple[Any, Any]:
            source = group_lines(self._codecs, who, skip=options.skip_lines)
            return self._imports.of_groups(who.tenant, dry=options.validate_only), source

        async with aclosing(imported(self._imports, request_iterator, begin, weight=_weight)) as found:
            async for progress in found:
                yield pb.ImportGroupsResponse(progress=progress)

    async def ExportGroups(self, request: pb.ExportGroupsRequest, context: Context) -> AsyncGenerator[pb.ExportGroupsResponse]:
        """Sends every group with its members."""
        tenant = principal().tenant

        async def read(after: str, most: int) -> Sequence[tuple[str, GroupDraft]]:
            return await self._groups.drafts(tenant=tenant, after=after, limit=most)

        async for items in exported(read, show=lambda row: group_line(row[1]), place=lambda row: row[0]):
            yield pb.ExportGroupsResponse(groups=items)


def _weight(item: ImportedGroup) -> int:
    return 1 + len(item.group.members) // _MEMBERS_A_LINE


def _id(name: str) -> str:
    return name.removeprefix(_COLLECTION)


def _member(item: tuple[Member, str]) -> pb.GroupMember:
    return pb.GroupMember(name=member_name(item[0]), display_name=item[1])


def _group(item: RecipientGroup) -> pb.Group:
    return pb.Group(
        name=f"groups/{item.id}",
        display_name=item.display_name,
        create_time=timestamp(item.created),
        update_time=timestamp(item.updated),
        member_count=int32(item.member_count),
    )
