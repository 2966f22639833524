"""Routes and dependencies, and what a transaction that triggers incidents knows of them and of silences.

Rules are remembered in memory, ready to be asked, and yet never out of date: every transaction that changes a tenant's rules counts up a
number of the tenant, and every transaction on incidents reads it. What was read under another number is read anew.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, Generic, TypeVar

import msgspec
from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain.dependencies import IncidentDependency
from scheduler_svc.domain.routes import IncidentRoute
from scheduler_svc.domain.rules import (
    IncidentRuleChanged,
    IncidentRuleExists,
    IncidentRuleNotFound,
    TenantRules,
    TooManyIncidentRules,
)
from scheduler_svc.store.incident_tables import incident_rules
from scheduler_svc.store.signals import COUNT_UP, INCIDENT_RULES
from scheduler_svc.store.silences import read_silences
from scheduler_svc.store.sql import Statement, is_sqlite
from tocsin.clock import HOUR
from tocsin.database import Database
from tocsin.recurrence import Micros
from tocsin.stored import NOT_READABLE
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

Rule = TypeVar("Rule", IncidentRoute, IncidentDependency)

MOST_RULES: Final = 500
"""Routes of a tenant, and dependencies likewise."""

_REMEMBERED: Final = 1000
_SET_BACK: Final[Micros] = HOUR
"""By so much a clock may be set back, and silences that were over hold again."""
_VERSIONS: Final = Statement(
    sqlite=f"SELECT tenant, value FROM tenant_counts WHERE name = '{INCIDENT_RULES}' AND tenant IN (SELECT value FROM json_each(?1))",
    postgresql=f"SELECT tenant, value FROM tenant_counts WHERE name = '{INCIDENT_RULES}' AND tenant = ANY($1::text[])",
)
_READ: Final = "SELECT tenant, kind, id, document FROM incident_rules"
_RULES: Final = Statement(
    sqlite=f"{_READ} WHERE tenant IN (SELECT value FROM json_each(?1)) ORDER BY id",
    postgresql=f"{_READ} WHERE tenant = ANY($1::text[]) ORDER BY id",
)


class RuleKind(IntEnum):
    """What a rule is; the numbers are stored."""

    ROUTE = 1
    DEPENDENCY = 2


async def rules_changed(connection: AsyncConnection, tenant: str) -> None:
    """Lets every transaction after this one read the tenant's rules anew."""
    await COUNT_UP.many(connection, [(tenant, INCIDENT_RULES, 1)])


class RuleMemory:
    """The rules of tenants, as they are in a transaction; bounded in memory."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[int, TenantRules]] = OrderedDict()

    async def of(self, connection: AsyncConnection, tenants: Collection[str], *, now: Micros) -> Mapping[str, TenantRules]:
        """The rules of those of the tenants that have any."""
        numbers = {row[0]: row[1] for row in await _VERSIONS.rows(connection, sorted(tenants))}
        stale = [tenant for tenant, number in numbers.items() if self._known.get(tenant, (0,))[0] != number]
        if stale:
            for tenant, rules in (await _read(connection, stale, now=now)).items():
                self._known[tenant] = numbers[tenant], rules
        found = {tenant: self._known[tenant][1] for tenant in numbers}
        for tenant in numbers:
            self._known.move_to_end(tenant)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found


async def _read(connection: AsyncConnection, tenants: Sequence[str], *, now: Micros) -> Mapping[str, TenantRules]:
    routes: defaultdict[str, list[IncidentRoute]] = defaultdict(list)
    dependencies: defaultdict[str, list[IncidentDependency]] = defaultdict(list)
    for tenant, kind, identity, document in await _RULES.rows(connection, sorted(tenants)):
        try:
            if kind == RuleKind.ROUTE:
                routes[tenant].append(_ROUTES.decode(document))
            elif kind == RuleKind.DEPENDENCY:
                dependencies[tenant].append(_DEPENDENCIES.decode(document))
        except NOT_READABLE as error:
            _log.error("a stored rule for incidents cannot be read", tenant=tenant, rule=identity, exc_info=error)
    silences = await read_silences(connection, tenants, now=now - _SET_BACK)
    return {tenant: TenantRules(routes[tenant], dependencies[tenant], silences.get(tenant, ())) for tenant in tenants}


_NAMES: Final = {RuleKind.ROUTE: "incidentRoutes/", RuleKind.DEPENDENCY: "incidentDependencies/"}
_ROUTES: Final = msgspec.json.Decoder(IncidentRoute)
_DEPENDENCIES: Final = msgspec.json.Decoder(IncidentDependency)


class SqlIncidentRuleStore(Generic[Rule]):
    """Rules of one kind: implements `scheduler_svc.ports.incidents.IncidentRuleStore`."""

    def __init__(self, database: Database, *, kind: RuleKind, decode: Callable[[str], Rule], released: Statement | None = None) -> None:
        """Takes the kind, what reads one, and what is to be done for a tenant whose rules hold back less than before."""
        self._database = database
        self._kind = kind
        self._decode = decode
        self._released = released

    @staticmethod
    def of_routes(database: Database) -> "SqlIncidentRuleStore[IncidentRoute]":
        """Keeps routes."""
        return SqlIncidentRuleStore(database, kind=RuleKind.ROUTE, decode=_ROUTES.decode)

    @staticmethod
    def of_dependencies(database: Database) -> "SqlIncidentRuleStore[IncidentDependency]":
        """Keeps dependencies; what was held back by one is looked at again when one changes."""
        return SqlIncidentRuleStore(database, kind=RuleKind.DEPENDENCY, decode=_DEPENDENCIES.decode, released=_LOOK_AGAIN)

    async def create(self, rule: Rule, *, check: Callable[[Sequence[Rule]], None]) -> None:
        async with self._database.transaction() as connection:
            await rules_changed(connection, rule.tenant)  # first, so that what is checked against cannot change
            check(await self._all(connection, rule.tenant))
            if (await connection.execute(self._count(rule.tenant))).scalar_one() >= MOST_RULES:
                raise TooManyIncidentRules(f"There are {MOST_RULES} already.")
            insert = (sqlite if is_sqlite(connection) else postgresql).insert(incident_rules)
            query = insert.values(kind=int(self._kind), created_at=rule.created, **_values(rule)).on_conflict_do_nothing()
            if (await connection.execute(query)).rowcount == 0:
                raise IncidentRuleExists(f"There is one of the id {rule.id} already.")

    async def get(self, tenant: str, rule: str) -> Rule:
        async with self._database.read() as connection:
            row = (await connection.execute(select(incident_rules).where(*self._key(tenant, rule)))).one_or_none()
        found = None if row is None else self._rule(row)
        if found is None:
            raise IncidentRuleNotFound(f"There is no {_NAMES[self._kind]}{rule}")
        return found

    async def all(self, tenant: str) -> Sequence[Rule]:
        async with self._database.read() as connection:
            return await self._all(connection, tenant)

    async def replace(self, rule: Rule, *, version: int, check: Callable[[Sequence[Rule]], None]) -> None:
        query = update(incident_rules).where(*self._key(rule.tenant, rule.id), incident_rules.c.version == version)
        async with self._database.transaction() as connection:
            await rules_changed(connection, rule.tenant)
            check(await self._all(connection, rule.tenant))
            if (await connection.execute(query.values(**_values(rule)))).rowcount == 0:
                raise IncidentRuleChanged("It was changed meanwhile; read it again.")
            await self._release(connection, rule.tenant, rule.updated)

    async def delete(self, tenant: str, rule: str, *, etag: str, now: Micros) -> None:
        async with self._database.transaction() as connection:
            await rules_changed(connection, tenant)
            row = (await connection.execute(select(incident_rules.c.version).where(*self._key(tenant, rule)))).first()
            if row is None:
                raise IncidentRuleNotFound(f"There is no {_NAMES[self._kind]}{rule}")
            if etag and etag != str(row.version):
                raise IncidentRuleChanged("It was changed since; its etag is another one now.")
            await connection.execute(delete(incident_rules).where(*self._key(tenant, rule)))
            await self._release(connection, tenant, now)

    async def _release(self, connection: AsyncConnection, tenant: str, now: Micros) -> None:
        if self._released is not None:
            await self._released.run(connection, tenant, now)

    async def _all(self, connection: AsyncConnection, tenant: str) -> Sequence[Rule]:
        query = select(incident_rules).where(incident_rules.c.tenant == tenant, incident_rules.c.kind == int(self._kind))
        rows = await connection.execute(query.order_by(incident_rules.c.id))
        return [rule for row in rows if (rule := self._rule(row)) is not None]

    def _rule(self, row: Row[Any]) -> Rule | None:
        """The rule in a row; None of one that nobody can read."""
        try:
            return self._decode(row.document)
        except NOT_READABLE as error:
            _log.error("a stored rule for incidents cannot be read", tenant=row.tenant, rule=row.id, exc_info=error)
            return None

    def _count(self, tenant: str) -> Any:
        mine = (incident_rules.c.tenant == tenant, incident_rules.c.kind == int(self._kind))
        return select(func.count()).select_from(incident_rules).where(*mine)

    def _key(self, tenant: str, rule: str) -> tuple[Any, ...]:
        table = incident_rules.c
        return table.tenant == tenant, table.kind == int(self._kind), table.id == rule


def _values(rule: IncidentRoute | IncidentDependency) -> dict[str, Any]:
    return {
        "tenant": rule.tenant,
        "id": rule.id,
        "document": msgspec.json.encode(rule).decode(),
        "version": rule.version,
        "updated_at": rule.updated,
    }


_LOOK_AGAIN: Final = Statement(
    sqlite="UPDATE incidents SET wake_at = ?2 WHERE tenant = ?1 AND held_by <> '' AND held_by LIKE 'incidents/%'",
    postgresql="UPDATE incidents SET wake_at = $2 WHERE tenant = $1 AND held_by <> '' AND held_by LIKE 'incidents/%'",
)
