"""Rotations and their overrides: made, changed, taken back."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from mailer_svc.domain import OverrideNotFound, RotationChanged, RotationNotFound, TooManyOverrides
from mailer_svc.domain.rotation_checks import checked_override, checked_plan, checked_zone
from mailer_svc.domain.rotations import Rotation, RotationOverride, RotationPlan
from mailer_svc.ports import ChangeHints, RotationStore
from mailer_svc.service.on_call_watch import topic
from mailer_svc.service.rotation_calendars import ShiftReader
from tocsin.clock import Clock
from tocsin.errors import InvalidInput

MOST_OVERRIDES: Final = 500
"""Overrides of a rotation that have not ended."""

_ATTEMPTS: Final = 5
_UNREADABLE: Final = RotationPlan(time_zone="", layers=())


class Rotations:
    """The rotations of all tenants."""

    def __init__(self, *, store: RotationStore, reader: ShiftReader, hints: ChangeHints, clock: Clock, new_id: Callable[[], str]) -> None:
        self._store = store
        self._hints = hints
        self._reader = reader
        self._clock = clock
        self._new_id = new_id

    async def create(self, *, tenant: str, id: str, plan: RotationPlan) -> Rotation:  # noqa: A002 - the word of the contract
        """Stores a new rotation; an empty id: one is made.

        Raises:
            InvalidInput: no schedule can be made of it, or it names somebody who cannot take turns.
            RotationExists: the id is in use.
        """
        plan = await self._checked(tenant, plan, known=_UNREADABLE)
        now = self._clock.micros()
        made = await self._store.create(Rotation(tenant=tenant, id=id or self._new_id(), plan=plan, created=now, updated=now))
        await self._hints.publish(topic(tenant))
        return made

    async def get(self, *, tenant: str, id: str) -> Rotation:  # noqa: A002 - the word of the contract
        """One rotation.

        Raises:
            RotationNotFound: there is none.
        """
        found = await self._store.get(tenant=tenant, id=id)
        if found is None:
            raise RotationNotFound(f"There is no rotation rotations/{id}")
        return found

    async def page(self, *, tenant: str, after: str, limit: int) -> list[Rotation]:
        """Rotations by id, those behind the id ``after``."""
        return await self._store.page(tenant=tenant, after=after, limit=limit)

    async def update(self, *, tenant: str, id: str, change: Callable[[RotationPlan], RotationPlan]) -> Rotation:  # noqa: A002
        """Stores what ``change`` makes of a plan; of one that nobody can read, of an empty one.

        Raises:
            InvalidInput: no schedule can be made of it, or it names somebody new who cannot take turns.
            RotationNotFound: there is none.
            RotationChanged: others change it all the time.
        """
        for _ in range(_ATTEMPTS):
            found = await self.get(tenant=tenant, id=id)
            before = found.plan or _UNREADABLE
            plan = await self._checked(tenant, change(before), known=before)
            if plan == found.plan:
                return found
            changed = await self._store.change(tenant=tenant, id=id, revision=found.revision, plan=plan, now=self._clock.micros())
            if changed is not None:
                await self._hints.publish(topic(tenant))
                return changed
        raise RotationChanged

    async def draft(self, *, tenant: str, id: str, plan: RotationPlan) -> RotationPlan:  # noqa: A002 - the word of the contract
        """The plan as it would be stored, which it is not; ``id``: the rotation that it would change, or empty.

        Raises:
            InvalidInput: no schedule can be made of it, or it names somebody new who cannot take turns.
            RotationNotFound: there is no such rotation.
        """
        found = await self.get(tenant=tenant, id=id) if id else None
        return await self._checked(tenant, plan, known=(found and found.plan) or _UNREADABLE)

    async def delete(self, *, tenant: str, id: str) -> None:  # noqa: A002 - the word of the contract
        """Removes a rotation, also from groups.

        Raises:
            RotationNotFound: there is none.
        """
        if not await self._store.delete(tenant=tenant, id=id, now=self._clock.micros()):
            raise RotationNotFound(f"There is no rotation rotations/{id}")
        await self._hints.publish(topic(tenant))

    async def revisions(self, *, tenant: str, id: str, before: int | None, limit: int) -> list[Rotation]:  # noqa: A002
        """What a rotation was, the newest first; those before the revision ``before``. One that was deleted still tells what it was.

        Raises:
            RotationNotFound: there never was one.
        """
        found = await self._store.revisions(tenant=tenant, id=id, before=before, limit=limit)
        if not found and before is None:
            raise RotationNotFound(f"There is no rotation rotations/{id}")
        return found

    async def add_override(self, *, tenant: str, rotation: str, override: RotationOverride) -> RotationOverride:
        """Stores an override, with an id of its own.

        Raises:
            InvalidInput: it can never hold, or it names somebody who cannot be on call.
            RotationNotFound: there is no such rotation.
            TooManyOverrides: it has too many that have not ended.
        """
        now = self._clock.micros()
        checked = checked_override(override, now=now)
        for problem in await self._store.problems(tenant=tenant, recipients=checked.recipients):
            raise InvalidInput.at(f"override.recipients[{checked.recipients.index(problem.id)}]", problem.why)
        made = replace(checked, id=self._new_id(), created=now)
        stored = await self._store.add_override(tenant=tenant, rotation=rotation, override=made, most=MOST_OVERRIDES)
        if stored is None:
            raise TooManyOverrides(f"rotations/{rotation} has {MOST_OVERRIDES} overrides that have not ended; change the rotation instead")
        await self._hints.publish(topic(tenant))
        return stored

    async def overrides(self, *, tenant: str, rotation: str, ended: bool, after: int, limit: int) -> list[RotationOverride]:
        """Overrides in the order of their creation, those made after the instant ``after``; those that have ended only if ``ended``."""
        running_at = None if ended else self._clock.micros()
        return await self._store.overrides(tenant=tenant, rotation=rotation, running_at=running_at, after=after, limit=limit)

    async def delete_override(self, *, tenant: str, rotation: str, id: str) -> None:  # noqa: A002 - the word of the contract
        """Takes an override back.

        Raises:
            OverrideNotFound: there is none that has not ended.
        """
        if not await self._store.delete_override(tenant=tenant, rotation=rotation, id=id, now=self._clock.micros()):
            raise OverrideNotFound(f"There is no override rotations/{rotation}/overrides/{id} that has not ended")
        await self._hints.publish(topic(tenant))

    async def _checked(self, tenant: str, plan: RotationPlan, *, known: RotationPlan) -> RotationPlan:
        """The plan as it is stored: with the shifts of its calendars.

        Raises:
            InvalidInput: no schedule can be made of it, or it names somebody new who cannot take turns.
        """
        if any(layer.by_calendar for layer in plan.layers):
            checked_zone(plan.time_zone)
            plan = await self._reader.resolved(tenant=tenant, plan=plan, before=known)
            await asyncio.to_thread(checked_plan, plan)
        else:
            checked_plan(plan)
        if plan != known:
            await self._check(tenant, plan, known=known)
        return plan

    async def _check(self, tenant: str, plan: RotationPlan, *, known: RotationPlan) -> None:
        """Refuses people who cannot take turns, but those that it had already: they may have gone since."""
        for problem in await self._store.problems(tenant=tenant, recipients=plan.people - known.people):
            raise InvalidInput.at(next(_places(plan, problem.id)), problem.why)
        if plan.owner and plan.owner != known.owner and not await self._store.exists(tenant=tenant, name=plan.owner):
            raise InvalidInput.at("rotation.owner", f"there is no {plan.owner}")


def _places(plan: RotationPlan, one: str) -> Iterator[str]:
    for number, layer in enumerate(plan.layers):
        for place, together in enumerate(layer.participants):
            if one in together:
                yield f"rotation.layers[{number}].participants[{place}].recipients[{together.index(one)}]"
        for place, shift in enumerate(layer.shifts):
            if one in shift.people:
                yield f"rotation.layers[{number}].shifts[{place}].recipients[{shift.people.index(one)}]"
