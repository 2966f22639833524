"""Calendars that layers of rotations take their shifts from, and whom these name."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import BigInteger, bindparam, case, func, select, update

from mailer_svc.ports.rotation_calendars import CalendarClaim
from mailer_svc.store.people_tables import addresses
from mailer_svc.store.people_tables import recipients as people
from mailer_svc.store.rotation_tables import rotation_calendars
from tocsin.database import Database, storable

_CHUNK = 500


class SqlRotationCalendars:
    """Works on PostgreSQL or SQLite; every query but the claim is of one tenant."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def claim(
        self, *, now: int, again: int, limit: int, share: int, under_way: Sequence[CalendarClaim] = ()
    ) -> Sequence[CalendarClaim]:
        """Takes calendars that are due by ``now``; they are due again at ``again``, whoever claims them then.

        Tenants take turns, however many calendars one of them has, and whatever it does to have them read first; none has more than
        its ``share`` of what is read at a time.
        """
        kept, is_due = rotation_calendars.c, rotation_calendars.c.due <= bindparam("now", type_=BigInteger)
        turn = func.row_number().over(partition_by=kept.tenant, order_by=(kept.due, kept.rotation, kept.url))
        waiting = select(kept.tenant, kept.rotation, kept.url, turn.label("turn")).where(is_due).subquery("waiting")
        same = (waiting.c.tenant == kept.tenant) & (waiting.c.rotation == kept.rotation) & (waiting.c.url == kept.url)
        left = {tenant: share - number for tenant, number in Counter(claim.tenant for claim in under_way).items()}
        most = case(left, value=waiting.c.tenant, else_=share) if left else share
        allowed = (is_due, waiting.c.turn <= most)
        due = select(kept.tenant, kept.rotation, kept.url).join(waiting, same).where(*allowed).order_by(waiting.c.turn, kept.due)
        first = due.limit(limit).with_for_update(of=rotation_calendars, skip_locked=True).cte("due_now")
        mine = select(first.c.url).where(first.c.tenant == kept.tenant, first.c.rotation == kept.rotation, first.c.url == kept.url).exists()
        claim = update(rotation_calendars).where(mine).values(due=again).returning(kept.tenant, kept.rotation, kept.url)
        async with self._database.transaction() as connection:
            return [CalendarClaim(row.tenant, row.rotation, row.url) for row in await connection.execute(claim, {"now": now})]

    async def note(self, claim: CalendarClaim, *, read: int | None, error: str) -> None:
        """Notes how reading one went; with ``read`` it was read then, without it is as old as it was."""
        kept = rotation_calendars.c
        mine = (kept.tenant == claim.tenant, kept.rotation == claim.rotation, kept.url == claim.url)
        values = {"error": storable(error)} | ({"read": read} if read is not None else {})
        async with self._database.transaction() as connection:
            await connection.execute(update(rotation_calendars).where(*mine).values(values))

    async def people_called(self, *, tenant: str, names: Collection[str]) -> Mapping[str, str]:
        """Ids of recipients by those of the names, in lower case, that are theirs alone: an id, a mail address or a name for people."""
        wanted = sorted({storable(name) for name in names} | {storable(name).casefold() for name in names})
        found = defaultdict[str, set[str]](set)
        async with self._database.read() as connection:
            for start in range(0, len(wanted), _CHUNK):
                part = wanted[start : start + _CHUNK]
                named = people.c.id.in_(part) | people.c.display_name.in_(part) | func.lower(people.c.display_name).in_(part)
                for row in await connection.execute(select(people.c.id, people.c.display_name).where(people.c.tenant == tenant, named)):
                    found[row.id.casefold()].add(row.id)
                    found[row.display_name.casefold()].add(row.id)
                held = (addresses.c.tenant == tenant) & (addresses.c.channel == "email") & addresses.c.value.in_(part)
                for row in await connection.execute(select(addresses.c.recipient, addresses.c.value).where(held)):
                    found[row.value.casefold()].add(row.recipient)
        return {name: next(iter(ids)) for name, ids in found.items() if name and len(ids) == 1}
