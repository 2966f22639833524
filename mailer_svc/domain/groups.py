"""Groups in groups: never in a circle, and not too deep (pure)."""

from collections.abc import Mapping, Sequence
from typing import Final

from mailer_svc.domain.errors import GroupCycle

MAX_DEPTH: Final = 8
"""Groups on the longest way from a group to one in it, both counted."""


def checked_nesting(inside: Mapping[str, Sequence[str]], *, group: str, added: Sequence[str]) -> None:
    """Refuses groups that must not be put into a group.

    Args:
        inside: the groups that are in each group.
        group: into which others are to be put.
        added: those.

    Raises:
        GroupCycle: the group would be in itself, or it would be too deep; the way is named.
    """
    around: dict[str, list[str]] = {}
    for outer, members in inside.items():
        for member in members:
            around.setdefault(member, []).append(outer)
    above = _longest(around, group, goal="")
    for place, member in enumerate(added):
        below = _longest(inside, member, goal=group)
        if below[-1] == group:
            raise GroupCycle.at(f"members[{place}]", f"would put groups/{group} into itself: {_way([group, *below])}")
        if len(above) + len(below) > MAX_DEPTH:
            way = _way([*reversed(above), *below])
            raise GroupCycle.at(f"members[{place}]", f"would be more than {MAX_DEPTH} groups deep: {way}")


def _longest(edges: Mapping[str, Sequence[str]], start: str, *, goal: str) -> list[str]:
    """A longest way from ``start``, as far as it matters; one to ``goal`` if there is any."""
    level = {start: [start]}
    longest = level[start]
    # Level by level, the ways get longer by one; what is stored is nowhere deeper than it may be.
    while level and len(longest) <= MAX_DEPTH:
        if goal in level:
            return level[goal]
        longest = next(iter(level.values()))
        level = {member: [*way, member] for way in level.values() for member in edges.get(way[-1], ())}
    return longest


def _way(groups: Sequence[str]) -> str:
    return " > ".join(f"groups/{group}" for group in groups)
