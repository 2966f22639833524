"""A journal of the audit log whose entries a test looks at."""

from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from tocsin.api.auth.v1 import audit_log_service_pb2 as pb
from tocsin.audit_log.journal import AuditJournal, SendEntries
from tocsin.clock import Clock


async def nowhere(entries: Sequence[pb.ReportedAuditLog]) -> None:
    """Takes what is told."""


def journal_in(folder: Path, clock: Clock, *, send: SendEntries = nowhere, most_bytes: int = 1_000_000) -> AuditJournal:
    """A journal in ``folder``."""
    return AuditJournal(
        folder=folder / "journal", most_bytes=most_bytes, service="auth_svc", send=send, clock=clock, registry=CollectorRegistry()
    )
