"""Addresses of recipients: added, removed, and proved by a code."""

from typing import Any

from sqlalchemy import delete, select, update

from mailer_svc.domain import WORKS, AddressState, RecipientAddress, RecipientNotFound
from mailer_svc.ports import AddressKey, CodeFacts
from mailer_svc.store.people_tables import addresses, recipients
from mailer_svc.store.recipients import insert_address, read_address
from mailer_svc.store.suppressions import lift_suppressions
from tocsin.database import Database


class SqlAddresses:
    """Keeps addresses on PostgreSQL or SQLite; every query is of one tenant."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def add(self, *, tenant: str, recipient: str, address: RecipientAddress, most: int) -> RecipientAddress | None:
        """Adds an address; one of the recipient's own that is RETIRED begins anew under its id. None: the recipient has ``most`` already.

        Raises:
            RecipientNotFound: there is no such recipient.
            AddressTaken: somebody has it.
        """
        mine = (addresses.c.tenant == tenant) & (addresses.c.recipient == recipient)
        same = mine & (addresses.c.channel == address.channel) & (addresses.c.value == address.value)
        anew = {"state": int(address.state), "reason": address.reason, "updated": address.updated, "code_hash": "", "code_sent": 0}
        async with self._database.transaction() as connection:
            person = (recipients.c.tenant == tenant) & (recipients.c.id == recipient)
            if await connection.scalar(select(recipients.c.id).where(person).with_for_update()) is None:
                raise RecipientNotFound(f"There is no recipient recipients/{recipient}")
            revived = update(addresses).where(same, addresses.c.state == int(AddressState.RETIRED)).values(anew).returning(*addresses.c)
            if (row := (await connection.execute(revived)).first()) is not None:
                return read_address(row)
            if len((await connection.execute(select(addresses.c.id).where(mine))).all()) >= most:
                return None
            await insert_address(connection, tenant, recipient, address, field="address.value")
        return address

    async def get(self, *, tenant: str, recipient: str, id: str) -> RecipientAddress | None:  # noqa: A002 - the word of the contract
        """One address."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(addresses).where(_one(tenant, recipient, id)))).first()
        return read_address(row) if row is not None else None

    async def remove(self, *, tenant: str, recipient: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Removes one. False: there was none."""
        async with self._database.transaction() as connection:
            removed = await connection.execute(delete(addresses).where(_one(tenant, recipient, id)))
        return removed.rowcount > 0

    async def set_code(self, *, tenant: str, id: str, code_hash: str, expires: int, now: int, before: int) -> bool:  # noqa: A002
        """Puts a new code in place of the one before, and makes the address PENDING. False: one was sent after the instant ``before``."""
        anew = {"code_hash": code_hash, "code_expires": expires, "code_attempts": 0, "code_sent": now, "updated": now}
        change = (
            update(addresses)
            .where(addresses.c.tenant == tenant, addresses.c.id == id, addresses.c.code_sent <= before)
            .where(addresses.c.state != int(AddressState.ACTIVE))
            .values(**anew, state=int(AddressState.PENDING), reason="")
        )
        async with self._database.transaction() as connection:
            return (await connection.execute(change)).rowcount > 0

    async def take_attempt(self, *, tenant: str, id: str, most: int, now: int) -> CodeFacts | None:  # noqa: A002
        """Counts an attempt to bring the code back. None: no code stands, it has expired, or ``most`` attempts were made."""
        change = (
            update(addresses)
            .where(addresses.c.tenant == tenant, addresses.c.id == id, addresses.c.state == int(AddressState.PENDING))
            .where(addresses.c.code_hash != "", addresses.c.code_expires > now, addresses.c.code_attempts < most)
            .values(code_attempts=addresses.c.code_attempts + 1)
            .returning(addresses.c.code_hash, addresses.c.code_attempts)
        )
        async with self._database.transaction() as connection:
            row = (await connection.execute(change)).first()
        return CodeFacts(row.code_hash, most - row.code_attempts) if row is not None else None

    async def activate(self, *, tenant: str, id: str, code_hash: str, now: int) -> RecipientAddress | None:  # noqa: A002
        """Makes the address ACTIVE whose code this is, and lifts suppressions as a success does; None: it has another one by now."""
        change = (
            update(addresses)
            .where(addresses.c.tenant == tenant, addresses.c.id == id, addresses.c.code_hash == code_hash)
            .values(state=int(AddressState.ACTIVE), reason="", code_hash="", updated=now, last_seen=now)
            .returning(*addresses.c)
        )
        async with self._database.transaction() as connection:
            row = (await connection.execute(change)).first()
            if row is not None:
                await lift_suppressions(connection, [AddressKey.of(tenant, row.channel, row.value)], WORKS)
        return read_address(row) if row is not None else None


def _one(tenant: str, recipient: str, identity: str) -> Any:
    return (addresses.c.tenant == tenant) & (addresses.c.recipient == recipient) & (addresses.c.id == identity)
