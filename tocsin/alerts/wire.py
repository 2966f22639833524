"""Alerts on the wire, and telling them to auth_svc."""

from collections.abc import Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from tocsin.alerts.model import Alert
from tocsin.alerts.reporter import SendAlerts
from tocsin.api.auth.v1 import security_alert_service_pb2 as pb
from tocsin.api.auth.v1 import security_alert_service_pb2_grpc as rpc
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import detached

_AUTH: Final = "auth_svc"


def sender(mesh: Mesh) -> SendAlerts:
    """Tells auth_svc."""
    stub = rpc.SecurityAlertServiceStub(mesh.channel(_AUTH))

    async def send(alerts: Sequence[Alert], batch: str) -> None:
        with detached():
            await stub.ReportAlerts(pb.ReportAlertsRequest(alerts=map(_reported, alerts), request_id=batch))

    return send


def _reported(alert: Alert) -> pb.ReportedAlert:
    return pb.ReportedAlert(
        tenant=alert.tenant,
        kind=pb.SecurityAlert.Kind.Value(alert.kind.value),
        severity=pb.SecurityAlert.Severity.Value(alert.severity.value),
        subject=alert.subject,
        place=alert.place,
        latest=alert.latest,
        detail=alert.detail,
        count=alert.count,
        first_time=_timestamp(alert.first),
        last_time=_timestamp(alert.last),
    )


def _timestamp(micros: int) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMicroseconds(micros)
    return stamp
