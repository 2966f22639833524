"""IncidentDependencyService."""

from collections.abc import Sequence
from typing import Any, Final

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask

from scheduler_svc.domain.dependencies import IncidentDependency as StoredDependency
from scheduler_svc.handlers.matchers import matcher_messages, matchers_of
from scheduler_svc.handlers.times import set_instant
from scheduler_svc.service.incident_rules import IncidentDependencies
from tocsin.api.scheduler.v1 import incident_dependency_service_pb2 as pb
from tocsin.api.scheduler.v1 import incident_dependency_service_pb2_grpc as rpc
from tocsin.masks import fields_to_change
from tocsin.mesh.context import principal
from tocsin.mesh.validation import RequestValidator
from tocsin.pages import Listing, list_page

Context = grpc.aio.ServicerContext[Any, Any]

_COLLECTION: Final = "incidentDependencies/"
_WRITABLE: Final = ("display_name", "source", "target", "equal")


class IncidentDependencyHandlers(rpc.IncidentDependencyServiceServicer):
    """Manages dependencies of the caller's tenant."""

    def __init__(self, *, dependencies: IncidentDependencies, validator: RequestValidator) -> None:
        self._dependencies = dependencies
        self._validator = validator

    async def CreateIncidentDependency(self, request: pb.CreateIncidentDependencyRequest, context: Context) -> pb.IncidentDependency:
        """Makes a dependency."""
        return _message(await self._dependencies.create(_dependency(request.incident_dependency, principal().tenant)))

    async def GetIncidentDependency(self, request: pb.GetIncidentDependencyRequest, context: Context) -> pb.IncidentDependency:
        """Reads a dependency."""
        return _message(await self._dependencies.get(principal().tenant, _id(request.name)))

    async def ListIncidentDependencies(
        self, request: pb.ListIncidentDependenciesRequest, context: Context
    ) -> pb.ListIncidentDependenciesResponse:
        """Lists dependencies, by name."""
        tenant = principal().tenant

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[StoredDependency], None]:
            return await self._dependencies.page(tenant, after=behind[0] if behind else "", size=most), None

        listing = Listing(f"incidentDependencies/{tenant}", (str,))
        found, more = await list_page(request, listing, read=read, show=_message, place=lambda item: (item.id,))
        return pb.ListIncidentDependenciesResponse(incident_dependencies=found, next_page_token=more)

    async def UpdateIncidentDependency(self, request: pb.UpdateIncidentDependencyRequest, context: Context) -> pb.IncidentDependency:
        """Changes fields of a dependency."""
        tenant, given = principal().tenant, request.incident_dependency
        self._validator.check(pb.GetIncidentDependencyRequest(name=given.name))
        mask = FieldMask(paths=fields_to_change(request.update_mask, given, _WRITABLE))

        def change(stored: StoredDependency) -> StoredDependency:
            whole = _message(stored)
            mask.MergeMessage(given, whole, replace_message_field=True, replace_repeated_field=True)
            self._validator.check(pb.CreateIncidentDependencyRequest(incident_dependency=whole))
            return _dependency(whole, tenant)

        return _message(await self._dependencies.update(tenant, _id(given.name), etag=given.etag, change=change))

    async def DeleteIncidentDependency(self, request: pb.DeleteIncidentDependencyRequest, context: Context) -> Empty:
        """Removes a dependency."""
        await self._dependencies.delete(principal().tenant, _id(request.name), etag=request.etag)
        return Empty()


def _id(name: str) -> str:
    return name.removeprefix(_COLLECTION)


def _dependency(message: pb.IncidentDependency, tenant: str) -> StoredDependency:
    return StoredDependency(
        id=_id(message.name),
        tenant=tenant,
        display_name=message.display_name,
        source=matchers_of(message.source),
        target=matchers_of(message.target),
        equal=tuple(message.equal),
    )


def _message(dependency: StoredDependency) -> pb.IncidentDependency:
    message = pb.IncidentDependency(
        name=f"{_COLLECTION}{dependency.id}",
        display_name=dependency.display_name,
        source=matcher_messages(dependency.source),
        target=matcher_messages(dependency.target),
        equal=dependency.equal,
        etag=dependency.etag,
    )
    set_instant(message.create_time, dependency.created)
    set_instant(message.update_time, dependency.updated)
    return message
