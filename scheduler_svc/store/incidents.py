"""Incidents: each change is one transaction with its timeline, and with the firings that tell people, fenced by the epochs of their shards.

Whoever changes an incident has its row locked, so that an acknowledgement and a step that is due at the same moment come one after the
other: a step is in the ledger before the acknowledgement, or never.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain.rules import TenantRules
from scheduler_svc.ports.incidents import Act, Acted, Fence, TriggerDraft
from scheduler_svc.store.escalation_policies import Plans, hand_out
from scheduler_svc.store.incident_rules import RuleMemory
from scheduler_svc.store.incident_work import TURN, IncidentWork, placed
from scheduler_svc.store.sql import Statement, not_of, take_turn
from tocsin.database import ConstraintBroken, Database
from tocsin.errors import Aborted, TocsinError
from tocsin.recurrence import Micros
from tocsin.stored import LAST

_OTHERS: Final = not_of(4)
_DUE: Final = Statement(
    sqlite=(
        "SELECT tenant, id, wake_at FROM incidents WHERE wake_at IS NOT NULL AND wake_at <= ?1 "
        f"AND shard IN (SELECT value FROM json_each(?2)) {_OTHERS.sqlite} ORDER BY wake_at, id LIMIT ?3"
    ),
    postgresql=(
        "SELECT tenant, id, wake_at FROM incidents WHERE wake_at IS NOT NULL AND wake_at <= $1 AND shard = ANY($2::smallint[]) "
        f"{_OTHERS.postgresql} ORDER BY wake_at, id LIMIT $3"
    ),
)
_NEXT_WAKE: Final = Statement(
    sqlite=(
        f"SELECT min(wake_at) FROM incidents WHERE wake_at IS NOT NULL AND wake_at <= {LAST} "  # SQLite holds texts, too: they sort behind
        f"AND shard IN (SELECT value FROM json_each(?1)) {not_of(2).sqlite}"
    ),
    postgresql=f"SELECT min(wake_at) FROM incidents WHERE wake_at IS NOT NULL AND shard = ANY($1::smallint[]) {not_of(2).postgresql}",
)

_PUT_OFF: Final = Statement(
    sqlite="UPDATE incidents SET wake_at = ?3 WHERE tenant = ?1 AND id = ?2",
    postgresql=(
        "UPDATE incidents SET wake_at = v.until FROM unnest($1::text[], $2::text[], $3::bigint[]) AS v(tenant, id, until) "
        "WHERE incidents.tenant = v.tenant AND incidents.id = v.id"
    ),
)


class IncidentWriter:
    """Changes incidents; the half of `scheduler_svc.ports.incidents.IncidentStore` that writes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules = RuleMemory()

    async def rules(self, tenant: str, *, now: Micros) -> TenantRules:
        async with self._database.read() as connection:
            return (await self._rules.of(connection, {tenant}, now=now)).get(tenant, TenantRules())

    async def trigger(self, batch: Sequence[TriggerDraft], fence: Fence) -> Acted:
        async with self._transaction() as connection:
            rules = await self._rules.of(connection, {draft.incident.tenant for draft in batch}, now=fence.now)
            work = IncidentWork(connection, fence, rules)
            seen = await work.requested((draft.incident.tenant, draft.request_id) for draft in batch)
            drafts = [placed(draft, rules) for draft in batch]
            await work.find(drafts)
            plans = await hand_out(connection, work.opening(drafts, seen))
            answers: list[str | TocsinError | None] = []
            for place, draft in enumerate(drafts, 1):
                if place % TURN == 0:
                    await asyncio.sleep(0)
                answers.append(work.answered(lambda draft=draft: work.trigger(draft, plans, seen)))
            return await _done(work, plans, answers)

    async def act(self, batch: Sequence[Act], fence: Fence) -> Acted:
        async with self._transaction() as connection:
            rules = await self._rules.of(connection, {act.tenant for act in batch}, now=fence.now)
            work = IncidentWork(connection, fence, rules)
            seen = await work.requested((act.tenant, act.request_id) for act in batch)
            await work.load([*(act.incident for act in batch), *(act.into for act in batch if act.into)])
            plans = await hand_out(connection, [(act.tenant, act.policy) for act in batch if act.policy])
            answers = [work.answered(lambda act=act: work.act(act, plans, seen)) for act in batch]
            return await _done(work, plans, answers)

    async def due(
        self, shards: Collection[int], *, until: Micros, most: int, without: Collection[str] = ()
    ) -> Sequence[tuple[str, str, Micros]]:
        async with self._database.read() as connection:
            rows = await _DUE.rows(connection, until, sorted(shards), most, sorted(without))
        return [(row[0], row[1], row[2]) for row in rows]

    async def next_wake(self, shards: Collection[int], *, without: Collection[str] = ()) -> Micros | None:
        async with self._database.read() as connection:
            return (await _NEXT_WAKE.rows(connection, sorted(shards), sorted(without)))[0][0]

    async def put_off(self, incidents: Sequence[tuple[str, str]], *, until: Micros) -> None:
        async with self._transaction() as connection:
            await _PUT_OFF.many(connection, [(tenant, incident, until) for tenant, incident in sorted(incidents)])

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction that is to be made again when somebody else was first with the same alert or the same request."""
        try:
            async with self._database.transaction() as connection:
                await take_turn(connection)
                yield connection
        except ConstraintBroken as error:
            raise Aborted("The same was written at the same moment.") from error


async def _done(work: IncidentWork, plans: Plans, answers: "Sequence[str | TocsinError | None]") -> Acted:
    await work.advance()
    await work.write()
    await plans.take()
    return Acted([work.latest(answer) for answer in answers], work.firings, work.tally)
