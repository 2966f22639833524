"""What Prometheus sees of auth_svc: password hashing and security events."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from auth_svc.domain import SecurityEvent

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class PasswordMetrics:
    """How long hashing takes, and how many passwords are with it."""

    def __init__(self, registry: CollectorRegistry, *, in_progress: Callable[[], float]) -> None:
        self._seconds = Histogram("tocsin_auth_password_seconds", "Time that one password takes.", buckets=_BUCKETS, registry=registry)
        gauge = Gauge("tocsin_auth_passwords_in_progress", "Passwords being hashed, or waiting to be.", registry=registry)
        gauge.set_function(in_progress)

    def timed(self) -> AbstractContextManager[Any]:
        """Times its block as the hashing of one password."""
        return self._seconds.time()


class SecurityMetrics:
    """Security events by name; each is there from the start, so that a rate can be computed from the first one on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter("tocsin_auth_events", "Security events, by their names.", ["event"], registry=registry)
        for event in SecurityEvent:
            self._events.labels(event=event.value)

    def happened(self, event: SecurityEvent) -> None:
        """Counts one event."""
        self._events.labels(event=event.value).inc()
