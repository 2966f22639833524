"""By which channels and at which addresses each recipient of a notification is reached.

In this order: by the channels that the notification names; by the recipient's personal rules, if it is a step of an escalation; where
people were told of an incident, if it says how that goes on; by the channels of its category; by the default one.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from mailer_svc.domain import Channels, Notification
from mailer_svc.domain.personal_rules import UNRULED, PersonalRules, PersonalStep, PlannedMessage, planned
from mailer_svc.ports import ActiveAddress, PeopleFacts, TenantKey
from tocsin.errors import TocsinError

INCIDENTS: Final = "incidents/"

Active = Sequence[ActiveAddress]
_NOBODY: Final[Mapping[str, Active]] = {}


class Reaching:
    """Plans the messages to recipients."""

    def __init__(self, *, people: PeopleFacts, channels: Channels) -> None:
        self._people = people
        self._channels = channels

    async def plans(self, item: Notification, people: Sequence[str], channels: Sequence[str]) -> list[list[PlannedMessage]]:
        """The messages to each recipient; one without an address where there is none, to be accounted for.

        Args:
            item: the notification.
            people: ids of recipients.
            channels: those of the notification, or of its category, or the default one.

        Raises:
            Unavailable: the database is away.
        """
        keys = [TenantKey(item.tenant, person) for person in people]
        incidents = [target.removeprefix(INCIDENTS) for target in item.recipients if target.startswith(INCIDENTS)]
        step = item.incident and not (item.channels or incidents)
        active = await self._people.active_addresses(keys)
        rules = await self._people.personal_rules(keys if step else ())
        told = await self._people.told(item.tenant, incidents, people) if incidents and not item.channels else _NOBODY
        return [self._plan(item, active.get(key, ()), rules.get(key, UNRULED), told.get(key.id, ()), channels) for key in keys]

    def _plan(
        self, item: Notification, active: Active, rules: PersonalRules, told: Active, channels: Sequence[str]
    ) -> list[PlannedMessage]:
        if by_rules := planned(rules, urgent=item.urgent, reach=partial(self._reach, item.tenant, active)):
            return by_rules
        if still := [PlannedMessage(*way) for way in told if way.address in self._addresses(active, way.channel)]:
            return still
        return [PlannedMessage(channel, address) for channel in channels for address in self._addresses(active, channel) or ("",)]

    def _addresses(self, active: Active, channel: str) -> list[str]:
        name = self._channels.address_channel(channel)
        return [address.address for address in active if address.channel == name]

    def _reach(self, tenant: str, active: Active, step: PersonalStep) -> list[str]:
        """The addresses of a step; none where its channel cannot be used."""
        try:
            self._channels.usable_channel(step.channel, tenant=tenant)
        except TocsinError:
            return []
        return [address for address in self._addresses(active, step.channel) if step.address in ("", address)]
