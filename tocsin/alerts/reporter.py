"""Tells auth_svc what happened, in the background: a flood costs one entry and a count."""

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter

from tocsin.alerts.model import SEVERITIES, Alert, AlertKind, Severity
from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.database import storable
from tocsin.errors import InvalidInput, TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

SendAlerts: TypeAlias = Callable[[Sequence[Alert], str], Awaitable[None]]
"""Stores alerts for good, or raises. The text is the id of the batch: one that is sent again is the same one."""

MOST_WAITING: Final = 1_000
"""Different alerts that wait; the same one again is a count."""
MOST_AT_ONCE: Final = 100
_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 1.0
_LONGEST_TEXT: Final = 200

_Key: TypeAlias = tuple[str, AlertKind, str, str, str]


class _AlertBatch:
    """Alerts that are sent together; sent again, they are the same ones."""

    def __init__(self, alerts: Sequence[Alert]) -> None:
        self.alerts = alerts
        self.id = str(uuid.uuid4())


class AlertReporter:
    """Implements `Alerts`; a component. What auth_svc cannot take waits; what finds no room is counted as dropped."""

    def __init__(self, *, send: SendAlerts, clock: Clock, registry: CollectorRegistry) -> None:
        self._send = send
        self._clock = clock
        self._waiting: dict[_Key, Alert] = {}
        self._batches: deque[_AlertBatch] = deque()  # as they were sent, until they are answered: whether they were taken is not known
        self._background = Background(clock)
        self._happened = Counter(
            "tocsin_security_alerts", "Security alerts of this process, each time that one happened.", ["kind"], registry=registry
        )
        self._dropped = Counter(
            "tocsin_security_alerts_dropped", "Security alerts that were not told, because too many waited.", registry=registry
        )
        for kind in AlertKind:
            self._happened.labels(kind=kind.value)

    def report(
        self,
        *,
        kind: AlertKind,
        place: str,
        tenant: str = "",
        subject: str = "",
        latest: str = "",
        detail: str = "",
        severity: Severity | None = None,
    ) -> None:
        """Something happened once."""
        self._happened.labels(kind=kind.value).inc()
        now = self._clock.micros()
        alert = Alert(
            kind=kind,
            severity=severity or SEVERITIES[kind],
            tenant=_text(tenant),
            subject=_text(subject),
            place=_text(place),
            latest=_text(latest),
            detail=_text(detail),
            count=1,
            first=now,
            last=now,
        )
        self._add(alert)

    def _add(self, alert: Alert) -> None:
        key = alert.tenant, alert.kind, alert.subject, alert.place, alert.detail
        known = self._waiting.get(key)
        if known is not None:
            newer = alert if alert.last >= known.last else known
            self._waiting[key] = replace(
                newer, count=known.count + alert.count, first=min(known.first, alert.first), last=max(known.last, alert.last)
            )
        elif len(self._waiting) < MOST_WAITING:
            self._waiting[key] = alert
        else:
            self._dropped.inc(alert.count)

    async def start(self) -> None:
        """Begins to tell."""
        if not self._background.running:
            self._background.periodic("security-alerts", _SECONDS, self.tell, at_once=False, vital=False)

    async def stop(self) -> None:
        """Tells what waits, if auth_svc takes it at once, and ends."""
        await self._background.stop()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self.tell()
        except (TocsinError, TimeoutError) as error:
            _log.warning(
                "security alerts not told", alerts=len(self._waiting) + sum(len(batch.alerts) for batch in self._batches), error=str(error)
            )

    async def tell(self) -> None:
        """Tells everything that waits.

        Raises:
            TocsinError: auth_svc does not take it now; it waits on.
        """
        while self._batches or self._waiting:
            if not self._batches:
                keys = list(self._waiting)[:MOST_AT_ONCE]
                self._batches.append(_AlertBatch([self._waiting.pop(key) for key in keys]))
            batch = self._batches[0]
            try:
                await self._send(batch.alerts, batch.id)
            except InvalidInput as error:
                self._refused(batch, error)
            else:
                self._batches.popleft()
            report_progress()

    def _refused(self, batch: _AlertBatch, error: InvalidInput) -> None:
        """One alert is not taken: it is looked for by halves, so that it is dropped alone."""
        self._batches.popleft()
        if len(batch.alerts) > 1:
            middle = len(batch.alerts) // 2
            self._batches.extendleft((_AlertBatch(batch.alerts[middle:]), _AlertBatch(batch.alerts[:middle])))
            return
        self._dropped.inc(batch.alerts[0].count)
        _log.error("security alert refused", kind=batch.alerts[0].kind.value, error=error.message)


def _text(text: str) -> str:
    return storable(text[:_LONGEST_TEXT])
