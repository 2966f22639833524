"""What holds back the steps of incidents in a transaction: silences, and what they depend on.

Whoever holds back a step because of something that is open keeps that open: its incident's row is locked until the transaction ends. So the
transaction that ends it comes after this one, and finds what has to go on.

A group is held back when each of its open alerts is: by silences, or else by one and the same open source. What its alerts have in common
would not do: a silence of all hosts but one would hold back that one as well, because hosts that differ are not in common.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain.alert_groups import AlertState, IncidentAlert
from scheduler_svc.domain.dependencies import DEPENDENCY, CompiledDependency
from scheduler_svc.domain.incident_words import Hold, IncidentSeverity, IncidentState
from scheduler_svc.domain.incidents import Incident
from scheduler_svc.domain.matchers import words_of
from scheduler_svc.domain.rules import TenantRules, words
from scheduler_svc.store.incident_alerts import StoredAlertText
from scheduler_svc.store.incident_tables import ALERT_OPEN, NOT_RESOLVED
from scheduler_svc.store.sql import Statement, is_sqlite
from tocsin.clock import MINUTE
from tocsin.errors import Aborted
from tocsin.recurrence import END_OF_TIME, Micros
from tocsin.stored import NOT_READABLE, known

_LOOK_AGAIN: Final[Micros] = 5 * MINUTE
"""So often an incident that depends on another one is looked at, whether anything has changed or not."""
_PAGE: Final = 1000
_TURN: Final = 250
_LONGEST_CHAIN: Final = 32
_ATTEMPTS: Final = 3

_FOUND: Final = (
    "SELECT a.incident, a.dedup_key, i.held_by, i.policy, a.severity, a.document FROM incident_alerts a "
    "JOIN incidents i ON i.id = a.incident"
)
_INCIDENTS: Final = Statement(
    sqlite=(
        f"SELECT id, held_by, document FROM incidents WHERE tenant = ?1 AND {NOT_RESOLVED} AND instr(document, ?2) > 0 "
        f"AND (?3 = 0 OR severity = ?3) AND id > ?4 ORDER BY id LIMIT {_PAGE}"
    ),
    postgresql=(
        f"SELECT id, held_by, document FROM incidents WHERE tenant = $1 AND {NOT_RESOLVED} AND strpos(document, $2) > 0 "
        f"AND ($3::smallint = 0 OR severity = $3) AND id > $4 ORDER BY id LIMIT {_PAGE}"
    ),
)
_ALERTS: Final = Statement(
    sqlite=(
        f"{_FOUND} WHERE a.tenant = ?1 AND a.{ALERT_OPEN} AND instr(a.document, ?2) > 0 AND (?3 = 0 OR a.severity = ?3) "
        f"AND (a.incident, a.dedup_key) > (?4, ?5) ORDER BY a.incident, a.dedup_key LIMIT {_PAGE}"
    ),
    postgresql=(
        f"{_FOUND} WHERE a.tenant = $1 AND a.{ALERT_OPEN} AND strpos(a.document, $2) > 0 AND ($3::smallint = 0 OR a.severity = $3) "
        f"AND (a.incident, a.dedup_key) > ($4, $5) ORDER BY a.incident, a.dedup_key LIMIT {_PAGE}"
    ),
)
_OPEN_ALERTS: Final = "SELECT incident, dedup_key, severity, document FROM incident_alerts WHERE"
_OF_GROUPS: Final = Statement(
    sqlite=f"{_OPEN_ALERTS} incident IN (SELECT value FROM json_each(?1)) AND {ALERT_OPEN}",
    postgresql=f"{_OPEN_ALERTS} incident = ANY($1::text[]) AND {ALERT_OPEN}",
)
_KEPT: Final = f"SELECT id FROM incidents WHERE id = ANY($1::text[]) AND {NOT_RESOLVED} ORDER BY id FOR SHARE"
_KEEP: Final = Statement(sqlite="SELECT value FROM json_each(?1)", postgresql=_KEPT)
_HELD_BY: Final = Statement(
    sqlite="SELECT held_by FROM incidents WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql="SELECT held_by FROM incidents WHERE id = ANY($1::text[])",
)
_Document = TypeVar("_Document")
_INCIDENT: Final = msgspec.json.Decoder(Incident)
_ALERT: Final = msgspec.json.Decoder(StoredAlertText)


class OpenSource(NamedTuple):
    """Something that is open, and may be what others depend on."""

    incident: str
    held_by: str
    words: Mapping[str, str]


class Depending(NamedTuple):
    """An incident that may depend on others.

    Attributes:
        causes: what it says that no silence fits, each with the dependencies that may hold that back.
        silent: when the first of the silences ends that hold back the rest of it.
    """

    incident: Incident
    causes: Sequence[tuple[Mapping[str, str], Sequence[CompiledDependency]]]
    silent: Micros


class Holds:
    """Finds what holds back incidents of one transaction."""

    def __init__(
        self,
        connection: AsyncConnection,
        *,
        rules: Mapping[str, TenantRules],
        known_incidents: Mapping[str, Incident],
        known_alerts: Mapping[tuple[str, str], IncidentAlert],
        now: Micros,
    ) -> None:
        """Takes the rules, and what the transaction has changed: that counts instead of what is stored."""
        self._connection = connection
        self._rules = rules
        self._incidents = known_incidents
        self._alerts = known_alerts
        self._now = now
        self._picked: dict[str, str] = {}
        self._sources: dict[tuple[str, str, int], Sequence[OpenSource]] = {}
        self._by_values: dict[tuple[str, str], Mapping[tuple[str, ...], Sequence[OpenSource]]] = {}

    async def of(self, incidents: Iterable[Incident]) -> Mapping[str, Hold]:
        """What holds back each of some incidents that are waiting for their next step, by their ids."""
        found: dict[str, Hold] = {}
        depending: list[Depending] = []
        for incident, said in await self._said(incidents):
            rules = self._rules[incident.tenant]
            silences, loud = await self._silenced(incident, said, rules)
            causes = [(one, rules.causes(one)) for one in loud]
            if not causes:
                found[incident.id] = min(silences, key=lambda hold: (hold.until, hold.by))
            elif all(able for _, able in causes):
                depending.append(Depending(incident, causes, min((hold.until for hold in silences), default=END_OF_TIME)))
        depending.sort(key=lambda each: each.incident.id, reverse=True)  # so that of a ring the first to open goes free
        for _ in range(_ATTEMPTS):
            self._picked.clear()
            for one in depending:
                if source := await self._cause(one):
                    self._picked[one.incident.id] = source
            if await self._keep(set(self._picked.values())):
                silent = {one.incident.id: one.silent for one in depending}
                return found | {identity: self._hold(source, silent[identity]) for identity, source in self._picked.items()}
            self._sources.clear()
            self._by_values.clear()
        raise Aborted("What incidents depend on has changed again and again.")

    def _hold(self, source: str, silent: Micros) -> Hold:
        return Hold(f"incidents/{source}", DEPENDENCY, min(self._now + _LOOK_AGAIN, silent))

    async def _said(self, incidents: Iterable[Incident]) -> Sequence[tuple[Incident, Sequence[Mapping[str, str]]]]:
        """What those incidents say of themselves that anything may hold back; of a group, what each of its open alerts says."""
        able = [one for one in incidents if one.tenant in self._rules and self._rules[one.tenant].holding(self._now)]
        alerts = await self._open_alerts([one for one in able if one.group is not None])
        return [(one, alerts.get(one.id) or [words(one)]) for one in able]

    async def _open_alerts(self, groups: Collection[Incident]) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """What the open alerts of groups say; one that nobody can read says that nothing fits it."""
        policies = {one.id: one.policy for one in groups}
        found: defaultdict[str, list[Mapping[str, str]]] = defaultdict(list)
        for incident, key, badness, document in await _OF_GROUPS.rows(self._connection, sorted(policies)) if policies else ():
            if (incident, key) not in self._alerts:
                alert = _read_or_none(_ALERT, document)
                found[incident].append({} if alert is None else _stored_words(alert, key, badness, policies[incident]))
        for alert in self._alerts.values():
            if alert.incident in policies and alert.state is AlertState.OPEN:
                found[alert.incident].append(_alert_words(alert, policies[alert.incident]))
        return found

    async def _silenced(
        self, incident: Incident, said: Sequence[Mapping[str, str]], rules: TenantRules
    ) -> tuple[set[Hold], Sequence[Mapping[str, str]]]:
        """The silences of what an incident says, and what of it no silence fits. A group's own key is one by which silences find it."""
        holds, loud = set[Hold](), list[Mapping[str, str]]()
        for place, one in enumerate(said, 1):
            if place % _TURN == 0:
                await asyncio.sleep(0)
            hold = rules.silenced(one, self._now) if one else None
            if hold is None and one and incident.group is not None:
                hold = rules.silenced({**one, "dedupKey": incident.key}, self._now)
            if hold is None:
                loud.append(one)
            else:
                holds.add(hold)
        return holds, loud

    async def _cause(self, depending: "Depending") -> str:
        """The incident because of which another one is held back; the one that holds it already, or the first to be opened."""
        incident, current = depending.incident, depending.incident.held_by.removeprefix("incidents/")
        common: dict[str, OpenSource] | None = None
        for place, (said, causes) in enumerate(depending.causes, 1):
            if place % _TURN == 0:
                await asyncio.sleep(0)
            fitting = await self._sources_of(incident, said, causes)
            common = fitting if common is None else {identity: one for identity, one in common.items() if identity in fitting}
            if not common:
                return ""
        for identity in sorted(common or (), key=lambda identity: (identity != current, identity)):
            if common and not await self._leads_to(common[identity], incident.id):
                return identity
        return ""

    async def _sources_of(
        self, incident: Incident, said: Mapping[str, str], causes: Sequence[CompiledDependency]
    ) -> dict[str, "OpenSource"]:
        """What is open and holds back something that an incident says, by the ids of their incidents."""
        found = dict[str, OpenSource]()
        for dependency in causes:
            equal = tuple(said.get(label, "") for label in dependency.dependency.equal)
            for source in (await self._fitting(incident.tenant, dependency)).get(equal, ()):
                if source.incident != incident.id and source.incident not in found and dependency.holds(source=source.words, target=said):
                    found[source.incident] = source
        return found

    async def _leads_to(self, source: OpenSource, incident: str) -> bool:
        """Whether the source is itself held back because of the incident, however indirectly."""
        above = source.incident
        for _ in range(_LONGEST_CHAIN):
            if above in self._picked:
                above = self._picked[above]
            else:
                held_by = source.held_by if above == source.incident else await self._held_by(above)
                if not held_by.startswith("incidents/"):
                    return False
                above = held_by.removeprefix("incidents/")
            if above == incident:
                return True
        return True

    async def _held_by(self, incident: str) -> str:
        if incident in self._incidents:
            return self._incidents[incident].held_by
        rows = await _HELD_BY.rows(self._connection, [incident])
        return rows[0][0] if rows else ""

    async def _keep(self, sources: Collection[str]) -> bool:
        """Keeps incidents open until the transaction ends; whether all of them are."""
        others = sorted(set(sources) - self._incidents.keys())
        if not others or is_sqlite(self._connection):
            return True
        kept = await _KEEP.rows(self._connection, others)
        if len(kept) < len(others):
            return False
        before = dict(self._sources)
        self._sources.clear()  # alerts may have ended before their incident was kept
        for key in before:
            await self._read(*key)
        return all({one.incident for one in before[key]} & set(others) <= {one.incident for one in self._sources[key]} for key in before)

    async def _fitting(self, tenant: str, dependency: CompiledDependency) -> Mapping[tuple[str, ...], Sequence[OpenSource]]:
        """The open sources of a dependency, by their values of the labels that must be equal."""
        about, key = dependency.dependency, (tenant, dependency.needle, dependency.severity)
        if (tenant, about.id) not in self._by_values:
            if key not in self._sources:
                await self._read(*key)
            found: defaultdict[tuple[str, ...], list[OpenSource]] = defaultdict(list)
            for source in self._sources[key]:
                if dependency.source.fit(source.words):
                    found[tuple(source.words.get(label, "") for label in about.equal)].append(source)
            self._by_values[tenant, about.id] = found
        return self._by_values[tenant, about.id]

    async def _read(self, tenant: str, needle: str, severity: int) -> None:
        found = [*await self._stored_incidents(tenant, needle, severity), *await self._stored_alerts(tenant, needle, severity)]
        found += [
            OpenSource(one.id, one.held_by, words(one))
            for one in self._incidents.values()
            if one.tenant == tenant and one.state is not IncidentState.RESOLVED and one.group is None
        ]
        for alert in self._alerts.values():
            incident = self._incidents[alert.incident]
            if alert.tenant == tenant and alert.state is AlertState.OPEN and incident.state is not IncidentState.RESOLVED:
                found.append(OpenSource(incident.id, incident.held_by, _alert_words(alert, incident.policy)))
        self._sources[tenant, needle, severity] = found

    async def _stored_incidents(self, tenant: str, needle: str, severity: int) -> Sequence[OpenSource]:
        """Those that group nothing: of groups the alerts count."""
        found: list[OpenSource] = []
        after = ""
        while rows := await _INCIDENTS.rows(self._connection, tenant, needle, severity, after):
            for identity, held_by, document in rows:
                incident = None if identity in self._incidents else _read_or_none(_INCIDENT, document)
                if incident is not None and incident.group is None:
                    found.append(OpenSource(identity, held_by, words(incident)))
            after = rows[-1][0]
            if len(rows) < _PAGE:
                break
        return found

    async def _stored_alerts(self, tenant: str, needle: str, severity: int) -> Sequence[OpenSource]:
        found: list[OpenSource] = []
        after = ("", "")
        while rows := await _ALERTS.rows(self._connection, tenant, needle, severity, *after):
            for incident, key, held_by, policy, badness, document in rows:
                alert = None if (incident, key) in self._alerts or self._over(incident) else _read_or_none(_ALERT, document)
                if alert is not None:
                    held = self._incidents[incident].held_by if incident in self._incidents else held_by
                    found.append(OpenSource(incident, held, _stored_words(alert, key, badness, policy)))
            after = rows[-1][0], rows[-1][1]
            if len(rows) < _PAGE:
                break
        return found

    def _over(self, incident: str) -> bool:
        return incident in self._incidents and self._incidents[incident].state is IncidentState.RESOLVED


def _alert_words(alert: IncidentAlert, policy: str) -> Mapping[str, str]:
    return words_of(alert.labels, severity=alert.severity, key=alert.key, source=alert.source, policy=policy)


def _stored_words(alert: StoredAlertText, key: str, severity: int, policy: str) -> Mapping[str, str]:
    return words_of(alert.labels, severity=known(IncidentSeverity, severity), key=key, source=alert.source, policy=policy)


def _read_or_none(decoder: "msgspec.json.Decoder[_Document]", document: str) -> _Document | None:
    """What a document says; None of one that nobody can read: whoever takes its steps tells of it."""
    try:
        return decoder.decode(document)
    except NOT_READABLE:
        return None
