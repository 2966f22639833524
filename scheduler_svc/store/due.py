"""The firing transaction and what feeds it: the implementation of `scheduler_svc.ports.DueStore`."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Action, AlarmState, Firing, FiringState, Origin, Outcome, Parcel, firing_id
from scheduler_svc.planning import Plan, Planned
from scheduler_svc.ports import Due, Fired, Held, Pending, Planner
from scheduler_svc.recurrence import Micros
from scheduler_svc.store.causes import Causes
from scheduler_svc.store.fence import owned
from scheduler_svc.store.firing_rows import INSERT_FIRINGS, parcel_in, present, row_of
from scheduler_svc.store.raised import raise_signals
from scheduler_svc.store.sql import Fields, Statement, begin_change
from tocsin.database import Database

_DUE: Final = Statement(
    sqlite=(
        "SELECT id, next_fire_at, priority, shard FROM alarms WHERE state = 1 AND next_fire_at <= ?1 "
        "AND (next_fire_at, id) > (?2, ?3) AND shard IN (SELECT value FROM json_each(?4)) ORDER BY next_fire_at, id LIMIT ?5"
    ),
    postgresql=(
        "SELECT id, next_fire_at, priority, shard FROM alarms WHERE state = 1 AND next_fire_at <= $1 "
        "AND (next_fire_at, id) > ($2::bigint, $3::text) AND shard = ANY($4::smallint[]) ORDER BY next_fire_at, id LIMIT $5"
    ),
)
_OLDEST: Final = Statement(
    sqlite=(
        "SELECT next_fire_at FROM alarms WHERE state = 1 AND next_fire_at <= ?1 AND shard IN (SELECT value FROM json_each(?2)) "
        "ORDER BY next_fire_at, id LIMIT 1"
    ),
    postgresql=(
        "SELECT next_fire_at FROM alarms WHERE state = 1 AND next_fire_at <= $1 AND shard = ANY($2::smallint[]) "
        "ORDER BY next_fire_at, id LIMIT 1"
    ),
)
_FIELDS: Final = (
    "id, tenant, shard, priority, next_fire_at, ordinal, skip_before, trigger_rule, anchor_at, kind, action, retry, traceparent"
)
# The order of the locks is the same in every transaction, so that two of them cannot wait for each other.
_READ: Final = Statement(
    sqlite=f"SELECT {_FIELDS} FROM alarms WHERE state = 1 AND next_fire_at IS NOT NULL AND id IN (SELECT value FROM json_each(?1))",  # noqa: S608  a constant
    postgresql=(
        f"SELECT {_FIELDS} FROM alarms WHERE state = 1 AND next_fire_at IS NOT NULL AND id = ANY($1::text[]) "  # noqa: S608  a constant
        "ORDER BY id FOR NO KEY UPDATE"
    ),
)
_ADVANCE: Final = Statement(
    sqlite="UPDATE alarms SET next_fire_at = ?2, ordinal = ?3, state = ?4 WHERE id = ?1",
    postgresql=(
        "UPDATE alarms SET next_fire_at = v.due, ordinal = v.ordinal, state = v.state "
        "FROM unnest($1::text[], $2::bigint[], $3::integer[], $4::smallint[]) AS v(id, due, ordinal, state) WHERE alarms.id = v.id"
    ),
)


class SqlDueStore:
    """Alarms by due time, and their firing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, shards: Collection[int], *, after: tuple[Micros, str], until: Micros, most: int) -> list[Pending]:
        """See `scheduler_svc.ports.DueStore`."""
        async with self._database.read() as connection:
            rows = await _DUE.rows(connection, until, *after, sorted(shards), most)
        return [Pending(alarm, due, priority, shard) for alarm, due, priority, shard in rows]

    async def oldest_overdue(self, shards: Collection[int], *, now: Micros) -> Micros | None:
        """See `scheduler_svc.ports.DueStore`."""
        async with self._database.read() as connection:
            rows = await _OLDEST.rows(connection, now, sorted(shards))
        return rows[0][0] if rows else None

    async def fire(self, batch: Sequence[tuple[str, Micros]], *, owner: str, held: Held, now: Micros, most: int, planner: Planner) -> Fired:
        """See `scheduler_svc.ports.DueStore`."""
        work = _Firing(now=now, most=most, planner=planner)
        async with self._database.transaction() as connection:
            expected = dict(batch)
            alarms = [_due(row) for row in await _READ.rows(connection, list(expected))]
            wanted = {alarm.shard for alarm in alarms}
            mine = await owned(connection, owner=owner, held=held, wanted=wanted)
            work.fired.lost = wanted - mine
            for alarm in alarms:
                if alarm.shard in mine:
                    work.take(alarm, expected[alarm.id])
            if work.raised:
                causes = Causes(owner=owner, held=held, now=now)
                await raise_signals(connection, causes, work.raised)
                work.add_raised(causes.firings)
            await begin_change(connection)
            if await INSERT_FIRINGS.many(connection, work.rows) < len(work.rows):
                await work.drop_known(connection)
            await _ADVANCE.many(connection, work.advances)
        return work.fired


class _Firing:
    """What one firing transaction is about to write."""

    def __init__(self, *, now: Micros, most: int, planner: Planner) -> None:
        self.fired = Fired()
        self.rows: list[tuple[Any, ...]] = []
        self.advances: list[tuple[str, Micros | None, int, int]] = []
        self._now = now
        self._most = most
        self._planner = planner
        self.raised: list[tuple[str, Micros]] = []

    def take(self, alarm: Due, expected: Micros) -> None:
        """Plans one alarm; one that was moved since, or for which there is no room, comes again."""
        room = self._most - len(self.rows)
        if alarm.due != expected or room <= 0:
            self.fired.next.append(Pending(alarm.id, alarm.due, alarm.priority, alarm.shard))
            return
        plan = self._planner(alarm, room)
        if plan.signal:
            self._take_signal(alarm, plan)
            return
        if not plan.rows:
            return  # it cannot be planned; the loader brings it again
        for row in plan.rows:
            self._add(alarm, row)
        state = AlarmState.ACTIVE if plan.due is not None else AlarmState.COMPLETED
        self.advances.append((alarm.id, plan.due, plan.ordinal, int(state)))
        self.fired.tenants.add(alarm.tenant)
        if plan.due is not None:
            self.fired.next.append(Pending(alarm.id, plan.due, alarm.priority, alarm.shard))

    def _take_signal(self, alarm: Due, plan: Plan) -> None:
        """Plans one that waits for something from outside: it stays active, and is raised or gets another deadline."""
        self.advances.append((alarm.id, plan.due, plan.ordinal, int(AlarmState.ACTIVE)))
        self.raised += [(alarm.id, row.due) for row in plan.rows]
        if plan.due is not None:
            self.fired.next.append(Pending(alarm.id, plan.due, alarm.priority, alarm.shard))

    def add_raised(self, firings: Iterable[Firing]) -> None:
        """Takes the firings of signals that are raised."""
        for firing in firings:
            self.rows.append(row_of(firing))
            self.fired.outcomes[firing.outcome] += 1
            self.fired.tenants.add(firing.tenant)
            if firing.state is FiringState.PENDING:
                self.fired.parcels.append(parcel_in(firing))

    def _add(self, alarm: Due, row: Planned) -> None:
        identity, going = firing_id(alarm.id, row.due), row.state is FiringState.PENDING
        now, action = self._now, alarm.action if going else _NOTHING
        self.fired.outcomes[row.outcome] += 1
        self.rows.append(
            (
                *(identity, alarm.tenant, alarm.id, "", alarm.shard, int(Origin.SCHEDULE), alarm.priority, row.due),
                *(now if going else None, int(row.outcome), row.reason, int(row.state)),
                *(now if going else None, None if going else now, action.kind, action.body),
                *(alarm.retry if going else "", alarm.traceparent, 0, None),
            )
        )
        if going:
            self.fired.parcels.append(
                Parcel(
                    id=identity,
                    tenant=alarm.tenant,
                    alarm=alarm.id,
                    shard=alarm.shard,
                    due=row.due,
                    ready=now,
                    priority=alarm.priority,
                    action=action,
                    retry=alarm.retry,
                    traceparent=alarm.traceparent,
                )
            )

    async def drop_known(self, connection: AsyncConnection) -> None:
        """Lets go only what this transaction has inserted: a rule that was changed and changed back can mean a due time again."""
        mine = await present(connection, [row[0] for row in self.rows])
        self.fired.parcels = [parcel for parcel in self.fired.parcels if parcel.id in mine]
        self.fired.outcomes.clear()
        for row in self.rows:
            if row[0] in mine:
                self.fired.outcomes[Outcome(row[9])] += 1


_NOTHING: Final = Action("", b"")


def _due(row: Fields) -> Due:
    identity, tenant, shard, priority, due, ordinal, skip_before, trigger, anchor, kind, action, retry, traceparent = row
    return Due(
        id=identity,
        tenant=tenant,
        shard=shard,
        priority=priority,
        due=due,
        ordinal=ordinal,
        skip_before=skip_before,
        trigger=trigger,
        anchor=anchor,
        action=Action(kind, action),
        retry=retry,
        traceparent=traceparent,
    )
