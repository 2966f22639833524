"""Recipients, with their addresses and memberships."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, delete, exists, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import (
    AddressState,
    AddressTaken,
    GroupNotFound,
    MemberKind,
    Recipient,
    RecipientAddress,
    RecipientExists,
)
from mailer_svc.domain.personal_rules import UNRULED, PersonalRules, encode
from mailer_svc.ports import RecipientQuery
from mailer_svc.store.facts import read_rules
from mailer_svc.store.people_tables import addresses, group_members, groups, preferences, recipients
from mailer_svc.store.rotation_tables import calendar_feeds
from tocsin.database import Database, insert_ignore
from tocsin.stored import known

_LAST = "\U0010ffff"
_PERSON = int(MemberKind.RECIPIENT)


class SqlRecipients:
    """Keeps recipients on PostgreSQL or SQLite; every query is of one tenant."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def create(self, recipient: Recipient) -> None:
        """Stores a new recipient with its addresses and memberships, or nothing.

        Raises:
            RecipientExists: the id is in use.
            AddressTaken: an address is another recipient's.
            GroupNotFound: there is no such group.
        """
        async with self._database.transaction() as connection:
            stored = await connection.scalar(insert_ignore(recipients).values(recipient_values(recipient)).returning(recipients.c.id))
            if stored is None:
                raise RecipientExists(f"recipients/{recipient.id} exists already")
            await _join(connection, recipient)
            for place, address in enumerate(recipient.addresses):
                await insert_address(connection, recipient.tenant, recipient.id, address, field=f"recipient.addresses[{place}].value")

    async def get(self, *, tenant: str, id: str) -> Recipient | None:  # noqa: A002 - the word of the contract
        """One recipient."""
        async with self._database.read(snapshot=True) as connection:
            query = select(recipients).where(recipients.c.tenant == tenant, recipients.c.id == id)
            found = await whole(connection, tenant, (await connection.execute(query)).all())
        return found[0] if found else None

    async def page(self, query: RecipientQuery, *, after: str, limit: int) -> list[Recipient]:
        """Recipients by id, those behind the id ``after``."""
        statement = select(recipients).where(*_matching(query), recipients.c.id > after).order_by(recipients.c.id).limit(limit)
        async with self._database.read(snapshot=True) as connection:
            return await whole(connection, query.tenant, (await connection.execute(statement)).all())

    async def update(self, *, tenant: str, id: str, changes: Mapping[str, str], now: int) -> Recipient | None:  # noqa: A002
        """Sets fields of a recipient; returns it as it is then. None: there is none."""
        values: dict[str, Any] = {**changes, "updated": now}
        if "display_name" in changes:
            values["name_key"] = changes["display_name"].casefold()
        change = update(recipients).where(recipients.c.tenant == tenant, recipients.c.id == id).values(values).returning(*recipients.c)
        async with self._database.transaction() as connection:
            found = await whole(connection, tenant, (await connection.execute(change)).all())
        return found[0] if found else None

    async def set_rules(
        self, tenant: str, recipient: str, *, check: Callable[[Recipient], PersonalRules], now: int
    ) -> PersonalRules | None:
        """Stores the rules that ``check`` makes of the recipient as it is; returns them. None: there is no such recipient."""
        mine = (recipients.c.tenant == tenant, recipients.c.id == recipient)
        async with self._database.transaction() as connection:
            found = await whole(connection, tenant, (await connection.execute(select(recipients).where(*mine).with_for_update())).all())
            if not found:
                return None
            rules = check(found[0])
            await connection.execute(update(recipients).where(*mine).values(rules=encode(rules), updated=now))
        return rules

    async def delete(self, *, tenant: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Removes a recipient with everything that is only its own. False: there was none."""
        members = group_members.c
        async with self._database.transaction() as connection:
            removed = await connection.execute(delete(recipients).where(recipients.c.tenant == tenant, recipients.c.id == id))
            if not removed.rowcount:
                return False
            for table in (addresses, preferences):
                await connection.execute(delete(table).where(table.c.tenant == tenant, table.c.recipient == id))
            await connection.execute(delete(group_members).where(members.tenant == tenant, members.kind == _PERSON, members.member == id))
            feeds = calendar_feeds.c
            await connection.execute(delete(calendar_feeds).where(feeds.tenant == tenant, feeds.subject == f"recipients/{id}"))
        return True


async def _join(connection: AsyncConnection, recipient: Recipient) -> None:
    if not recipient.groups:
        return
    wanted = groups.c.id.in_(recipient.groups)
    there = set(await connection.scalars(select(groups.c.id).where(groups.c.tenant == recipient.tenant, wanted)))
    for group in recipient.groups:
        if group not in there:
            raise GroupNotFound(f"There is no group groups/{group}")
    rows = [{"tenant": recipient.tenant, "group_id": group, "kind": _PERSON, "member": recipient.id} for group in recipient.groups]
    await connection.execute(insert_ignore(group_members), rows)


async def insert_address(connection: AsyncConnection, tenant: str, recipient: str, address: RecipientAddress, *, field: str) -> None:
    """Stores a new address.

    Raises:
        AddressTaken: somebody has it.
    """
    made = insert_ignore(addresses).values(address_values(tenant, recipient, address)).returning(addresses.c.id)
    if await connection.scalar(made) is None:
        owner = await connection.scalar(
            select(addresses.c.recipient).where(
                addresses.c.tenant == tenant, addresses.c.channel == address.channel, addresses.c.value == address.value
            )
        )
        raise AddressTaken(f"{field}: is an address of recipients/{owner} already")


async def whole(connection: AsyncConnection, tenant: str, rows: Sequence[Row[Any]]) -> list[Recipient]:
    """The recipients of these rows, with addresses and groups."""
    if not rows:
        return []
    ids = [row.id for row in rows]
    owned: dict[str, list[RecipientAddress]] = {}
    mine = select(addresses).where(addresses.c.tenant == tenant, addresses.c.recipient.in_(ids))
    for row in await connection.execute(mine.order_by(addresses.c.created, addresses.c.id)):
        owned.setdefault(row.recipient, []).append(read_address(row))
    members = group_members.c
    joined: dict[str, list[str]] = {}
    named = (members.tenant == tenant) & (members.kind == _PERSON) & members.member.in_(ids)
    for row in await connection.execute(select(members.member, members.group_id).where(named).order_by(members.group_id)):
        joined.setdefault(row.member, []).append(row.group_id)
    return [replace(read_recipient(row), addresses=tuple(owned.get(row.id, ())), groups=tuple(joined.get(row.id, ()))) for row in rows]


def _matching(query: RecipientQuery) -> list[Any]:
    """What a recipient has to meet, as SQL."""
    conditions: list[Any] = [recipients.c.tenant == query.tenant]
    if query.name is not None:
        conditions.append(recipients.c.name_key == query.name.casefold())
    if query.prefix is not None:
        prefix = query.prefix.casefold()
        conditions.append((recipients.c.name_key >= prefix) & (recipients.c.name_key < prefix + _LAST))
    mine = (addresses.c.tenant == recipients.c.tenant) & (addresses.c.recipient == recipients.c.id)
    if query.addresses is not None:
        conditions.append(exists().where(mine, tuple_(addresses.c.channel, addresses.c.value).in_(query.addresses)))
    if query.channel is not None:
        conditions.append(exists().where(mine, addresses.c.channel == query.channel))
    if query.group is not None:
        members = group_members.c
        conditions.append(
            exists().where(
                members.tenant == recipients.c.tenant,
                members.group_id == query.group,
                members.kind == _PERSON,
                members.member == recipients.c.id,
            )
        )
    return conditions


def recipient_values(item: Recipient) -> dict[str, Any]:
    """The row of a recipient."""
    return {
        "tenant": item.tenant,
        "id": item.id,
        "display_name": item.display_name,
        "name_key": item.display_name.casefold(),
        "locale": item.locale,
        "time_zone": item.time_zone,
        "attributes": item.attributes,
        "rules": encode(item.rules or UNRULED),
        "created": item.created,
        "updated": item.updated,
    }


def address_values(tenant: str, recipient: str, item: RecipientAddress) -> dict[str, Any]:
    """The row of an address to which no code was sent."""
    return {
        "id": item.id,
        "tenant": tenant,
        "recipient": recipient,
        "channel": item.channel,
        "value": item.value,
        "state": int(item.state),
        "reason": item.reason,
        "code_hash": "",
        "code_expires": 0,
        "code_attempts": 0,
        "code_sent": 0,
        "created": item.created,
        "updated": item.updated,
        "last_seen": item.last_seen,
    }


def read_recipient(row: Row[Any]) -> Recipient:
    """A recipient as it is stored, without what other tables say of it."""
    return Recipient(
        tenant=row.tenant,
        id=row.id,
        display_name=row.display_name,
        locale=row.locale,
        time_zone=row.time_zone,
        attributes=row.attributes,
        rules=read_rules(row.rules) if row.rules else None,
        created=row.created,
        updated=row.updated,
    )


def read_address(row: Row[Any]) -> RecipientAddress:
    """An address as it is stored."""
    return RecipientAddress(
        id=row.id,
        channel=row.channel,
        value=row.value,
        state=known(AddressState, row.state),
        reason=row.reason,
        created=row.created,
        updated=row.updated,
        last_seen=row.last_seen,
    )
