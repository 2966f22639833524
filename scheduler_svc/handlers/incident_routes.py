"""IncidentRouteService."""

from collections.abc import Sequence
from typing import Any, Final

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask

from scheduler_svc.domain.incident_words import IncidentSeverity
from scheduler_svc.domain.matchers import words_of
from scheduler_svc.domain.routes import DEFAULT_GROUP_INTERVAL, DEFAULT_GROUP_REPEAT, DEFAULT_GROUP_WAIT
from scheduler_svc.domain.routes import IncidentRoute as StoredRoute
from scheduler_svc.handlers.matchers import matcher_messages, matchers_of
from scheduler_svc.handlers.times import length_of, set_instant, set_length
from scheduler_svc.service.incident_rules import IncidentRoutes
from tocsin.api.scheduler.v1 import incident_route_service_pb2 as pb
from tocsin.api.scheduler.v1 import incident_route_service_pb2_grpc as rpc
from tocsin.masks import fields_to_change
from tocsin.mesh.context import principal
from tocsin.mesh.validation import RequestValidator
from tocsin.pages import Listing, list_page
from tocsin.stored import int32

Context = grpc.aio.ServicerContext[Any, Any]

_COLLECTION: Final = "incidentRoutes/"
_POLICIES: Final = "escalationPolicies/"
_WRITABLE: Final = (
    *("display_name", "position", "matchers", "escalation_policy", "group_by", "wait", "interval", "repeat", "repeat_acknowledged"),
)


class IncidentRouteHandlers(rpc.IncidentRouteServiceServicer):
    """Manages routes of the caller's tenant."""

    def __init__(self, *, routes: IncidentRoutes, validator: RequestValidator) -> None:
        self._routes = routes
        self._validator = validator

    async def CreateIncidentRoute(self, request: pb.CreateIncidentRouteRequest, context: Context) -> pb.IncidentRoute:
        """Makes a route."""
        return _message(await self._routes.create(_route(request.incident_route, principal().tenant)))

    async def GetIncidentRoute(self, request: pb.GetIncidentRouteRequest, context: Context) -> pb.IncidentRoute:
        """Reads a route."""
        return _message(await self._routes.get(principal().tenant, _id(request.name)))

    async def ListIncidentRoutes(self, request: pb.ListIncidentRoutesRequest, context: Context) -> pb.ListIncidentRoutesResponse:
        """Lists routes, in the order in which they are asked."""
        tenant = principal().tenant

        async def read(behind: tuple[int, str] | None, most: int) -> tuple[Sequence[StoredRoute], None]:
            return await self._routes.page(tenant, after=behind, size=most), None

        listing = Listing(f"incidentRoutes/{tenant}", (int, str))
        found, more = await list_page(request, listing, read=read, show=_message, place=lambda item: (item.position, item.id))
        return pb.ListIncidentRoutesResponse(incident_routes=found, next_page_token=more)

    async def UpdateIncidentRoute(self, request: pb.UpdateIncidentRouteRequest, context: Context) -> pb.IncidentRoute:
        """Changes fields of a route."""
        tenant, given = principal().tenant, request.incident_route
        self._validator.check(pb.GetIncidentRouteRequest(name=given.name))
        mask = FieldMask(paths=fields_to_change(request.update_mask, given, _WRITABLE))

        def change(stored: StoredRoute) -> StoredRoute:
            whole = _message(stored)
            mask.MergeMessage(given, whole, replace_message_field=True, replace_repeated_field=True)
            self._validator.check(pb.CreateIncidentRouteRequest(incident_route=whole))
            return _route(whole, tenant)

        return _message(await self._routes.update(tenant, _id(given.name), etag=given.etag, change=change))

    async def DeleteIncidentRoute(self, request: pb.DeleteIncidentRouteRequest, context: Context) -> Empty:
        """Removes a route."""
        await self._routes.delete(principal().tenant, _id(request.name), etag=request.etag)
        return Empty()

    async def MatchIncidentRoute(self, request: pb.MatchIncidentRouteRequest, context: Context) -> pb.MatchIncidentRouteResponse:
        """Tells which route a trigger would take."""
        severity = IncidentSeverity(request.severity) if request.severity else IncidentSeverity.ERROR
        said = words_of(request.labels, severity=severity, key=request.dedup_key, source=request.source)
        match = await self._routes.match(principal().tenant, said, labels=request.labels)
        return pb.MatchIncidentRouteResponse(
            incident_route=None if match.route is None else _message(match.route),
            group_key=match.group,
            missed=[
                pb.RouteMiss(
                    incident_route=f"{_COLLECTION}{route.id}",
                    matcher=matcher_messages([matcher])[0],
                    value=said.get(matcher.label, ""),
                )
                for route, matcher in match.missed
            ],
        )


def _id(name: str) -> str:
    return name.removeprefix(_COLLECTION)


def _route(message: pb.IncidentRoute, tenant: str) -> StoredRoute:
    return StoredRoute(
        id=_id(message.name),
        tenant=tenant,
        display_name=message.display_name,
        position=message.position,
        matchers=matchers_of(message.matchers),
        policy=message.escalation_policy.removeprefix(_POLICIES),
        group_by=tuple(message.group_by),
        wait=length_of(message.wait) if message.HasField("wait") else DEFAULT_GROUP_WAIT,
        interval=length_of(message.interval) if message.HasField("interval") else DEFAULT_GROUP_INTERVAL,
        repeat=length_of(message.repeat) if message.HasField("repeat") else DEFAULT_GROUP_REPEAT,
        repeat_acknowledged=message.repeat_acknowledged,
    )


def _message(route: StoredRoute) -> pb.IncidentRoute:
    message = pb.IncidentRoute(
        name=f"{_COLLECTION}{route.id}",
        display_name=route.display_name,
        position=int32(route.position),
        matchers=matcher_messages(route.matchers),
        escalation_policy=f"{_POLICIES}{route.policy}" if route.policy else "",
        group_by=route.group_by,
        repeat_acknowledged=route.repeat_acknowledged,
        etag=route.etag,
    )
    set_length(message.wait, route.wait)
    set_length(message.interval, route.interval)
    set_length(message.repeat, route.repeat)
    set_instant(message.create_time, route.created)
    set_instant(message.update_time, route.updated)
    return message
