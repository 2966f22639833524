"""Deliveries on their way into the archive: implements `tocsin.archive.ports.ArchiveStore`; and which replica archives.

Whoever changes a delivery or adds to its timeline locks its row first, so what is found under the locks is all that there is: a delivery
whose timeline has grown since it was read, as by a bounce that comes late, stays, and what comes later finds no delivery any more.

What a message says is not archived: that of a message which was sent is gone by then, and others may hold codes and links.
"""

import asyncio
import hmac
from collections import defaultdict
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Row, delete, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import ENDED, DeliveryState, Priority
from mailer_svc.store.tables import archive_lease, archive_parts, contents, deliveries, events
from tocsin.archive.columns import ArchivedDelivery
from tocsin.archive.ports import ArchiveRows, FinishedRow
from tocsin.archive.store import SqlArchive
from tocsin.clock import DAY, Clock, from_micros
from tocsin.database import Database
from tocsin.recurrence import Micros

_MOST: Final = 5_000
_MOST_EVENTS: Final = 50_000
_LEASE_MICROS: Final = 300_000_000
_ENDED: Final = tuple(int(state) for state in ENDED)
_OPEN_CHANNELS: Final = frozenset(("email", "inbox", "sms", "telegram"))
"""Those whose addresses are no secrets: of the others, whoever knows the address can send to it."""
_encode: Final = msgspec.json.Encoder().encode


class SqlDeliveryArchive(SqlArchive):
    """The deliveries, and the notes of files."""

    def __init__(self, database: Database, *, key: Callable[[], bytes], most: int = _MOST, most_events: int = _MOST_EVENTS) -> None:
        """Takes the database.

        Args:
            database: of the mailer.
            key: of the digests of addresses.
            most: deliveries of one file.
            most_events: entries of timelines of one file, but for a delivery that has more by itself.
        """
        super().__init__(database, archive_parts)
        self._key = key
        self._most = most
        self._most_events = most_events

    async def next_tenant(self, *, after: str) -> str | None:
        """As `ArchiveStore`."""
        query = select(deliveries.c.tenant).where(deliveries.c.tenant > after).order_by(deliveries.c.tenant).limit(1)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar()

    async def finished(self, tenant: str, *, after: tuple[Micros, str], before: Micros) -> ArchiveRows:
        """Deliveries that were accepted and have changed last before an instant; see `ArchiveStore`."""
        async with self._database.read(snapshot=True) as connection:
            sizes = (await connection.execute(self._sizes(tenant, after, before))).all()
            chosen = [row.id for row in sizes[: _count_of(sizes, self._most_events)]]
            rows = (await connection.execute(select(deliveries).where(deliveries.c.id.in_(chosen)))).all() if chosen else ()
            order = (events.c.delivery, events.c.at, events.c.change, events.c.number)
            found = (await connection.execute(select(events).where(events.c.delivery.in_(chosen)).order_by(*order))).all() if chosen else ()
        return await asyncio.to_thread(self._rows, sorted(rows, key=lambda row: (row.created, row.id)), found)

    def _sizes(self, tenant: str, after: tuple[Micros, str], before: Micros) -> Any:
        table = deliveries.c
        entries = select(func.count()).where(events.c.delivery == table.id).scalar_subquery()
        return (
            select(table.id, table.created, entries.label("entries"))
            .where(
                table.tenant == tenant,
                table.created >= after[0],
                tuple_(table.created, table.id) > tuple_(*after),
                table.created < before,
                table.updated < before,
                table.state.in_(_ENDED),
            )
            .order_by(table.created, table.id)
            .limit(self._most)
        )

    def _rows(self, rows: Sequence[Row[Any]], found: Sequence[Row[Any]]) -> ArchiveRows:
        timelines = defaultdict[str, list[Row[Any]]](list)
        for entry in found:
            timelines[entry.delivery].append(entry)
        finished = [FinishedRow(row.id, row.created, _last_change(timelines[row.id]), len(timelines[row.id])) for row in rows]
        key = self._key()
        archived = [_archived(row, timelines[row.id], key) for row in rows]
        return ArchiveRows(finished=finished, rows=archived)

    async def remove(self, connection: AsyncConnection, rows: Sequence[FinishedRow]) -> int:
        """Removes the deliveries and their timelines if all of them are what they were; how many are."""
        ids = [row.id for row in rows]
        locked = select(deliveries.c.id).where(deliveries.c.id.in_(ids), deliveries.c.state.in_(_ENDED)).order_by(deliveries.c.id)
        there = set((await connection.execute(locked.with_for_update())).scalars())
        counted = select(events.c.delivery, func.count(), func.max(events.c.change)).where(events.c.delivery.in_(ids))
        now = {each: (change, count) for each, count, change in await connection.execute(counted.group_by(events.c.delivery))}
        same = sum(row.id in there and now.get(row.id, (0, 0)) == (row.change, row.detail) for row in rows)
        if same == len(rows):
            await connection.execute(delete(contents).where(contents.c.delivery.in_(ids)))
            await connection.execute(delete(events).where(events.c.delivery.in_(ids)))
            await connection.execute(delete(deliveries).where(deliveries.c.id.in_(ids)))
        return same


class SqlArchiveLease:
    """Which replica archives: two that believe it lose time, and nothing else, so that the lease needs no fencing."""

    def __init__(self, database: Database, *, owner: str, clock: Clock) -> None:
        """Takes the database, and the name of this replica, which no other has."""
        self._database = database
        self._owner = owner
        self._clock = clock

    async def take(self) -> bool:
        """Takes or prolongs the lease by five minutes; false while it is another replica's."""
        now, lease = self._clock.micros(), archive_lease.c
        free = or_(lease.owner == self._owner, lease.until < now)
        taken = update(archive_lease).where(lease.id == 1, free).values(owner=self._owner, until=now + _LEASE_MICROS)
        async with self._database.transaction() as connection:
            return (await connection.execute(taken)).rowcount == 1


def _count_of(sizes: Sequence[Row[Any]], most_events: int) -> int:
    """How many of them belong into the file of the first: of the same day (UTC), and not too much."""
    total = 0
    for number, row in enumerate(sizes):
        total += row.entries
        if number and (total > most_events or row.created // DAY != sizes[0].created // DAY):
            return number
    return len(sizes)


def _last_change(timeline: Sequence[Row[Any]]) -> int:
    return max((entry.change for entry in timeline), default=0)


def _archived(row: Row[Any], timeline: Sequence[Row[Any]], key: bytes) -> ArchivedDelivery:
    own = not (row.firing or row.notification)
    return ArchivedDelivery(
        id=row.id,
        tenant=row.tenant,
        firing=row.firing,
        alarm=row.alarm.removeprefix("alarms/"),
        notification=row.notification,
        digest=row.digest,
        category=row.category,
        channel=row.channel,
        recipient=row.recipient_id,
        address=_address(row, key),
        subject="" if own else row.subject,
        priority=_name(Priority, row.lane),
        create_time=row.created,
        update_time=row.updated,
        state=_name(DeliveryState, row.state),
        reason=row.reason,
        attempts=row.attempts,
        message_id=row.message_id,
        reference=row.reference,
        timeline=_encode([_entry(entry, secret=_secret_of(row)) for entry in timeline]).decode(),
        traceparent=row.traceparent,
        change=_last_change(timeline),
    )


def _entry(entry: Row[Any], *, secret: str) -> dict[str, Any]:
    return {
        "time": from_micros(entry.at).isoformat().replace("+00:00", "Z"),
        "state": _name(DeliveryState, entry.state),
        "attempts": entry.attempts,
        "provider": entry.provider,
        "code": entry.code,
        "detail": entry.detail.replace(secret, "…") if secret else entry.detail,
    }


def _secret_of(row: Row[Any]) -> str:
    """The address, if whoever knows it can send to it; else empty."""
    return "" if row.channel in _OPEN_CHANNELS else row.recipient


def _address(row: Row[Any], key: bytes) -> str:
    """The address; of one that is a secret a digest by which its deliveries still are found together."""
    secret = _secret_of(row)
    return f"hmac-sha256:{hmac.digest(key, secret.encode(), 'sha256').hex()}" if secret else row.recipient


def _name(words: type[IntEnum], number: int) -> str:
    """The word for a number; what this version does not know stays a number."""
    return next((word.name for word in words if word == number), str(number))
