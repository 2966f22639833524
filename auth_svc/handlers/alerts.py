"""SecurityAlertService."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc

from auth_svc.domain import StoredAlert
from auth_svc.handlers.convert import instant_of, timestamp
from auth_svc.service import AlertLog
from auth_svc.service.alerts import resume_token
from tocsin.alerts import Alert, AlertKind, Severity
from tocsin.api.auth.v1 import security_alert_service_pb2, security_alert_service_pb2_grpc
from tocsin.clock import to_micros
from tocsin.listing import FilterField, FilterKind, parse_filter
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page
from tocsin.stored import instant, shown
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_Context = grpc.aio.ServicerContext[Any, Any]
_ALERT_FILTER = {
    "kind": FilterField(kind=FilterKind.CHOICE, choices=tuple(kind.value for kind in AlertKind)),
    "severity": FilterField(kind=FilterKind.CHOICE, choices=tuple(severity.value for severity in Severity)),
    "subject": FilterField(),
    "place": FilterField(),
    "first_time": FilterField(kind=FilterKind.TIME),
}


class SecurityAlertHandlers(security_alert_service_pb2_grpc.SecurityAlertServiceServicer):
    """SecurityAlertService."""

    def __init__(self, *, alerts: AlertLog) -> None:
        self._alerts = alerts

    async def GetAlert(
        self, request: security_alert_service_pb2.GetAlertRequest, context: _Context
    ) -> security_alert_service_pb2.SecurityAlert:
        """Reads an alert."""
        return _alert(await self._alerts.get(principal().tenant, request.name.removeprefix("security/alerts/")))

    async def ListAlerts(
        self, request: security_alert_service_pb2.ListAlertsRequest, context: _Context
    ) -> security_alert_service_pb2.ListAlertsResponse:
        """Lists alerts."""
        tenant = principal().tenant
        conditions = parse_filter(request.filter, fields=_ALERT_FILTER)

        async def read(behind: tuple[int, str] | None, most: int) -> tuple[Sequence[StoredAlert], None]:
            return await self._alerts.page(tenant, conditions=conditions, before=behind, limit=most), None

        listing = Listing(f"alerts {tenant} {request.filter}", (int, str))
        alerts, token = await list_page(request, listing, read=read, show=_alert, place=lambda item: (item.alert.first, item.id))
        return security_alert_service_pb2.ListAlertsResponse(alerts=alerts, next_page_token=token)

    async def WatchAlerts(
        self, request: security_alert_service_pb2.WatchAlertsRequest, context: _Context
    ) -> AsyncIterator[security_alert_service_pb2.WatchAlertsResponse]:
        """Streams alerts."""
        async for alert in self._alerts.watch(principal().tenant, token=request.resume_token):
            yield security_alert_service_pb2.WatchAlertsResponse(alert=_alert(alert), resume_token=resume_token(alert))

    async def ReportAlerts(
        self, request: security_alert_service_pb2.ReportAlertsRequest, context: _Context
    ) -> security_alert_service_pb2.ReportAlertsResponse:
        """Stores alerts."""
        known = [alert for each in request.alerts if (alert := _reported(each)) is not None]
        await self._alerts.report(known, request.request_id)
        return security_alert_service_pb2.ReportAlertsResponse()


def _reported(message: security_alert_service_pb2.ReportedAlert) -> Alert | None:
    """The alert; None for one of a kind that a later version reports: it must not keep the others from being stored."""
    kinds, severities = security_alert_service_pb2.SecurityAlert.Kind, security_alert_service_pb2.SecurityAlert.Severity
    try:
        kind, severity = AlertKind(kinds.Name(message.kind)), Severity(severities.Name(message.severity))
    except ValueError:
        _log.warning("security alert of unknown kind", kind=message.kind, severity=message.severity)
        return None
    return Alert(
        kind=kind,
        severity=severity,
        tenant=message.tenant,
        subject=message.subject,
        place=message.place,
        latest=message.latest,
        detail=message.detail,
        count=message.count,
        first=to_micros(instant_of(message.first_time, "first_time")),
        last=to_micros(instant_of(message.last_time, "last_time")),
    )


def _alert(stored: StoredAlert) -> security_alert_service_pb2.SecurityAlert:
    alert, message = stored.alert, security_alert_service_pb2.SecurityAlert
    return message(
        name=stored.name,
        kind=dict(message.Kind.items()).get(shown(alert.kind), message.KIND_UNSPECIFIED),
        severity=dict(message.Severity.items()).get(shown(alert.severity), message.SEVERITY_UNSPECIFIED),
        subject=alert.subject,
        place=alert.place,
        latest=alert.latest,
        detail=alert.detail,
        count=alert.count,
        first_time=timestamp(instant(alert.first)),
        last_time=timestamp(instant(alert.last)),
    )
