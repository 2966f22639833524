"""AuditLogService."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc

from auth_svc.domain import AuditHead, StoredEntry
from auth_svc.handlers.convert import timestamp
from auth_svc.service import AuditLog
from tocsin.api.auth.v1 import audit_log_service_pb2 as pb
from tocsin.api.auth.v1 import audit_log_service_pb2_grpc as rpc
from tocsin.audit_log.wire import entry_of
from tocsin.listing import FilterField, FilterKind, parse_filter
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page
from tocsin.stored import instant

_Context = grpc.aio.ServicerContext[Any, Any]
_FILTER = {
    "service": FilterField(),
    "method": FilterField(),
    "subject": FilterField(),
    "resource": FilterField(),
    "outcome": FilterField(),
    "client_address": FilterField(),
    "time": FilterField(kind=FilterKind.TIME),
}


class AuditLogHandlers(rpc.AuditLogServiceServicer):
    """AuditLogService."""

    def __init__(self, *, audit: AuditLog) -> None:
        self._audit = audit

    async def GetAuditLog(self, request: pb.GetAuditLogRequest, context: _Context) -> pb.AuditLog:
        """Reads an entry."""
        return _entry(await self._audit.get(principal().tenant, int(request.name.removeprefix("auditLogs/"))))

    async def ListAuditLogs(self, request: pb.ListAuditLogsRequest, context: _Context) -> pb.ListAuditLogsResponse:
        """Lists entries."""
        tenant = principal().tenant
        conditions = parse_filter(request.filter, fields=_FILTER)

        async def read(behind: tuple[int] | None, most: int) -> tuple[Sequence[StoredEntry], None]:
            before = None if behind is None else behind[0]
            return await self._audit.page(tenant, conditions=conditions, before=before, limit=most), None

        listing = Listing(f"auditLogs {tenant} {request.filter}", (int,))
        entries, token = await list_page(request, listing, read=read, show=_entry, place=lambda item: (item.number,))
        return pb.ListAuditLogsResponse(audit_logs=entries, next_page_token=token)

    async def WatchAuditLogs(self, request: pb.WatchAuditLogsRequest, context: _Context) -> AsyncIterator[pb.WatchAuditLogsResponse]:
        """Streams entries."""
        async for entry in self._audit.watch(principal().tenant, token=request.resume_token):
            yield pb.WatchAuditLogsResponse(audit_log=_entry(entry), resume_token=str(entry.number))

    async def ExportAuditLogs(self, request: pb.ExportAuditLogsRequest, context: _Context) -> AsyncIterator[pb.ExportAuditLogsResponse]:
        """Streams the whole log."""
        written = False
        async for line in self._audit.export(principal().tenant):
            if isinstance(line, StoredEntry):
                yield pb.ExportAuditLogsResponse(audit_log=_entry(line))
            elif written:
                yield pb.ExportAuditLogsResponse(head=_head(line))
            else:
                yield pb.ExportAuditLogsResponse(anchor=_head(line))
            written = True

    async def AppendAuditLogs(self, request: pb.AppendAuditLogsRequest, context: _Context) -> pb.AppendAuditLogsResponse:
        """Keeps entries."""
        await self._audit.append([entry_of(each) for each in request.audit_logs])
        return pb.AppendAuditLogsResponse()


def _entry(stored: StoredEntry) -> pb.AuditLog:
    entry = stored.entry
    return pb.AuditLog(
        name=stored.name,
        time=timestamp(instant(entry.time)),
        service=entry.service,
        method=entry.method,
        subject=entry.subject,
        session=entry.session,
        client_address=entry.client_address,
        user_agent=entry.user_agent,
        resource=entry.resource,
        outcome=entry.outcome,
        detail=entry.detail,
        request_id=entry.request_id,
        trace_id=entry.trace_id,
        count=entry.count,
        entry_id=entry.id,
        hash=stored.hash,
        tenant=entry.tenant,
    )


def _head(head: AuditHead) -> pb.AuditHead:
    return pb.AuditHead(
        tenant=head.tenant, number=head.number, hash=head.hash, sign_time=timestamp(instant(head.signed)), signature=head.signature
    )
