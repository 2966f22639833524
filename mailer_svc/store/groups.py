"""Groups and what is in them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, and_, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import GroupExists, GroupNotFound, Member, MemberKind, RecipientGroup, RecipientNotFound, RotationNotFound
from mailer_svc.domain.groups import checked_nesting
from mailer_svc.domain.rotations import plan_name
from mailer_svc.store.people_tables import group_members, groups, recipients
from mailer_svc.store.rotation_tables import rotations
from mailer_svc.store.tables import changes
from tocsin.database import Database, insert_ignore

_PERSON, _GROUP = int(MemberKind.RECIPIENT), int(MemberKind.GROUP)
_CHUNK = 5000
_NESTING_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:tenant, 77))")


class SqlGroups:
    """Keeps groups on PostgreSQL or SQLite; every query is of one tenant."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def create(self, group: RecipientGroup) -> None:
        """Stores a new group.

        Raises:
            GroupExists: the id is in use.
        """
        values = {name: getattr(group, name) for name in ("tenant", "id", "display_name", "created", "updated")}
        async with self._database.transaction() as connection:
            if await connection.scalar(insert_ignore(groups).values(values).returning(groups.c.id)) is None:
                raise GroupExists(f"groups/{group.id} exists already")

    async def get(self, *, tenant: str, id: str) -> RecipientGroup | None:  # noqa: A002 - the word of the contract
        """One group."""
        async with self._database.read() as connection:
            return await _get(connection, tenant, id)

    async def page(self, *, tenant: str, after: str, limit: int) -> list[RecipientGroup]:
        """Groups by id, those behind the id ``after``."""
        query = select(groups).where(groups.c.tenant == tenant, groups.c.id > after).order_by(groups.c.id).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
            counts = await _counts(connection, tenant, [row.id for row in rows])
        return [_group(row, counts) for row in rows]

    async def update(self, *, tenant: str, id: str, display_name: str | None, now: int) -> RecipientGroup | None:  # noqa: A002
        """Sets what is not None; returns the group as it is then. None: there is none."""
        values: dict[str, Any] = {"updated": now} if display_name is None else {"updated": now, "display_name": display_name}
        async with self._database.transaction() as connection:
            await connection.execute(update(groups).where(groups.c.tenant == tenant, groups.c.id == id).values(values))
            return await _get(connection, tenant, id)

    async def delete(self, *, tenant: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Removes a group, also from others. False: there was none."""
        members = group_members.c
        inside = (members.group_id == id) | ((members.kind == _GROUP) & (members.member == id))
        async with self._database.transaction() as connection:
            removed = await connection.execute(delete(groups).where(groups.c.tenant == tenant, groups.c.id == id))
            await connection.execute(delete(group_members).where(members.tenant == tenant, inside))
        return removed.rowcount > 0

    async def add_members(self, *, tenant: str, id: str, members: Sequence[Member], now: int) -> RecipientGroup:  # noqa: A002
        """Adds members, all or none.

        Raises:
            GroupNotFound: there is no such group, or none of a member's id.
            RecipientNotFound: there is no recipient of a member's id.
            RotationNotFound: there is no rotation of a member's id.
            GroupCycle: a group would be in itself, or too deep.
        """
        inner = [member.id for member in members if member.kind is MemberKind.GROUP]
        async with self._database.transaction() as connection:
            if inner:
                await lock_nesting(self._database, connection, tenant)
            await _touch(connection, tenant, id, now)
            await _check_existence(connection, tenant, members)
            if inner:
                checked_nesting(await group_edges(connection, tenant), group=id, added=inner)
            rows = [
                {"tenant": tenant, "group_id": id, "kind": int(member.kind), "member": member.id}
                for member in sorted(members, key=lambda member: (member.kind, member.id))
            ]
            await connection.execute(insert_ignore(group_members), rows)
            return await _existing(connection, tenant, id)

    async def remove_members(self, *, tenant: str, id: str, members: Sequence[Member], now: int) -> RecipientGroup:  # noqa: A002
        """Removes those of the members that are in the group.

        Raises:
            GroupNotFound: there is no such group.
        """
        mine = (group_members.c.tenant == tenant) & (group_members.c.group_id == id)
        async with self._database.transaction() as connection:
            await _touch(connection, tenant, id, now)
            for kind in MemberKind:
                named = [member.id for member in members if member.kind is kind]
                for start in range(0, len(named), _CHUNK):
                    gone = group_members.c.member.in_(named[start : start + _CHUNK])
                    await connection.execute(delete(group_members).where(mine, group_members.c.kind == int(kind), gone))
            return await _existing(connection, tenant, id)

    async def members(self, *, tenant: str, id: str, after: tuple[int, str], limit: int) -> list[Member]:  # noqa: A002
        """What is in a group itself, by kind and id, behind ``after``."""
        members = group_members.c
        further = or_(members.kind > after[0], and_(members.kind == after[0], members.member > after[1]))
        query = select(members.kind, members.member).where(members.tenant == tenant, members.group_id == id, further)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(members.kind, members.member).limit(limit))
            return [Member(MemberKind(row.kind), row.member) for row in rows]

    async def names(self, *, tenant: str, members: Sequence[Member]) -> Mapping[Member, str]:
        """The names for people of those members that exist."""
        kinds = (
            (MemberKind.RECIPIENT, recipients, recipients.c.display_name),
            (MemberKind.GROUP, groups, groups.c.display_name),
            (MemberKind.ROTATION, rotations, rotations.c.document),
        )
        found: dict[Member, str] = {}
        async with self._database.read() as connection:
            for kind, table, name in kinds:
                named = [member.id for member in members if member.kind is kind]
                query = select(table.c.id, name).where(table.c.tenant == tenant, table.c.id.in_(named))
                rows = (await connection.execute(query)).all() if named else ()
                found |= {Member(kind, row[0]): plan_name(row[1]) if kind is MemberKind.ROTATION else row[1] for row in rows}
        return found


async def lock_nesting(database: Database, connection: AsyncConnection, tenant: str) -> None:
    """Who puts groups into groups does so one after the other in a tenant: two halves of a circle must not pass each other.

    To be called first in a transaction: where advisory locks exclude nobody, it locks a row that is the same for all.
    """
    if database.advisory_locks:
        await connection.execute(_NESTING_LOCK, {"tenant": tenant})
    elif database.dialect == "postgresql":
        await connection.execute(select(changes.c.value).with_for_update())


async def _touch(connection: AsyncConnection, tenant: str, identity: str, now: int) -> None:
    changed = update(groups).where(groups.c.tenant == tenant, groups.c.id == identity).values(updated=now)
    if not (await connection.execute(changed)).rowcount:
        raise GroupNotFound(f"There is no group groups/{identity}")


async def _check_existence(connection: AsyncConnection, tenant: str, members: Sequence[Member]) -> None:
    kinds = (
        (MemberKind.RECIPIENT, recipients, RecipientNotFound),
        (MemberKind.GROUP, groups, GroupNotFound),
        (MemberKind.ROTATION, rotations, RotationNotFound),
    )
    for kind, table, error in kinds:
        named = [member.id for member in members if member.kind is kind]
        there: set[str] = set()
        for start in range(0, len(named), _CHUNK):
            part = named[start : start + _CHUNK]
            there.update(await connection.scalars(select(table.c.id).where(table.c.tenant == tenant, table.c.id.in_(part))))
        if lost := next((name for name in named if name not in there), None):
            raise error(f"There is no {kind.name.lower()} {kind.name.lower()}s/{lost}")


async def group_edges(connection: AsyncConnection, tenant: str) -> Mapping[str, Sequence[str]]:
    """The groups that are in each group."""
    found: dict[str, list[str]] = {}
    members = group_members.c
    for row in await connection.execute(select(members.group_id, members.member).where(members.tenant == tenant, members.kind == _GROUP)):
        found.setdefault(row.group_id, []).append(row.member)
    return found


async def _existing(connection: AsyncConnection, tenant: str, identity: str) -> RecipientGroup:
    found = await _get(connection, tenant, identity)
    if found is None:
        raise GroupNotFound(f"There is no group groups/{identity}")
    return found


async def _get(connection: AsyncConnection, tenant: str, identity: str) -> RecipientGroup | None:
    row = (await connection.execute(select(groups).where(groups.c.tenant == tenant, groups.c.id == identity))).first()
    return _group(row, await _counts(connection, tenant, [identity])) if row is not None else None


async def _counts(connection: AsyncConnection, tenant: str, ids: Sequence[str]) -> Mapping[str, int]:
    members = group_members.c
    query = select(members.group_id, func.count()).where(members.tenant == tenant, members.group_id.in_(ids)).group_by(members.group_id)
    return {row[0]: row[1] for row in await connection.execute(query)} if ids else {}


def _group(row: Row[Any], counts: Mapping[str, int]) -> RecipientGroup:
    found = RecipientGroup(tenant=row.tenant, id=row.id, display_name=row.display_name, created=row.created, updated=row.updated)
    return replace(found, member_count=counts.get(row.id, 0))
