"""What groups of alerts, dependencies and windows of maintenance must do, said in a second way and as simply as can be."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from scheduler_svc.domain.incident_words import IncidentSeverity
from tests.simulation.incidents_checker import Told, fits
from tests.simulation.responders import Alert
from tests.simulation.scenario import SECOND

ROUTE: Final = 1
Words = Mapping[str, str]


@dataclass(slots=True)
class Herd:
    """An incident: a group, or an alert alone; ``group`` is what its route says of it then.

    Attributes:
        members: the alerts that ever joined, as they were triggered last.
        open: the keys of those that are open.
        told: when people heard of it last.
        news: how many joined since, and ``joined``: when the first of these did.
        awake: since when it is no longer snoozed: what became due meanwhile is told then.
        moved: whether its steps began anew, so that nothing waits any more.
        held: what holds it back, as its timeline says.
        free: since when nothing does, in virtual seconds, although its timeline does not say so.
    """

    id: str
    tenant: str
    key: str
    group: Mapping[str, Any] | None
    by: Mapping[str, str]
    opened: int
    members: dict[str, Alert] = field(default_factory=dict[str, Alert])
    open: set[str] = field(default_factory=set[str])
    over: bool = False
    merged: bool = False
    acknowledged: bool = False
    snoozed: bool = False
    awake: int = 0
    told: int | None = None
    news: int = 0
    joined: int = 0
    moved: bool = False
    held: str = ""
    ever_held: bool = False
    free: float | None = None

    def said(self) -> list[Words]:
        """What is open of it says of itself."""
        return [words(self.members[key]) for key in sorted(self.open)]

    def join(self, alert: Alert, at: int) -> None:
        """An alert joins, or is open again."""
        self.members[alert.key] = alert
        self.open.add(alert.key)
        self.joined = self.joined if self.news else at
        self.news += 1

    def wake(self, at: int) -> None:
        """A snooze is over, if there is one."""
        if self.snoozed:
            self.snoozed, self.awake = False, at

    @property
    def due(self) -> int | None:
        """When those who were told hear of it next."""
        if self.group is None or self.told is None or self.over or self.merged or self.snoozed:
            return None
        if self.news:
            return max(self.joined + self.group["wait"], self.told + self.group["interval"])
        repeat = self.group.get("repeat", 0)
        quiet = self.acknowledged and not self.group.get("repeat_acknowledged", False)
        return self.told + repeat if repeat and not quiet else None

    @property
    def says(self) -> str:
        """What they hear then."""
        if self.news:
            return f"{self.news} more alert{'s' * (self.news > 1)}"
        return f"still open: {len(self.open)} alert{'s' * (len(self.open) > 1)}"


class Realm:
    """What one tenant has: incidents, routes, dependencies and silences, as they are between two transactions."""

    def __init__(self, skew: int) -> None:
        """Has nothing yet; ``skew``: by how much clocks differ."""
        self.herds: dict[str, Herd] = {}
        self._rules: dict[tuple[int, str], Mapping[str, Any]] = {}
        self._silences: dict[str, Told] = {}
        self._skew = skew

    def rule(self, entry: Told) -> None:
        """A route or a dependency is made, changed, or gone."""
        if entry.text:
            self._rules[entry.number, entry.id] = {"wait": 30 * SECOND, "interval": 300 * SECOND, **_repeat(json.loads(entry.text))}
        else:
            self._rules.pop((entry.number, entry.id), None)

    def silence(self, entry: Told) -> None:
        """A silence is made or ends."""
        self._silences[entry.id] = entry

    def standing(self) -> Iterator[Herd]:
        """Incidents that are not over."""
        return (herd for herd in self.herds.values() if not herd.over)

    def route(self, alert: Alert) -> Mapping[str, Any] | None:
        """The route that an alert takes."""
        routes = [rule for (kind, _), rule in self._rules.items() if kind == ROUTE]
        routes.sort(key=lambda rule: (rule.get("position", 0), rule["id"]))
        return next((rule for rule in routes if not rule.get("matchers") or fits(rule["matchers"], words(alert))), None)

    def place(self, alert: Alert) -> tuple[Herd | None, Mapping[str, Any] | None]:
        """Where an alert goes: an incident that is there; or none, and the route of the one that it opens."""
        for herd in self.standing():
            if (herd.group is not None and alert.key in herd.open) or (herd.group is None and herd.key == alert.key):
                return herd, None
        route = None if alert.policy or alert.over else self.route(alert)
        if route is None or not route.get("group_by"):
            return None, route
        by = values(route, alert)
        same = (herd for herd in self.standing() if herd.group is not None and (herd.group["id"], herd.by) == (route["id"], by))
        return next(same, None), route

    def holders(self, herd: Herd, at: int, *, sure: bool = False, also: Collection[str] = ()) -> set[str]:
        """What holds back an incident at an instant, if all that is open of it is held back.

        Args:
            herd: the incident.
            at: the instant.
            sure: whether it must be so by every clock.
            also: incidents that count as open although they are over.
        """
        silences, loud = set[str](), list[Words]()
        for said in herd.said():
            found = {f"silences/{silence}" for silence in self._silences if self._silent(silence, herd, said, at, sure=sure)}
            silences |= found
            if not found:
                loud.append(said)
        if not loud:
            return silences
        each = [{one.id for one in self.herds.values() if self._depends(herd, said, one, also)} for said in loud]
        return {f"incidents/{identity}" for identity in set.intersection(*each)}

    def _silent(self, silence: str, herd: Herd, said: Words, at: int, *, sure: bool) -> bool:
        entry = self._silences[silence]
        if not entry.since <= at < entry.until - (self._skew if sure else 0):
            return False
        if "/" in entry.note:
            every, length = (int(part) * SECOND for part in entry.note.split("/"))
            if at % every >= length:
                return False
        matchers = json.loads(entry.text)
        return fits(matchers, said) or (herd.group is not None and fits(matchers, {**said, "dedupKey": herd.key}))

    def _depends(self, herd: Herd, said: Words, source: Herd, also: Collection[str]) -> bool:
        if source.id == herd.id or (source.over and source.id not in also):
            return False
        causes = source.said() if not source.over else [words(alert) for alert in source.members.values()]
        rules = [rule for (kind, _), rule in self._rules.items() if kind != ROUTE and fits(rule["target"], said)]
        return any(
            fits(rule["source"], cause) and all(cause.get(label, "") == said.get(label, "") for label in rule.get("equal", ()))
            for rule in rules
            for cause in causes
        )


def words(alert: Alert) -> Words:
    """What an alert says of itself."""
    severity = IncidentSeverity(alert.severity).name.lower()
    return {**alert.labels, "severity": severity, "escalationPolicy": alert.policy, "source": "", "dedupKey": alert.key}


def values(route: Mapping[str, Any], alert: Alert) -> dict[str, str]:
    """The labels by which a route groups an alert, with their values."""
    return {label: alert.labels.get(label, "") for label in route["group_by"]}


def common(alerts: Sequence[Alert]) -> dict[str, str]:
    """The labels that alerts have in common."""
    return dict(set.intersection(*(set(alert.labels.items()) for alert in alerts)))


def _repeat(document: dict[str, Any]) -> dict[str, Any]:
    return {"repeat": 4 * 3600 * SECOND, **document}
