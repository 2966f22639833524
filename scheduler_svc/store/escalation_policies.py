"""Escalation policies, and whose turn it is."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain.escalation import (
    EscalationPlan,
    EscalationPolicy,
    EscalationPolicyChanged,
    EscalationPolicyExists,
    EscalationPolicyNotFound,
    decode_plan,
)
from scheduler_svc.domain.incidents import NO_PLAN
from scheduler_svc.ports.incidents import Handed
from scheduler_svc.store.incident_tables import escalation_policies
from scheduler_svc.store.sql import Statement, both, is_sqlite
from tocsin.database import Database
from tocsin.stored import NOT_READABLE
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_PLANS: Final = Statement(
    sqlite=(
        "SELECT p.tenant, p.id, p.plan FROM json_each(?1) AS w CROSS JOIN escalation_policies p ON p.tenant = w.value ->> 0 "
        "AND p.id = w.value ->> 1"
    ),
    postgresql=(
        "SELECT p.tenant, p.id, p.plan FROM unnest($1::text::text[], $2::text::text[]) AS w(tenant, id) JOIN escalation_policies p "
        "ON p.tenant = w.tenant AND p.id = w.id"
    ),
)
_HOLD_TURNS: Final = both("UPDATE escalation_policies SET turns = turns WHERE tenant = $1 AND id = $2 RETURNING turns")
_TAKE_TURNS: Final = Statement(
    sqlite="UPDATE escalation_policies SET turns = ?3 WHERE tenant = ?1 AND id = ?2",
    postgresql=(
        "UPDATE escalation_policies p SET turns = v.turns "
        "FROM unnest($1::text::text[], $2::text::text[], $3::text::bigint[]) AS v(tenant, id, turns) "
        "WHERE p.tenant = v.tenant AND p.id = v.id"
    ),
)


class Plans:
    """The plans of the policies that a transaction hands out, each with the next turn."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._plans: dict[tuple[str, str], EscalationPlan] = {}
        self._turns: dict[tuple[str, str], int] = {}
        self._taken: set[tuple[str, str]] = set()

    def put(self, tenant: str, policy: str, plan: EscalationPlan, turn: int) -> None:
        """A policy, with the first turn that nobody has taken."""
        self._plans[tenant, policy] = plan
        self._turns[tenant, policy] = turn

    def next(self, tenant: str, policy: str) -> Handed:
        """The plan, and whose turn it is.

        Raises:
            EscalationPolicyNotFound: there is no such policy.
        """
        key = (tenant, policy)
        if key not in self._plans:
            raise EscalationPolicyNotFound(f"There is no escalationPolicies/{policy}.")
        if not self._plans[key].round_robin:
            return Handed(self._plans[key])
        turn = self._turns[key]
        self._turns[key] = turn + 1
        self._taken.add(key)
        return Handed(self._plans[key], turn)

    async def take(self) -> None:
        """Writes which turns were taken."""
        await _TAKE_TURNS.many(self._connection, [(*key, self._turns[key]) for key in sorted(self._taken)])


async def hand_out(connection: AsyncConnection, wanted: Iterable[tuple[str, str]]) -> Plans:
    """Reads the policies (tenant, id); those whose targets take turns are locked, so that nobody else hands out the same ones."""
    plans, policies = Plans(connection), sorted(set(wanted))
    for tenant, policy, document in await _PLANS.pairs(connection, policies) if policies else ():
        try:
            plan = decode_plan(document)
        except NOT_READABLE as error:
            _log.error("a stored escalation policy cannot be read", tenant=tenant, policy=policy, exc_info=error)
            continue
        turns = await _HOLD_TURNS.rows(connection, tenant, policy) if plan.round_robin else [(0,)]
        plans.put(tenant, policy, plan, turns[0][0])
    return plans


class SqlEscalationPolicyStore:
    """Implements `scheduler_svc.ports.incidents.EscalationPolicyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, policy: EscalationPolicy) -> None:
        async with self._database.transaction() as connection:
            insert = (sqlite if is_sqlite(connection) else postgresql).insert(escalation_policies)
            query = insert.values(id=policy.id, created_at=policy.created, turns=0, **_values(policy)).on_conflict_do_nothing()
            if (await connection.execute(query)).rowcount == 0:
                raise EscalationPolicyExists(f"There is an escalationPolicies/{policy.id} already.")

    async def get(self, tenant: str, policy: str) -> EscalationPolicy:
        async with self._database.read() as connection:
            row = (await connection.execute(select(escalation_policies).where(*_key(tenant, policy)))).one_or_none()
        if row is None:
            raise EscalationPolicyNotFound
        return _policy(row)

    async def missing(self, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        async with self._database.read() as connection:
            rows: Iterable[Any] = await _PLANS.pairs(connection, sorted(wanted)) if wanted else ()
        return set(wanted) - {(row[0], row[1]) for row in rows}

    async def page(self, tenant: str, *, after: str, size: int) -> Sequence[EscalationPolicy]:
        query = select(escalation_policies).where(escalation_policies.c.tenant == tenant, escalation_policies.c.id > after)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(escalation_policies.c.id).limit(size))
            return [_policy(row) for row in rows]

    async def replace(self, policy: EscalationPolicy, *, version: int) -> None:
        query = update(escalation_policies).where(*_key(policy.tenant, policy.id), escalation_policies.c.version == version)
        async with self._database.transaction() as connection:
            if (await connection.execute(query.values(**_values(policy)))).rowcount == 0:
                raise EscalationPolicyChanged("The policy was changed meanwhile; read it again.")

    async def delete(self, tenant: str, policy: str, *, etag: str) -> None:
        async with self._database.transaction() as connection:
            row = (await connection.execute(select(escalation_policies.c.version).where(*_key(tenant, policy)).with_for_update())).first()
            if row is None:
                raise EscalationPolicyNotFound
            if etag and etag != str(row.version):
                raise EscalationPolicyChanged("The policy was changed since; its etag is another one now.")
            await connection.execute(delete(escalation_policies).where(*_key(tenant, policy)))


def _key(tenant: str, policy: str) -> tuple[Any, ...]:
    return escalation_policies.c.tenant == tenant, escalation_policies.c.id == policy


def _values(policy: EscalationPolicy) -> dict[str, Any]:
    return {
        "tenant": policy.tenant,
        "display_name": policy.display_name,
        "plan": msgspec.json.encode(policy.plan).decode(),
        "version": policy.version,
        "updated_at": policy.updated,
    }


def _policy(row: Row[Any]) -> EscalationPolicy:
    """The policy in a row; one that nobody can read has no steps."""
    try:
        plan = decode_plan(row.plan)
    except NOT_READABLE:
        plan = NO_PLAN
    return EscalationPolicy(
        id=row.id,
        tenant=row.tenant,
        display_name=row.display_name,
        plan=plan,
        version=row.version,
        created=row.created_at,
        updated=row.updated_at,
    )
