"""Silences of the caller's tenant."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from scheduler_svc.domain import new_id
from scheduler_svc.domain.incidents import Incident, IncidentChange, released
from scheduler_svc.domain.silences import Silence, SilenceMatcher
from scheduler_svc.ports.incidents import Act, Handed, SilenceStore
from scheduler_svc.service.incidents import Answerer
from tocsin.clock import DAY, Clock
from tocsin.errors import InvalidInput
from tocsin.recurrence import Micros

_LONGEST: Final[Micros] = 366 * DAY
_PAGE: Final = 500


class Silences:
    """Makes, reads and ends them."""

    def __init__(self, *, store: SilenceStore, act: Callable[[Act], Awaitable[Incident | None]], clock: Clock) -> None:
        """Takes what it stands on; ``act`` commits what is done to an incident."""
        self._store = store
        self._act = act
        self._clock = clock

    async def create(
        self, who: Answerer, *, matchers: Sequence[SilenceMatcher], start: Micros | None, end: Micros, comment: str
    ) -> Silence:
        """Makes a silence, which begins now unless it says when.

        Raises:
            InvalidInput: it ends before it begins, or before now, or lasts longer than a year.
            TooManySilences: the tenant has too many that are not over.
        """
        now = self._clock.micros()
        begin = now if start is None else start
        if end <= max(begin, now):
            raise InvalidInput.at("silence.endTime", "must be later than now and than startTime")
        if end - begin > _LONGEST:
            raise InvalidInput.at("silence.endTime", "must be within 366 days of the start")
        silence = Silence(
            id=new_id(now),
            tenant=who.tenant,
            matchers=tuple(matchers),
            start=begin,
            end=end,
            comment=comment,
            author=who.actor,
            created=now,
        )
        await self._store.create(silence, now=now)
        return silence

    async def get(self, tenant: str, silence: str) -> Silence:
        """The silence.

        Raises:
            SilenceNotFound: the tenant has none of that id.
        """
        return await self._store.get(tenant, silence)

    async def page(self, tenant: str, *, before: str, size: int) -> Sequence[Silence]:
        """Silences, the newest first, behind an id."""
        return await self._store.page(tenant, before=before, size=size)

    async def expire(self, tenant: str, silence: str) -> Silence:
        """Ends it now, and lets the steps go on that it held back.

        Raises:
            SilenceNotFound: the tenant has none of that id.
        """
        ended = await self._store.expire(tenant, silence, now=self._clock.micros())
        after = ""
        while ids := await self._store.held(tenant, silence, after=after, most=_PAGE):
            await asyncio.gather(*(self._act(Act(tenant, incident, self._released)) for incident in ids))
            after = ids[-1]
        return ended

    def _released(self, incident: Incident, handed: Handed) -> IncidentChange:
        del handed
        return released(incident, self._clock.micros())

    def now(self) -> Micros:
        """The instant at which a silence is shown."""
        return self._clock.micros()
