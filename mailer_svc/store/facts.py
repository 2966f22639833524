"""What the gates ask about people: each question is one query for a whole batch, of whatever tenants."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import BigInteger, Row, Select, Text, bindparam, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import AddressState, Category, CategoryKind, MemberKind, Preferences, SuppressionReason
from mailer_svc.domain.preferences import UNSAID, decode
from mailer_svc.ports import ActiveAddress, AddressKey, RecipientFacts, SuppressionFacts, TenantKey
from mailer_svc.store.bulk import Rows
from mailer_svc.store.people_tables import addresses, categories, group_members, groups, preferences, recipients, suppressions
from tocsin.database import Database, storable
from tocsin.stored import known, texts
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_ARMS = 50
"""Groups whose members one statement reads; SQLite takes up to 500 SELECTs in one."""

Key = TypeVar("Key", TenantKey, AddressKey)


class SqlPeopleFacts:
    """Reads on PostgreSQL or SQLite."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        sqlite = database.dialect == "sqlite"
        self._by_id = Rows({"tenant": Text, "id": Text}, sqlite=sqlite)
        self._by_address = Rows({"tenant": Text, "channel": Text, "address": Text}, sqlite=sqlite)
        self._groups = Rows({"id": Text}, sqlite=sqlite)
        self._tenants = Rows({"tenant": Text}, sqlite=sqlite)
        self._in_use = self._with_people()
        active = addresses.c.state == int(AddressState.ACTIVE)
        person = (recipients.c.tenant, recipients.c.id, recipients.c.display_name, recipients.c.locale)
        self._recipients = self._keyed(recipients, recipients.c.id).with_only_columns(
            *person, recipients.c.time_zone, recipients.c.attributes
        )
        whose = (addresses.c.tenant, addresses.c.recipient, addresses.c.channel, addresses.c.value)
        mine = self._keyed(addresses, addresses.c.recipient).where(active).order_by(addresses.c.created, addresses.c.id)
        self._addresses = mine.with_only_columns(*whose)
        self._owners = self._addressed(addresses, addresses.c.value).where(active).with_only_columns(*whose)
        self._preferences = self._keyed(preferences, preferences.c.recipient)
        holds = or_(suppressions.c.until.is_(None), suppressions.c.until > bindparam("now", type_=BigInteger))
        self._suppressions = self._addressed(suppressions, suppressions.c.address).where(holds)
        self._categories = self._keyed(categories, categories.c.id)
        self._reached = self._reachable()

    def _keyed(self, table: Any, identity: Any) -> Select[Any]:
        """The rows of a table with these tenants and ids."""
        asked = self._by_id.columns
        same = (table.c.tenant == asked["tenant"]) & (identity == asked["id"])
        return select(table).join_from(asked["id"].table, table, same)

    def _addressed(self, table: Any, address: Any) -> Select[Any]:
        """The rows of a table with these tenants, channels and addresses."""
        asked = self._by_address.columns
        same = (table.c.tenant == asked["tenant"]) & (table.c.channel == asked["channel"]) & (address == asked["address"])
        return select(table).join_from(asked["address"].table, table, same)

    def _reachable(self) -> Select[Any]:
        """The ids of groups, and of those that are in them, and so on."""
        asked: Any = self._groups.columns["id"]
        tenant: Any = bindparam("tenant", type_=Text)
        named = select(groups.c.id).join_from(asked.table, groups, (groups.c.tenant == tenant) & (groups.c.id == asked))
        reached = named.cte("reached", recursive=True)
        inner = (group_members.c.tenant == tenant) & (group_members.c.group_id == reached.c.id)
        deeper = select(group_members.c.member).join(reached, inner).where(group_members.c.kind == int(MemberKind.GROUP))
        return select(reached.union(deeper).c.id)

    def _with_people(self) -> Select[Any]:
        """Those of the tenants for which a row stands that a gate asks for, whoever the message is for."""
        tenant: Any = self._tenants.columns["tenant"]
        some = (select(table.c.tenant).where(table.c.tenant == tenant).exists() for table in (addresses, preferences, suppressions))
        return select(tenant).where(or_(*some))

    async def in_use(self, tenants: Collection[str]) -> set[str]:
        """Those of the tenants that have addresses, preferences or suppressions."""
        async with self._database.read() as connection:
            return set(await connection.scalars(self._in_use, self._tenants.bind([(tenant,) for tenant in tenants])))

    async def recipients_of(self, keys: Collection[TenantKey]) -> Mapping[TenantKey, RecipientFacts]:
        """The recipients that exist."""
        return {TenantKey(row.tenant, row.id): _recipient(row) for row in await self._ask(self._recipients, self._by_id, keys)}

    async def active_addresses(self, keys: Collection[TenantKey]) -> Mapping[TenantKey, Sequence[ActiveAddress]]:
        """The ACTIVE addresses of recipients, those of a channel in the order in which they were added."""
        found: dict[TenantKey, list[ActiveAddress]] = {}
        for row in await self._ask(self._addresses, self._by_id, keys):
            found.setdefault(TenantKey(row.tenant, row.recipient), []).append(ActiveAddress(row.channel, row.value))
        return found

    async def owners(self, addresses: Collection[AddressKey]) -> Mapping[AddressKey, str]:
        """The ids of the recipients whose ACTIVE addresses these are."""
        rows = await self._ask(self._owners, self._by_address, addresses)
        return {AddressKey(row.tenant, row.channel, row.value): row.recipient for row in rows}

    async def preferences(self, keys: Collection[TenantKey]) -> Mapping[TenantKey, Preferences]:
        """The preferences of recipients; those of a tenant by an empty id. Who is not in the answer says nothing."""
        rows = await self._ask(self._preferences, self._by_id, keys)
        return {TenantKey(row.tenant, row.recipient): read_preferences(row.document) for row in rows}

    async def suppressed(self, addresses: Collection[AddressKey], *, now: int) -> Mapping[AddressKey, Sequence[SuppressionFacts]]:
        """The suppressions that hold at ``now`` (microseconds)."""
        found: dict[AddressKey, list[SuppressionFacts]] = {}
        for row in await self._ask(self._suppressions, self._by_address, addresses, now=now):
            key = AddressKey(row.tenant, row.channel, row.address)
            found.setdefault(key, []).append(SuppressionFacts(row.category, known(SuppressionReason, row.reason)))
        return found

    async def categories(self, keys: Collection[TenantKey]) -> Mapping[TenantKey, Category]:
        """The categories that exist."""
        return {TenantKey(row.tenant, row.id): read_category(row) for row in await self._ask(self._categories, self._by_id, keys)}

    async def _ask(self, statement: Select[*tuple[Any, ...]], rows: Rows, keys: Collection[Key], **parameters: Any) -> Sequence[Row[Any]]:
        # A key that no database can hold is in none.
        asked = [key for key in dict.fromkeys(keys) if storable(text := "".join(key)) == text]
        if not asked:
            return ()
        async with self._database.read() as connection:
            return (await connection.execute(statement, {**rows.bind(asked), **parameters})).all()

    async def expand(self, tenant: str, targets: Sequence[str], *, after: str, limit: int) -> list[str]:
        """See `mailer_svc.ports.PeopleFacts`."""
        found = {target.removeprefix("recipients/") for target in targets if target.startswith("recipients/")}
        named = [(target.removeprefix("groups/"),) for target in targets if target.startswith("groups/")]
        if named:
            async with self._database.read() as connection:
                reached = set(await connection.scalars(self._reached, {**self._groups.bind(named), "tenant": tenant}))
                found |= {f"groups/{group}" for (group,) in named if group not in reached}
                found |= await _members(connection, tenant, sorted(reached), after=after, limit=limit)
        return sorted(member for member in found if member > after)[:limit]


async def _members(connection: AsyncConnection, tenant: str, groups: Sequence[str], *, after: str, limit: int) -> set[str]:
    """The first members of each of the groups: the first of all are among them, and none reads more of its members than that."""
    found: set[str] = set()
    for start in range(0, len(groups), _ARMS):
        arms = [select(_first(tenant, group, after, limit).c.member) for group in groups[start : start + _ARMS]]
        found.update(await connection.scalars(union_all(*arms)))
    return found


def _first(tenant: str, group: str, after: str, limit: int) -> Any:
    members = group_members.c
    mine = (members.tenant == tenant) & (members.group_id == group) & (members.kind == int(MemberKind.RECIPIENT))
    return select(members.member).where(mine, members.member > after).order_by(members.member).limit(limit).subquery()


def read_preferences(document: str) -> Preferences:
    """The preferences of a stored document; one that cannot be read says nothing, for an alarm that is not wanted harms less than none."""
    try:
        return decode(document)
    except (msgspec.DecodeError, UnicodeError) as error:
        _log.warning("stored preferences cannot be read", error=str(error))
        return UNSAID


def read_category(row: Row[Any]) -> Category:
    """A category as it is stored."""
    return Category(
        tenant=row.tenant,
        id=row.id,
        display_name=row.display_name,
        kind=known(CategoryKind, row.kind),
        channels=texts(row.channels),
        digest_window=row.digest_window,
        created=row.created,
        updated=row.updated,
    )


def _recipient(row: Row[Any]) -> RecipientFacts:
    return RecipientFacts(display_name=row.display_name, locale=row.locale, time_zone=row.time_zone or "UTC", attributes=row.attributes)
