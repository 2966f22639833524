"""How heartbeats, checks and thresholds stand, and what a tenant shows of it to everybody."""

import asyncio
import re
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Generic, NamedTuple, TypeVar

from scheduler_svc.domain import Alarm, AlarmNotFound
from scheduler_svc.domain.standings import Standing, StandingState, has_labels, standing_of, worst
from scheduler_svc.ports.status import PingLog, StandingStore, StatusPage, StatusPageStore, Watched
from scheduler_svc.triggers import KeptPing
from tocsin.clock import Clock
from tocsin.errors import InvalidInput, NotFound
from tocsin.recurrence import Micros
from tocsin.tenants import serves_all

MOST_SHOWN: Final = 500
"""How many a status page, or the badge of a label, shows."""

MOST_LOOKED_AT: Final = 5000
"""Among how many those with a label are found."""

Shown = TypeVar("Shown")

_SECRET_BYTES: Final = 16
_PAGE: Final = 500
_RECENT_SECONDS: Final = 10.0
_MOST_PAGES: Final = 200
_MOST_TENANTS: Final = 20
_ALL: Final = "all"
_LABEL: Final = re.compile(r"([^=]{1,63})=(.{0,256})\Z")


class PingNotFound(NotFound):
    """This ping is not kept."""


class StatusPageNotFound(NotFound):
    """There is no such status page."""


class BadgeNotFound(NotFound):
    """There is no such badge."""


class ShownBadge(NamedTuple):
    """What a badge says: the name of what it is about, and how that stands."""

    label: str
    state: StandingState


class Standings:
    """Of the caller's tenant."""

    def __init__(self, *, store: StandingStore, log: PingLog, metric_of: Callable[[Alarm], str], clock: Clock) -> None:
        """Takes what it stands on; ``metric_of`` names the metric of the readings of a check."""
        self._store = store
        self._log = log
        self._metric_of = metric_of
        self._clock = clock

    async def page(self, tenant: str, *, after: str, size: int) -> Sequence[Standing]:
        """How they stand, in the order of their ids."""
        return await self._standings(tenant, await self._store.watched(tenant, after=after, size=size))

    async def named(self, tenant: str, alarms: Sequence[str]) -> Sequence[Standing]:
        """How these stand, in their order; those that there are."""
        found = await self._standings(tenant, await self._store.named(tenant, alarms))
        places = {alarm: place for place, alarm in enumerate(alarms)}
        return sorted(found, key=lambda each: places[each.alarm])

    async def find(self, tenant: str, name: str) -> Standing | None:
        """How the alarm stands that has this id, slug or key."""
        alarm = await self._store.by_name(tenant, name)
        found = await self.named(tenant, [alarm]) if alarm else ()
        return found[0] if found else None

    async def first(self, tenant: str) -> Sequence[Standing]:
        """How the first `MOST_LOOKED_AT` stand."""
        found: list[Standing] = []
        while len(found) < MOST_LOOKED_AT and (page := await self.page(tenant, after=found[-1].alarm if found else "", size=_PAGE)):
            found += page
        return found

    async def pings(self, tenant: str, alarm: str, *, before: str, size: int) -> Sequence[KeptPing]:
        """Pings of a heartbeat, the newest first.

        Raises:
            AlarmNotFound: there are none, nor is there such an alarm.
        """
        found = await self._log.page(tenant, alarm, before=before, size=size)
        if not found and not before and await self._store.by_name(tenant, alarm) != alarm:
            raise AlarmNotFound
        return found

    async def ping(self, tenant: str, alarm: str, ping: str) -> KeptPing:
        """One of them.

        Raises:
            PingNotFound: it is not kept.
        """
        found = await self._log.get(tenant, alarm, ping)
        if found is None:
            raise PingNotFound
        return found

    async def _standings(self, tenant: str, found: Sequence[Watched]) -> Sequence[Standing]:
        metrics = {each.alarm.id: self._metric_of(each.alarm) for each in found if each.alarm.signal is None}
        readings = await self._store.readings(tenant, sorted(set(metrics.values()))) if metrics else dict[str, tuple[float, Micros]]()
        now = self._clock.micros()
        return [
            standing_of(each.alarm, now=now, incident=each.incident, reading=readings.get(metrics.get(each.alarm.id, ""))) for each in found
        ]


class _Recent(Generic[Shown]):
    """What was read within the last seconds: who looks again and again, or all at once, makes it read once."""

    def __init__(self, clock: Clock, *, most: int) -> None:
        self._clock = clock
        self._most = most
        self._known: OrderedDict[str, tuple[float, Shown]] = OrderedDict()
        self._reading: dict[str, asyncio.Lock] = {}

    async def get(self, key: str, read: Callable[[], Awaitable[Shown]]) -> Shown:
        """What was read for ``key``, or is read now; an error is not remembered."""
        lock = self._reading.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                known = self._known.get(key)
                if known is not None and known[0] > self._clock.monotonic():
                    return known[1]
                found = await read()
                self._known[key] = (self._clock.monotonic() + _RECENT_SECONDS, found)
                self._known.move_to_end(key)
                if len(self._known) > self._most:
                    self._known.popitem(last=False)
                return found
        finally:
            if not lock.locked():
                self._reading.pop(key, None)


class StatusPages:
    """What tenants show."""

    def __init__(self, *, store: StatusPageStore, standings: Standings, clock: Clock, serves: Callable[[str], bool] = serves_all) -> None:
        self._serves = serves
        self._store = store
        self._standings = standings
        self._pages = _Recent[tuple[StatusPage, Sequence[Standing]]](clock, most=_MOST_PAGES)
        self._watched = _Recent[Sequence[Standing]](clock, most=_MOST_TENANTS)

    async def get(self, tenant: str) -> StatusPage:
        """What a tenant shows: nothing, unless it has said so."""
        return await self._store.page_of(tenant) or StatusPage(tenant=tenant)

    async def update(self, page: StatusPage, *, rotate: bool) -> StatusPage:
        """Says what is shown; the key of badges stays, or is made.

        Raises:
            InvalidInput: a page that is shown needs a name.
            StatusSlugTaken: another tenant has the name.
        """
        if page.enabled and not page.slug:
            raise InvalidInput.at("statusPage.slug", "is needed to show the page")
        before = await self._store.page_of(page.tenant)
        kept = before.badge_secret if before is not None and not rotate else ""
        made = replace(page, badge_secret=kept or secrets.token_urlsafe(_SECRET_BYTES))
        await self._store.put_page(made)
        return made

    async def shown(self, slug: str) -> tuple[StatusPage, Sequence[Standing]]:
        """A page, and what it shows.

        Raises:
            StatusPageNotFound: there is none of that name, or it is not shown.
        """
        return await self._pages.get(slug, lambda: self._shown(slug))

    async def _shown(self, slug: str) -> tuple[StatusPage, Sequence[Standing]]:
        page = await self._store.page_at(slug)
        if page is None or not page.enabled or not self._serves(page.tenant):
            raise StatusPageNotFound
        named = await self._standings.named(page.tenant, page.alarms) if page.alarms else ()
        listed = {each.alarm for each in named}
        labelled = await self._labelled(page.tenant, page.labels) if page.labels else ()
        return page, [*named, *(each for each in labelled if each.alarm not in listed)][:MOST_SHOWN]

    async def badge(self, secret: str, name: str) -> ShownBadge:
        """What a badge says: of one alarm, of those with a label ("team=web"), or of "all".

        Raises:
            BadgeNotFound: the key is nobody's, or there is nothing of that name.
        """
        page = await self._store.page_with_badges(secret)
        if page is None or not self._serves(page.tenant):
            raise BadgeNotFound
        if name == _ALL:
            found = await self._labelled(page.tenant, {})
            return ShownBadge(page.title or _ALL, worst(each.state for each in found))
        one = await self._standings.find(page.tenant, name)
        if one is not None:
            return ShownBadge(one.name, one.state)
        if (label := _LABEL.match(name)) is None:
            raise BadgeNotFound
        found = await self._labelled(page.tenant, {label[1]: label[2]})
        if not found:
            raise BadgeNotFound
        return ShownBadge(label[2], worst(each.state for each in found))

    async def _labelled(self, tenant: str, labels: Mapping[str, str]) -> Sequence[Standing]:
        """Those of the first `MOST_LOOKED_AT` that have all of the labels."""
        found = await self._watched.get(tenant, lambda: self._standings.first(tenant))
        return [each for each in found if has_labels(each, labels)]
