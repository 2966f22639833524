"""Calendar feeds, and who and what is in them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, select, union

from mailer_svc.ports.feeds import FeedKey
from mailer_svc.store.people_tables import recipients as people
from mailer_svc.store.rotation_tables import calendar_feeds, rotation_overrides, rotations
from tocsin.database import Database, upsert

_CHUNK = 500


class SqlCalendarFeeds:
    """Keeps feeds on PostgreSQL or SQLite; every query but that by the token is of one tenant."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def put(self, key: FeedKey, *, token_hash: str, now: int) -> None:
        """Stores a feed in place of the one that the subject has."""
        row = {"tenant": key.tenant, "subject": key.subject, "token_hash": token_hash, "created": now}
        statement = upsert(calendar_feeds, keys=("tenant", "subject"), update=("token_hash", "created"))
        async with self._database.transaction() as connection:
            await connection.execute(statement, row)

    async def created(self, key: FeedKey) -> int | None:
        """When the feed of a subject was made. None: there is none."""
        async with self._database.read() as connection:
            return await connection.scalar(select(calendar_feeds.c.created).where(*_one(key)))

    async def remove(self, key: FeedKey) -> None:
        """Removes the feed of a subject, if there is one."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(calendar_feeds).where(*_one(key)))

    async def find(self, token_hash: str) -> FeedKey | None:
        """Whose feed has a token. None: nobody's."""
        query = select(calendar_feeds.c.tenant, calendar_feeds.c.subject).where(calendar_feeds.c.token_hash == token_hash)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return FeedKey(row.tenant, row.subject) if row is not None else None

    async def rotations_of(self, *, tenant: str, recipient: str, since: int, most: int) -> Sequence[str]:
        """Ids of rotations that name a recipient in a layer, or in an override that ends after ``since``; ``most`` at most."""
        quoted = msgspec.json.encode(recipient).decode()
        named, held = rotations.c, rotation_overrides.c
        layers = select(named.id).where(named.tenant == tenant, named.document.contains(quoted, autoescape=True))
        overrides = select(held.rotation).where(held.tenant == tenant, held.ends > since, held.recipients.contains(quoted, autoescape=True))
        both = union(layers, overrides).subquery()
        async with self._database.read() as connection:
            return list(await connection.scalars(select(both.c.id).order_by(both.c.id).limit(most)))

    async def names(self, *, tenant: str, recipients: Collection[str]) -> Mapping[str, str]:
        """Names for people of those of the recipients who have one."""
        wanted = sorted(recipients)
        found: dict[str, str] = {}
        async with self._database.read() as connection:
            for start in range(0, len(wanted), _CHUNK):
                mine = (people.c.tenant == tenant) & people.c.id.in_(wanted[start : start + _CHUNK])
                rows = await connection.execute(select(people.c.id, people.c.display_name).where(mine))
                found |= {row.id: row.display_name for row in rows if row.display_name}
        return found


def _one(key: FeedKey) -> tuple[Any, Any]:
    return calendar_feeds.c.tenant == key.tenant, calendar_feeds.c.subject == key.subject
