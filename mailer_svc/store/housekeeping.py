"""Housekeeping: remove old inbox messages, finished deliveries, notifications, digests, what providers told and what rotations were."""

from typing import Any

from sqlalchemy import Table, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import ENDED, UNEXPANDED
from mailer_svc.store.people_tables import digest_members, digests, notifications, provider_events
from mailer_svc.store.rotation_tables import rotation_changes, rotation_overrides, rotation_revisions, rotations
from mailer_svc.store.tables import contents, deliveries, events, inbox_messages
from tocsin.database import Database


class SqlDeliveryHousekeepingStore:
    """Removes what is too old, a batch a transaction."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def clean(self, *, inbox_before: int, deliveries_before: int, limit: int, archived: bool = False) -> int:
        """Removes up to ``limit`` rows of each kind that are older than the instants, but no deliveries if they are ``archived``."""
        messages = select(inbox_messages.c.id).where(inbox_messages.c.received < inbox_before).limit(limit)
        finished = [int(state) for state in ENDED]
        old = select(deliveries.c.id).where(deliveries.c.updated < deliveries_before, deliveries.c.state.in_(finished)).limit(limit)
        async with self._database.transaction() as connection:
            removed = (await connection.execute(delete(inbox_messages).where(inbox_messages.c.id.in_(messages)))).rowcount
            ids = [] if archived else list((await connection.execute(old)).scalars())
            if ids:
                await _remove(connection, contents, contents.c.delivery, ids)
                await _remove(connection, events, events.c.delivery, ids)
                await _remove(connection, deliveries, deliveries.c.id, ids)
            removed += await _remove_notifications(connection, deliveries_before, limit)
            removed += await _remove_digests(connection, deliveries_before, limit)
            # What providers told of a delivery is known again for as long as the delivery is.
            told = select(provider_events.c.id).where(provider_events.c.received < deliveries_before).limit(limit)
            removed += (await connection.execute(delete(provider_events).where(provider_events.c.id.in_(told)))).rowcount
        return removed + len(ids)

    async def clean_rotations(self, *, before: int, limit: int) -> int:
        """Removes revisions that were over, of removed rotations the last one too, and overrides that had ended; never what is in force."""
        was, held = rotation_revisions.c, rotation_overrides.c
        there = select(rotations.c.id).where(rotations.c.tenant == was.tenant, rotations.c.id == was.rotation)
        gone = was.until.is_(None) & (was.since < before) & ~there.exists()
        old = select(was.tenant, was.rotation, was.revision).where((was.until < before) | gone).limit(limit)
        ended = select(held.tenant, held.rotation, held.id).where(held.ends < before).limit(limit)
        revisions = delete(rotation_revisions).where(tuple_(was.tenant, was.rotation, was.revision).in_(old))
        overrides = delete(rotation_overrides).where(tuple_(held.tenant, held.rotation, held.id).in_(ended))
        changed = rotation_changes.c
        ever = select(was.rotation).where(was.tenant == changed.tenant, was.rotation == changed.rotation)
        forgotten = select(changed.tenant, changed.rotation).where(~ever.exists()).limit(limit)
        async with self._database.transaction() as connection:
            removed = (await connection.execute(revisions)).rowcount + (await connection.execute(overrides)).rowcount
            # A change is known for as long as the rotation is.
            await connection.execute(delete(rotation_changes).where(tuple_(changed.tenant, changed.rotation).in_(forgotten)))
            return removed


async def _remove_notifications(connection: AsyncConnection, before: int, limit: int) -> int:
    """Notifications that are done, and of which no delivery is left."""
    left = select(deliveries.c.id).where(
        deliveries.c.tenant == notifications.c.tenant, deliveries.c.notification == notifications.c.id, deliveries.c.notification != ""
    )
    done = notifications.c.state.not_in([int(state) for state in UNEXPANDED])
    old = select(notifications.c.id).where(notifications.c.updated < before, done, ~left.exists()).limit(limit)
    return (await connection.execute(delete(notifications).where(notifications.c.id.in_(old)))).rowcount


async def _remove_digests(connection: AsyncConnection, before: int, limit: int) -> int:
    """Digests that were closed."""
    ids = list((await connection.execute(select(digests.c.id).where(digests.c.closed < before).limit(limit))).scalars())
    if ids:
        await _remove(connection, digest_members, digest_members.c.digest, ids)
        await _remove(connection, digests, digests.c.id, ids)
    return len(ids)


async def _remove(connection: AsyncConnection, table: Table, column: Any, ids: list[str]) -> None:
    await connection.execute(delete(table).where(column.in_(ids)))
