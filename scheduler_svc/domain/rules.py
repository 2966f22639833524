"""What a tenant has said of incidents in general, ready to be asked: routes, dependencies, silences. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from scheduler_svc.domain.dependencies import CompiledDependency, IncidentDependency
from scheduler_svc.domain.incident_words import Hold
from scheduler_svc.domain.incidents import Incident
from scheduler_svc.domain.matchers import CompiledMatchers, SilenceMatcher, words_of
from scheduler_svc.domain.routes import IncidentRoute
from scheduler_svc.domain.silences import SILENCED, Silence, SilenceTimes
from tocsin.errors import Aborted, AlreadyExists, NotFound, ResourceExhausted
from tocsin.recurrence import Micros, TooCostly


class IncidentRuleNotFound(NotFound):
    """There is no such route or dependency."""


class IncidentRuleExists(AlreadyExists):
    """There is a route or dependency of this name already."""


class IncidentRuleChanged(Aborted):
    """The route or dependency was changed since it was read: its etag is another one now."""


class TooManyIncidentRules(ResourceExhausted):
    """The tenant has as many routes or dependencies as it may have."""


def words(incident: Incident) -> Mapping[str, str]:
    """What an incident says of itself."""
    return words_of(incident.labels, severity=incident.severity, key=incident.key, source=incident.source, policy=incident.policy)


class TenantRules:
    """The rules of one tenant, as they were at some time."""

    def __init__(
        self,
        routes: Iterable[IncidentRoute] = (),
        dependencies: Iterable[IncidentDependency] = (),
        silences: Iterable[Silence] = (),
    ) -> None:
        ordered = sorted(routes, key=lambda route: (route.position, route.id))
        self._routes = [(route, CompiledMatchers(route.matchers)) for route in ordered]
        self._dependencies = [CompiledDependency(one) for one in dependencies]
        self._silences = [SilenceTimes(silence) for silence in silences if silence.matchers]
        self._active: tuple[Micros, Sequence[tuple[Micros, SilenceTimes]]] = (-1, ())

    def route(self, said: Mapping[str, str]) -> IncidentRoute | None:
        """The first route that fits."""
        return next((route for route, matchers in self._routes if matchers.fit(said)), None)

    @property
    def routes(self) -> bool:
        """Whether there are any."""
        return bool(self._routes)

    def explain(self, said: Mapping[str, str]) -> tuple[IncidentRoute | None, Sequence[tuple[IncidentRoute, SilenceMatcher]]]:
        """The first route that fits, and those before it, each with its first matcher that does not."""
        missed: list[tuple[IncidentRoute, SilenceMatcher]] = []
        for route, _ in self._routes:
            miss = next((matcher for matcher in route.matchers if not matcher.matches(said)), None)
            if miss is None:
                return route, missed
            missed.append((route, miss))
        return None, missed

    def holding(self, now: Micros) -> bool:
        """Whether there is anything that may hold back steps now."""
        return bool(self._dependencies or self._active_at(now))

    def silenced(self, said: Mapping[str, str], now: Micros) -> Hold | None:
        """What the silences that hold now do to something with these words: the one that ends last counts."""
        found = next(((until, times) for until, times in self._active_at(now) if times.matchers.fit(said)), None)
        return None if found is None else Hold(f"silences/{found[1].silence.id}", SILENCED, found[0])

    def causes(self, said: Mapping[str, str]) -> Sequence[CompiledDependency]:
        """The dependencies by which something with these words may be held back."""
        return [one for one in self._dependencies if one.target.fit(said)]

    def _active_at(self, now: Micros) -> Sequence[tuple[Micros, SilenceTimes]]:
        """Those that hold, the one that ends last first."""
        if self._active[0] != now:
            holding = [(until, times) for times in self._silences if (until := _until(times, now)) is not None]
            self._active = now, sorted(holding, key=lambda each: (each[0], each[1].silence.id), reverse=True)
        return self._active[1]


def _until(times: SilenceTimes, now: Micros) -> Micros | None:
    """Until when a silence holds; one whose rule nobody can follow any more holds nothing back: what it costs is its own."""
    try:
        return times.until(now)
    except TooCostly:
        return None
