"""Broken variants of groups, routes and dependencies; see `tests.simulation.mutants`."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from msgspec import structs

from scheduler_svc.domain import grouping, incidents
from scheduler_svc.domain.alert_groups import AlertGroup, IncidentAlert
from scheduler_svc.domain.incident_words import By
from scheduler_svc.domain.incidents import Incident
from scheduler_svc.domain.routes import IncidentRoute
from scheduler_svc.domain.rules import TenantRules, words
from scheduler_svc.store import incident_alerts, incident_holds, incident_rules, incident_work
from scheduler_svc.store.incident_work import IncidentWork, Placed
from tests.simulation.broken import everywhere, replaced

_DAY: Final = 86_400_000_000


class _Never:
    """A statement that changes nothing."""

    async def run(self, *given: object) -> None:
        """See `scheduler_svc.store.sql.Statement`."""


def _timed(**times: int) -> Callable[[], None]:
    """A group does not know some of the times that its route says."""

    def change() -> None:
        before = AlertGroup.due

        def due(self: AlertGroup, *, acknowledged: bool) -> int | None:
            return before(structs.replace(self, **times), acknowledged=acknowledged)

        replaced(AlertGroup, "due", due)

    return change


def _wait_ignored() -> None:
    """A new group is told at once."""
    before = vars(incidents)["_begin"]

    def begin(incident: Incident, at: int) -> Incident:
        begun = before(incident, at)
        return structs.replace(begun, step_at=None if begun.step_at is None else at)

    replaced(incidents, "_begin", begin)


def _repeated_to_who_has_it() -> None:
    """A group is told again and again also while somebody has it."""
    before = AlertGroup.due
    replaced(AlertGroup, "due", lambda self, *, acknowledged: before(self, acknowledged=False))


def _alert_lost() -> None:
    """Of several alerts that a transaction writes, the last one is forgotten."""
    before = incident_alerts.put_alerts

    async def put(connection: Any, alerts: Iterable[IncidentAlert]) -> None:
        wanted = list(alerts)
        await before(connection, wanted[:-1] if len(wanted) > 1 else wanted)

    everywhere(before, put)


def _over_with_the_first() -> None:
    """A group is over as soon as one of its alerts is."""
    before = grouping.left

    def left(incident: Incident, alert: IncidentAlert, by: By, at: int) -> Any:
        change, over = before(incident, alert, by, at)
        return (change.then(lambda one: incidents.resolved(one, by, at)) if change.happened else change), over

    everywhere(before, left)


def _never_over() -> None:
    """A group stays open when its last alert has ended."""
    before = grouping.left

    def left(incident: Incident, alert: IncidentAlert, by: By, at: int) -> Any:
        change, over = before(incident, alert, by, at)
        ended = len(change.happened) > 1 and change.incident.state is incidents.IncidentState.RESOLVED
        kept = structs.replace(change.incident, state=incident.state, resolved=None, step_at=incident.step_at)
        return (change._replace(incident=kept, happened=change.happened[:1], steps=(), updates=()) if ended else change), over

    everywhere(before, left)


def _keyed(change: Callable[[IncidentRoute, Mapping[str, str], str], str]) -> Callable[[], None]:
    """The key of a group says less than it has to."""

    def broken() -> None:
        before = grouping.group_key
        everywhere(before, lambda route, labels: change(route, labels, before(route, labels)))

    return broken


def _of_any_tenant() -> None:
    """An alert joins the open group of its key, whoever has that."""
    before = vars(IncidentWork)["_there"]

    def there(self: Any, one: Placed) -> Incident | None:
        found = before(self, one)
        if found is None and one.route is not None:
            known = (incident for incident in self._known.values() if incident.key == one.key)
            found = next((incident for incident in known if incident.state is not incidents.IncidentState.RESOLVED), None)
        return found

    find = IncidentWork.find

    async def anywhere(self: IncidentWork, batch: Any) -> None:
        await find(self, batch)
        query = "SELECT id FROM incidents WHERE state <> 3 AND dedup_key IN (SELECT value FROM json_each(?))"
        rows = await vars(self)["_connection"].exec_driver_sql(query, (json.dumps([one.key for one in batch]),))
        await self.load(row[0] for row in rows.fetchall())

    replaced(IncidentWork, "find", anywhere)
    replaced(IncidentWork, "_there", there)


def _last_route() -> None:
    """Of several routes that fit, the last one counts."""
    before = TenantRules.__init__

    def backwards(self: Any, *given: Any, **named: Any) -> None:
        before(self, *given, **named)
        self._routes.reverse()

    replaced(TenantRules, "__init__", backwards)


def _route_as_it_was() -> None:
    """A replica does not hear that routes have changed."""
    replaced(incident_rules.RuleMemory, "of", _remembered(incident_rules.RuleMemory.of))


def _remembered(before: Callable[..., Any]) -> Callable[..., Any]:
    async def of(self: Any, connection: Any, tenants: Collection[str], *, now: int) -> Mapping[str, TenantRules]:
        fresh = await before(self, connection, tenants, now=now)
        known = vars(self).setdefault("_old", {})
        return {tenant: known.setdefault(tenant, rules) for tenant, rules in fresh.items()}

    return of


def _dependency_unheeded() -> None:
    """A dependency holds nothing back."""
    replaced(TenantRules, "causes", lambda self, said: ())


def _dependency_without_end() -> None:
    """What depends on something is not looked at when that is over."""
    replaced(incident_work, "WAKE_HELD", _Never())
    replaced(incident_holds, "_LOOK_AGAIN", _DAY)


def _dependency_of_one() -> None:
    """A group is held back when one of its alerts is."""
    before = vars(incident_holds.Holds)["_said"]

    async def said(self: Any, those: Iterable[Incident]) -> Any:
        found = []
        for incident, each in await before(self, those):
            rules = vars(self)["_rules"][incident.tenant]
            able = [one for one in each if rules.causes(one) or rules.silenced(one, vars(self)["_now"])]
            found.append((incident, able[:1] or each))
        return found

    replaced(incident_holds.Holds, "_said", said)


def _held_by_what_is_common() -> None:
    """A group is held back by what its alerts have in common, in which a host that must not be silenced is missing."""

    async def said(self: Any, those: Iterable[Incident]) -> Any:
        rules = vars(self)["_rules"]
        return [(one, [words(one)]) for one in those if one.tenant in rules]

    replaced(incident_holds.Holds, "_said", said)


GROUPS: Final[Mapping[str, Callable[[], None]]] = {
    "group-wait-ignored": _wait_ignored,
    "group-interval-ignored": _timed(interval=0),
    "group-repeat-never-sent": _timed(repeat=0),
    "group-repeated-to-who-has-it": _repeated_to_who_has_it,
    "group-loses-an-alert": _alert_lost,
    "group-over-with-its-first-alert": _over_with_the_first,
    "group-never-over": _never_over,
    "group-of-any-route": _keyed(lambda route, labels, key: "incidentRoutes/" + key.removeprefix(f"incidentRoutes/{route.id}")),
    "group-of-any-values": _keyed(lambda route, labels, key: f"incidentRoutes/{route.id}"),
    "group-of-any-tenant": _of_any_tenant,
    "group-held-by-what-is-common": _held_by_what_is_common,
    "group-held-by-one-alert": _dependency_of_one,
    "route-that-fits-last": _last_route,
    "route-as-it-was": _route_as_it_was,
    "dependency-unheeded": _dependency_unheeded,
    "dependency-without-end": _dependency_without_end,
}
