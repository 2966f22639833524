"""Where a COUNT ends: it counts due times, and a change of the clocks takes wall times away or brings them twice."""

from typing import Final, NamedTuple

from tocsin.recurrence.offsets import Offsets, Stretch
from tocsin.recurrence.patterns import DAY, Pattern, TooMany
from tocsin.recurrence.specs import DstPolicy, Gap, Overlap
from tocsin.recurrence.steps import spend

# What lies behind so many changes, a century of them, ends by its wall time.
_MOST_CHANGES: Final = 200
_NEVER: Final = 1 << 60


def last_second(pattern: Pattern, *, first: int, count: int, last: int, local: Offsets, policy: DstPolicy) -> int | None:
    """The instant of the last due time, in seconds; None when the changes of the clocks make no difference, or there are not so many times.

    Args:
        pattern: the wall times.
        first: the wall time from which on they count.
        count: how many due times there are.
        last: the wall time with that number.
        local: the zone.
        policy: what becomes of wall times that do not exist, or exist twice.
    """
    more, wall = 0, last  # due times up to here, beyond the wall times
    stretch = local.at(first - 2 * DAY)
    for _ in range(_MOST_CHANGES):
        change = local.after(stretch)
        if change is None or wall < min(change.start + change.before, change.start + change.offset):
            break
        spend(1)
        found = _among(pattern, change, first)
        if found is not None and change.offset < change.before and policy.overlap is Overlap.BOTH:
            if wall <= found.last:
                return wall - change.before
            more += found.number
            wall = _nth(pattern, first, count - more)
            if wall <= found.last:
                return wall - change.offset
        elif found is not None and change.offset > change.before:
            fires = _fires(pattern, change, found, policy.gap)
            if fires and policy.gap is Gap.SHIFT and wall == found.first:
                return change.start
            more -= found.number - fires
            wall = _nth(pattern, first, count - more)
            if policy.gap is Gap.OFFSET and (instant := _among_moved(pattern, change, found, wall)) is not None:
                return instant
        stretch = change
    return wall - stretch.offset if more and wall < _NEVER else None


class _Found(NamedTuple):
    """Wall times of a pattern around a change: how many, the first and the last."""

    number: int
    first: int
    last: int


def _among(pattern: Pattern, change: Stretch, first: int) -> _Found | None:
    """Those that a change takes away, or brings twice; counted by halving, for they may be thousands."""
    low, high = sorted((change.start + change.before, change.start + change.offset))
    begin = pattern.next_at(max(low, first))
    if begin is None or begin >= high:
        return None
    number, beyond = 1, 2
    while _nth(pattern, begin, beyond) < high:
        number, beyond = beyond, beyond * 2
    while beyond - number > 1:
        middle = (number + beyond) // 2
        number, beyond = (middle, beyond) if _nth(pattern, begin, middle) < high else (number, middle)
    return _Found(number, begin, _nth(pattern, begin, number))


def _nth(pattern: Pattern, first: int, number: int) -> int:
    spend(1)
    try:
        found = pattern.nth_from(first, number)
    except TooMany:
        return _NEVER
    return _NEVER if found is None else found


def _wall_times(pattern: Pattern, low: int, high: int) -> list[int]:
    found: list[int] = []
    wall = pattern.next_at(low)
    while wall is not None and wall < high:
        spend(1)
        found.append(wall)
        wall = pattern.next_at(wall + 1)
    return found


def _fires(pattern: Pattern, change: Stretch, found: _Found, gap: Gap | None) -> int:
    """How many due times come of the wall times in a gap."""
    match gap:
        case Gap.SHIFT:
            return int(pattern.next_at(change.start + change.offset) != change.start + change.offset)
        case Gap.OFFSET:
            moved = [wall + change.offset - change.before for wall in _wall_times(pattern, found.first, found.last + 1)]
            return sum(pattern.next_at(wall) != wall for wall in moved)
        case _:
            return 0


def _among_moved(pattern: Pattern, change: Stretch, found: _Found, wall: int) -> int | None:
    """The instant of the due time that counts as ``wall``, where those that were moved come between others; None when it comes later."""
    length, end = change.offset - change.before, change.start + change.offset
    if wall >= end + length:
        return None
    left_out = _wall_times(pattern, found.first, found.last + 1)
    order = [at - change.before for at in left_out if pattern.next_at(at + length) != at + length]
    order += [at - change.offset for at in _wall_times(pattern, end, end + length)]
    second = wall - (change.before if wall <= found.last else change.offset)
    return sorted(order)[order.index(second)] if second in order else None
