"""What only the transaction that stores a message can decide: whether its recipient has had enough, and which digest is open for it."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, case, func, select, text, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import DeliveryState, GateRuling, NewDelivery, capped, digested
from mailer_svc.store.bulk import BulkInsert, Row, Rows
from mailer_svc.store.people_tables import digest_members, digests, recipients
from mailer_svc.store.tables import deliveries

_UNCOUNTED = [int(state) for state in (DeliveryState.HELD, DeliveryState.SUPPRESSED, DeliveryState.DIGESTED, DeliveryState.DEAD)]
_OPEN = text("closed IS NULL")


class ClosingGates:
    """Caps and digests. On PostgreSQL rows are locked in the order of their keys; on SQLite one transaction writes at a time."""

    def __init__(self, *, sqlite: bool) -> None:
        self._sqlite = sqlite
        self._members = BulkInsert(digest_members, sqlite=sqlite)
        self._digests = Rows({column.name: column.type for column in digests.columns}, sqlite=sqlite)
        self._open = _opening(self._digests)
        self._people = Rows({"tenant": Text, "recipient": Text}, sqlite=sqlite)
        self._locking = _locking(self._people)
        self._counting = _counting(self._people)

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
            had |= await self._counted(connection, people, now - window)
        rulings: dict[str, GateRuling] = {}
        for item in items:
            key = (item.tenant, item.recipient_id)
            if had[key] >= item.ruling.cap_count:
                rulings[item.id] = capped(item.ruling)
            elif not item.ruling.digest_window:
                had[key] += 1
        return rulings

    async def _counted(self, connection: AsyncConnection, people: Iterable[tuple[str, str]], after: int) -> Counter[tuple[str, str]]:
        """How many deliveries each has had since."""
        found: Any = await connection.execute(self._counting, {**self._people.bind(sorted(people)), "after": after})
        return Counter({(tenant, recipient): count for tenant, recipient, count in found})

    async def _lock(self, connection: AsyncConnection, people: Iterable[tuple[str, str]]) -> None:
        """Two transactions that count for one recipient would each see what is there without the other."""
        if not self._sqlite:
            await connection.execute(self._locking, self._people.bind(sorted(people)))

    async def _join(self, connection: AsyncConnection, items: Sequence[NewDelivery], now: int) -> dict[str, GateRuling]:
        """Finds or opens a digest for each; whoever closes it waits for this transaction."""
        opened: dict[tuple[str, str], Row] = {}
        for item in sorted(items, key=lambda item: item.id):
            key = digest_key(item)
            if (item.tenant, key) not in opened:
                opened[item.tenant, key] = _digest_row(item, key, now)
        rows = self._digests.bind([opened[key] for key in sorted(opened)])
        found = {(row.tenant, row.key): row for row in await connection.execute(self._open, rows)}
        rulings: dict[str, GateRuling] = {}
        for item in items:
            row = found[item.tenant, digest_key(item)]
            rulings[item.id] = digested(item.ruling, digest=row.id, closes=row.closes)
        return rulings

    async def members(self, connection: AsyncConnection, joined: Sequence[tuple[str, str]], now: int) -> None:
        """Stores which deliveries joined which digests: pairs of digest and delivery."""
        if joined:
            await self._members.insert(connection, [(digest, delivery, now) for digest, delivery in joined])


def _opening(rows: Rows) -> Any:
    """Opens the digests that are not open; gives all of them."""
    # SQLite takes ON for a join's unless a WHERE stands before it.
    given = select(*(rows.columns[column.name] for column in digests.columns)).where(true())
    opening = insert(digests).from_select([column.name for column in digests.columns], given, include_defaults=False)
    standing = {"closes": digests.c.closes}
    return opening.on_conflict_do_update(index_elements=[digests.c.tenant, digests.c.key], index_where=_OPEN, set_=standing).returning(
        digests.c.tenant, digests.c.key, digests.c.id, digests.c.closes
    )


def _locking(people: Rows) -> Any:
    asked = people.columns
    same = (recipients.c.tenant == asked["tenant"]) & (recipients.c.id == asked["recipient"])
    rows = select(recipients.c.id).join_from(asked["tenant"].table, recipients, same)
    return rows.order_by(recipients.c.tenant, recipients.c.id).with_for_update(key_share=True, of=recipients)


def _counting(people: Rows) -> Any:
    """Deliveries of people since ``after``; one that was held counts from when it was let through."""
    asked = people.columns
    since = case((deliveries.c.since > 0, deliveries.c.since), else_=deliveries.c.created)
    # The last condition is the index's own.
    own = (deliveries.c.tenant == asked["tenant"]) & (deliveries.c.recipient_id == asked["recipient"]) & (deliveries.c.recipient_id != "")
    counted = (since > bindparam("after", type_=BigInteger), deliveries.c.state.not_in(_UNCOUNTED))
    person = (deliveries.c.tenant, deliveries.c.recipient_id)
    return select(*person, func.count()).join_from(asked["tenant"].table, deliveries, own).where(*counted).group_by(*person)


def digest_key(item: NewDelivery) -> str:
    """What goes out together: messages of one category to one address of one recipient."""
    return "\n".join((item.channel, item.category, item.recipient_id, item.to))


def _digest_row(item: NewDelivery, key: str, now: int) -> Row:
    """A row of ``digests``."""
    identity = hashlib.blake2b("\0".join((item.tenant, key, item.id)).encode(), digest_size=16).hexdigest()
    return (
        identity,
        item.tenant,
        key,
        item.recipient_id,
        item.channel,
        item.to,
        item.category,
        now,
        now + item.ruling.digest_window,
        None,
        "",
    )
