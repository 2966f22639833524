"""What recipients choose by a click."""

import msgspec
from sqlalchemy import select, update

from mailer_svc.domain.preferences import UNSAID, PreferenceChoice, decode, encode
from mailer_svc.store.people_tables import categories, preferences, recipients
from tocsin.database import Database, insert_ignore
from tocsin.stored import NOT_READABLE
from tocsin.telemetry import get_logger

_log = get_logger(__name__)


class SqlCategoryChoices:
    """Changes preferences in one transaction each, the recipient's row locked."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def turn_off(self, *, tenant: str, recipient: str, category: str, now: int) -> bool:
        """Messages of the category reach the recipient by no channel any more. False: there is no such recipient."""
        known = select(recipients.c.id).where(recipients.c.tenant == tenant, recipients.c.id == recipient)
        own = (preferences.c.tenant == tenant, preferences.c.recipient == recipient)
        empty = {"tenant": tenant, "recipient": recipient, "document": encode(UNSAID), "updated": now}
        async with self._database.transaction() as connection:
            if await connection.scalar(known) is None:
                return False
            await connection.execute(insert_ignore(preferences), [empty])
            stored = str(await connection.scalar(select(preferences.c.document).where(*own).with_for_update()))
            changed = _without(stored, category)
            if changed != stored:
                await connection.execute(update(preferences).where(*own).values(document=changed, updated=now))
        return True

    async def category_name(self, *, tenant: str, category: str) -> str:
        """What people call the category; empty if nobody said, or there is none."""
        query = select(categories.c.display_name).where(categories.c.tenant == tenant, categories.c.id == category)
        async with self._database.read() as connection:
            return str(await connection.scalar(query) or "")


def _without(document: str, category: str) -> str:
    """The document in which the category is off; what was chosen for it by channel goes, for it would win."""
    try:
        found = decode(document)
    except NOT_READABLE as error:
        _log.error("preferences not readable, begun anew", error=str(error))
        found = UNSAID
    off = PreferenceChoice(enabled=False, category=category)
    others = tuple(choice for choice in found.choices if choice.category != category)
    return document if found.choices == (*others, off) else encode(msgspec.structs.replace(found, choices=(*others, off)))
