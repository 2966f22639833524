"""Matchers: what silences, routes and dependencies ask of an incident. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from scheduler_svc.domain.incident_words import IncidentSeverity


_SEVERITIES: Final = ("critical", "error", "warning", "info")


class SilenceMatcher(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an incident must have: a label, or something else that it says of itself, with a value in which * stands for any characters."""

    label: str
    value: str = ""
    negate: bool = False

    @property
    def exact(self) -> bool:
        """Whether it names one value."""
        return not self.negate and "*" not in self.value

    def matches(self, words: Mapping[str, str]) -> bool:
        """Whether what an incident says of itself fits."""
        return is_like(words.get(self.label, ""), self.value) is not self.negate


class CompiledMatchers:
    """Several matchers, of which all must fit; those that name one value are asked first."""

    __slots__ = ("_exact", "_others")

    def __init__(self, matchers: Iterable[SilenceMatcher]) -> None:
        both = list(matchers)
        self._exact = tuple((matcher.label, matcher.value) for matcher in both if matcher.exact)
        self._others = tuple(matcher for matcher in both if not matcher.exact)

    def fit(self, words: Mapping[str, str]) -> bool:
        """Whether all of them fit."""
        for label, value in self._exact:
            if words.get(label, "") != value:
                return False
        return all(matcher.matches(words) for matcher in self._others)


def words_of(labels: Mapping[str, str], *, severity: "IncidentSeverity", key: str, source: str = "", policy: str = "") -> Mapping[str, str]:
    """What something says of itself; its own words win over labels of the same name."""
    return {**labels, "severity": _SEVERITIES[severity - 1], "escalationPolicy": policy, "source": source, "dedupKey": key}


def implied(given: Sequence[SilenceMatcher], asked: Sequence[SilenceMatcher]) -> bool:
    """Whether whatever fits all of ``given`` is sure to fit all of ``asked``."""
    return all(any(_implies(one, other) for one in given) for other in asked)


def _implies(one: SilenceMatcher, other: SilenceMatcher) -> bool:
    if one == other:
        return True
    if one.label != other.label:
        return False
    if one.exact:
        return is_like(one.value, other.value) is not other.negate
    return not other.negate and other.value.strip("*") == "" and other.value != ""


def is_like(text: str, pattern: str) -> bool:
    """Whether a text is what a pattern says, in which * stands for any characters: each piece is looked for once, from left to right."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    last = rest.pop()
    end = len(text) - len(last)
    if not (text.startswith(first) and text.endswith(last) and len(first) <= end):
        return False
    place = len(first)
    for piece in rest:
        found = text.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True
