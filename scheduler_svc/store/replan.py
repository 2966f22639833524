"""Replans."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import select

from scheduler_svc.domain import AlarmState, new_id
from scheduler_svc.ports import Held, Move, Replan, ReplanCandidate
from scheduler_svc.store.locks import owned
from scheduler_svc.store.sql import Statement, both, insert
from scheduler_svc.store.tables import ACTIVE, one_of, replans
from tocsin.database import Database
from tocsin.recurrence import Micros

_ZONED: Final = (
    "(trigger_rule LIKE '{\"rrule\":%' OR trigger_rule LIKE '{\"local\":%' OR trigger_rule LIKE '{\"oncal\":%' "
    "OR trigger_rule LIKE '%\"exclude\":%' OR trigger_rule LIKE '%\"windows\":%' OR trigger_rule LIKE '%\"calendars\":%' "
    "OR trigger_rule LIKE '%TZ=%' "
    'OR ((trigger_rule LIKE \'{"daily":%\' OR trigger_rule LIKE \'{"cron":%\') AND trigger_rule NOT LIKE \'%"tz":"UTC"%\'))'
)
_FIELDS: Final = f"id, tenant, shard, priority, state = {ACTIVE}, trigger_rule, anchor_at, rule_since, next_fire_at, ordinal"
_NOT_COMPLETED: Final = one_of((AlarmState.ACTIVE, AlarmState.PAUSED))
_CANDIDATES: Final = Statement(
    sqlite=(
        f"SELECT {_FIELDS} FROM alarms WHERE id > ?1 AND state IN {_NOT_COMPLETED} AND next_fire_at IS NOT NULL AND {_ZONED} "
        "AND shard IN (SELECT value FROM json_each(?2)) ORDER BY id LIMIT ?3"
    ),
    postgresql=(
        f"SELECT {_FIELDS} FROM alarms WHERE id > $1 AND state IN {_NOT_COMPLETED} AND next_fire_at IS NOT NULL AND {_ZONED} "
        "AND shard = ANY($2::smallint[]) ORDER BY id LIMIT $3"
    ),
)
_LAST: Final = Statement(
    sqlite=(
        "SELECT w.value ->> 0, (SELECT max(due_at) FROM firings WHERE alarm = w.value ->> 0 AND due_at < w.value ->> 1 AND slot = '') "
        "FROM json_each(?1) AS w"
    ),
    postgresql=(
        "SELECT w.alarm, (SELECT max(due_at) FROM firings WHERE firings.alarm = w.alarm AND due_at < w.due AND slot = '') "
        "FROM unnest($1::text[], $2::bigint[]) AS w(alarm, due)"
    ),
)
_MOVE: Final = both(
    "UPDATE alarms SET next_fire_at = $2, state = $3 "
    "WHERE id = $1 AND next_fire_at = $4 AND rule_since = $5 AND ordinal = $6 AND state = $7"
)
_REPORT: Final = insert(replans, [column.name for column in replans.c])
_SHARD: Final = "tzdata/"
_REPLICA: Final = "tzdata/replica/"
_CHANGED: Final = "tzdata/changed"
_FACTS: Final = both("SELECT name, value FROM facts WHERE name LIKE 'tzdata/%'")
_PUT: Final = Statement(
    sqlite="INSERT INTO facts (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    postgresql=(
        "INSERT INTO facts (name, value) SELECT * FROM unnest($1::text[], $2::text[]) AS v(name, value) ORDER BY v.name "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    ),
)
_DROP: Final = both("DELETE FROM facts WHERE name = $1")
_LIVE: Final = both("SELECT owner FROM replicas")


class SqlReplanStore:
    """What a replan reads and writes: implements `scheduler_svc.ports.ReplanStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def versions(self, shards: Collection[int]) -> Mapping[int, str]:
        async with self._database.read() as connection:
            facts = await _FACTS.rows(connection)
        return {shard: value for name, value in facts if (shard := _shard(name)) is not None and shard in shards}

    async def candidates(self, shards: Collection[int], *, after: str, most: int) -> list[ReplanCandidate]:
        async with self._database.read() as connection:
            rows = await _CANDIDATES.rows(connection, after, sorted(shards), most)
        return [ReplanCandidate(*row)._replace(active=bool(row[4])) for row in rows]

    async def last_due(self, alarms: Sequence[ReplanCandidate]) -> Mapping[str, Micros]:
        async with self._database.read() as connection:
            rows = await _LAST.pairs(connection, ((alarm.id, alarm.due) for alarm in alarms))
        return {alarm: due for alarm, due in rows if due is not None}

    async def move(self, moves: Sequence[Move], *, owner: str, held: Held, now: Micros, before: str, after: str) -> list[Move]:
        done = list[Move]()
        async with self._database.transaction() as connection:
            mine = await owned(connection, owner=owner, held=held, wanted={move.alarm.shard for move in moves})
            for move in sorted(moves):
                alarm = move.alarm
                state = AlarmState.ACTIVE if alarm.active else AlarmState.PAUSED
                expected = (alarm.due, alarm.since, alarm.ordinal, int(state))
                if alarm.shard in mine and await _MOVE.run(
                    connection, alarm.id, move.due, int(AlarmState.COMPLETED if move.due is None else state), *expected
                ):
                    done.append(move)
            await _REPORT.many(
                connection, [(new_id(now), move.alarm.tenant, move.alarm.id, now, before, after, move.alarm.due, move.due) for move in done]
            )
        return done

    async def settle(self, shards: Collection[int], *, owner: str, held: Held, now: Micros, version: str) -> None:
        async with self._database.transaction() as connection:
            mine = await owned(connection, owner=owner, held=held, wanted=shards)
            known = {_shard(name) for name, _ in await _FACTS.rows(connection)}
            rows = [(f"{_SHARD}{shard}", version) for shard in mine]
            if known & mine:  # otherwise this is the beginning of the installation, not a change
                rows.append((_CHANGED, str(now)))
            await _PUT.many(connection, sorted(rows))

    async def meet(self, owner: str, *, version: str) -> Collection[str]:
        async with self._database.transaction() as connection:
            facts = dict(await _FACTS.rows(connection))
            live = {row[0] for row in await _LIVE.rows(connection)} | {owner}
            gone = {name: value for name, value in facts.items() if name.startswith(_REPLICA) and name.removeprefix(_REPLICA) not in live}
            if facts.get(_REPLICA + owner) != version:
                await _PUT.many(connection, [(_REPLICA + owner, version)])
            for name, theirs in sorted(gone.items()):
                await _DROP.run(connection, name)
                stale = sorted(fact for fact, value in facts.items() if _shard(fact) is not None and theirs < value)
                await _PUT.many(connection, [(fact, theirs) for fact in stale])
        others = {name: value for name, value in facts.items() if name.startswith(_REPLICA) and name != _REPLICA + owner}
        return {version, *(value for name, value in others.items() if name not in gone)}

    async def page(self, tenant: str, *, before: str | None, size: int) -> list[Replan]:
        query = select(replans).where(replans.c.tenant == tenant).order_by(replans.c.id.desc()).limit(size)
        if before is not None:
            query = query.where(replans.c.id < before)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Replan(
                id=row.id,
                alarm=row.alarm,
                time=row.replanned_at,
                tzdata_before=row.tzdata_before,
                tzdata_after=row.tzdata_after,
                due_before=row.due_before,
                due_after=row.due_after,
            )
            for row in rows
        ]


def _shard(fact: str) -> int | None:
    number = fact.removeprefix(_SHARD)
    return int(number) if number.isdigit() else None
