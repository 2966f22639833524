"""Categories, and preferences about them."""

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import Category, CategoryExists, Preferences, RecipientNotFound
from mailer_svc.domain.preferences import UNSAID, encode
from mailer_svc.ports import StoredPreferences
from mailer_svc.store.facts import read_category, read_preferences
from mailer_svc.store.people_tables import categories, preferences, recipients
from tocsin.database import Database, insert_ignore, upsert


class SqlCategories:
    """Keeps categories on PostgreSQL or SQLite; every query is of one tenant."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def create(self, category: Category) -> None:
        """Stores a new category.

        Raises:
            CategoryExists: the id is in use.
        """
        values = category_values(category)
        async with self._database.transaction() as connection:
            if await connection.scalar(insert_ignore(categories).values(values).returning(categories.c.id)) is None:
                raise CategoryExists(f"categories/{category.id} exists already")

    async def get(self, *, tenant: str, id: str) -> Category | None:  # noqa: A002 - the word of the contract
        """One category."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(categories).where(*_one(tenant, id)))).first()
        return read_category(row) if row is not None else None

    async def page(self, *, tenant: str, after: str, limit: int) -> list[Category]:
        """Categories by id, those behind the id ``after``."""
        query = select(categories).where(categories.c.tenant == tenant, categories.c.id > after).order_by(categories.c.id).limit(limit)
        async with self._database.read() as connection:
            return [read_category(row) for row in await connection.execute(query)]

    async def revise(self, *, tenant: str, id: str, revise: Callable[[Category], Category]) -> Category | None:  # noqa: A002
        """Stores what ``revise`` makes of a category. None: there is none."""
        async with self._database.transaction() as connection:
            row = (await connection.execute(select(categories).where(*_one(tenant, id)).with_for_update())).first()
            if row is None:
                return None
            revised = revise(read_category(row))
            await connection.execute(update(categories).where(*_one(tenant, id)).values(_changeable(revised)))
        return revised

    async def delete(self, *, tenant: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Removes one. False: there was none."""
        async with self._database.transaction() as connection:
            return (await connection.execute(delete(categories).where(*_one(tenant, id)))).rowcount > 0


def _one(tenant: str, identity: str) -> tuple[Any, Any]:
    return categories.c.tenant == tenant, categories.c.id == identity


def category_values(item: Category) -> dict[str, Any]:
    """The row of a category."""
    return {"tenant": item.tenant, "id": item.id, "created": item.created, **_changeable(item)}


def _changeable(item: Category) -> dict[str, Any]:
    return {
        "display_name": item.display_name,
        "kind": int(item.kind),
        "channels": json.dumps(item.channels),
        "digest_window": item.digest_window,
        "updated": item.updated,
    }


class SqlPreferences:
    """Keeps preferences on PostgreSQL or SQLite; those of a tenant are of the recipient with an empty id."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def get(self, *, tenant: str, recipient: str) -> StoredPreferences:
        """What a recipient wants.

        Raises:
            RecipientNotFound: there is no such recipient.
        """
        async with self._database.read() as connection:
            await _check_recipient(connection, tenant, recipient, lock=False)
            return await _read(connection, tenant, recipient)

    async def revise(self, *, tenant: str, recipient: str, revise: Callable[[Preferences], Preferences], now: int) -> StoredPreferences:
        """Stores what ``revise`` makes of them.

        Raises:
            RecipientNotFound: there is no such recipient.
        """
        put = upsert(preferences, keys=("tenant", "recipient"), update=("document", "updated"))
        empty = {"tenant": tenant, "recipient": recipient, "document": encode(UNSAID), "updated": now}
        async with self._database.transaction() as connection:
            await _check_recipient(connection, tenant, recipient, lock=True)
            if not recipient:  # nobody's row to lock but its own
                await connection.execute(insert_ignore(preferences).values(empty))
                await connection.execute(select(preferences.c.tenant).where(*_mine(tenant, "")).with_for_update())
            revised = revise((await _read(connection, tenant, recipient)).preferences)
            await connection.execute(put.values(empty | {"document": encode(revised)}))
        return StoredPreferences(revised, now)


def _mine(tenant: str, recipient: str) -> tuple[Any, Any]:
    return preferences.c.tenant == tenant, preferences.c.recipient == recipient


async def _read(connection: AsyncConnection, tenant: str, recipient: str) -> StoredPreferences:
    row = (await connection.execute(select(preferences).where(*_mine(tenant, recipient)))).first()
    return StoredPreferences(read_preferences(row.document), row.updated) if row is not None else StoredPreferences(UNSAID, 0)


async def _check_recipient(connection: AsyncConnection, tenant: str, recipient: str, *, lock: bool) -> None:
    if not recipient:
        return
    query = select(recipients.c.id).where(recipients.c.tenant == tenant, recipients.c.id == recipient)
    if await connection.scalar(query.with_for_update() if lock else query) is None:
        raise RecipientNotFound(f"There is no recipient recipients/{recipient}")
