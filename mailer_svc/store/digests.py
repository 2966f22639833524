"""Closing digests: in one transaction messages become DIGESTED and one delivery is stored, so that none is lost or goes out twice."""

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import Select, and_, bindparam, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import MEMBERS_SHOWN, TEXT_SHOWN, DeliveryState, Digest, DigestMembers, GateRuling, NewDelivery, Priority
from mailer_svc.ports import ClosedDigest
from mailer_svc.store.accepting import AcceptanceLog
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.contents import shown_content
from mailer_svc.store.people_tables import digest_members, digests
from mailer_svc.store.tables import contents, deliveries, events
from tocsin.database import Database, storable

# Built once: it is asked each second.
_DUE: Final = (
    select(digests)
    .where(digests.c.closes <= bindparam("now"), digests.c.closed.is_(None))
    .order_by(digests.c.closes)
    .limit(bindparam("most"))
)
_WITHIN = "DIGEST: went out with others of its category"


class SqlDigests:
    """Digests on PostgreSQL or SQLite."""

    def __init__(self, *, database: Database, order: ChangeOrder, acceptance: AcceptanceLog) -> None:
        self._database = database
        self._order = order
        self._acceptance = acceptance

    async def due(self, *, limit: int, now: int) -> list[Digest]:
        """Up to ``limit`` whose time has come, the longest due first."""
        async with self._database.read() as connection:
            rows = (await connection.execute(_DUE, {"now": now, "most": limit})).all()
        return [
            Digest(
                id=row.id,
                tenant=row.tenant,
                recipient_id=row.recipient_id,
                channel=row.channel,
                address=row.address,
                category=row.category,
            )
            for row in rows
        ]

    async def put_off(self, digest: Digest, *, until: int) -> None:
        """Lets a digest that is open be due later; messages may join it until then."""
        later = update(digests).where(digests.c.id == digest.id, digests.c.closed.is_(None)).values(closes=until)
        async with self._database.transaction() as connection:
            await connection.execute(later)

    async def close(
        self, digest: Digest, ruling: GateRuling, *, make: Callable[[DigestMembers], NewDelivery], now: int
    ) -> ClosedDigest | None:
        """Closes a digest. None: somebody else did.

        Whoever joins it holds its row until then or waits here; after the update nobody can join it any more.
        """
        async with self._database.transaction() as connection:
            await self._order.take_turn(connection)
            closed = update(digests).where(digests.c.id == digest.id, digests.c.closed.is_(None)).values(closed=now)
            if not (await connection.execute(closed)).rowcount:
                return None
            members = await _members(connection, digest)
            if not members.total:
                return ClosedDigest(None, 0, ruling)
            delivery: NewDelivery | None = None
            end = ruling
            if ruling.state is not DeliveryState.SUPPRESSED:
                made = replace(make(members), ruling=ruling)
                delivery = (await self._acceptance.insert(connection, {made.id: made}, now)).get(made.id)
                await connection.execute(update(digests).where(digests.c.id == digest.id).values(delivery=made.id))
                end = GateRuling(state=DeliveryState.DIGESTED, detail=_WITHIN)
            await self._end(connection, digest, end, now)
        return ClosedDigest(delivery, members.total, end)

    async def _end(self, connection: AsyncConnection, digest: Digest, end: GateRuling, now: int) -> None:
        """Ends the messages: however many they are, with a few statements."""
        # On PostgreSQL the number is that of the transaction, in which the digest's own delivery has the place 0.
        change = await self._order.begin(connection)
        numbered = func.row_number().over(order_by=deliveries.c.id)
        row = {
            "change": literal(change),
            "number": numbered,
            "delivery": deliveries.c.id,
            "tenant": deliveries.c.tenant,
            "at": literal(now),
            "state": literal(int(end.state)),
            "attempts": literal(0),
            "provider": literal(""),
            "code": literal(0),
            "detail": literal(storable(end.detail)),
        }
        await connection.execute(insert(events).from_select(list(row), select(*row.values()).where(_waiting(digest))))
        await connection.execute(delete(contents).where(contents.c.delivery.in_(select(deliveries.c.id).where(_waiting(digest)))))
        values: dict[str, Any] = {"state": int(end.state), "reason": end.reason, "updated": now, "epoch": deliveries.c.epoch + 1}
        await connection.execute(update(deliveries).where(_waiting(digest)).values(**values))


def _waiting(digest: Digest) -> Any:
    """The messages that wait in the digest."""
    joined = select(digest_members.c.delivery).where(digest_members.c.digest == digest.id)
    return and_(deliveries.c.id.in_(joined), deliveries.c.state == int(DeliveryState.HELD), deliveries.c.digest == digest.id)


async def _members(connection: AsyncConnection, digest: Digest) -> DigestMembers:
    """What the digest holds."""
    counted = select(func.count(), func.min(deliveries.c.lane)).where(_waiting(digest))
    total, priority = (await connection.execute(counted)).one()
    rows = (await connection.execute(_shown(digest, whole=total == 1))).all() if total else ()
    shown = [shown_content(row) for row in rows]
    return DigestMembers(shown=shown, total=total, priority=Priority(priority) if priority in tuple(Priority) else Priority.NORMAL)


def _shown(digest: Digest, *, whole: bool) -> Select[*tuple[Any, ...]]:
    """What the messages say; of more than one no more than is told of them."""
    text, html = contents.c.text, contents.c.html
    if not whole:
        text, html = func.substr(text, 1, TEXT_SHOWN).label("text"), literal("").label("html")
    return (
        select(deliveries.c.subject, text, html, contents.c.actions)
        .join_from(deliveries, digest_members, digest_members.c.delivery == deliveries.c.id)
        .join(contents, contents.c.delivery == deliveries.c.id, isouter=True)
        .where(_waiting(digest), digest_members.c.digest == digest.id)
        .order_by(digest_members.c.joined, deliveries.c.id)
        .limit(MEMBERS_SHOWN)
    )
