"""The order of messages about an incident: who is being told of it is told first, and then how it goes on."""

from collections.abc import Sequence
from typing import Final

from mailer_svc.domain import Notification
from mailer_svc.ports import PeopleFacts, TenantKey
from mailer_svc.ports.incidents import IncidentKey, IncidentTelling
from mailer_svc.service.reaching import INCIDENTS
from tocsin.clock import MINUTE, Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_LONGEST: Final = 10 * MINUTE
"""After so long a message goes to those of whom is known that they were told."""


class TellingOrder:
    """Finds the messages to everybody who was told of an incident that are early: whom a step tells is known when the step is here."""

    def __init__(self, *, people: PeopleFacts, incidents: IncidentTelling, clock: Clock) -> None:
        """Takes what it asks: which steps are here and not made yet, and which are on their way."""
        self._people = people
        self._incidents = incidents
        self._clock = clock

    async def early(self, claimed: Sequence[Notification]) -> set[str]:
        """The ids of those that have to wait."""
        since = self._clock.micros() - _LONGEST
        about = {item.id: _incidents(item) for item in claimed if item.created > since}
        asked = sorted({key for keys in about.values() for key in keys})
        if not asked:
            return set()
        telling = await self._on_their_way(asked)  # first: what is not on its way any more is here
        telling |= await self._people.telling(asked)
        return {identity for identity, keys in about.items() if telling & keys}

    async def _on_their_way(self, asked: Sequence[TenantKey]) -> set[TenantKey]:
        try:
            answers = await self._incidents.telling([IncidentKey(key.tenant, key.id) for key in asked])
        except TocsinError as error:
            _log.warning("messages about incidents wait: nobody says whether people are being told", error=error.message)
            return set(asked)
        return {key for key, telling in zip(asked, answers, strict=True) if telling}


def _incidents(item: Notification) -> set[TenantKey]:
    """The incidents everybody who was told of which it goes to."""
    return {TenantKey(item.tenant, target.removeprefix(INCIDENTS)) for target in item.recipients if target.startswith(INCIDENTS)}
