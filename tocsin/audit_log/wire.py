"""Telling auth_svc."""

from collections.abc import Sequence
from typing import Final

from tocsin.api.auth.v1 import audit_log_service_pb2 as pb
from tocsin.api.auth.v1 import audit_log_service_pb2_grpc as rpc
from tocsin.audit_log.journal import SendEntries
from tocsin.audit_log.model import AuditEntry
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import detached

_AUTH: Final = "auth_svc"


def audit_sender(mesh: Mesh) -> SendEntries:
    """Tells auth_svc through the mesh."""
    stub = rpc.AuditLogServiceStub(mesh.channel(_AUTH))

    async def send(entries: Sequence[pb.ReportedAuditLog]) -> None:
        with detached():
            await stub.AppendAuditLogs(pb.AppendAuditLogsRequest(audit_logs=entries))

    return send


def entry_of(message: pb.ReportedAuditLog) -> AuditEntry:
    """The entry that a service told."""
    return AuditEntry(
        tenant=message.tenant,
        id=message.entry_id,
        time=message.time_micros,
        service=message.service,
        method=message.method,
        subject=message.subject,
        session=message.session,
        client_address=message.client_address,
        user_agent=message.user_agent,
        resource=message.resource,
        outcome=message.outcome,
        detail=message.detail,
        request_id=message.request_id,
        trace_id=message.trace_id,
        count=message.count,
    )
