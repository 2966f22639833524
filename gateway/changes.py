"""ChangeService: the changes of several kinds as one stream, which the gateway puts together from the watches of the services."""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from google.protobuf.message import Message

from gateway.mesh_admin import MeshAdmin
from gateway.ports import ServerStream
from tocsin.api.auth.v1 import security_alert_service_pb2 as alerts
from tocsin.api.gateway.v1 import change_service_pb2 as pb
from tocsin.api.mailer.v1 import delivery_service_pb2 as deliveries
from tocsin.api.mailer.v1 import rotation_service_pb2 as rotations
from tocsin.api.mesh.v1 import mesh_admin_service_pb2 as mesh
from tocsin.api.scheduler.v1 import firing_service_pb2 as firings
from tocsin.api.scheduler.v1 import incident_service_pb2 as incidents
from tocsin.clock import Clock
from tocsin.errors import InvalidInput, PermissionDenied, TocsinError, Unauthenticated
from tocsin.mesh.context import current
from tocsin.mesh.policy import policies
from tocsin.mesh.status import code_of

_AHEAD: Final = 16
"""Changes that are read before the client takes them; beyond that the services wait."""
_AGAIN_SECONDS: Final = (0.25, 0.5, 1.0, 2.0)
_MESH: Final = "/tocsin.api.mesh.v1.MeshAdminService/WatchMesh"

Fill: TypeAlias = Callable[[pb.WatchChangesResponse, Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where the changes of a kind come from: a watch, and how what it sends becomes a change."""

    path: str
    request: type[Message]
    response: type[Message]
    fill: Fill


def _incident(change: pb.WatchChangesResponse, told: incidents.WatchIncidentsResponse) -> None:
    change.incident.event.CopyFrom(told.event)
    change.incident.incident.CopyFrom(told.incident)


_SOURCES: Final[Mapping[pb.ChangeKind.ValueType, _Source]] = {
    pb.FIRING: _Source(
        path="/tocsin.api.scheduler.v1.FiringService/WatchFirings",
        request=firings.WatchFiringsRequest,
        response=firings.WatchFiringsResponse,
        fill=lambda change, told: change.firing.CopyFrom(told.firing),
    ),
    pb.INCIDENT: _Source(
        path="/tocsin.api.scheduler.v1.IncidentService/WatchIncidents",
        request=incidents.WatchIncidentsRequest,
        response=incidents.WatchIncidentsResponse,
        fill=_incident,
    ),
    pb.DELIVERY: _Source(
        path="/tocsin.api.mailer.v1.DeliveryService/WatchDeliveries",
        request=deliveries.WatchDeliveriesRequest,
        response=deliveries.WatchDeliveriesResponse,
        fill=lambda change, told: change.delivery.CopyFrom(told.delivery),
    ),
    pb.MESH: _Source(
        path=_MESH,
        request=mesh.WatchMeshRequest,
        response=mesh.WatchMeshResponse,
        fill=lambda change, told: change.mesh.CopyFrom(told.mesh),
    ),
    pb.ALERT: _Source(
        path="/tocsin.api.auth.v1.SecurityAlertService/WatchAlerts",
        request=alerts.WatchAlertsRequest,
        response=alerts.WatchAlertsResponse,
        fill=lambda change, told: change.alert.CopyFrom(told.alert),
    ),
    pb.ROTATION: _Source(
        path="/tocsin.api.mailer.v1.RotationService/WatchRotations",
        request=rotations.WatchRotationsRequest,
        response=rotations.WatchRotationsResponse,
        fill=lambda change, told: change.rotation.CopyFrom(told.on_call),
    ),
}


class ChangeFeed:
    """Follows what a caller may read."""

    def __init__(self, *, follow: Callable[[str], ServerStream], admin: MeshAdmin, clock: Clock) -> None:
        """Makes the use case.

        Args:
            follow: gives the caller of a watch of a service, by its path.
            admin: shows the mesh.
            clock: source of time.
        """
        self._follow = follow
        self._admin = admin
        self._clock = clock

    async def WatchChanges(self, request: pb.WatchChangesRequest) -> AsyncGenerator[pb.WatchChangesResponse]:  # noqa: N802 - the RPC's name
        """Changes, as they come.

        Raises:
            InvalidInput: the resume token is none of this stream.
            Unauthenticated: the credential has ended.
        """
        tokens = _decoded(request.resume_token)
        queue: asyncio.Queue[pb.WatchChangesResponse | TocsinError] = asyncio.Queue(_AHEAD)
        readers = [asyncio.ensure_future(self._read(kind, tokens, queue)) for kind in request.kinds or _SOURCES]
        try:
            while True:
                change = await queue.get()
                if isinstance(change, TocsinError):
                    raise change
                yield change
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    async def _read(
        self, kind: pb.ChangeKind.ValueType, tokens: dict[int, str], queue: "asyncio.Queue[pb.WatchChangesResponse | TocsinError]"
    ) -> None:
        """Puts the changes of one kind into ``queue``, over and over; a service that is away is asked again until it is back."""
        source, failures = _SOURCES[kind], 0
        scope = policies()[source.path].scope
        call = current()
        if call is None or call.principal is None or scope not in call.principal.scopes:
            await queue.put(_standing(kind, tokens, "PERMISSION_DENIED"))
            return
        while True:
            try:
                await queue.put(_standing(kind, tokens, ""))
                async for told in self._watch(source, tokens.get(kind, "")):
                    failures = 0
                    change = pb.WatchChangesResponse()
                    source.fill(change, told)
                    tokens[kind] = getattr(told, "resume_token", "")
                    change.resume_token = _encoded(tokens)
                    await queue.put(change)
            except Unauthenticated as error:
                await queue.put(error)
                return
            except TocsinError as error:
                await queue.put(_standing(kind, tokens, code_of(error).name))
                if isinstance(error, PermissionDenied):
                    return
                if isinstance(error, InvalidInput):
                    tokens.pop(kind, None)  # the service knows the token no more: it goes on from now, and the standing says so
            await self._clock.sleep(_AGAIN_SECONDS[min(failures, len(_AGAIN_SECONDS) - 1)])
            failures += 1

    async def _watch(self, source: _Source, token: str) -> AsyncGenerator[Any]:
        if source.path == _MESH:
            async for picture in self._admin.WatchMesh(mesh.WatchMeshRequest()):
                yield picture
            return
        stream = self._follow(source.path)(source.request(**({"resume_token": token} if token else {})).SerializeToString())
        try:
            async for raw in stream:
                yield source.response.FromString(raw)
        finally:
            stream.cancel()


def _standing(kind: pb.ChangeKind.ValueType, tokens: Mapping[int, str], reason: str) -> pb.WatchChangesResponse:
    standing = pb.WatchChangesResponse.Standing(kind=kind, reason=reason)
    return pb.WatchChangesResponse(standing=standing, resume_token=_encoded(tokens))


def _encoded(tokens: Mapping[int, str]) -> str:
    """One token for those of all kinds; empty as long as there are none."""
    kept = {str(kind): token for kind, token in sorted(tokens.items()) if token}
    return base64.urlsafe_b64encode(json.dumps(kept, separators=(",", ":")).encode()).decode() if kept else ""


def _decoded(token: str) -> dict[int, str]:
    """The tokens by kind.

    Raises:
        InvalidInput: it is none of `_encoded`.
    """
    if not token:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(token))
        tokens = {int(kind): str(value) for kind, value in found.items()}
    except (binascii.Error, ValueError, AttributeError, RecursionError):
        tokens = {0: ""}
    if not tokens.keys() <= _SOURCES.keys():
        raise InvalidInput.at("resumeToken", "is not a resume token of this stream")
    return tokens
