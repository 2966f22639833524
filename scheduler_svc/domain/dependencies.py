"""Dependencies: nobody is told of what is a consequence of something else, while that is open. Pure.

What is a cycle? Matchers may have patterns, and labels of any name, so that most pairs of dependencies could hold each other back for some
incident that nobody has thought of. Refused are those that are sure to: a dependency leads to another when whatever fits its targets
is sure to fit the sources of the other, and none may lead back to itself. What only may be a ring is none when it happens: of incidents of
which each is a cause of the next one, the first to open is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from scheduler_svc.domain.incident_words import IncidentSeverity
from scheduler_svc.domain.matchers import CompiledMatchers, SilenceMatcher, implied
from tocsin.errors import InvalidInput
from tocsin.recurrence import Micros

DEPENDENCY: Final = "DEPENDENCY"
"""Reason of a step that is held back because what its incident depends on is open."""

_OWN_FIELDS: Final = {"source": "source", "dedupKey": "key"}
"""What an incident says of itself, beside labels, and where its document has it."""
_SEVERITY: Final = "severity"


class IncidentDependency(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A dependency of a tenant.

    Attributes:
        source: what is the cause.
        target: what is a consequence.
        equal: labels of which both must have the same value.
    """

    id: str
    tenant: str
    display_name: str = ""
    source: tuple[SilenceMatcher, ...]
    target: tuple[SilenceMatcher, ...]
    equal: tuple[str, ...] = ()
    version: int = 1
    created: Micros = 0
    updated: Micros = 0

    @property
    def etag(self) -> str:
        """Changes with every change."""
        return str(self.version)


class CompiledDependency:
    """A dependency, ready to be asked."""

    def __init__(self, dependency: IncidentDependency) -> None:
        self.dependency = dependency
        self.source = CompiledMatchers(dependency.source)
        self.target = CompiledMatchers(dependency.target)

    @property
    def needle(self) -> str:
        """What stands in the stored form of whatever fits its sources; empty: nothing that is known."""
        found = next((one for one in self.dependency.source if one.label != _SEVERITY and _finds(one)), None)
        return "" if found is None else f"{_json(_OWN_FIELDS.get(found.label, found.label))}:{_json(found.value)}"

    @property
    def severity(self) -> int:
        """The severity of whatever fits its sources; 0: any."""
        found = next((one.value for one in self.dependency.source if one.label == _SEVERITY and _finds(one)), "")
        return next((int(severity) for severity in IncidentSeverity if severity.name.lower() == found), 0)

    def holds(self, *, source: Mapping[str, str], target: Mapping[str, str]) -> bool:
        """Whether the one holds back the other, of which is known that it fits the targets.

        What fits both sides is held back by nothing that does so too, and so not by itself (as in Alertmanager).
        """
        if not self.source.fit(source) or any(source.get(label, "") != target.get(label, "") for label in self.dependency.equal):
            return False
        return not (self.target.fit(source) and self.source.fit(target))


def _finds(matcher: SilenceMatcher) -> bool:
    """Whether open sources can be found by it."""
    return matcher.exact and bool(matcher.value) and matcher.label != "escalationPolicy"


def check_dependency(dependency: IncidentDependency, others: Iterable[IncidentDependency]) -> None:
    """Refuses what could not be followed.

    Raises:
        InvalidInput: no open source could be found, or it makes a cycle.
    """
    if not any(map(_finds, dependency.source)):
        reason = "must name a value of a label, of severity, source or dedupKey, without a * and not negated: by it open ones are found"
        raise InvalidInput.at("incidentDependency.source", reason)
    cycle = _way_back(dependency, [dependency, *(other for other in others if other.id != dependency.id)])
    if cycle:
        named = " -> ".join(f"incidentDependencies/{one.id}" for one in (*cycle, dependency))
        raise InvalidInput.at("incidentDependency", f"makes a cycle, in which all would be held back: {named}")


def _way_back(start: IncidentDependency, among: Sequence[IncidentDependency]) -> list[IncidentDependency]:
    """The dependencies from ``start`` on that lead back to it; empty when none do."""
    ways, seen = [[start]], set[str]()
    while ways:
        way = ways.pop()
        for one in among:
            if not implied(way[-1].target, one.source):
                continue
            if one.id == start.id and len(way) > 1:  # of one alone, what fits both sides is not held back
                return way
            if one.id != start.id and one.id not in seen:
                seen.add(one.id)
                ways.append([*way, one])
    return []


def _json(text: str) -> str:
    return msgspec.json.encode(text).decode()
