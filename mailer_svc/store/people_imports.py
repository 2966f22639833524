"""Recipients, and suppressions, by the hundred."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Text, bindparam, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import AddressTaken, MemberKind, Recipient, RecipientAddress, Suppression
from mailer_svc.domain.personal_rules import UNRULED, encode
from mailer_svc.ports import ImportedRecipient, ImportedSuppression, ImportOutcome, Outcome
from mailer_svc.store.bulk import Rows
from mailer_svc.store.people_tables import addresses, group_members, groups, recipients, suppressions
from mailer_svc.store.recipients import address_values, recipient_values, whole
from mailer_svc.store.suppressions import add_suppressions, read_suppression
from tocsin.database import ConstraintBroken, Database, insert_ignore, upsert
from tocsin.errors import Aborted, FieldViolation

_PERSON = int(MemberKind.RECIPIENT)
_CHUNK = 500
_FIELDS = ("display_name", "name_key", "locale", "time_zone", "attributes", "rules", "updated")
_PUT = upsert(recipients, keys=("tenant", "id"), update=_FIELDS)
_CHANGE = (
    update(addresses)
    .where(addresses.c.id == bindparam("of_id"))
    .values(state=bindparam("to_state"), reason=bindparam("because"), updated=bindparam("at"))
)


class SqlRecipientImports:
    """Writes recipients on PostgreSQL or SQLite."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        asked = Rows({"channel": Text, "value": Text}, sqlite=database.dialect == "sqlite")
        same = (addresses.c.channel == asked.columns["channel"]) & (addresses.c.value == asked.columns["value"])
        source: Any = asked.columns["value"]
        self._asked = asked
        self._owners = select(addresses).join_from(source.table, addresses, same & (addresses.c.tenant == bindparam("tenant", type_=Text)))

    async def put(self, tenant: str, batch: Sequence[ImportedRecipient], *, now: int, dry: bool) -> Sequence[Outcome]:
        """Lets recipients be what the lines say, in one transaction; missing groups are made. With ``dry`` nothing is written."""
        if dry:
            async with self._database.read(snapshot=True) as connection:
                return (await self._compared(connection, tenant, batch, now)).outcomes
        try:
            async with self._database.transaction() as connection:
                found = await self._compared(connection, tenant, batch, now)
                await _write(connection, tenant, found, now)
        except ConstraintBroken as error:
            raise Aborted("Somebody else took an address of the import at the same time.") from error
        return found.outcomes

    async def _compared(self, connection: AsyncConnection, tenant: str, batch: Sequence[ImportedRecipient], now: int) -> "_Changes":
        ids = [item.recipient.id for item in batch]
        stored: dict[str, Recipient] = {}
        for start in range(0, len(ids), _CHUNK):
            query = select(recipients).where(recipients.c.tenant == tenant, recipients.c.id.in_(ids[start : start + _CHUNK]))
            rows = (await connection.execute(query)).all()
            stored |= {item.id: item for item in await whole(connection, tenant, rows)}
        pairs = sorted({(address.channel, address.value) for item in batch for address in item.recipient.addresses})
        owners: dict[tuple[str, str], str] = {}
        if pairs:
            rows = await connection.execute(self._owners, {**self._asked.bind(pairs), "tenant": tenant})
            owners = {(row.channel, row.value): row.recipient for row in rows}
        found = _Changes(stored=stored, owners=owners, now=now)
        for item in batch:
            found.take(item)
        return found


@dataclass(slots=True, kw_only=True)
class _Changes:
    """A batch, by what is to be done about it."""

    stored: Mapping[str, Recipient]
    owners: dict[tuple[str, str], str]
    now: int
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    put: list[Recipient] = field(default_factory=list[Recipient])
    added: list[tuple[str, RecipientAddress]] = field(default_factory=list[tuple[str, RecipientAddress]])
    changed: list[RecipientAddress] = field(default_factory=list[RecipientAddress])
    removed: list[str] = field(default_factory=list[str])
    joined: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    left: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def take(self, item: ImportedRecipient) -> None:
        """Decides about a line."""
        wanted = item.recipient
        for place, address in enumerate(wanted.addresses):
            owner = self.owners.get((address.channel, address.value), wanted.id)
            if owner != wanted.id:
                taken = FieldViolation(f"addresses[{place}].value", f"is an address of recipients/{owner} already")
                self.outcomes.append(AddressTaken(f"{taken.field}: {taken.description}", violations=[taken]))
                return
        before = self.stored.get(wanted.id)
        if wanted.rules is None and before is not None:
            wanted = replace(wanted, rules=before.rules)  # a line without rules leaves them
        is_same = self._addresses(item, before)
        is_same = self._groups(wanted, before) and is_same
        if before is not None and _said(before) != _said(wanted):
            is_same = False
        self.outcomes.append(ImportOutcome.CREATED if before is None else ImportOutcome.UNCHANGED if is_same else ImportOutcome.UPDATED)
        if not is_same:
            self.put.append(wanted)

    def _addresses(self, item: ImportedRecipient, before: Recipient | None) -> bool:
        old = {(address.channel, address.value): address for address in (before.addresses if before else ())}
        is_same = before is not None
        for address in item.recipient.addresses:
            key = (address.channel, address.value)
            self.owners[key] = item.recipient.id
            known = old.pop(key, None)
            if known is None:
                self.added.append((item.recipient.id, address))
                is_same = False
            elif key in item.said and (known.state, known.reason) != (address.state, address.reason):
                self.changed.append(replace(known, state=address.state, reason=address.reason))
                is_same = False
        for key, address in old.items():
            self.removed.append(address.id)
            self.owners.pop(key, None)
            is_same = False
        return is_same

    def _groups(self, wanted: Recipient, before: Recipient | None) -> bool:
        old = set(before.groups if before else ())
        new = set(wanted.groups)
        self.joined += [(group, wanted.id) for group in sorted(new - old)]
        self.left += [(group, wanted.id) for group in sorted(old - new)]
        return old == new


def _said(recipient: Recipient) -> tuple[str, ...]:
    return (recipient.display_name, recipient.locale, recipient.time_zone, recipient.attributes, encode(recipient.rules or UNRULED))


async def _write(connection: AsyncConnection, tenant: str, found: _Changes, now: int) -> None:
    for ids in _chunks(found.removed):
        await connection.execute(delete(addresses).where(addresses.c.tenant == tenant, addresses.c.id.in_(ids)))
    if found.put:
        await connection.execute(_PUT, [recipient_values(item) for item in sorted(found.put, key=lambda item: item.id)])
    if found.changed:
        changes = [{"of_id": item.id, "to_state": int(item.state), "because": item.reason, "at": now} for item in found.changed]
        await connection.execute(_CHANGE, changes)
    if found.added:
        await connection.execute(insert(addresses), [address_values(tenant, owner, address) for owner, address in found.added])
    for pairs in _chunks(found.left):
        gone = tuple_(group_members.c.group_id, group_members.c.member).in_(pairs)
        await connection.execute(delete(group_members).where(group_members.c.tenant == tenant, group_members.c.kind == _PERSON, gone))
    if found.joined:
        names = sorted({group for group, _ in found.joined})
        made = [{"tenant": tenant, "id": name, "display_name": "", "created": now, "updated": now} for name in names]
        await connection.execute(insert_ignore(groups), made)
        rows = [{"tenant": tenant, "group_id": group, "kind": _PERSON, "member": member} for group, member in sorted(found.joined)]
        await connection.execute(insert_ignore(group_members), rows)


def _chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))


class SqlSuppressionImports:
    """Writes suppressions on PostgreSQL or SQLite."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        asked = Rows({"channel": Text, "address": Text, "category": Text}, sqlite=database.dialect == "sqlite")
        same = suppressions.c.tenant == bindparam("tenant", type_=Text)
        for name in ("channel", "address", "category"):
            same &= suppressions.c[name] == asked.columns[name]
        source: Any = asked.columns["address"]
        self._asked = asked
        self._existing = select(suppressions).join_from(source.table, suppressions, same)

    async def put(self, tenant: str, batch: Sequence[ImportedSuppression], *, now: int, dry: bool) -> Sequence[Outcome]:
        """Lets suppressions be what the lines say, in one transaction. With ``dry`` nothing is written."""
        del now  # each has its own time
        async with self._database.read() if dry else self._database.transaction() as connection:
            keys = sorted({_key(item.suppression) for item in batch})
            rows = await connection.execute(self._existing, {**self._asked.bind(keys), "tenant": tenant}) if keys else ()
            stored = {_key(item): item for item in map(read_suppression, rows)}
            outcomes: list[Outcome] = []
            changed: dict[tuple[str, str, str], Suppression] = {}
            for item in batch:
                key, wanted = _key(item.suppression), item.suppression
                before = stored.get(key)
                same = before is not None and replace(wanted, id=before.id, created=before.created) == before
                outcomes.append(ImportOutcome.CREATED if before is None else ImportOutcome.UNCHANGED if same else ImportOutcome.UPDATED)
                if not same:
                    changed[key] = stored[key] = wanted if before is None else replace(wanted, id=before.id, created=before.created)
            if changed and not dry:
                await add_suppressions(connection, list(changed.values()))
        return outcomes


def _key(item: Suppression) -> tuple[str, str, str]:
    return item.channel, item.address, item.category
