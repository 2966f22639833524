"""Heartbeats, checks and thresholds as they stand, and what tenants show of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Alarm
from scheduler_svc.domain.standings import PingKeyTaken, StatusSlugTaken
from scheduler_svc.ports.status import PingKey, StatusPage, Watched
from scheduler_svc.store.incident_tables import NOT_RESOLVED
from scheduler_svc.store.mapping import alarm_of
from scheduler_svc.store.ping_tables import ping_keys, status_pages
from scheduler_svc.store.signals import with_signals
from scheduler_svc.store.sql import Statement, both
from scheduler_svc.store.tables import alarms, signals
from scheduler_svc.triggers import SignalKind
from tocsin.database import ConstraintBroken, Database, storable, upsert
from tocsin.recurrence import Micros
from tocsin.stored import NOT_READABLE
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

# Two indexes, and a page of each: a tenant may have a million alarms that watch nothing.
_WATCHED: Final = both(
    "SELECT id FROM (SELECT id FROM (SELECT alarm AS id FROM signals WHERE tenant = $1 AND alarm > $2 "
    f"AND kind IN ({SignalKind.THRESHOLD:d}, {SignalKind.HEARTBEAT:d}) ORDER BY alarm LIMIT $3) AS waiting UNION SELECT id FROM "
    "(SELECT id FROM alarms WHERE tenant = $1 AND id > $2 AND kind = 'check' ORDER BY id LIMIT $3) AS asking) AS found ORDER BY id LIMIT $3"
)
_INCIDENTS: Final = Statement(
    sqlite=f"SELECT dedup_key, id FROM incidents WHERE tenant = ?1 AND dedup_key IN (SELECT value FROM json_each(?2)) AND {NOT_RESOLVED}",
    postgresql=f"SELECT dedup_key, id FROM incidents WHERE tenant = $1 AND dedup_key = ANY($2::text[]) AND {NOT_RESOLVED}",
)
_READINGS: Final = Statement(
    sqlite="SELECT metric, value, measured_at FROM readings WHERE tenant = ?1 AND metric IN (SELECT value FROM json_each(?2))",
    postgresql="SELECT metric, value, measured_at FROM readings WHERE tenant = $1 AND metric = ANY($2::text[])",
)


class SqlStandingStore:
    """Implements `scheduler_svc.ports.status.StandingStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def watched(self, tenant: str, *, after: str, size: int) -> Sequence[Watched]:
        async with self._database.read() as connection:
            ids = [row[0] for row in await _WATCHED.rows(connection, tenant, after, size)]
            return await _with_incidents(connection, tenant, await _alarms(connection, tenant, ids))

    async def named(self, tenant: str, alarms: Sequence[str]) -> Sequence[Watched]:
        async with self._database.read() as connection:
            found = await _alarms(connection, tenant, alarms)
            watching = [alarm for alarm in found if alarm.signal is not None or alarm.action.kind == "check"]
            return await _with_incidents(connection, tenant, watching)

    async def by_name(self, tenant: str, name: str) -> str:
        queries = (
            select(alarms.c.id).where(alarms.c.tenant == tenant, alarms.c.id == name),
            select(signals.c.alarm).where(signals.c.tenant == tenant, signals.c.slug == name, signals.c.slug != ""),
            select(alarms.c.id).where(alarms.c.tenant == tenant, alarms.c.key == name, alarms.c.key != ""),
        )
        async with self._database.read() as connection:
            for query in queries:
                if (found := await connection.scalar(query)) is not None:
                    return found
        return ""

    async def readings(self, tenant: str, metrics: Sequence[str]) -> Mapping[str, tuple[float, Micros]]:
        async with self._database.read() as connection:
            rows = await _READINGS.rows(connection, tenant, list(metrics))
        return {row[0]: (row[1], row[2]) for row in rows}


async def _alarms(connection: AsyncConnection, tenant: str, ids: Sequence[str]) -> list[Alarm]:
    if not ids:
        return []
    rows = await connection.execute(select(alarms).where(alarms.c.tenant == tenant, alarms.c.id.in_(ids)).order_by(alarms.c.id))
    return await with_signals(connection, [alarm_of(row) for row in rows])


async def _with_incidents(connection: AsyncConnection, tenant: str, found: Sequence[Alarm]) -> list[Watched]:
    keys = [f"alarms/{alarm.id}" for alarm in found]
    opened = {row[0]: row[1] for row in await _INCIDENTS.rows(connection, tenant, keys)} if keys else {}
    return [Watched(alarm=alarm, incident=opened.get(f"alarms/{alarm.id}", "")) for alarm in found]


class SqlPingKeyStore:
    """Implements `scheduler_svc.ports.status.PingKeyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def key_of(self, tenant: str) -> PingKey | None:
        return await self._key(ping_keys.c.tenant == tenant)

    async def find_key(self, secret: str) -> PingKey | None:
        return await self._key(ping_keys.c.secret == secret)

    async def _key(self, condition: Any) -> PingKey | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(ping_keys).where(condition))).one_or_none()
        return None if row is None else PingKey(row.tenant, row.secret, row.policy)

    async def put_key(self, key: PingKey) -> None:
        row = {"tenant": key.tenant, "secret": key.secret, "policy": key.policy}
        try:
            async with self._database.transaction() as connection:
                await connection.execute(upsert(ping_keys, keys=["tenant"], update=["secret", "policy"]).values(row))
        except ConstraintBroken as error:
            raise PingKeyTaken from error

    async def slugs(self, tenant: str) -> int:
        query = select(func.count()).select_from(signals).where(signals.c.tenant == tenant, signals.c.slug != "")
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one()


class _Document(msgspec.Struct):
    enabled: bool = False
    title: str = ""
    alarms: tuple[str, ...] = ()
    labels: dict[str, str] = {}


_DECODER: Final = msgspec.json.Decoder(_Document)


class SqlStatusPageStore:
    """Implements `scheduler_svc.ports.status.StatusPageStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page_of(self, tenant: str) -> StatusPage | None:
        return await self._page(status_pages.c.tenant == tenant)

    async def page_at(self, slug: str) -> StatusPage | None:
        return await self._page(status_pages.c.slug == slug, status_pages.c.slug != "")

    async def page_with_badges(self, secret: str) -> StatusPage | None:
        return await self._page(status_pages.c.badge_secret == secret)

    async def _page(self, *conditions: Any) -> StatusPage | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(status_pages).where(*conditions))).one_or_none()
        if row is None:
            return None
        try:
            found = _DECODER.decode(row.document)
        except NOT_READABLE as error:
            _log.error("a stored status page cannot be read", tenant=row.tenant, exc_info=error)
            found = _Document()
        return StatusPage(
            tenant=row.tenant,
            enabled=found.enabled,
            slug=row.slug,
            title=found.title,
            alarms=found.alarms,
            labels=found.labels,
            badge_secret=row.badge_secret,
        )

    async def put_page(self, page: StatusPage) -> None:
        document = _Document(enabled=page.enabled, title=page.title, alarms=page.alarms, labels=dict(page.labels))
        row = {
            "tenant": page.tenant,
            "slug": page.slug,
            "badge_secret": page.badge_secret,
            "document": storable(msgspec.json.encode(document).decode()),
        }
        try:
            async with self._database.transaction() as connection:
                await connection.execute(upsert(status_pages, keys=["tenant"], update=["slug", "badge_secret", "document"]).values(row))
        except ConstraintBroken as error:
            raise StatusSlugTaken from error
