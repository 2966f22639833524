"""The ledger, and the count of failures in a row that pauses an alarm."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, Select, and_, literal_column, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import (
    AUTO_PAUSE,
    CANCELLED,
    COUNTED,
    ON_TIME,
    OPEN,
    AlarmState,
    FailedAttempt,
    Firing,
    FiringNotFound,
    FiringState,
    Origin,
    Outcome,
    QueuedFiring,
    Succeeded,
)
from scheduler_svc.ports import Held, Paused
from scheduler_svc.store.changes import note, note_updated, noting, read_changes
from scheduler_svc.store.locks import no_shard, owned
from scheduler_svc.store.mapping import QUEUED_FIELDS, firing_of, queued_firing_of
from scheduler_svc.store.sql import CHANGE, SETTLED, Statement, array, begin_change, is_sqlite, not_of, plan_anew
from scheduler_svc.store.tables import RUNNING_SERIALLY, UNFINISHED, alarms, firings, one_of
from scheduler_svc.store.triggered import insert_ad_hoc
from tocsin.clock import to_micros
from tocsin.database import Database, read_page, storable
from tocsin.errors import TocsinError
from tocsin.listing import Condition, Operator
from tocsin.recurrence import Micros

_COLUMN_OF: Final = {"alarm": "alarm", "state": "state", "outcome": "outcome", "origin": "origin", "due_time": "due_at"}
# A dead firing whose lost delivery succeeded after all has fired, on time or late.
_DEAD: Final = int(FiringState.DEAD)
_COMPLETABLE: Final = one_of((*OPEN, FiringState.DEAD))
_FINAL: Final = one_of((FiringState.SUCCEEDED, FiringState.DEAD))
_OUTCOME: Final = (
    f"CASE WHEN outcome <> {Outcome.FAILED:d} THEN outcome WHEN fired_at - due_at <= {ON_TIME} THEN {Outcome.FIRED:d} ELSE "
    f"{Outcome.LATE:d} END"
)
_REASON: Final = f"CASE WHEN outcome <> {Outcome.FAILED:d} THEN reason WHEN fired_at - due_at <= {ON_TIME} THEN '' ELSE 'LET_GO_LATE' END"
_DONE: Final = f"state = {FiringState.SUCCEEDED:d}, attempts = attempts + 1, error = '', ready_at = NULL"
# With both ends of the due times PostgreSQL leaves out the partitions in which none of the rows can be, once for all of them.
_WITHIN: Final = "AND firings.due_at BETWEEN $6 AND $7"
_SUCCEED: Final = Statement(
    sqlite=(
        f"UPDATE firings SET {_DONE}, outcome = {_OUTCOME}, reason = {_REASON}, result = ?3, completed_at = ?4, "
        f"action = CASE WHEN origin = {Origin.ADHOC:d} THEN action ELSE x'' END, change_no = {CHANGE.sqlite} "
        f"WHERE id = ?1 AND due_at = ?2 AND state IN {_COMPLETABLE}"
    ),
    postgresql=noting(
        f"UPDATE firings SET {_DONE}, outcome = {_OUTCOME}, reason = {_REASON}, result = v.output, completed_at = v.ended, "
        f"action = CASE WHEN origin = {Origin.ADHOC:d} THEN action ELSE ''::bytea END, change_no = {CHANGE.postgresql} "
        "FROM unnest($1::text::text[], $2::text::bigint[], $3::bytea[], $4::text::bigint[]) AS v(firing, due, output, ended) "
        f"WHERE firings.id = v.firing AND firings.due_at = v.due AND state IN {_COMPLETABLE} {_WITHIN}",
        now="$5::bigint",
    ),
)
_SET_BACK: Final = Statement(
    sqlite=(
        "UPDATE firings SET state = ?3, attempts = ?4, ready_at = ?5, error = ?7, "
        f"outcome = CASE WHEN ?3 = {_DEAD} THEN {Outcome.FAILED:d} ELSE outcome END, reason = CASE WHEN ?3 = {_DEAD} THEN ?6 "
        "ELSE reason END, "
        f"completed_at = CASE WHEN ?3 = {_DEAD} THEN ?8 END, change_no = {CHANGE.sqlite} "
        f"WHERE id = ?1 AND due_at = ?2 AND state IN {UNFINISHED}"
    ),
    postgresql=noting(
        "UPDATE firings SET state = v.state, attempts = v.attempts, ready_at = v.ready, error = v.error, "
        f"outcome = CASE WHEN v.state = {_DEAD} THEN {Outcome.FAILED:d} ELSE outcome END, reason = CASE WHEN v.state = {_DEAD} "
        "THEN v.reason ELSE firings.reason END, "
        f"completed_at = CASE WHEN v.state = {_DEAD} THEN v.completed END, change_no = {CHANGE.postgresql} "
        "FROM unnest($1::text[], $2::bigint[], $3::smallint[], $4::integer[], $5::bigint[], $6::text[], $7::text[], $8::bigint[]) "
        "AS v(firing, due, state, attempts, ready, reason, error, completed) "
        f"WHERE firings.id = v.firing AND firings.due_at = v.due AND firings.state IN {UNFINISHED}",
        now="v.completed",
    ),
)
_DUE: Final = Statement(
    sqlite="SELECT id, due_at FROM firings WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql="SELECT id, due_at FROM firings WHERE id = ANY($1::text[])",
)


def _waiting(without: Statement) -> Statement:
    return Statement(
        sqlite=(
            f"SELECT {QUEUED_FIELDS} FROM firings WHERE state IN {UNFINISHED} AND priority = ?1 AND ready_at <= ?2 "
            f"AND (ready_at, id) > (?3, ?4) AND shard IN (SELECT value FROM json_each(?5)) {without.sqlite} ORDER BY ready_at, id LIMIT ?6"
        ),
        postgresql=(
            f"SELECT {QUEUED_FIELDS} FROM firings WHERE state IN {UNFINISHED} AND priority = $1 AND ready_at <= $2 "
            f"AND (ready_at, id) > ($3::bigint, $4::text) AND shard = ANY($5::smallint[]) {without.postgresql} "
            "ORDER BY ready_at, id LIMIT $6"
        ),
    )


_WAITING: Final = _waiting(Statement(sqlite="", postgresql=""))
_WAITING_OF_OTHERS: Final = _waiting(not_of(7))
_HEADS: Final = Statement(
    sqlite=(
        f"SELECT {QUEUED_FIELDS} FROM firings WHERE id IN (SELECT (SELECT id FROM firings WHERE firings.alarm = wanted.value "
        f"AND {RUNNING_SERIALLY} AND shard IN (SELECT value FROM json_each(?2)) ORDER BY due_at, id LIMIT 1) "
        "FROM json_each(?1) AS wanted)"
    ),
    postgresql=(
        f"SELECT head.* FROM unnest($1::text[]) AS wanted(alarm) CROSS JOIN LATERAL (SELECT {QUEUED_FIELDS} FROM firings "
        f"WHERE firings.alarm = wanted.alarm AND {RUNNING_SERIALLY} AND shard = ANY($2::smallint[]) "
        "ORDER BY due_at, id LIMIT 1) AS head"
    ),
)
_NOW_AT: Final = Statement(sqlite=f"SELECT {SETTLED.sqlite}", postgresql=f"SELECT {SETTLED.postgresql}")


class SqlLedger:
    """Firings of all tenants: implements `scheduler_svc.ports.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, tenant: str, firing_id: str) -> Firing:
        async with self._database.read() as connection:
            row = (await connection.execute(select(firings).where(firings.c.id == firing_id, firings.c.tenant == tenant))).one_or_none()
        if row is None:
            raise FiringNotFound
        return firing_of(row)

    async def page(
        self, tenant: str, *, conditions: Sequence[Condition], before: tuple[Micros, str] | None, size: int, adhoc: bool = False
    ) -> list[Firing]:
        query: Select[Any] = select(firings).where(firings.c.tenant == tenant, *map(_where, conditions))
        if adhoc:
            # Literal, so that the partial index of ad-hoc tasks is seen to fit.
            query = query.where(firings.c.origin == _literal(Origin.ADHOC))
        if before is not None:
            query = query.where(_behind(before))
        async with self._database.read() as connection:
            return await read_page(connection, query.order_by(firings.c.due_at.desc(), firings.c.id.desc()), firing_of, limit=size)

    async def enqueue(self, batch: Sequence[Firing], *, owner: str, held: Held) -> Sequence[Firing | TocsinError]:
        async with self._database.transaction() as connection:
            # Held until the commit: whoever takes a shard over reads it after this, and so finds the firing.
            mine = await owned(connection, owner=owner, held=held, wanted={firing.shard for firing in batch})
            known = {firing.id: firing for firing in reversed(batch)}
            await begin_change(connection)
            fresh = await insert_ad_hoc(connection, [firing for firing in known.values() if firing.shard in mine])
            if len(fresh) == len(known):
                return [known[firing.id] for firing in batch]
            rows = await connection.execute(select(firings).where(firings.c.id.in_(known.keys() - fresh)))
            stored = {identity: known[identity] for identity in fresh} | {row.id: firing_of(row) for row in rows}
        return [stored.get(firing.id) or no_shard() for firing in batch]

    async def replay(self, tenant: str, firing_id: str, *, now: Micros, shard: int, owner: str, held: Held) -> Firing | None:
        async with self._database.transaction() as connection:
            if not await owned(connection, owner=owner, held=held, wanted={shard}):
                raise no_shard()
            await begin_change(connection)
            change = CHANGE.of(connection)
            query = (
                update(firings)
                .where(firings.c.id == firing_id, firings.c.tenant == tenant, firings.c.state == FiringState.DEAD)
                .values(
                    state=FiringState.PENDING,
                    shard=shard,
                    attempts=0,
                    ready_at=now,
                    completed_at=None,
                    error="",
                    outcome=text(_OUTCOME),
                    reason=text(_REASON),
                    change_no=text(change),
                )
                .returning(firings)
            )
            row = (await connection.execute(query)).one_or_none()
            if row is not None:
                await note(connection, {tenant: [firing_id]}, now=now)
        return None if row is None else firing_of(row)

    async def cancel(self, tenant: str, firing_id: str, *, now: Micros) -> Firing | None:
        async with self._database.transaction() as connection:
            await begin_change(connection)
            query = (
                update(firings)
                .where(firings.c.id == firing_id, firings.c.tenant == tenant, firings.c.origin == Origin.ADHOC)
                .where(firings.c.state.in_([int(state) for state in OPEN]))
                .values(
                    state=FiringState.DEAD,
                    completed_at=now,
                    error="it was cancelled",
                    outcome=Outcome.FAILED,
                    reason=CANCELLED,
                    change_no=text(CHANGE.of(connection)),
                )
                .returning(firings)
            )
            row = (await connection.execute(query)).one_or_none()
            if row is not None:
                await note(connection, {tenant: [firing_id]}, now=now)
        return None if row is None else firing_of(row)

    async def record(
        self,
        *,
        done: Mapping[str, Succeeded],
        failed_attempts: Iterable[FailedAttempt],
        now: Micros,
        queued_firings: Mapping[str, QueuedFiring] | None = None,
        ended: Mapping[str, Micros] | None = None,
    ) -> Sequence[Paused]:
        failed = {back.firing: back for back in failed_attempts}
        known = queued_firings or {}
        async with self._database.transaction() as connection:
            due = {firing: queued.due for firing, queued in known.items()}
            due |= await self._dues(connection, [firing for firing in (*done, *failed) if firing not in due])
            await begin_change(connection)
            await plan_anew(connection)
            await _succeed(connection, _successes(done, due, ended or {}, now), now)
            await _SET_BACK.many(connection, _failed_attempts(failed, due, now))
            await note_updated(connection, list(due), now=now)
            counted = [firing for firing in due if firing not in known or known[firing].flags & COUNTED]
            return await count_failures(connection, counted, dues=due, now=now) if counted else ()

    @staticmethod
    async def _dues(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Micros]:
        """When the firings were due: on PostgreSQL a firing is found fastest where the due time says that it is."""
        return dict(await _DUE.rows(connection, list(ids))) if ids else {}

    async def heads(self, shards: Collection[int], *, alarms: Collection[str]) -> list[QueuedFiring]:
        async with self._database.read() as connection:
            rows = await _HEADS.rows(connection, list(alarms), sorted(shards))
        return [queued_firing_of(row) for row in rows]

    async def waiting(
        self,
        shards: Collection[int],
        *,
        priority: int,
        after: tuple[Micros, str],
        until: Micros,
        most: int,
        without: Sequence[str] = (),
    ) -> list[QueuedFiring]:
        values = (priority, until, *after, sorted(shards), most)
        async with self._database.read() as connection:
            if without:
                rows = await _WAITING_OF_OTHERS.rows(connection, *values, list(without))
            else:
                rows = await _WAITING.rows(connection, *values)
        return [queued_firing_of(row) for row in rows]

    async def now_at(self) -> tuple[int, str]:
        async with self._database.read() as connection:
            settled = (await _NOW_AT.rows(connection))[0][0]
        return settled, ""

    async def changes(self, tenant: str, *, alarm: str, after: tuple[int, str], most: int) -> list[Firing]:
        async with self._database.read() as connection:
            return await read_changes(connection, tenant, alarm=alarm, after=after, most=most)


async def _succeed(connection: AsyncConnection, rows: Sequence[tuple[str, Micros, bytes | None, Micros]], now: Micros) -> None:
    if not rows:
        return
    if is_sqlite(connection):
        await connection.exec_driver_sql(_SUCCEED.sqlite, list(rows))
        return
    firings, dues, outputs, ends = map(list, zip(*rows, strict=True))
    values = (array(firings), array(dues), outputs, array(ends), now, min(dues), max(dues))
    await connection.exec_driver_sql(_SUCCEED.of(connection), values)


def _successes(
    done: Mapping[str, Succeeded], due: Mapping[str, Micros], ended: Mapping[str, Micros], now: Micros
) -> list[tuple[str, Micros, bytes | None, Micros]]:
    """Rows for `_succeed`, in the order in which every transaction locks them."""
    known = sorted(done.keys() & due.keys())
    return [(firing, due[firing], done[firing].output or None, ended.get(firing, now)) for firing in known]


def _failed_attempts(failed: Mapping[str, FailedAttempt], due: Mapping[str, Micros], now: Micros) -> list[tuple[Any, ...]]:
    """Rows for `_SET_BACK`, likewise."""
    backs = [failed[firing] for firing in sorted(failed.keys() & due.keys())]
    return [
        (back.firing, due[back.firing], int(back.state), back.attempts, back.ready, storable(back.reason), storable(back.error), now)
        for back in backs
    ]


def _behind(cursor: tuple[Micros, str]) -> ColumnElement[bool]:
    due, identity = cursor
    same = and_(firings.c.due_at == due, firings.c.id < identity)
    return and_(firings.c.due_at <= due, or_(firings.c.due_at < due, same))


def _where(condition: Condition) -> ColumnElement[bool]:
    """A condition of a filter as SQL. States and outcomes are literal, so that the partial indexes are seen to fit."""
    column: ColumnElement[Any] = firings.c[_COLUMN_OF[condition.field]]
    value: Any = condition.value
    if condition.field == "state":
        value = _literal(FiringState[str(value)])
    elif condition.field == "outcome":
        value = _literal(Outcome[str(value)])
    elif condition.field == "origin":
        value = _literal(Origin[str(value)])
    elif condition.field == "due_time":
        value = to_micros(condition.value)  # pyright: ignore[reportArgumentType]  the parser gives a time for a field of that kind
    return _compare(column, condition.operator, value)


def _literal(number: IntEnum) -> ColumnElement[int]:
    """A number that stands in the SQL itself."""
    return literal_column(str(int(number)), Integer)


def _compare(column: ColumnElement[Any], operator: Operator, value: Any) -> ColumnElement[bool]:
    match operator:
        case "=":
            return column == value
        case "!=":
            return column != value
        case "<":
            return column < value
        case "<=":
            return column <= value
        case ">":
            return column > value
        case ">=":
            return column >= value


_ENDED: Final = Statement(
    sqlite=(
        "SELECT alarm, state FROM firings WHERE id IN (SELECT value FROM json_each(?1)) AND due_at BETWEEN ?2 AND ?3 "
        f"AND (flags & {COUNTED}) = {COUNTED} AND state IN {_FINAL} AND change_no = {CHANGE.sqlite}"
    ),
    postgresql=(
        "SELECT alarm, state FROM firings WHERE id = ANY($1::text[]) AND due_at BETWEEN $2 AND $3 "
        f"AND (flags & {COUNTED}) = {COUNTED} AND state IN {_FINAL} AND change_no = {CHANGE.postgresql}"
    ),
)
# Locks in the same order as every other transaction, before anything is changed in another one.
_LOCK: Final = Statement(
    sqlite="SELECT id FROM alarms WHERE id IN (SELECT value FROM json_each(?1))",
    postgresql="SELECT id FROM alarms WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE",
)
_FINE: Final = Statement(
    sqlite="UPDATE alarms SET failures = 0 WHERE id IN (SELECT value FROM json_each(?1)) AND failures > 0",
    postgresql="UPDATE alarms SET failures = 0 WHERE id = ANY($1::text[]) AND failures > 0",
)
_FAILED: Final = Statement(
    sqlite="UPDATE alarms SET failures = failures + ?2 WHERE id = ?1",
    postgresql=(
        "UPDATE alarms SET failures = failures + v.more FROM unnest($1::text[], $2::integer[]) AS v(alarm, more) WHERE alarms.id = v.alarm"
    ),
)


async def count_failures(connection: AsyncConnection, firings: Sequence[str], *, dues: Mapping[str, Micros], now: Micros) -> list[Paused]:
    """Counts those of the firings that the current transaction has brought to an end; the alarms that it has paused for it.

    A success begins the count anew. Of what ended in one transaction the successes count first: an alarm is rather paused too early than
    never.
    """
    times = [dues[firing] for firing in firings]
    ended = await _ENDED.rows(connection, list(firings), min(times), max(times))
    fine = sorted({alarm for alarm, state in ended if state == FiringState.SUCCEEDED})
    failed = Counter(alarm for alarm, state in ended if state == FiringState.DEAD)
    if ended:
        await _LOCK.rows(connection, sorted({*fine, *failed}))
        await _FINE.run(connection, fine)
        await _FAILED.many(connection, sorted(failed.items()))
    return await _pause_failing(connection, list(failed), now) if failed else []


async def _pause_failing(connection: AsyncConnection, suspects: Sequence[str], now: Micros) -> list[Paused]:
    query = (
        update(alarms)
        .where(
            alarms.c.id.in_(suspects),
            alarms.c.state == AlarmState.ACTIVE,
            alarms.c.auto_pause_after > 0,
            alarms.c.failures >= alarms.c.auto_pause_after,
        )
        .values(state=AlarmState.PAUSED, pause_reason=AUTO_PAUSE, updated_at=now, version=alarms.c.version + 1)
        .returning(alarms.c.id, alarms.c.shard, alarms.c.priority)
    )
    return [Paused(*row) for row in await connection.execute(query)]
