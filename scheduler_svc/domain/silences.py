"""Silences: incidents that nobody is told about for a time. Pure."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

import msgspec

from scheduler_svc.domain.incident_words import Hold
from scheduler_svc.domain.incidents import Incident
from tocsin.errors import NotFound, ResourceExhausted
from tocsin.recurrence import Micros

SILENCED: Final = "SILENCED"
"""Reason of a step that a silence holds back."""

MOST_SILENCES: Final = 1000
"""Silences of a tenant that are not over."""


class SilenceNotFound(NotFound):
    """There is no such silence."""


class TooManySilences(ResourceExhausted):
    """The tenant has as many silences as it may have."""


class SilenceState(IntEnum):
    """Whether a silence holds; the numbers are those of the contract."""

    PENDING = 1
    ACTIVE = 2
    EXPIRED = 3


class SilenceMatcher(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an incident must have: a label, or something else that it says of itself, with a value in which * stands for any characters."""

    label: str
    value: str = ""
    negate: bool = False

    def matches(self, words: Mapping[str, str]) -> bool:
        """Whether what an incident says of itself fits."""
        return is_like(words.get(self.label, ""), self.value) is not self.negate


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """A silence of a tenant; it holds from ``start`` on, before ``end``."""

    id: str
    tenant: str
    matchers: tuple[SilenceMatcher, ...]
    start: Micros
    end: Micros
    comment: str
    author: str
    created: Micros

    def state(self, now: Micros) -> SilenceState:
        """Whether it holds."""
        if now >= self.end:
            return SilenceState.EXPIRED
        return SilenceState.ACTIVE if now >= self.start else SilenceState.PENDING

    def silences(self, incident: Incident) -> bool:
        """Whether it is about an incident; one without matchers, which nobody can make, is about none."""
        words = words_of(incident)
        return bool(self.matchers) and all(matcher.matches(words) for matcher in self.matchers)


def words_of(incident: Incident) -> Mapping[str, str]:
    """What an incident says of itself; its own words win over labels of the same name."""
    return {
        **incident.labels,
        "severity": incident.severity.name.lower(),
        "escalationPolicy": incident.policy,
        "source": incident.source,
        "dedupKey": incident.key,
    }


def hold_of(incident: Incident, silences: Iterable[Silence]) -> Hold | None:
    """What the silences that hold now do to an incident: the one that ends last counts."""
    found = [silence for silence in silences if silence.silences(incident)]
    if not found:
        return None
    last = max(found, key=lambda silence: (silence.end, silence.id))
    return Hold(f"silences/{last.id}", SILENCED, last.end)


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
