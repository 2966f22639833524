"""What only the transaction that stores a message can decide: whether its recipient has had enough, and which digest is open for it."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import case, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import DeliveryState, GateRuling, NewDelivery, capped, digested
from mailer_svc.store.bulk import BulkInsert
from mailer_svc.store.people_tables import digest_members, digests, recipients
from mailer_svc.store.tables import deliveries
from tocsin.database import insert_ignore

_UNCOUNTED = [int(state) for state in (DeliveryState.HELD, DeliveryState.SUPPRESSED, DeliveryState.DIGESTED, DeliveryState.DEAD)]
_OPEN = text("closed IS NULL")


class ClosingGates:
    """Caps and digests. On PostgreSQL rows are locked in the order of their keys; on SQLite one transaction writes at a time."""

    def __init__(self, *, sqlite: bool) -> None:
        self._sqlite = sqlite
        self._members = BulkInsert(digest_members, sqlite=sqlite)

    async def rule(self, connection: AsyncConnection, items: Sequence[NewDelivery], now: int) -> dict[str, GateRuling]:
        """The final ruling for each of ``items``, by id: those whose ruling leaves it to the transaction."""
        rulings = {item.id: item.ruling for item in items}
        if any(item.ruling.cap_count for item in items):
            rulings |= await self._count(connection, [item for item in items if item.ruling.cap_count], now)
        joining = [item for item in items if item.ruling.digest_window and rulings[item.id].state is DeliveryState.ACCEPTED]
        if joining:
            rulings |= await self._join(connection, joining, now)
        return rulings

    async def _count(self, connection: AsyncConnection, items: Sequence[NewDelivery], now: int) -> dict[str, GateRuling]:
        """Suppresses what is more than a recipient wants."""
        had = Counter[tuple[str, str]]()
        by_window = defaultdict[int, set[tuple[str, str]]](set)
        for item in items:
            by_window[item.ruling.cap_window].add((item.tenant, item.recipient_id))
        await self._lock(connection, {person for people in by_window.values() for person in people})
        for window, people in by_window.items():
            had |= await _counted(connection, people, now - window)
        rulings: dict[str, GateRuling] = {}
        for item in items:
            key = (item.tenant, item.recipient_id)
            if had[key] >= item.ruling.cap_count:
                rulings[item.id] = capped(item.ruling)
            elif not item.ruling.digest_window:
                had[key] += 1
        return rulings

    async def _lock(self, connection: AsyncConnection, people: Iterable[tuple[str, str]]) -> None:
        """Two transactions that count for one recipient would each see what is there without the other."""
        if not self._sqlite:
            key = (recipients.c.tenant, recipients.c.id)
            await connection.execute(select(*key).where(tuple_(*key).in_(sorted(people))).order_by(*key).with_for_update(key_share=True))

    async def _join(self, connection: AsyncConnection, items: Sequence[NewDelivery], now: int) -> dict[str, GateRuling]:
        """Finds or opens a digest for each; whoever closes it waits for this transaction."""
        opened: dict[tuple[str, str], dict[str, Any]] = {}
        for item in sorted(items, key=lambda item: item.id):
            key = digest_key(item)
            if (item.tenant, key) not in opened:
                opened[item.tenant, key] = _digest_row(item, key, now)
        statement = insert(digests).values([opened[key] for key in sorted(opened)])
        statement = statement.on_conflict_do_update(
            index_elements=[digests.c.tenant, digests.c.key], index_where=_OPEN, set_={"closes": digests.c.closes}
        ).returning(digests.c.tenant, digests.c.key, digests.c.id, digests.c.closes)
        found = {(row.tenant, row.key): row for row in await connection.execute(statement)}
        rulings: dict[str, GateRuling] = {}
        for item in items:
            row = found[item.tenant, digest_key(item)]
            rulings[item.id] = digested(item.ruling, digest=row.id, closes=row.closes)
        return rulings

    async def members(self, connection: AsyncConnection, joined: Sequence[tuple[str, str]], now: int) -> None:
        """Stores which deliveries joined which digests: pairs of digest and delivery."""
        if joined:
            await connection.execute(
                insert_ignore(digest_members), [{"digest": digest, "delivery": delivery, "joined": now} for digest, delivery in joined]
            )


async def _counted(connection: AsyncConnection, people: Iterable[tuple[str, str]], after: int) -> Counter[tuple[str, str]]:
    """How many deliveries each has had since; one that was held counts from when it was let through."""
    since = case((deliveries.c.since > 0, deliveries.c.since), else_=deliveries.c.created)
    person = (deliveries.c.tenant, deliveries.c.recipient_id)
    # The second condition is the index's own; SQLite does not see that the first implies it.
    own = (tuple_(*person).in_(sorted(people)), deliveries.c.recipient_id != "")
    query = select(*person, func.count()).where(*own, since > after, deliveries.c.state.not_in(_UNCOUNTED)).group_by(*person)
    return Counter({(tenant, recipient): count for tenant, recipient, count in await connection.execute(query)})


def digest_key(item: NewDelivery) -> str:
    """What goes out together: messages of one category to one address of one recipient."""
    return "\n".join((item.channel, item.category, item.recipient_id, item.to))


def _digest_row(item: NewDelivery, key: str, now: int) -> dict[str, Any]:
    identity = hashlib.blake2b("\0".join((item.tenant, key, item.id)).encode(), digest_size=16).hexdigest()
    return {
        "id": identity,
        "tenant": item.tenant,
        "key": key,
        "recipient_id": item.recipient_id,
        "channel": item.channel,
        "address": item.to,
        "category": item.category,
        "opened": now,
        "closes": now + item.ruling.digest_window,
        "closed": None,
        "delivery": "",
    }
