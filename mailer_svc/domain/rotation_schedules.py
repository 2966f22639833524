"""The schedule of a rotation: who is on call when, and why (pure).

A local time stands for its first instant or, if the clocks leave it out, for the first instant after the gap: see `tocsin.recurrence`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

from mailer_svc.domain.rotation_shifts import shift_covers
from mailer_svc.domain.rotations import OverrideKind, RotationHistory, RotationLayer, RotationOverride, RotationPlan
from mailer_svc.domain.weeks import WeeklyWindow, cover_the_week, offsets_or_utc, weekly_windows
from tocsin.clock import SECOND
from tocsin.errors import InvalidInput
from tocsin.recurrence import Interval, Turns
from tocsin.recurrence.offsets import FIRST_SECOND, LAST_SECOND

MOST_PIECES: Final = 20_000
"""Turns, hours and overrides that one answer is made of."""

SEEN: Final = 35 * 86_400 * SECOND
"""How far `duty_at` looks around an instant, in microseconds."""
_MINUTE: Final = 60
_DAY: Final = 86_400
_WEEK: Final = 7 * _DAY
_THURSDAY: Final = 3 * _DAY  # 1970-01-01 was one, and weeks begin on Monday
_EXPECTED: Final = -1
_SPANS: Final = (_DAY * SECOND, 8 * _DAY * SECOND, SEEN)
_Held = TypeVar("_Held")


class DutyLabel(IntEnum):
    """What should be seen of an interval; the numbers are those of the contract."""

    GAP = 1
    DOUBLE_COVER = 2
    OVERRIDES_OVERLAP = 3
    SHIFTED = 4
    UNKNOWN_RECIPIENT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyInterval:
    """A stretch of time in which the same people are on call for the same reason.

    Attributes:
        start: its first instant.
        end: the first instant behind it.
        revision: of the rotation.
        recipients: ids of those on call.
        layer: place from 1 of the layer whose turn it is; 0: it is nobody's, or overrides replace all.
        layer_name: its name for people.
        turn: number of the turn in its layer.
        hidden: places of earlier layers that cover the time, too.
        overrides: ids of those that hold, in the order in which they are applied.
        labels: what should be seen.
    """

    start: int
    end: int
    revision: int
    recipients: tuple[str, ...] = ()
    layer: int = 0
    layer_name: str = ""
    turn: int = 0
    hidden: tuple[int, ...] = ()
    overrides: tuple[str, ...] = ()
    labels: tuple[DutyLabel, ...] = ()


class _Turn(NamedTuple):
    """A turn, or a part of one, from an instant to before another."""

    start: int
    end: int
    number: int
    people: tuple[str, ...]
    shifted: bool


class ScheduleTooLong(InvalidInput):
    """The schedule has too many intervals for one answer."""


def duty_intervals(history: RotationHistory, start: int, end: int, *, most: int = MOST_PIECES) -> list[DutyInterval]:
    """The schedule from ``start`` to before ``end``: in order, and without a hole while the rotation is there.

    What holds at an instant is the revision that is in force then, and the overrides that were made before it and not taken back.

    Args:
        history: what was in force in this stretch.
        start: microseconds since the epoch.
        end: likewise.
        most: turns, hours and overrides that it may be made of.

    Raises:
        ScheduleTooLong: there are more.
    """
    found: list[DutyInterval] = []
    start, end = max(start, FIRST_SECOND * SECOND), min(end, LAST_SECOND * SECOND)
    for each in history.revisions:
        first, last = max(start, each.since), end if each.until is None else min(end, each.until)
        if each.plan is None or first >= last:
            continue
        held = [one for one in history.overrides if one.begins < last and one.ends > first and one.begins < one.ends]
        if _cost(each.plan, last - first) + 2 * len(held) > most:
            raise ScheduleTooLong.at("to", f"would be a schedule of more than {most} parts; ask for less time")
        found += _Sweep(each.plan, each.revision, held, first, last).intervals()
    return found


def duty_at(history: RotationHistory, at: int) -> DutyInterval | None:
    """The interval that an instant lies in, with its ends as far as they are within `SEEN`; None: there is no rotation then."""
    found: DutyInterval | None = None
    for span in (0, *_SPANS):
        low, high = at - span, at + span + 1
        try:
            intervals = duty_intervals(history, low, high)
        except ScheduleTooLong:
            break
        found = next((each for each in intervals if each.start <= at < each.end), None)
        if found is None or (found.start > low and found.end < high):
            break
    return found


def _cost(plan: RotationPlan, length: int) -> int:
    """Most parts that the turns and hours of a plan have in a length of time."""
    seconds = length // SECOND + 2 * _DAY
    weeks = seconds // _WEEK + 2
    return sum(
        (0 if layer.by_calendar else min(seconds, seconds if layer.end is None else max(0, layer.end - layer.start)) // layer.turn_seconds)
        + 2
        + 2 * weeks * len(layer.hours)
        for layer in plan.layers
    )


class _Sweep:
    """Goes through the changes of one revision in order."""

    def __init__(self, plan: RotationPlan, revision: int, overrides: Sequence[RotationOverride], start: int, end: int) -> None:
        self._plan = plan
        self._revision = revision
        self._start, self._end = start, end
        self._turns: dict[int, _Turn] = {}
        self._overrides: dict[int, RotationOverride] = {}
        self._changes: dict[int, list[tuple[bool, int, _Turn | RotationOverride]]] = {start: [], end: []}
        for place, layer in enumerate(plan.layers, 1):
            for turn in _turns(layer, plan.time_zone, start, end):
                self._note(turn.start, turn.end, place, turn)
        for turn in _expected(plan, start, end):
            self._note(turn.start, turn.end, _EXPECTED, turn)
        for place, override in enumerate(overrides):
            self._note(override.begins, override.ends, place, override)

    def _note(self, start: int, end: int, place: int, what: _Turn | RotationOverride) -> None:
        first, last = max(start, self._start), min(end, self._end)
        if first < last:
            self._changes.setdefault(first, []).append((True, place, what))
            self._changes.setdefault(last, []).append((False, place, what))

    def intervals(self) -> list[DutyInterval]:
        """What comes out, neighbours that say the same as one."""
        found: list[DutyInterval] = []
        for start, end in pairwise(sorted(self._changes)):
            self._apply(self._changes[start])
            interval = self._interval(start, end)
            if found and _same(found[-1], interval):
                found[-1] = replace(found[-1], end=end)
            else:
                found.append(interval)
        return found

    def _apply(self, changes: Iterable[tuple[bool, int, _Turn | RotationOverride]]) -> None:
        for begins, place, what in sorted(changes, key=lambda change: change[0]):
            if isinstance(what, _Turn):
                _change(self._turns, place, what if begins else None)
            else:
                _change(self._overrides, place, what if begins else None)

    def _interval(self, start: int, end: int) -> DutyInterval:
        covering = sorted(place for place in self._turns if place != _EXPECTED)
        place = covering[-1] if covering else 0
        turn = self._turns[place] if covering else None
        people = dict.fromkeys(turn.people) if turn is not None else {}
        held = [self._overrides[rank] for rank in sorted(self._overrides)]
        for override in held:
            if override.kind is OverrideKind.REPLACE:
                people, place = dict.fromkeys(override.recipients), 0
            elif override.kind is OverrideKind.ADD:
                people |= dict.fromkeys(override.recipients)
            else:
                people = {one: None for one in people if one not in override.recipients}
        labels = [
            (not people and _EXPECTED in self._turns, DutyLabel.GAP),
            (len(people) > 1, DutyLabel.DOUBLE_COVER),
            (len(held) > 1, DutyLabel.OVERRIDES_OVERLAP),
            (turn is not None and place > 0 and turn.shifted and turn.start == start, DutyLabel.SHIFTED),
        ]
        return DutyInterval(
            start=start,
            end=end,
            revision=self._revision,
            recipients=tuple(people),
            layer=place,
            layer_name=self._plan.layers[place - 1].display_name if place else "",
            turn=turn.number if turn is not None and place else 0,
            hidden=tuple(covering[:-1]),
            overrides=tuple(override.id for override in held),
            labels=tuple(label for applies, label in labels if applies),
        )


def _change(held: dict[int, _Held], place: int, what: _Held | None) -> None:
    if what is None:
        held.pop(place, None)
    else:
        held[place] = what


def _same(one: DutyInterval, other: DutyInterval) -> bool:
    """Whether the second one goes on with what the first one says."""
    if DutyLabel.SHIFTED in other.labels:
        return False
    labels = tuple(label for label in one.labels if label is not DutyLabel.SHIFTED)
    return replace(one, start=0, end=0, labels=labels) == replace(other, start=0, end=0)


def _turns(layer: RotationLayer, zone: str, start: int, end: int) -> Iterator[_Turn]:
    """The turns of a layer that meet a stretch of time, cut to its hours."""
    known = offsets_or_utc(zone)
    low, high = max(start, known.instant(layer.start) * SECOND), end
    if layer.end is not None:
        high = min(end, known.instant(layer.end) * SECOND)
    if layer.by_calendar:
        for stretch in _stretches(layer.hours, zone, low, high):
            yield from _shift_turns(layer, zone, *stretch)
        return
    first, n = _first_hand_over(layer), len(layer.participants)
    turns = Turns(first=first, length=layer.turn_seconds, offsets=known)
    began = (layer.start - first) // layer.turn_seconds
    for stretch in _stretches(layer.hours, zone, low, high):
        for turn in turns.between(*stretch):
            number = turn.number - began
            hand_over = max(first + turn.number * layer.turn_seconds, layer.start)
            shifted = known.local(known.instant(hand_over)) != hand_over
            people = layer.participants[number % n]
            yield _Turn(max(turn.start, stretch.start), min(turn.end, stretch.end), number, people, shifted)


def _shift_turns(layer: RotationLayer, zone: str, start: int, end: int) -> Iterator[_Turn]:
    """The stretches of a layer of shifts: of those that overlap all of the greatest level are on call together."""
    changes: dict[int, list[tuple[bool, int]]] = {}
    covers = shift_covers(layer.shifts, offsets_or_utc(zone).key)
    for place, each in enumerate(covers):
        for stretch in each.cover.stretches(start, end):
            changes.setdefault(stretch.start, []).append((True, place))
            changes.setdefault(stretch.end, []).append((False, place))
            if len(changes) > 2 * MOST_PIECES:
                raise ScheduleTooLong.at("to", f"would be a schedule of more than {MOST_PIECES} parts; ask for less time")
    held: set[int] = set()
    for begin, until in pairwise(sorted(changes)):
        for begins, place in changes[begin]:
            (held.add if begins else held.discard)(place)
        top = max((covers[place].level for place in held), default=0)
        people = dict.fromkeys(one for place in sorted(held) if covers[place].level == top for one in covers[place].people)
        if people:
            yield _Turn(begin, until, 0, tuple(people), shifted=False)


def _first_hand_over(layer: RotationLayer) -> int:
    """The last hand-over at or before the start of a layer, in local time."""
    past = (layer.start - layer.hand_over * _MINUTE) % _DAY
    if layer.weekday:
        past = (layer.start + _THURSDAY - (layer.weekday - 1) * _DAY - layer.hand_over * _MINUTE) % _WEEK
    return layer.start - past


def _stretches(hours: tuple[WeeklyWindow, ...], zone: str, start: int, end: int) -> Iterable[Interval]:
    """The stretches of a range that lie in the hours; all of it if there are none."""
    if start >= end:
        return ()
    return weekly_windows(hours, zone).stretches(start, end) if hours and not cover_the_week(hours) else (Interval(start, end),)


def _expected(plan: RotationPlan, start: int, end: int) -> Iterator[_Turn]:
    """When somebody should be on call: in the hours of any layer, also before it begins and after it ends."""
    hours = tuple(window for layer in plan.layers for window in layer.hours) if all(layer.hours for layer in plan.layers) else ()
    for stretch in _stretches(hours, plan.time_zone, start, end):
        yield _Turn(stretch.start, stretch.end, 0, (), shifted=False)
