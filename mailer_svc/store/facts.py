"""What the gates ask about people: each question is one query for a whole batch, of whatever tenants."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Integer, Row, Select, Text, and_, bindparam, case, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import AddressState, Category, CategoryKind, DeliveryState, MemberKind, Preferences, SuppressionReason
from mailer_svc.domain.notifications import UNEXPANDED
from mailer_svc.domain.personal_rules import UNRULED, PersonalRules
from mailer_svc.domain.personal_rules import decode as decode_rules
from mailer_svc.domain.preferences import UNSAID, decode
from mailer_svc.ports import ActiveAddress, PersonFacts, PersonKey, RecipientFacts, SuppressionFacts, TenantKey
from mailer_svc.store.bulk import Rows
from mailer_svc.store.people_tables import (
    addresses,
    categories,
    group_members,
    groups,
    notifications,
    preferences,
    recipients,
    suppressions,
)
from mailer_svc.store.rotation_tables import rotations
from mailer_svc.store.tables import deliveries
from tocsin.database import Database, storable
from tocsin.stored import NOT_READABLE, known, texts
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_GOING = [
    int(state)
    for state in (
        *(DeliveryState.ACCEPTED, DeliveryState.SENDING, DeliveryState.RETRYING, DeliveryState.SENT, DeliveryState.DELIVERED),
        DeliveryState.OUTCOME_UNKNOWN,
    )
]
"""States of deliveries whose recipients have been told, or will be."""
# The conditions of the indexes: SQLite does not see that others imply them.
_ABOUT = notifications.c.incident != ""
_UNEXPANDED = notifications.c.state.in_([int(state) for state in UNEXPANDED])
_OF_ONE = deliveries.c.notification != ""
_ARMS = 50
"""Groups whose members one statement reads; SQLite takes up to 500 SELECTs in one."""
_NAMED = {"recipients": recipients, "groups": groups, "rotations": rotations, "categories": categories}
_DOCUMENTS = 500  # of up to 16 KiB each: many people want the same
_ACTIVE = addresses.c.state == int(AddressState.ACTIVE)


class SqlPeopleFacts:
    """Reads on PostgreSQL or SQLite."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        sqlite = database.dialect == "sqlite"
        self._by_id = Rows({"tenant": Text, "id": Text}, sqlite=sqlite)
        self._people = Rows({"place": Integer, "tenant": Text, "channel": Text, "address": Text, "recipient": Text}, sqlite=sqlite)
        self._groups = Rows({"id": Text}, sqlite=sqlite)
        self._tenants = Rows({"tenant": Text}, sqlite=sqlite)
        self._in_use = self._with_people()
        whose = (addresses.c.tenant, addresses.c.recipient, addresses.c.channel, addresses.c.value)
        mine = self._keyed(addresses, addresses.c.recipient).where(_ACTIVE).order_by(addresses.c.created, addresses.c.id)
        self._addresses = mine.with_only_columns(*whose)
        ruled = self._keyed(recipients, recipients.c.id).where(recipients.c.rules != "")
        self._rules = ruled.with_only_columns(recipients.c.tenant, recipients.c.id, recipients.c.rules)
        self._about = _about(self._people)
        self._categories = self._keyed(categories, categories.c.id)
        self._reached = reachable_groups(self._groups)

    def _keyed(self, table: Any, identity: Any) -> Select[Any]:
        """The rows of a table with these tenants and ids."""
        asked = self._by_id.columns
        same = (table.c.tenant == asked["tenant"]) & (identity == asked["id"])
        return select(table).join_from(asked["id"].table, table, same)

    def _with_people(self) -> Any:
        """Those of the tenants for which a row stands that a gate asks for, whoever the message is for, with the tenant's own document."""
        tenant: Any = self._tenants.columns["tenant"]
        some = (select(table.c.tenant).where(table.c.tenant == tenant).exists() for table in (addresses, preferences, suppressions))
        own = preferences.alias("own")
        joined = tenant.table.outerjoin(own, (own.c.tenant == tenant) & (own.c.recipient == ""))
        return select(tenant, own.c.document).select_from(joined).where(or_(*some))

    async def tenants_in_use(self, tenants: Collection[str]) -> Mapping[str, Preferences]:
        """The preferences of those of the tenants that have addresses, preferences or suppressions."""
        async with self._database.read() as connection:
            rows: Any = await connection.execute(self._in_use, self._tenants.bind([(tenant,) for tenant in tenants]))
            return {tenant: UNSAID if document is None else read_preferences(document) for tenant, document in rows}

    async def about(self, people: Sequence[PersonKey], *, now: int) -> list[PersonFacts]:
        """What is known of each of ``people``, in their order, at ``now`` (microseconds)."""
        if not people:
            return []
        found = [PersonFacts(recipient_id=person.recipient) for person in people]
        # What no database can hold is in none.
        asked = [(place, *person) for place, person in enumerate(people) if storable(text := "".join(person)) == text]
        async with self._database.read() as connection:
            rows: Any = await connection.execute(self._about, {**self._people.bind(asked), "now": now})
            for row in rows:
                _add(found, *row)
        return found

    async def active_addresses(self, keys: Collection[TenantKey]) -> Mapping[TenantKey, Sequence[ActiveAddress]]:
        """The ACTIVE addresses of recipients, those of a channel in the order in which they were added."""
        found = defaultdict[TenantKey, list[ActiveAddress]](list)
        for tenant, recipient, channel, value in await self._ask(self._addresses, keys):
            found[TenantKey(tenant, recipient)].append(ActiveAddress(channel, value))
        return found

    async def personal_rules(self, keys: Collection[TenantKey]) -> Mapping[TenantKey, PersonalRules]:
        """How recipients want to be told of incidents; those that have rules."""
        rows = await self._ask(self._rules, keys)
        return {TenantKey(tenant, recipient): read_rules(document) for tenant, recipient, document in rows}

    async def telling(self, incidents: Collection[TenantKey]) -> set[TenantKey]:
        """Those of the incidents of which a message to people who are named in it is still to be made."""
        table, found = notifications.c, set[TenantKey]()
        async with self._database.read() as connection:
            for tenant in {key.tenant for key in incidents}:
                ids = sorted({key.id for key in incidents if key.tenant == tenant})
                named = table.recipients.not_like('%"incidents/%')
                query = select(table.incident).where(table.tenant == tenant, table.incident.in_(ids), _ABOUT, named, _UNEXPANDED)
                found |= {TenantKey(tenant, incident) for incident in await connection.scalars(query)}
        return found

    async def told(self, tenant: str, incidents: Collection[str], people: Collection[str]) -> Mapping[str, Sequence[ActiveAddress]]:
        """By which channels and where these people were told of the incidents, or will be; each address once, in order."""
        told = _told(tenant, incidents).where(deliveries.c.recipient_id.in_(people))
        way = (deliveries.c.recipient_id, deliveries.c.channel, deliveries.c.recipient)
        query = told.with_only_columns(*way).distinct().order_by(*way)
        found = defaultdict[str, list[ActiveAddress]](list)
        async with self._database.read() as connection:
            for recipient, channel, address in await connection.execute(query):
                found[recipient].append(ActiveAddress(channel, address))
        return found

    async def categories(self, keys: Collection[TenantKey]) -> Mapping[TenantKey, Category]:
        """The categories that exist."""
        return {TenantKey(row.tenant, row.id): read_category(row) for row in await self._ask(self._categories, keys)}

    async def _ask(self, statement: Any, keys: Collection[TenantKey]) -> Sequence[Any]:
        asked = [key for key in dict.fromkeys(keys) if storable(text := "".join(key)) == text]
        if not asked:
            return ()
        async with self._database.read() as connection:
            return (await connection.execute(statement, self._by_id.bind(asked))).all()

    async def missing(self, tenant: str, names: Collection[str]) -> list[str]:
        """See `mailer_svc.ports.PeopleFacts`."""
        there: set[str] = set()
        async with self._database.read() as connection:
            for collection, table in _NAMED.items():
                prefix = f"{collection}/"
                ids = sorted({name.removeprefix(prefix) for name in names if name.startswith(prefix) and storable(name) == name})
                if ids:
                    found = await connection.scalars(select(table.c.id).where(table.c.tenant == tenant, table.c.id.in_(ids)))
                    there |= {prefix + identity for identity in found}
        return [name for name in names if name not in there]

    async def expand(self, tenant: str, targets: Sequence[str], *, after: str, limit: int) -> list[str]:
        """See `mailer_svc.ports.PeopleFacts`."""
        found = {target.removeprefix("recipients/") for target in targets if target.startswith("recipients/")}
        named = [(target.removeprefix("groups/"),) for target in targets if target.startswith("groups/")]
        if named:
            async with self._database.read() as connection:
                reached = set(await connection.scalars(self._reached, {**self._groups.bind(named), "tenant": tenant}))
                found |= {f"groups/{group}" for (group,) in named if group not in reached}
                found |= await _members(connection, tenant, sorted(reached), after=after, limit=limit)
        incidents = [target.removeprefix("incidents/") for target in targets if target.startswith("incidents/")]
        if incidents:
            whom = _told(tenant, incidents).where(deliveries.c.recipient_id > after).distinct()
            async with self._database.read() as connection:
                found |= set(await connection.scalars(whom.order_by(deliveries.c.recipient_id).limit(limit)))
        return sorted(member for member in found if member > after)[:limit]


def _told(tenant: str, incidents: Collection[str]) -> Select[Any]:
    """Those to whom a message about incidents has gone, or is on its way; a row for each message."""
    about = select(notifications.c.id).where(notifications.c.tenant == tenant, notifications.c.incident.in_(incidents), _ABOUT)
    going = deliveries.c.state.in_(_GOING)
    return select(deliveries.c.recipient_id).where(deliveries.c.tenant == tenant, deliveries.c.notification.in_(about), _OF_ONE, going)


def reachable_groups(asked: Rows) -> Select[Any]:
    """The ids of the groups that are asked for (of the parameter ``tenant``), and of those that are in them, and so on."""
    identity: Any = asked.columns["id"]
    tenant: Any = bindparam("tenant", type_=Text)
    named = select(groups.c.id).join_from(identity.table, groups, (groups.c.tenant == tenant) & (groups.c.id == identity))
    reached = named.cte("reached", recursive=True)
    inner = (group_members.c.tenant == tenant) & (group_members.c.group_id == reached.c.id)
    deeper = select(group_members.c.member).join(reached, inner).where(group_members.c.kind == int(MemberKind.GROUP))
    return select(reached.union(deeper).c.id)


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


def _about(people: Rows) -> Any:
    """A row for each of ``people``, and one more for each suppression of an address after its first."""
    asked = people.columns
    nobody = asked["recipient"] == ""
    same = (addresses.c.tenant == asked["tenant"]) & (addresses.c.channel == asked["channel"]) & (addresses.c.value == asked["address"])
    owner = case((nobody, func.coalesce(addresses.c.recipient, "")), else_=asked["recipient"])
    key = (asked["place"], asked["tenant"], asked["channel"], asked["address"], owner.label("owner"))
    table: Any = asked["place"].table
    owned = select(*key).select_from(table.outerjoin(addresses, nobody & same & _ACTIVE)).subquery("owned").c
    person = (recipients.c.tenant == owned.tenant) & (recipients.c.id == owned.owner)
    own = (preferences.c.tenant == owned.tenant) & (preferences.c.recipient == owned.owner) & (owned.owner != "")
    given = (suppressions.c.tenant, suppressions.c.channel, suppressions.c.address)
    of_address = and_(*(mine == other for mine, other in zip(given, (owned.tenant, owned.channel, owned.address), strict=True)))
    holds = or_(suppressions.c.until.is_(None), suppressions.c.until > bindparam("now", type_=BigInteger))
    joined: Any = owned.place.table
    joined = joined.outerjoin(recipients, person).outerjoin(preferences, own).outerjoin(suppressions, of_address & holds)
    said = (recipients.c.display_name, recipients.c.locale, recipients.c.time_zone, recipients.c.attributes, preferences.c.document)
    return select(owned.place, owned.owner, recipients.c.id, *said, suppressions.c.category, suppressions.c.reason).select_from(joined)


def _add(
    found: list[PersonFacts],
    place: int,
    owner: str,
    known_id: str | None,
    name: str,
    locale: str,
    zone: str,
    attributes: str,
    document: str | None,
    category: str | None,
    reason: int,
) -> None:
    """Takes up a row of `_about`."""
    why = () if category is None else (SuppressionFacts(category, known(SuppressionReason, reason)),)
    before = found[place].suppressions
    recipient = None if known_id is None else RecipientFacts(name, locale, zone or "UTC", attributes)
    wants = UNSAID if document is None else read_preferences(document)
    found[place] = PersonFacts(owner, recipient, wants, (*before, *why) if before else why)


@lru_cache(maxsize=_DOCUMENTS)
def read_preferences(document: str) -> Preferences:
    """The preferences of a stored document; one that cannot be read says nothing, for an alarm that is not wanted harms less than none."""
    try:
        return decode(document)
    except NOT_READABLE as error:
        _log.warning("stored preferences cannot be read", error=str(error))
        return UNSAID


@lru_cache(maxsize=_DOCUMENTS)
def read_rules(document: str) -> PersonalRules:
    """The personal rules of a stored document; those of one that cannot be read are none: its recipient is told at once."""
    try:
        return decode_rules(document)
    except NOT_READABLE as error:
        _log.warning("stored personal rules cannot be read", error=str(error))
        return UNRULED


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
