"""RotationService."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp

from mailer_svc.domain.rotations import Rotation, RotationOverride, RotationPlan
from mailer_svc.handlers.rotation_messages import (
    PEOPLE,
    changed_plan,
    interval_message,
    on_call_message,
    override_message,
    override_of,
    rotation_message,
    schedule_message,
)
from mailer_svc.service import OnCall, OnCallAnswer, Rotations, RotationSchedule
from mailer_svc.service.on_call_watch import OnCallWatch
from tocsin.api.mailer.v1 import rotation_service_pb2 as pb
from tocsin.api.mailer.v1 import rotation_service_pb2_grpc as rpc
from tocsin.masks import fields_to_change
from tocsin.mesh.context import principal
from tocsin.pages import BatchSizer, Listing, list_page
from tocsin.resource_names import check_unnamed

Context = grpc.aio.ServicerContext[Any, Any]

_COLLECTION: Final = "rotations/"
_WRITABLE: Final = ("display_name", "time_zone", "layers", "owner")
_NEW: Final = RotationPlan(time_zone="", layers=())


class RotationHandlers(rpc.RotationServiceServicer):
    """Manages rotations of the caller's tenant, and says who is on call."""

    def __init__(self, *, rotations: Rotations, on_call: OnCall, watch: OnCallWatch) -> None:
        self._rotations = rotations
        self._on_call = on_call
        self._watch = watch

    async def CreateRotation(self, request: pb.CreateRotationRequest, context: Context) -> pb.Rotation:
        """Makes a rotation."""
        given = request.rotation
        plan = changed_plan(_NEW, given, _WRITABLE)
        return rotation_message(await self._rotations.create(tenant=principal().tenant, id=_id(given.name), plan=plan))

    async def GetRotation(self, request: pb.GetRotationRequest, context: Context) -> pb.Rotation:
        """Reads a rotation."""
        return rotation_message(await self._rotations.get(tenant=principal().tenant, id=_id(request.name)))

    async def ListRotations(self, request: pb.ListRotationsRequest, context: Context) -> pb.ListRotationsResponse:
        """Lists rotations, by name."""
        tenant = principal().tenant

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Rotation], None]:
            return await self._rotations.page(tenant=tenant, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"rotations {tenant}", (str,))
        found, token = await list_page(request, listing, read=read, show=rotation_message, place=lambda item: (item.id,))
        return pb.ListRotationsResponse(rotations=found, next_page_token=token)

    async def UpdateRotation(self, request: pb.UpdateRotationRequest, context: Context) -> pb.Rotation:
        """Changes fields of a rotation."""
        given = request.rotation
        names = fields_to_change(request.update_mask, given, _WRITABLE)
        changed = await self._rotations.update(
            tenant=principal().tenant, id=_id(given.name), change=lambda plan: changed_plan(plan, given, names)
        )
        return rotation_message(changed)

    async def DeleteRotation(self, request: pb.DeleteRotationRequest, context: Context) -> Empty:
        """Removes a rotation."""
        await self._rotations.delete(tenant=principal().tenant, id=_id(request.name))
        return Empty()

    async def ListRotationRevisions(self, request: pb.ListRotationRevisionsRequest, context: Context) -> pb.ListRotationRevisionsResponse:
        """Lists what a rotation was."""
        tenant, rotation = principal().tenant, _id(request.name)

        async def read(behind: tuple[int] | None, most: int) -> tuple[Sequence[Rotation], None]:
            before = behind[0] if behind else None
            return await self._rotations.revisions(tenant=tenant, id=rotation, before=before, limit=most), None

        listing = Listing(f"revisions {tenant} {rotation}", (int,))
        found, token = await list_page(request, listing, read=read, show=rotation_message, place=lambda item: (item.revision,))
        return pb.ListRotationRevisionsResponse(revisions=found, next_page_token=token)

    async def GetOnCall(self, request: pb.GetOnCallRequest, context: Context) -> pb.OnCall:
        """Says who is on call in a rotation."""
        at = _instant(request.at, given=request.HasField("at"))
        return on_call_message(await self._on_call.at(tenant=principal().tenant, rotation=_id(request.name), at=at))

    async def ListOnCall(self, request: pb.ListOnCallRequest, context: Context) -> pb.ListOnCallResponse:
        """Says who is on call in each rotation."""
        tenant, at = principal().tenant, _instant(request.at, given=request.HasField("at"))
        recipient = request.recipient.removeprefix(PEOPLE)

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[OnCallAnswer], tuple[str] | None]:
            after = behind[0] if behind else ""
            found, further = await self._on_call.page(tenant=tenant, at=at, recipient=recipient, after=after, limit=most)
            return found, (further,) if further is not None else None

        listing = Listing(f"on call {tenant} {at} {recipient}", (str,))
        found, token = await list_page(request, listing, read=read, show=on_call_message, place=lambda item: (item.rotation,))
        return pb.ListOnCallResponse(on_call=found, next_page_token=token)

    async def WatchRotations(self, request: pb.WatchRotationsRequest, context: Context) -> AsyncIterator[pb.WatchRotationsResponse]:
        """Streams who is on call whenever that or a rotation changes."""
        step = BatchSizer()
        async for change in self._watch.watch(tenant=principal().tenant, token=request.resume_token, most=step.take):
            message = on_call_message(change.answer)
            step.saw(message.ByteSize())
            yield pb.WatchRotationsResponse(on_call=message, resume_token=change.token)

    async def PreviewRotation(self, request: pb.PreviewRotationRequest, context: Context) -> pb.PreviewRotationResponse:
        """Shows the schedule of a range of time."""
        rotation = _id(request.name)
        start: Timestamp = getattr(request, "from")
        found = await self._on_call.preview(
            tenant=principal().tenant,
            rotation=rotation,
            start=_instant(start, given=request.HasField("from")),
            end=_instant(request.to, given=request.HasField("to")),
        )
        return pb.PreviewRotationResponse(intervals=[interval_message(rotation, each) for each in found])

    async def PreviewRotationDraft(self, request: pb.PreviewRotationDraftRequest, context: Context) -> pb.PreviewRotationDraftResponse:
        """Shows the schedule of a rotation that is not stored."""
        tenant, rotation = principal().tenant, _id(request.rotation.name)
        given: Timestamp = getattr(request, "from")
        start, end = self._on_call.range(
            _instant(given, given=request.HasField("from")), _instant(request.to, given=request.HasField("to"))
        )
        plan = await self._rotations.draft(tenant=tenant, id=rotation, plan=changed_plan(_NEW, request.rotation, _WRITABLE))
        found = await self._on_call.draft(tenant=tenant, rotation=rotation, plan=plan, start=start, end=end)
        return pb.PreviewRotationDraftResponse(intervals=[interval_message(rotation, each) for each in found])

    async def PreviewOnCall(self, request: pb.PreviewOnCallRequest, context: Context) -> pb.PreviewOnCallResponse:
        """Shows the schedules of all rotations."""
        tenant = principal().tenant
        given: Timestamp = getattr(request, "from")
        asked = (_instant(given, given=request.HasField("from")), _instant(request.to, given=request.HasField("to")))
        start, end = self._on_call.range(*asked)

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[RotationSchedule], tuple[str] | None]:
            rotations = await self._rotations.page(tenant=tenant, after=behind[0] if behind else "", limit=most)
            found = await self._on_call.schedules(tenant=tenant, rotations=rotations, start=start, end=end)
            return found, (found[-1].rotation.id,) if len(found) < len(rotations) else None

        listing = Listing(f"schedules {tenant} {asked}", (str,))
        found, token = await list_page(request, listing, read=read, show=schedule_message, place=lambda item: (item.rotation.id,))
        return pb.PreviewOnCallResponse(schedules=found, next_page_token=token)

    async def CreateRotationOverride(self, request: pb.CreateRotationOverrideRequest, context: Context) -> pb.RotationOverride:
        """Makes an override."""
        check_unnamed(request.override.name, field="override.name")
        caller, rotation = principal(), _id(request.parent)
        override = override_of(request.override, caller.subject)
        return override_message(rotation, await self._rotations.add_override(tenant=caller.tenant, rotation=rotation, override=override))

    async def ListRotationOverrides(self, request: pb.ListRotationOverridesRequest, context: Context) -> pb.ListRotationOverridesResponse:
        """Lists the overrides of a rotation."""
        tenant = principal().tenant
        rotation = (await self._rotations.get(tenant=tenant, id=_id(request.parent))).id

        async def read(behind: tuple[int] | None, most: int) -> tuple[Sequence[RotationOverride], None]:
            after = behind[0] if behind else 0
            page = await self._rotations.overrides(tenant=tenant, rotation=rotation, ended=request.show_ended, after=after, limit=most)
            return page, None

        def show(item: RotationOverride) -> pb.RotationOverride:
            return override_message(rotation, item)

        listing = Listing(f"overrides {tenant} {rotation} {request.show_ended}", (int,))
        found, token = await list_page(request, listing, read=read, show=show, place=lambda item: (item.created,))
        return pb.ListRotationOverridesResponse(overrides=found, next_page_token=token)

    async def DeleteRotationOverride(self, request: pb.DeleteRotationOverrideRequest, context: Context) -> Empty:
        """Takes an override back."""
        rotation, _, override = _id(request.name).partition("/overrides/")
        await self._rotations.delete_override(tenant=principal().tenant, rotation=rotation, id=override)
        return Empty()


def _id(name: str) -> str:
    return name.removeprefix(_COLLECTION)


def _instant(value: Timestamp, *, given: bool) -> int | None:
    return value.ToMicroseconds() if given else None
