"""What a process has to tell the audit log, kept on its disk until auth_svc has it."""

import asyncio
import hashlib
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from google.protobuf.message import DecodeError
from prometheus_client import CollectorRegistry, Counter, Gauge

from tocsin.api.auth.v1 import audit_log_service_pb2 as pb
from tocsin.audit_log.segments import Segments, TakenSegment
from tocsin.background import Background, report_progress
from tocsin.clock import SECOND, Clock
from tocsin.database import storable
from tocsin.errors import InvalidInput, TocsinError
from tocsin.mesh.context import LONGEST_ADDRESS, LONGEST_USER_AGENT, Call
from tocsin.mesh.health import Degraded
from tocsin.telemetry import current_traceparent, get_logger, trace_id_of

_log = get_logger(__name__)

SendEntries: TypeAlias = Callable[[Sequence[pb.ReportedAuditLog]], Awaitable[None]]
"""Stores entries for good, or raises. One that is told again is the same one."""

MOST_AT_ONCE: Final = 500
_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 2.0
_LONGEST_NAME: Final = 200
_REFUSALS_AT_ONCE: Final = 1_000
_REFUSAL_SECONDS: Final = 10
_NAMED_BY_ADDRESS: Final = re.compile(r"(?:[^/@]*@[^/]*|\+[^/]*)")
"""A part of a resource's name that may be an address of somebody."""

_Refusal: TypeAlias = tuple[str, str, str, str]


class AuditJournal:
    """Takes entries, and tells them in the background; a component. Auth_svc being away costs nobody anything."""

    def __init__(
        self, *, folder: Path, most_bytes: int, service: str, send: SendEntries, clock: Clock, registry: CollectorRegistry
    ) -> None:
        """Opens nothing yet.

        Args:
            folder: for the files of the journal.
            most_bytes: that they may have; what finds no room is counted.
            service: stands in each entry.
            send: tells auth_svc.
            clock: says when.
            registry: for the counts.
        """
        self._segments = Segments(folder=folder, most_bytes=most_bytes)
        self._service = service
        self._send = send
        self._clock = clock
        self._background = Background(clock)
        self._prefix, self._number = os.urandom(10).hex(), 0
        self._refusals: dict[_Refusal, pb.ReportedAuditLog] = {}
        self._flushed = 0
        self._lost = 0
        self._entries = Counter("tocsin_audit_entries", "Entries of the audit log that this process made.", registry=registry)
        self._dropped = Counter(
            "tocsin_audit_entries_dropped", "Entries of the audit log that were lost: no room, or refused.", registry=registry
        )
        waiting = Gauge("tocsin_audit_journal_bytes", "Bytes of the journal that auth_svc does not have yet.", registry=registry)
        waiting.set_function(lambda: self._segments.waiting_bytes)

    # -- taking ------------------------------------------------------------------------------------------------------------------

    def record(self, method: str, call: Call, outcome: str) -> None:
        """A call of ``method`` has ended. When this returns, the entry outlives the process."""
        note, principal = call.note, call.principal
        if note is None:
            return
        origin = call.origin
        tenant = principal.tenant if principal else note.tenant
        trace = current_traceparent()
        entry = pb.ReportedAuditLog(
            tenant=tenant,
            entry_id=self._identity(),
            time_micros=self._clock.micros(),
            service=self._service,
            method=method,
            subject=principal.subject if principal else note.subject,
            session=(principal.session if principal else "") or note.session,
            client_address=origin.address,
            user_agent=origin.user_agent,
            resource=plain(note.resource) if note.resource else "",
            outcome=outcome,
            detail=note.detail,
            request_id=_bounded(note.request_id) if note.request_id else "",
            trace_id=trace_id_of(trace) if trace else "",
            count=note.count or 1,
        )
        if not tenant and outcome != "OK":
            self._refused(entry)
        else:
            self._write(entry)

    def happened(
        self,
        method: str,
        *,
        tenant: str = "",
        subject: str = "",
        outcome: str = "OK",
        detail: str = "",
        address: str = "",
        user_agent: str = "",
        resource: str = "",
    ) -> None:
        """Something happened outside of a served call, such as a credential that the door refused. The same of no tenant is a count."""
        trace = current_traceparent()
        entry = pb.ReportedAuditLog(
            tenant=tenant,
            entry_id=self._identity(),
            time_micros=self._clock.micros(),
            service=self._service,
            method=_bounded(method),
            subject=_bounded(subject),
            client_address=address[:LONGEST_ADDRESS],
            user_agent=user_agent[:LONGEST_USER_AGENT],
            resource=plain(resource),
            outcome=outcome,
            detail=_bounded(detail),
            trace_id=trace_id_of(trace) if trace else "",
            count=1,
        )
        if not tenant and outcome != "OK":
            self._refused(entry)
        else:
            self._write(entry)

    def _identity(self) -> str:
        self._number += 1
        return f"{self._prefix}{self._number:x}"

    def _refused(self, entry: pb.ReportedAuditLog) -> None:
        """What nobody is known to have done comes in floods: within some seconds the same from the same place is one entry."""
        key = entry.method, entry.outcome, entry.detail, entry.client_address
        known = self._refusals.get(key)
        if known is not None:
            known.count += 1
        elif len(self._refusals) < _REFUSALS_AT_ONCE:
            self._refusals[key] = entry
        else:
            self._drop(1)

    def _write(self, entry: pb.ReportedAuditLog) -> None:
        self._entries.inc()
        try:
            if self._segments.append(entry.SerializeToString()):
                return
        except OSError as error:
            _log.error("audit entry not journalled", error=error.strerror)
        self._drop(entry.count)

    def _drop(self, count: int) -> None:
        self._dropped.inc(count)
        self._lost += count

    # -- telling -----------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to tell, first what a process before this one left.

        Raises:
            OSError: the folder cannot be made or read.
        """
        if not self._background.running:
            self._segments.open()
            self._background.periodic("audit-journal", _SECONDS, self._round, at_once=False, vital=False)

    async def stop(self) -> None:
        """Tells what waits, if auth_svc takes it at once, and ends; what it does not take stays on the disk."""
        await self._background.stop()
        self._flush()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self.tell()
        except (TocsinError, TimeoutError, OSError) as error:
            _log.info("audit entries wait on the disk", bytes=self._segments.waiting_bytes, error=str(error))
        self._segments.rotate()

    async def check(self) -> str | None:
        """Health: whether something was lost since the start.

        Raises:
            Degraded: it did.
        """
        if reason := self.failing.get("audit log"):
            raise Degraded(reason)
        return None

    @property
    def failing(self) -> Mapping[str, str]:
        """What was lost since the start, by name, as background tasks tell it; empty if nothing did."""
        return {"audit log": f"{self._lost} entries of the audit log were lost: no room, or refused."} if self._lost else {}

    async def _round(self) -> None:
        if self._clock.micros() - self._flushed >= _REFUSAL_SECONDS * SECOND:
            self._flush()
        await self.tell()

    def _flush(self) -> None:
        self._flushed = self._clock.micros()
        refusals, self._refusals = self._refusals, {}
        for entry in refusals.values():
            self._write(entry)

    async def tell(self) -> None:
        """Tells everything that is on the disk.

        Raises:
            TocsinError: auth_svc does not take it now; it waits on.
        """
        self._segments.rotate()
        for segment in self._segments.taken():
            await self._tell(segment)
            self._segments.forget(segment)
            report_progress()

    async def _tell(self, segment: TakenSegment) -> None:
        entries = [entry for record in segment.records() if (entry := _read(record)) is not None]
        for start in range(0, len(entries), MOST_AT_ONCE):
            await self._deliver(entries[start : start + MOST_AT_ONCE])

    async def _deliver(self, entries: Sequence[pb.ReportedAuditLog]) -> None:
        """Sends entries; one that is not taken is looked for by halves, so that it is dropped alone."""
        try:
            await self._send(entries)
        except InvalidInput as error:
            if len(entries) > 1:
                middle = len(entries) // 2
                await self._deliver(entries[:middle])
                await self._deliver(entries[middle:])
                return
            _log.error("audit entry refused", method=entries[0].method, error=error.message)
            self._drop(entries[0].count)


def _read(record: bytes) -> pb.ReportedAuditLog | None:
    try:
        return pb.ReportedAuditLog.FromString(record)
    except DecodeError:
        _log.error("audit entry not read", bytes=len(record))
        return None


def plain(resource: str) -> str:
    """The name of a resource, where a part that may be somebody's address is replaced by a digest: the same one is still the same."""
    if "@" in resource or "/+" in resource:
        resource = "/".join(_digested(part) if _NAMED_BY_ADDRESS.fullmatch(part) else part for part in resource.split("/"))
    return _bounded(resource)


def _digested(part: str) -> str:
    return f"~{hashlib.sha256(part.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _bounded(text: str) -> str:
    return storable(text[:_LONGEST_NAME])
