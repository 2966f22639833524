"""What is in a calendar feed (pure): a shift for each stretch in which a person is on call by the same turn."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mailer_svc.domain.rotation_schedules import DutyInterval
from mailer_svc.domain.rotations import RotationHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedShift:
    """A stretch in which somebody is on call.

    Attributes:
        uid: the same in every reading of the feed, as long as it begins at the same time.
        rotation: its id.
        recipient: who.
        start: microseconds since the epoch.
        end: likewise.
        changed: when what it follows from came into force.
        why: the layer, and the comments of overrides.
    """

    uid: str
    rotation: str
    recipient: str
    start: int
    end: int
    changed: int
    why: str


def feed_shifts(
    history: RotationHistory, intervals: Sequence[DutyInterval], *, begin: int, end: int, recipient: str = ""
) -> Iterator[FeedShift]:
    """The shifts of a schedule, those of each person as they follow; only of ``recipient`` unless that is empty.

    Args:
        history: what was in force.
        intervals: the schedule of a range of time.
        begin: of that range.
        end: likewise.
        recipient: an id.
    """
    since = {each.revision: each.since for each in history.revisions}
    overrides = {each.id: each for each in history.overrides}
    running: dict[str, tuple[DutyInterval, FeedShift]] = {}
    for interval in intervals:
        held = [overrides[one] for one in interval.overrides if one in overrides]
        changed = max([since.get(interval.revision, 0), *(one.created for one in held)])
        why = "; ".join([*([interval.layer_name] if interval.layer_name else []), *(one.comment or "override" for one in held)])
        for one in interval.recipients if not recipient else [each for each in interval.recipients if each == recipient]:
            before = running.get(one)
            if before is not None and _goes_on(before[0], interval):
                running[one] = (interval, replace(before[1], end=interval.end, changed=max(before[1].changed, changed)))
                continue
            if before is not None:
                yield _named(before[1], begin, end)
            running[one] = (
                interval,
                FeedShift(
                    uid="",
                    rotation=history.rotation,
                    recipient=one,
                    start=interval.start,
                    end=interval.end,
                    changed=changed,
                    why=why,
                ),
            )
    for _, shift in running.values():
        yield _named(shift, begin, end)


def _goes_on(before: DutyInterval, now: DutyInterval) -> bool:
    """Whether who is on call in both is so by the same turn."""
    return before.end == now.start and (before.revision, before.layer, before.turn) == (now.revision, now.layer, now.turn)


def _named(shift: FeedShift, begin: int, end: int) -> FeedShift:
    """The shift with its id, of an end of it that is not cut off by the range."""
    anchor = shift.start if shift.start > begin else -shift.end if shift.end < end else 0
    digest = hashlib.sha256(f"{shift.rotation}\n{shift.recipient}\n{anchor}".encode()).hexdigest()
    return replace(shift, uid=f"{digest[:32]}@tocsin")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarFeed:
    """A feed as it is now.

    Attributes:
        name: of the calendar.
        personal: whether it is of one person, so that shifts are called by their rotation.
        shifts: by their start.
        people: names of recipients by their ids.
        rotations: names of rotations by their ids.
    """

    name: str
    personal: bool
    shifts: Sequence[FeedShift]
    people: Mapping[str, str]
    rotations: Mapping[str, str]

    def title(self, shift: FeedShift) -> str:
        """What a shift is called."""
        return self.rotations[shift.rotation] if self.personal else self.people.get(shift.recipient, shift.recipient)
