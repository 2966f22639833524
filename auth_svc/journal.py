"""The security log: one structured line and one count for each event."""

from typing import Final

from prometheus_client import CollectorRegistry

from auth_svc.domain import SecurityEvent
from auth_svc.metrics import SecurityMetrics
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_ALARMING: Final = frozenset(
    {
        SecurityEvent.LOGIN_FAILED,
        SecurityEvent.LOGIN_DELAYED,
        SecurityEvent.KEY_REFUSED,
        SecurityEvent.SESSION_REFUSED,
        SecurityEvent.REFRESH_REUSED,
    }
)


class SecurityJournal:
    """Implements `auth_svc.ports.SecurityLog`. The line's text is the event's stable name; so is the metric's label."""

    def __init__(self, *, registry: CollectorRegistry) -> None:
        self._metrics = SecurityMetrics(registry)

    def record(self, event: SecurityEvent, **facts: str) -> None:
        """Writes the line and counts."""
        self._metrics.happened(event)
        write = _log.warning if event in _ALARMING else _log.info
        write(event.value, **facts)
