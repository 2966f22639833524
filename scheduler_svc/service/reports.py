"""What became of the messages of firings: it shows in them, and of a message that did not arrive, or was not wanted, an event tells."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from scheduler_svc.domain import DeliveryEnd, DeliveryReport, Firing
from scheduler_svc.ports import ReportStore
from scheduler_svc.service.alarms import Caller
from scheduler_svc.service.signals import EventDraft
from tocsin.clock import MINUTE, Clock
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_TOPICS: Final = "tocsin.delivery."
_TELLS: Final = {
    DeliveryEnd.DEAD: f"{_TOPICS}dead",
    DeliveryEnd.SUPPRESSED: f"{_TOPICS}suppressed",
    DeliveryEnd.BOUNCED: f"{_TOPICS}bounced",
    DeliveryEnd.COMPLAINED: f"{_TOPICS}complained",
}
_SOURCE: Final = "mailer_svc"
_MOST_A_MINUTE: Final = 60
_MOST_TENANTS: Final = 10_000


class DeliveryReports:
    """Takes what the mailer says. Everything may be said twice: an event has the identity of the end that it tells of."""

    def __init__(
        self,
        *,
        store: ReportStore,
        publish: Callable[[Caller, EventDraft], Awaitable[object]],
        topic_of: Callable[[bytes], str],
        body_of: Callable[[dict[str, Any]], bytes],
        changed: Callable[[Iterable[str]], Awaitable[None]],
        clock: Clock,
    ) -> None:
        """Takes what it stands on.

        Args:
            store: the firings.
            publish: publishes an event for a tenant.
            topic_of: the topic of the event that a firing's context tells of; empty if it tells of none.
            body_of: the data of an event, serialised.
            changed: tells who watches the firings of tenants.
            clock: source of time.
        """
        self._store = store
        self._publish = publish
        self._topic_of = topic_of
        self._body_of = body_of
        self._changed = changed
        self._clock = clock
        self._told: dict[str, tuple[Micros, int]] = {}

    async def report(self, reports: Sequence[DeliveryReport]) -> None:
        """Shows what became of messages in their firings, and publishes an event, such as ``tocsin.delivery.dead``, for a bad end.

        Raises:
            Unavailable: nothing of it may be known; say it again.
        """
        known = await self._store.apply(reports, now=self._clock.micros())
        await self._changed({firing.tenant for firing in known.values()})
        for report in reports:
            firing = known.get(report.firing)
            if report.state in _TELLS and firing is not None and firing.tenant == report.tenant:
                await self._tell(report, firing)

    async def _tell(self, report: DeliveryReport, firing: Firing) -> None:
        # A message about a dead message that is dead as well must not make another one, and so on for ever.
        if self._topic_of(firing.context).startswith(_TOPICS):
            _log.warning("end of a delivery not published: it tells of another one's", delivery=report.delivery, state=report.state.name)
            return
        if not self._room(report.tenant):
            _log.warning("end of a delivery not published: too many at once", delivery=report.delivery, tenant=report.tenant)
            return
        data: dict[str, Any] = {
            "delivery": report.delivery,
            "firing": f"firings/{firing.id}",
            "alarm": f"alarms/{firing.alarm}" if firing.alarm else "",
            "channel": report.channel,
            "to": report.to,
            "attempts": float(report.attempts),
            "reason": report.reason,
        }
        identity = f"{report.delivery.removeprefix('deliveries/')}-{report.attempts}-{report.state.name.lower()}"
        event = EventDraft(topic=_TELLS[report.state], id=identity, source=_SOURCE, data=data, body=self._body_of(data))
        await self._publish(Caller(tenant=report.tenant), event)

    def _room(self, tenant: str) -> bool:
        """Whether one more event of a tenant may go out in this minute."""
        now = self._clock.micros()
        begun, count = self._told.get(tenant, (now, 0))
        if now - begun >= MINUTE:
            begun, count = now, 0
        if len(self._told) >= _MOST_TENANTS:
            self._told.clear()
        self._told[tenant] = (begun, count + 1)
        return count < _MOST_A_MINUTE
