"""What holds back the steps of incidents in a transaction: silences, and what they depend on.

Whoever holds back a step because of something that is open keeps that open: its incident's row is locked until the transaction ends. So the
transaction that ends it comes after this one, and finds what has to go on.
"""

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
from tocsin.recurrence import Micros
from tocsin.stored import known

_LOOK_AGAIN: Final[Micros] = 5 * MINUTE
"""So often an incident that depends on another one is looked at, whether anything has changed or not."""
_PAGE: Final = 1000
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
        depending: list[tuple[Incident, Sequence[CompiledDependency]]] = []
        for incident in incidents:
            rules = self._rules.get(incident.tenant)
            if rules is None:
                continue
            silenced = rules.silenced(incident, self._now)
            if silenced is not None:
                found[incident.id] = silenced
            elif causes := rules.causes(words(incident)):
                depending.append((incident, causes))
        depending.sort(key=lambda each: each[0].id, reverse=True)  # so that of a ring the first to open goes free
        for _ in range(_ATTEMPTS):
            self._picked.clear()
            for incident, causes in depending:
                if source := await self._cause(incident, causes):
                    self._picked[incident.id] = source
            if await self._keep(set(self._picked.values())):
                return found | {identity: self._hold(source) for identity, source in self._picked.items()}
            self._sources.clear()
            self._by_values.clear()
        raise Aborted("What incidents depend on has changed again and again.")

    def _hold(self, source: str) -> Hold:
        return Hold(f"incidents/{source}", DEPENDENCY, self._now + _LOOK_AGAIN)

    async def _cause(self, incident: Incident, causes: Sequence[CompiledDependency]) -> str:
        """The incident because of which another one is held back; the one that holds it already, or the first to be opened."""
        said, current = words(incident), incident.held_by.removeprefix("incidents/")
        for dependency in causes:
            equal = tuple(said.get(label, "") for label in dependency.dependency.equal)
            sources = (await self._fitting(incident.tenant, dependency)).get(equal, ())
            fitting = [
                source for source in sources if source.incident != incident.id and dependency.holds(source=source.words, target=said)
            ]
            for source in sorted(fitting, key=lambda one: (one.incident != current, one.incident)):
                if not await self._leads_to(source, incident.id):
                    return source.incident
        return ""

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
                    said = words_of(alert.labels, severity=known(IncidentSeverity, badness), key=key, source=alert.source, policy=policy)
                    found.append(OpenSource(incident, held, said))
            after = rows[-1][0], rows[-1][1]
            if len(rows) < _PAGE:
                break
        return found

    def _over(self, incident: str) -> bool:
        return incident in self._incidents and self._incidents[incident].state is IncidentState.RESOLVED


def _alert_words(alert: IncidentAlert, policy: str) -> Mapping[str, str]:
    return words_of(alert.labels, severity=alert.severity, key=alert.key, source=alert.source, policy=policy)


def _read_or_none(decoder: "msgspec.json.Decoder[_Document]", document: str) -> _Document | None:
    """What a document says; None of one that nobody can read: whoever takes its steps tells of it."""
    try:
        return decoder.decode(document)
    except (msgspec.MsgspecError, ValueError):
        return None
