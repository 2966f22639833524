"""StatusService."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import grpc
from google.api.httpbody_pb2 import HttpBody

from scheduler_svc.domain.standings import Standing
from scheduler_svc.handlers.status_pages import badge_json, badge_svg, status_html, status_json
from scheduler_svc.handlers.times import set_instant, set_measured
from scheduler_svc.ports.status import StatusPage
from scheduler_svc.service.standings import BadgeNotFound, Standings, StatusPageNotFound, StatusPages
from scheduler_svc.triggers import KeptPing
from tocsin.api.scheduler.v1 import status_service_pb2 as pb
from tocsin.api.scheduler.v1 import status_service_pb2_grpc as rpc
from tocsin.api.scheduler.v1 import trigger_service_pb2
from tocsin.clock import MINUTE, Clock
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page
from tocsin.stored import int32

Context = grpc.aio.ServicerContext[Any, Any]

_ALARMS: Final = "alarms/"
_IN_LIST: Final = 1000
_FRESH: Final = "public, max-age=30"
_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json"
_PLAIN: Final = "text/plain; charset=utf-8"
_SVG: Final = "image/svg+xml; charset=utf-8"


class StatusHandlers(rpc.StatusServiceServicer):
    """Tells how what is watched stands."""

    def __init__(self, *, standings: Standings, pages: StatusPages, clock: Clock) -> None:
        self._standings = standings
        self._pages = pages
        self._clock = clock

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        """Lists what is watched."""
        tenant = principal().tenant

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Standing], None]:
            return await self._standings.page(tenant, after=behind[0] if behind else "", size=most), None

        found, more = await list_page(
            request, Listing(f"status/{tenant}", (str,)), read=read, show=_standing, place=lambda item: (item.alarm,)
        )
        return pb.GetStatusResponse(standings=found, next_page_token=more)

    async def ListPings(self, request: pb.ListPingsRequest, context: Context) -> pb.ListPingsResponse:
        """Lists the pings of a heartbeat."""
        tenant, alarm = principal().tenant, request.parent.removeprefix(_ALARMS)

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[KeptPing], None]:
            return await self._standings.pings(tenant, alarm, before=behind[0] if behind else "", size=most), None

        listing = Listing(f"pings/{tenant}/{alarm}", (str,))
        found, more = await list_page(
            request, listing, read=read, show=lambda item: _ping(alarm, item, most=_IN_LIST), place=lambda item: (item.log,)
        )
        return pb.ListPingsResponse(pings=found, next_page_token=more)

    async def GetPing(self, request: pb.GetPingRequest, context: Context) -> pb.KeptPing:
        """Reads a ping."""
        alarm, found = await self._found(request.name)
        return _ping(alarm, found, most=len(found.body))

    async def GetPingBody(self, request: pb.GetPingBodyRequest, context: Context) -> HttpBody:
        """Reads what a ping brought."""
        _, found = await self._found(request.name)
        return HttpBody(content_type=_PLAIN, data=found.body)

    async def GetStatusPage(self, request: pb.GetStatusPageRequest, context: Context) -> pb.StatusPage:
        """Reads what is shown."""
        return _page(await self._pages.get(principal().tenant))

    async def UpdateStatusPage(self, request: pb.UpdateStatusPageRequest, context: Context) -> pb.StatusPage:
        """Says what is shown."""
        said = request.status_page
        page = StatusPage(
            tenant=principal().tenant,
            enabled=said.enabled,
            slug=said.slug,
            title=said.title,
            alarms=tuple(dict.fromkeys(name.removeprefix(_ALARMS) for name in said.alarms)),
            labels=dict(said.labels),
        )
        return _page(await self._pages.update(page, rotate=request.rotate_badge_key))

    async def ShowStatusPage(self, request: pb.ShowStatusPageRequest, context: Context) -> pb.ShowStatusPageResponse:
        """Shows a page to everybody."""
        slug = request.slug.removesuffix(".json")
        try:
            page, shown = await self._pages.shown(slug)
        except StatusPageNotFound:
            return pb.ShowStatusPageResponse(page=HttpBody(content_type=_PLAIN, data=b"not found"), status=404)
        if slug != request.slug:
            body = HttpBody(content_type=_JSON, data=status_json(page.title, shown).encode())
        else:
            now = self._clock.micros() // MINUTE * MINUTE
            body = HttpBody(content_type=_HTML, data=status_html(page.title, shown, now=now).encode())
        return pb.ShowStatusPageResponse(page=body, status=200, headers=_headers(body))

    async def ShowBadge(self, request: pb.ShowBadgeRequest, context: Context) -> pb.ShowBadgeResponse:
        """Shows a badge to who knows the key."""
        name, _, form = request.badge.rpartition(".")
        if form not in ("svg", "json"):
            return pb.ShowBadgeResponse(page=HttpBody(content_type=_PLAIN, data=b"not found"), status=404)
        try:
            badge = await self._pages.badge(request.key, name)
        except BadgeNotFound:
            return pb.ShowBadgeResponse(page=HttpBody(content_type=_PLAIN, data=b"not found"), status=404)
        if form == "json":
            body = HttpBody(content_type=_JSON, data=badge_json(badge).encode())
        else:
            body = HttpBody(content_type=_SVG, data=badge_svg(badge).encode())
        return pb.ShowBadgeResponse(page=body, status=200, headers=_headers(body))

    async def _found(self, name: str) -> tuple[str, KeptPing]:
        _, alarm, _, ping = name.split("/")
        return alarm, await self._standings.ping(principal().tenant, alarm, ping)


def _headers(body: HttpBody) -> dict[str, str]:
    return {"cache-control": _FRESH, "etag": f'"{hashlib.sha256(body.data).hexdigest()[:32]}"'}


def _standing(each: Standing) -> pb.Standing:
    message = pb.Standing(
        alarm=f"{_ALARMS}{each.alarm}",
        display_name=each.name,
        labels=each.labels,
        kind=pb.Standing.Kind.ValueType(each.kind),
        state=pb.Standing.State.ValueType(each.state),
        value=each.value,
        incident=f"incidents/{each.incident}" if each.incident else "",
        slug=each.slug,
    )
    set_instant(message.since, each.since)
    set_instant(message.seen_time, each.seen)
    set_instant(message.expected_time, each.expected)
    set_instant(message.deadline, each.deadline)
    set_instant(message.started_time, each.started)
    set_measured(message.last_duration, each.duration)
    return message


def _ping(alarm: str, ping: KeptPing, *, most: int) -> pb.KeptPing:
    message = pb.KeptPing(
        name=f"{_ALARMS}{alarm}/pings/{ping.log}",
        kind=trigger_service_pb2.PingKind.ValueType(int32(ping.kind)),
        exit_status=None if ping.exit_status is None else int32(ping.exit_status),
        run_id=ping.run,
        method=ping.method,
        user_agent=ping.agent,
        address=ping.address,
        text=ping.body.decode("utf-8", "replace")[:most],
        size=ping.size,
    )
    set_instant(message.receive_time, ping.received)
    set_instant(message.time, ping.sent)
    set_measured(message.duration, ping.duration)
    return message


def _page(page: StatusPage) -> pb.StatusPage:
    return pb.StatusPage(
        enabled=page.enabled,
        slug=page.slug,
        title=page.title,
        alarms=[f"{_ALARMS}{alarm}" for alarm in page.alarms],
        labels=page.labels,
        badge_key=page.badge_secret,
    )
