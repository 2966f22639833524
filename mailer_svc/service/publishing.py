"""Telling what happens to deliveries: watchers by a hint, operators by numbers."""

from collections import Counter
from collections.abc import Sequence

from mailer_svc.domain import DeliveryState, NewDelivery
from mailer_svc.ports import ChangeHints, Meter


def topic(tenant: str) -> str:
    """Where changes of a tenant's deliveries are published."""
    return f"deliveries/{tenant}"


class DeliveryPublisher:
    """Publishes changes of deliveries, and counts them by ``meter``."""

    def __init__(self, *, hints: ChangeHints, meter: Meter) -> None:
        self._hints = hints
        self.meter = meter

    async def accepted(self, new: Sequence[NewDelivery]) -> None:
        """These were stored."""
        for (channel, kept), count in Counter((delivery.channel, delivery.kept) for delivery in new).items():
            self.meter.accepted(channel, count)
            if kept:
                self.meter.settled(channel, DeliveryState.SENT, count)
        for tenant in {delivery.tenant for delivery in new}:
            await self.changed(tenant)

    async def changed(self, tenant: str) -> None:
        """Deliveries of the tenant changed."""
        await self._hints.publish(topic(tenant))
