"""Silences, and those of them that hold."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain.silences import MOST_SILENCES, Silence, SilenceMatcher, SilenceNotFound, TooManySilences
from scheduler_svc.store.incident_tables import incidents, silences
from scheduler_svc.store.sql import Statement
from tocsin.database import Database, storable
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_MATCHERS: Final = msgspec.json.Decoder(tuple[SilenceMatcher, ...])
_FIELDS: Final = "id, tenant, matchers, start_at, end_at, comment, author, created_at"
_HOLDING: Final = Statement(
    sqlite=(
        f"SELECT {_FIELDS} FROM silences WHERE tenant IN (SELECT value FROM json_each(?1)) AND end_at > ?2 AND start_at <= ?2 ORDER BY id"
    ),
    postgresql=f"SELECT {_FIELDS} FROM silences WHERE tenant = ANY($1::text[]) AND end_at > $2 AND start_at <= $2 ORDER BY id",
)


async def holding(connection: AsyncConnection, tenants: Collection[str], *, now: Micros) -> Mapping[str, Sequence[Silence]]:
    """The silences of tenants that hold at an instant; one that nobody can read silences nothing."""
    found: defaultdict[str, list[Silence]] = defaultdict(list)
    for row in await _HOLDING.rows(connection, sorted(tenants), now):
        silence = _silence(row)
        found[silence.tenant].append(silence)
    return found


class SqlSilenceStore:
    """Implements `scheduler_svc.ports.incidents.SilenceStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, silence: Silence, *, now: Micros) -> None:
        row = {
            "id": silence.id,
            "tenant": silence.tenant,
            "matchers": msgspec.json.encode(silence.matchers).decode(),
            "start_at": silence.start,
            "end_at": silence.end,
            "comment": storable(silence.comment),
            "author": silence.author,
            "created_at": silence.created,
        }
        going = select(func.count()).select_from(silences).where(silences.c.tenant == silence.tenant, silences.c.end_at > now)
        async with self._database.transaction() as connection:
            if (await connection.execute(going)).scalar_one() >= MOST_SILENCES:
                raise TooManySilences(f"There are {MOST_SILENCES} silences that are not over.")
            await connection.execute(insert(silences).values(row))

    async def get(self, tenant: str, silence: str) -> Silence:
        async with self._database.read() as connection:
            row = (await connection.execute(select(silences).where(*_key(tenant, silence)))).one_or_none()
        if row is None:
            raise SilenceNotFound
        return _silence(row)

    async def page(self, tenant: str, *, before: str, size: int) -> Sequence[Silence]:
        query = select(silences).where(silences.c.tenant == tenant)
        if before:
            query = query.where(silences.c.id < before)
        async with self._database.read() as connection:
            return [_silence(row) for row in await connection.execute(query.order_by(silences.c.id.desc()).limit(size))]

    async def expire(self, tenant: str, silence: str, *, now: Micros) -> Silence:
        ending = update(silences).where(*_key(tenant, silence), silences.c.end_at > now).values(end_at=now)
        async with self._database.transaction() as connection:
            await connection.execute(ending)
            row = (await connection.execute(select(silences).where(*_key(tenant, silence)))).one_or_none()
        if row is None:
            raise SilenceNotFound
        return _silence(row)

    async def held(self, tenant: str, silence: str, *, after: str, most: int) -> Sequence[str]:
        table = incidents.c
        mine = (table.tenant == tenant, table.held_by == f"silences/{silence}", table.held_by != "", table.id > after)
        async with self._database.read() as connection:
            return list(await connection.scalars(select(table.id).where(*mine).order_by(table.id).limit(most)))


def _key(tenant: str, silence: str) -> tuple[Any, ...]:
    return silences.c.id == silence, silences.c.tenant == tenant


def _silence(row: Iterable[Any]) -> Silence:
    identity, tenant, matchers, start, end, comment, author, created = row
    try:
        decoded = _MATCHERS.decode(matchers)
    except (msgspec.MsgspecError, ValueError) as error:
        _log.error("a stored silence cannot be read", tenant=tenant, silence=identity, exc_info=error)
        decoded = ()
    return Silence(id=identity, tenant=tenant, matchers=decoded, start=start, end=end, comment=comment, author=author, created=created)
