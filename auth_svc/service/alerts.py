"""Security alerts: counting what is the same, showing it, telling it as it happens, and forgetting it."""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from auth_svc.domain import StoredAlert
from auth_svc.ports import AlertStore
from tocsin.alerts import Alert
from tocsin.clock import SECOND, Clock
from tocsin.errors import InvalidInput
from tocsin.listing import Condition
from tocsin.stored import shown
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)

_TOKEN: Final = re.compile(r"[0-9]{1,17}")
_POLL_SECONDS: Final = 1.0
_OVERLAP: Final = 5 * SECOND
"""How long a transaction, or the difference of two replicas' clocks, may keep a row from those who watch."""
_BATCH: Final = 100


class AlertLog:
    """The alerts of every tenant."""

    def __init__(self, *, store: AlertStore, clock: Clock, window: timedelta, written: Sequence[Wake]) -> None:
        """Makes the log.

        Args:
            store: keeps alerts.
            clock: says when.
            window: within which the same alert is one row.
            written: woken when there are new ones.
        """
        self._store = store
        self._clock = clock
        self._window = window // timedelta(microseconds=1)
        self._written = written

    async def report(self, alerts: Sequence[Alert], batch: str) -> None:
        """Stores what happened; when this returns, it is committed. ``batch`` tells one that comes again."""
        merged: dict[str, Alert] = {}
        for alert in alerts:
            identity = self._identity(alert)
            known = merged.get(identity)
            merged[identity] = alert if known is None else replace(alert, count=alert.count + known.count)
        new = await self._store.add_alerts(list(merged.items()), batch=batch, now=self._clock.now())
        for each in new:
            alert = each.alert
            _log.warning(
                "security alert",
                alert=each.name,
                kind=shown(alert.kind),
                severity=shown(alert.severity),
                tenant=alert.tenant,
                subject=alert.subject,
                place=alert.place,
                latest=alert.latest,
                detail=alert.detail,
                count=alert.count,
            )
        if new:
            for wake in self._written:
                wake.set()

    def _identity(self, alert: Alert) -> str:
        """32 hexadecimal digits that come from what the alert is and the window that it happened in."""
        parts = (alert.tenant, alert.kind.value, alert.subject, alert.place, alert.detail, str(alert.first // self._window))
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()

    async def get(self, tenant: str, alert: str) -> StoredAlert:
        """One alert.

        Raises:
            AlertNotFound: the tenant has no such alert.
        """
        return await self._store.get_alert(tenant, alert)

    async def page(
        self, tenant: str, *, conditions: Sequence[Condition], before: tuple[int, str] | None, limit: int
    ) -> Sequence[StoredAlert]:
        """Alerts, the newest first; those older than ``before`` (first, id)."""
        return await self._store.list_alerts(tenant, conditions=conditions, before=before, limit=limit)

    async def watch(self, tenant: str, *, token: str) -> AsyncIterator[StoredAlert]:
        """Every alert that is made or counted after ``token``, or from now on. Does not end; one may come twice after a token.

        Raises:
            InvalidInput: the token is not one of ours.
        """
        since = parse_token(token) or self._clock.micros()
        floor = since - _OVERLAP if token else since
        seen: dict[str, tuple[int, int]] = {}
        while True:
            place = floor, ""
            while rows := await self._store.changed_alerts(tenant, after=place, limit=_BATCH):
                for row in rows:
                    if seen.get(row.id, (0, 0))[0] != row.alert.count:
                        yield row
                    seen[row.id] = row.alert.count, row.updated
                place = rows[-1].updated, rows[-1].id
                if len(rows) < _BATCH:
                    break
            floor = max(floor, place[0] - _OVERLAP)
            seen = {name: entry for name, entry in seen.items() if entry[1] >= floor}
            await self._clock.sleep(_POLL_SECONDS)


def resume_token(alert: StoredAlert) -> str:
    """The token that continues after an alert."""
    return str(alert.updated)


def parse_token(token: str) -> int:
    """The instant in a token; 0 for an empty one.

    Raises:
        InvalidInput: it is not one of ours.
    """
    if not token:
        return 0
    if _TOKEN.fullmatch(token) is None:
        raise InvalidInput.at("resumeToken", "is not a token that an alert came with")
    return int(token)
