"""SecurityAlertService."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc

from auth_svc.domain import DEFAULT_DELIVERIES, AlertDelivery, AlertPolicy, StoredAlert
from auth_svc.handlers.convert import caller, instant_of, timestamp
from auth_svc.service import AlertLog, AlertPolicies
from auth_svc.service.alert_policies import AlertPolicyView
from auth_svc.service.alerts import resume_token
from tocsin.alerts import Alert, AlertKind, Severity
from tocsin.api.auth.v1 import security_alert_service_pb2, security_alert_service_pb2_grpc
from tocsin.clock import to_micros
from tocsin.errors import InvalidInput
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

    def __init__(self, *, alerts: AlertLog, policies: AlertPolicies) -> None:
        self._alerts = alerts
        self._policies = policies

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

    async def GetAlertPolicy(
        self, request: security_alert_service_pb2.GetAlertPolicyRequest, context: _Context
    ) -> security_alert_service_pb2.AlertPolicy:
        """Shows who is told."""
        return _policy_message(await self._policies.get(principal().tenant))

    async def SetAlertPolicy(
        self, request: security_alert_service_pb2.SetAlertPolicyRequest, context: _Context
    ) -> security_alert_service_pb2.AlertPolicy:
        """Says who is told."""
        return _policy_message(await self._policies.put(caller(), _policy_of(request.policy)))

    async def ReportAlerts(
        self, request: security_alert_service_pb2.ReportAlertsRequest, context: _Context
    ) -> security_alert_service_pb2.ReportAlertsResponse:
        """Stores alerts."""
        known = [alert for each in request.alerts if (alert := _reported(each)) is not None]
        await self._alerts.report(known, request.request_id)
        return security_alert_service_pb2.ReportAlertsResponse()


_Policy = security_alert_service_pb2.AlertPolicy
_Alert = security_alert_service_pb2.SecurityAlert
_BY_SEVERITY = {Severity.HIGH: "high", Severity.MEDIUM: "medium", Severity.LOW: "low"}


def _policy_message(view: AlertPolicyView) -> security_alert_service_pb2.AlertPolicy:
    policy = view.policy
    by_severity = {**DEFAULT_DELIVERIES, **policy.severities}
    return _Policy(
        name="security/alertPolicy",
        to=policy.to,
        kinds=[
            _Policy.KindRule(kind=_Alert.Kind.Value(kind.value), delivery=_Policy.Delivery.Value(delivery.value))
            for kind, delivery in policy.kinds.items()
        ],
        digest_hour=policy.digest_hour,
        reached=view.reached,
        unreached=view.unreached,
        **{field: _Policy.Delivery.Value(by_severity[severity].value) for severity, field in _BY_SEVERITY.items()},
    )


def _policy_of(message: security_alert_service_pb2.AlertPolicy) -> AlertPolicy:
    given = {severity: getattr(message, field) for severity, field in _BY_SEVERITY.items()}
    kinds: dict[AlertKind, AlertDelivery] = {}
    for number, rule in enumerate(message.kinds):
        kind = AlertKind(_Alert.Kind.Name(rule.kind))
        if kind in kinds:
            raise InvalidInput.at(f"policy.kinds[{number}].kind", "is given twice")
        kinds[kind] = AlertDelivery(_Policy.Delivery.Name(rule.delivery))
    return AlertPolicy(
        to=tuple(message.to),
        severities={severity: AlertDelivery(_Policy.Delivery.Name(value)) for severity, value in given.items() if value},
        kinds=kinds,
        digest_hour=message.digest_hour if message.HasField("digest_hour") else AlertPolicy().digest_hour,
    )


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
