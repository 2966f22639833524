"""Who is on call: now, whenever it is asked, and in the rotations that messages are for."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mailer_svc.domain import RotationNotFound
from mailer_svc.domain.rotation_schedules import SEEN, DutyInterval, DutyLabel, ScheduleTooLong, duty_at, duty_intervals
from mailer_svc.domain.rotations import Rotation, RotationHistory, RotationPlan, RotationRevision
from mailer_svc.ports import RotationHistories
from tocsin.clock import DAY, Clock
from tocsin.errors import InvalidInput

LONGEST_PREVIEW: Final = 366 * DAY
"""Microseconds that a preview shows at most."""
USUAL_PREVIEW: Final = 28 * DAY
"""Microseconds that it shows unless somebody says."""
MOST_CHANGES: Final = 2000
"""Revisions, and overrides, of a rotation in what one answer shows."""

MOST_INTERVALS: Final = 5000
"""Intervals of several rotations in one answer, or those of the first one."""


@dataclass(frozen=True, slots=True)
class OnCallAnswer:
    """Who is on call in a rotation at an instant; without an interval there is no rotation then."""

    rotation: str
    at: int
    interval: DutyInterval | None


@dataclass(frozen=True, slots=True)
class OnCallTargets:
    """Who is behind rotations at the instant ``at``: ids of recipients, and why nobody is, by the id of the rotation.

    Without rotations ``at`` is 0.
    """

    at: int = 0
    people: Sequence[str] = ()
    nobody: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class RotationSchedule:
    """What a rotation comes to in a range of time; or why that cannot be shown."""

    rotation: Rotation
    intervals: Sequence[DutyInterval]
    error: str = ""


class OnCall:
    """Answers by the revisions and overrides that are in force."""

    def __init__(self, *, histories: RotationHistories, clock: Clock) -> None:
        self._histories = histories
        self._clock = clock

    async def at(self, *, tenant: str, rotation: str, at: int | None) -> OnCallAnswer:
        """Who is on call in a rotation at an instant; None: now.

        Raises:
            RotationNotFound: there is and was no such rotation.
        """
        at = self._clock.micros() if at is None else at
        found = await self._histories.in_force(tenant=tenant, ids=[rotation], at=at, around=SEEN)
        if rotation not in found and not await self._histories.existed(tenant=tenant, id=rotation):
            raise RotationNotFound(f"There is no rotation rotations/{rotation}")
        (answer,) = await self._answers(tenant, [rotation], found, at)
        return answer

    async def each(self, *, tenant: str, rotations: Sequence[str], at: int) -> list[OnCallAnswer]:
        """Who is on call in each of some rotations at an instant."""
        if not rotations:
            return []
        found = await self._histories.in_force(tenant=tenant, ids=rotations, at=at, around=SEEN)
        return await self._answers(tenant, rotations, found, at)

    async def page(self, *, tenant: str, at: int | None, recipient: str, after: str, limit: int) -> tuple[list[OnCallAnswer], str | None]:
        """Who is on call in the next rotations behind the id ``after``; only where ``recipient`` is unless that is empty.

        With fewer than ``limit`` comes the id behind which to go on; None: there are no more.
        """
        at = self._clock.micros() if at is None else at
        ids = await self._histories.ever(tenant=tenant, after=after, limit=limit)
        answers = await self.each(tenant=tenant, rotations=ids, at=at)
        there = [each for each in answers if each.interval is not None and (not recipient or recipient in each.interval.recipients)]
        return there, ids[-1] if len(ids) == limit else None

    def range(self, start: int | None, end: int | None) -> tuple[int, int]:
        """The range of time that a preview shows: from ``start`` (None: now) to before ``end`` (None: four weeks later).

        Raises:
            InvalidInput: it is empty or too long.
        """
        start = self._clock.micros() if start is None else start
        end = start + USUAL_PREVIEW if end is None else end
        if end <= start:
            raise InvalidInput.at("to", "must be after from")
        if end - start > LONGEST_PREVIEW:
            raise InvalidInput.at("to", f"must be at most {LONGEST_PREVIEW // DAY} days after from")
        return start, end

    async def preview(self, *, tenant: str, rotation: str, start: int | None, end: int | None) -> list[DutyInterval]:
        """The schedule from ``start`` (None: now) to before ``end`` (None: four weeks later).

        Raises:
            InvalidInput: the range is empty or too long, or has too many changes or intervals.
            RotationNotFound: there is and was no such rotation.
        """
        start, end = self.range(start, end)
        history = await self._histories.between(tenant=tenant, id=rotation, start=start, end=end, most=MOST_CHANGES)
        if history is None:
            raise ScheduleTooLong.at("to", f"more than {MOST_CHANGES} changes or overrides are in this range; ask for less time")
        if not history.revisions and not await self._histories.existed(tenant=tenant, id=rotation):
            raise RotationNotFound(f"There is no rotation rotations/{rotation}")
        return await self._labelled(tenant, await asyncio.to_thread(duty_intervals, history, start, end))

    async def draft(self, *, tenant: str, rotation: str, plan: RotationPlan, start: int, end: int) -> list[DutyInterval]:
        """The schedule of a plan that is not stored, with the overrides of the rotation of that id unless it is empty.

        Raises:
            ScheduleTooLong: the range has too many overrides or intervals.
        """
        stored = await self._histories.between(tenant=tenant, id=rotation, start=start, end=end, most=MOST_CHANGES)
        if stored is None:
            raise ScheduleTooLong.at("to", f"more than {MOST_CHANGES} changes or overrides are in this range; ask for less time")
        revision = RotationRevision(revision=1, plan=plan, since=start, until=None)
        history = RotationHistory(rotation=rotation, revisions=(revision,), overrides=stored.overrides)
        return await self._labelled(tenant, await asyncio.to_thread(duty_intervals, history, start, end))

    async def schedules(self, *, tenant: str, rotations: Sequence[Rotation], start: int, end: int) -> list[RotationSchedule]:
        """The schedules of the first of some rotations, as many as come to about `MOST_INTERVALS` intervals, one at least.

        One that cannot be shown says why.
        """
        found: list[RotationSchedule] = []
        room = MOST_INTERVALS
        for rotation in rotations:
            if room <= 0:
                break
            try:
                intervals = await self.preview(tenant=tenant, rotation=rotation.id, start=start, end=end)
            except ScheduleTooLong as error:
                found.append(RotationSchedule(rotation, (), str(error)))
                continue
            room -= len(intervals)
            found.append(RotationSchedule(rotation, intervals))
        return found

    async def behind(self, *, tenant: str, targets: Sequence[str], at: int) -> OnCallTargets:
        """Who is on call at an instant (0: now) in the rotations among ``targets`` and in their groups."""
        if not any(target.startswith(("rotations/", "groups/")) for target in targets):
            return OnCallTargets()
        ids = await self._histories.behind(tenant=tenant, targets=targets)
        if not ids:
            return OnCallTargets()
        at = at or self._clock.micros()
        found = await self._histories.in_force(tenant=tenant, ids=ids, at=at, around=0)
        people: dict[str, None] = {}
        nobody: list[tuple[str, str]] = []
        for rotation in ids:
            history = found.get(rotation)
            interval = next(iter(duty_intervals(history, at, at + 1)), None) if history else None
            people |= dict.fromkeys(interval.recipients) if interval else {}
            if interval is None:
                nobody.append((rotation, f"there is no rotation rotations/{rotation}, or nobody can read it"))
            elif not interval.recipients:
                nobody.append((rotation, f"nobody is on call in rotations/{rotation}"))
        return OnCallTargets(at, tuple(people), nobody)

    async def _answers(self, tenant: str, ids: Sequence[str], found: Mapping[str, RotationHistory], at: int) -> list[OnCallAnswer]:
        answers: list[OnCallAnswer] = []
        for rotation in ids:
            history = found.get(rotation)
            interval = await asyncio.to_thread(duty_at, history, at) if history else None
            answers.append(OnCallAnswer(rotation, at, interval))
        labelled = iter(await self._labelled(tenant, [each.interval for each in answers if each.interval]))
        return [replace(each, interval=next(labelled)) if each.interval else each for each in answers]

    async def _labelled(self, tenant: str, intervals: Sequence[DutyInterval]) -> list[DutyInterval]:
        """The intervals, with a label where somebody on call does not exist any more."""
        gone = await self._histories.gone(tenant=tenant, recipients={one for each in intervals for one in each.recipients})
        return [each if gone.isdisjoint(each.recipients) else _with_unknown(each) for each in intervals]


def _with_unknown(interval: DutyInterval) -> DutyInterval:
    return replace(interval, labels=(*interval.labels, DutyLabel.UNKNOWN_RECIPIENT))
