"""Silences, and those of them that are not over."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain.matchers import SilenceMatcher
from scheduler_svc.domain.silences import MOST_SILENCES, Silence, SilenceNotFound, SilenceTimes, TooManySilences
from scheduler_svc.store.incident_tables import silences
from scheduler_svc.store.signals import COUNT_UP, INCIDENT_RULES
from scheduler_svc.store.sql import Statement, both
from tocsin.database import Database, storable
from tocsin.errors import InvalidInput
from tocsin.recurrence import CalendarText, Micros, decode_calendar, encode_calendar
from tocsin.stored import NOT_READABLE, ToldOnce, number
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_told: Final = ToldOnce()

_MATCHERS: Final = msgspec.json.Decoder(tuple[SilenceMatcher, ...])
_FIELDS: Final = "id, tenant, matchers, start_at, end_at, comment, author, created_at, windows"
_GOING: Final = Statement(
    sqlite=f"SELECT {_FIELDS} FROM silences WHERE tenant IN (SELECT value FROM json_each(?1)) AND end_at > ?2 ORDER BY id",
    postgresql=f"SELECT {_FIELDS} FROM silences WHERE tenant = ANY($1::text[]) AND end_at > $2 ORDER BY id",
)
# Of several silences that hold back a group together, it names one.
_LOOK_AGAIN: Final = both("UPDATE incidents SET wake_at = $2 WHERE tenant = $1 AND held_by <> ''")
_ENDING: Final = both(f"SELECT {_FIELDS} FROM silences WHERE tenant = $1 AND end_at >= $2 ORDER BY id")


async def read_silences(connection: AsyncConnection, tenants: Collection[str], *, now: Micros) -> Mapping[str, Sequence[Silence]]:
    """The silences of tenants that are not over; one that nobody can read silences nothing."""
    found: defaultdict[str, list[Silence]] = defaultdict(list)
    for row in await _GOING.rows(connection, sorted(tenants), now):
        silence = _silence(row)
        try:
            SilenceTimes(silence).until(now)
        except InvalidInput as error:
            _log.error("the windows of a stored silence cannot be used", tenant=silence.tenant, silence=silence.id, exc_info=error)
        else:
            found[silence.tenant].append(silence)
    return found


async def silences_ending(connection: AsyncConnection, tenant: str, *, since: Micros) -> Sequence[Silence]:
    """The silences of a tenant that end at an instant or later."""
    return [_silence(row) for row in await _ENDING.rows(connection, tenant, since)]


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
            "windows": _encoded(silence),
        }
        going = select(func.count()).select_from(silences).where(silences.c.tenant == silence.tenant, silences.c.end_at > now)
        async with self._database.transaction() as connection:
            if (await connection.execute(going)).scalar_one() >= MOST_SILENCES:
                raise TooManySilences(f"There are {MOST_SILENCES} silences that are not over.")
            await connection.execute(insert(silences).values(row))
            await COUNT_UP.many(connection, [(silence.tenant, INCIDENT_RULES, 1)])

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
            if (await connection.execute(ending)).rowcount:
                await _LOOK_AGAIN.run(connection, tenant, now)
                await COUNT_UP.many(connection, [(tenant, INCIDENT_RULES, 1)])
            row = (await connection.execute(select(silences).where(*_key(tenant, silence)))).one_or_none()
        if row is None:
            raise SilenceNotFound
        return _silence(row)


def _key(tenant: str, silence: str) -> tuple[Any, ...]:
    return silences.c.id == silence, silences.c.tenant == tenant


def _encoded(silence: Silence) -> str:
    if silence.window is None:
        return ""
    return json.dumps(encode_calendar(CalendarText(time_zone=silence.zone, dates=(), windows=(silence.window,))), ensure_ascii=False)


def _silence(row: Iterable[Any]) -> Silence:
    """The silence in a row; one that nobody can read is about nothing."""
    identity, tenant, matchers, start, end, comment, author, created, windows = row
    decoded: tuple[SilenceMatcher, ...] = ()
    says = CalendarText()
    try:
        says = decode_calendar(msgspec.json.decode(windows)) if windows else says
        decoded = _MATCHERS.decode(matchers)
    except NOT_READABLE as error:
        if _told.first(tenant, identity, hash((matchers, windows))):
            _log.error("a stored silence cannot be read", tenant=tenant, silence=identity, exc_info=error)
    return Silence(
        id=identity,
        tenant=tenant,
        matchers=decoded,
        start=number(start),
        end=number(end),
        comment=comment,
        author=author,
        created=created,
        window=says.windows[0] if says.windows else None,
        zone=says.time_zone,
    )
