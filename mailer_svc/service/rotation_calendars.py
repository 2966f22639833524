"""Shifts from calendars: made of a text that is given, or of what a URL answers, which is read again and again."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from mailer_svc.domain.rotation_shifts import CalendarShifts, Directory, entries_of, names_in, shifts_of
from mailer_svc.domain.rotations import RotationLayer, RotationPlan
from mailer_svc.ports import AWAY, ChangeHints, RotationStore
from mailer_svc.ports.rotation_calendars import CalendarClaim, CalendarSource, CalendarUnreadable, RotationCalendarStore
from mailer_svc.service.on_call_watch import topic
from mailer_svc.work_pool import WorkPool
from tocsin.background import Background
from tocsin.clock import MINUTE, Clock
from tocsin.errors import InvalidInput
from tocsin.telemetry import get_logger

AGAIN: Final = 15 * MINUTE
"""Microseconds between two readings of a calendar."""

_log = get_logger(__name__)
_POLL_SECONDS: Final = 5.0
CALENDARS_AT_ONCE: Final = 10
"""Calendars that are read at a time."""
_SHARE: Final = 3  # of one tenant: one whose calendars all hang leaves the other places to others
_NOT_OURS: Final = "it could not be taken, for a reason that the log of mailer_svc tells"
_ATTEMPTS: Final = 5


class ShiftReader:
    """Makes shifts of calendars of a tenant."""

    def __init__(self, *, store: RotationCalendarStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def shifts(self, *, tenant: str, text: str, zone: str) -> CalendarShifts:
        """The shifts of a calendar's events.

        Raises:
            InvalidInput: it is no calendar.
        """
        own, entries = await asyncio.to_thread(entries_of, text)
        names = await asyncio.to_thread(names_in, entries)
        directory = Directory(await self._store.people_called(tenant=tenant, names=names))
        now = self._clock.micros()
        return await asyncio.to_thread(lambda: shifts_of(entries, directory, zone=own or zone, now=now))

    async def resolved(self, *, tenant: str, plan: RotationPlan, before: RotationPlan) -> RotationPlan:
        """The plan, with shifts where it gives the text of a calendar, or a URL whose shifts are known from ``before``.

        Raises:
            InvalidInput: a text is no calendar.
        """
        by_url = {layer.calendar_url: layer for layer in before.layers if layer.calendar_url}
        unmatched = {layer.shifts: layer.unmatched for layer in before.layers if layer.shifts}
        layers: list[RotationLayer] = []
        for place, layer in enumerate(plan.layers):
            last = by_url.get(layer.calendar_url)
            if layer.ics and layer.by_calendar:
                layers.append(await self._read(tenant, layer, plan.time_zone, f"rotation.layers[{place}].ics"))
            elif last is not None and not layer.shifts:
                layers.append(msgspec.structs.replace(layer, shifts=last.shifts, unmatched=last.unmatched))
            else:
                layers.append(msgspec.structs.replace(layer, unmatched=unmatched.get(layer.shifts, ())))
        return msgspec.structs.replace(plan, layers=tuple(layers))

    async def _read(self, tenant: str, layer: RotationLayer, zone: str, field: str) -> RotationLayer:
        try:
            found = await self.shifts(tenant=tenant, text=layer.ics, zone=zone)
        except InvalidInput as error:
            raise InvalidInput.at(field, error.violations[0].description if error.violations else error.message) from None
        if not found.shifts and not found.unmatched:
            raise InvalidInput.at(field, "has no event that is still to come")
        return _of(layer, found)


def _of(layer: RotationLayer, found: CalendarShifts) -> RotationLayer:
    return msgspec.structs.replace(layer, ics="", shifts=found.shifts, unmatched=found.unmatched)


class CalendarWatch:
    """Reads the calendars that layers name; a component. What cannot be read leaves the shifts as they were, and is shown."""

    def __init__(
        self,
        *,
        store: RotationCalendarStore,
        rotations: RotationStore,
        reader: ShiftReader,
        source: CalendarSource,
        hints: ChangeHints,
        clock: Clock,
    ) -> None:
        self._store = store
        self._hints = hints
        self._rotations = rotations
        self._reader = reader
        self._source = source
        self._clock = clock
        self._rounds = Background(clock)
        self._pool: WorkPool[CalendarClaim] = WorkPool(
            name="calendar of a rotation",
            places=CALENDARS_AT_ONCE,
            work=self._read,
            lane=lambda claim: claim,
            background=self._rounds,
            clock=clock,
        )

    async def start(self) -> None:
        """Begins to read."""
        if not self._rounds.running:
            self._rounds.periodic("calendars of rotations", _POLL_SECONDS, self.read_due, vital=False)

    async def stop(self) -> None:
        """Stops; what was not read is read after the next start, or by another replica."""
        await self._rounds.stop()

    async def read_due(self) -> None:
        """Reads all calendars whose time has come, some at once; one that hangs holds its own place, and no other calendar."""
        await self._pool.drain(self._claim)

    async def _claim(self, free: int) -> Sequence[CalendarClaim]:
        now = self._clock.micros()
        return await self._store.claim(now=now, again=now + AGAIN, limit=free, share=_SHARE, under_way=self._pool.under_way)

    async def _read(self, claim: CalendarClaim) -> None:
        try:
            await self._take(claim, await self._source.fetch(claim.url))
        except (CalendarUnreadable, InvalidInput) as error:
            why = error.violations[0].description if isinstance(error, InvalidInput) and error.violations else str(error)
            await self._store.note(claim, read=None, error=why[:500])
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - it costs only itself
            _log.error("a calendar cannot be read", rotation=claim.rotation, exc_info=error)
            await self._store.note(claim, read=None, error=_NOT_OURS)
        else:
            await self._store.note(claim, read=self._clock.micros(), error="")

    async def _take(self, claim: CalendarClaim, text: str) -> None:
        """Puts the shifts of a calendar into its layers, if they are others than before."""
        for _ in range(_ATTEMPTS):
            rotation = await self._rotations.get(tenant=claim.tenant, id=claim.rotation)
            if rotation is None or rotation.plan is None:
                return
            plan = rotation.plan
            found = await self._reader.shifts(tenant=claim.tenant, text=text, zone=plan.time_zone)
            new = msgspec.structs.replace(
                plan, layers=tuple(_of(layer, found) if layer.calendar_url == claim.url else layer for layer in plan.layers)
            )
            if new == plan:
                return
            now = self._clock.micros()
            if await self._rotations.change(tenant=claim.tenant, id=claim.rotation, revision=rotation.revision, plan=new, now=now):
                await self._hints.publish(topic(claim.tenant))
                return
