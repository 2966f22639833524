"""Groups, and categories, by the hundred."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import GroupDraft, Member, MemberKind, RecipientNotFound, RotationNotFound
from mailer_svc.domain.groups import checked_nesting
from mailer_svc.ports import ImportedCategory, ImportedGroup, ImportOutcome, Outcome
from mailer_svc.store.categories import category_values
from mailer_svc.store.facts import read_category
from mailer_svc.store.groups import group_edges, lock_nesting
from mailer_svc.store.people_tables import categories, group_members, groups, recipients
from mailer_svc.store.rotation_tables import rotations
from tocsin.database import Database, insert_ignore, upsert
from tocsin.errors import FieldViolation, TocsinError

_CHUNK = 500
_ABSENT = {MemberKind.RECIPIENT: RecipientNotFound, MemberKind.ROTATION: RotationNotFound}
_PUT_GROUP = upsert(groups, keys=("tenant", "id"), update=("display_name", "updated"))
_PUT_CATEGORY = upsert(categories, keys=("tenant", "id"), update=("display_name", "kind", "channels", "digest_window", "updated"))


class SqlGroupImports:
    """Writes groups on PostgreSQL or SQLite."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def put(self, tenant: str, batch: Sequence[ImportedGroup], *, now: int, dry: bool) -> Sequence[Outcome]:
        """Lets groups be what the lines say, in one transaction; groups that are named and missing are made.

        With ``dry`` nothing is written.
        """
        async with self._database.read(snapshot=True) if dry else self._database.transaction() as connection:
            if not dry:
                await lock_nesting(self._database, connection, tenant)
            state = await _read(connection, tenant, [item.group for item in batch])
            return [await _outcome(connection, state, item.group, now=now, dry=dry) for item in batch]


@dataclass(slots=True, kw_only=True)
class _Groups:
    """What is known of a batch: names of groups that exist, those that lines made by naming them, other members that exist, and nesting."""

    tenant: str
    names: dict[str, str]
    there: set[Member]
    inside: dict[str, list[str]]
    implied: set[str] = field(default_factory=set[str])


async def _read(connection: AsyncConnection, tenant: str, drafts: Sequence[GroupDraft]) -> _Groups:
    named = {member for draft in drafts for member in draft.members}
    ids = sorted({draft.id for draft in drafts} | {member.id for member in named if member.kind is MemberKind.GROUP})
    names: dict[str, str] = {}
    for start in range(0, len(ids), _CHUNK):
        query = select(groups.c.id, groups.c.display_name).where(groups.c.tenant == tenant, groups.c.id.in_(ids[start : start + _CHUNK]))
        names |= {row.id: row.display_name for row in await connection.execute(query)}
    there: set[Member] = set()
    for kind, table in ((MemberKind.RECIPIENT, recipients), (MemberKind.ROTATION, rotations)):
        own = sorted(member.id for member in named if member.kind is kind)
        for start in range(0, len(own), _CHUNK):
            part = table.c.id.in_(own[start : start + _CHUNK])
            found = await connection.scalars(select(table.c.id).where(table.c.tenant == tenant, part))
            there.update(Member(kind, identity) for identity in found)
    inside = {group: list(members) for group, members in (await group_edges(connection, tenant)).items()}
    return _Groups(tenant=tenant, names=names, there=there, inside=inside)


async def _outcome(connection: AsyncConnection, state: _Groups, draft: GroupDraft, *, now: int, dry: bool) -> Outcome:
    """What becomes of one line."""
    before = state.names.get(draft.id)
    wanted = dict.fromkeys(draft.members)
    stored = await _members(connection, state.tenant, draft.id) if before is not None else set[Member]()
    added = [member for member in wanted if member not in stored]
    removed = [] if draft.partial else [member for member in stored if member not in wanted]
    try:
        _check(state, draft, added, removed)
    except TocsinError as error:
        return error
    if not dry:
        await _write(connection, state, draft, added, removed, now)
    implied = {member.id for member in added if member.kind is MemberKind.GROUP and member.id not in state.names}
    outcome = ImportOutcome.UPDATED
    if before is None or draft.id in state.implied:
        outcome = ImportOutcome.CREATED
    elif before == draft.display_name and not added and not removed:
        outcome = ImportOutcome.UNCHANGED
    state.implied = (state.implied | implied) - {draft.id}
    state.names.update({draft.id: draft.display_name, **dict.fromkeys(implied, "")})
    return outcome


def _check(state: _Groups, draft: GroupDraft, added: Sequence[Member], removed: Sequence[Member]) -> None:
    """Refuses a line whose members are not there or would make a circle; notes how groups are nested from now on."""
    for place, member in enumerate(draft.members):
        if member.kind is not MemberKind.GROUP and member not in state.there:
            kind = member.kind.name.lower()
            words, error = f"there is no {kind} {kind}s/{member.id}", _ABSENT[member.kind]
            raise error(f"members[{place}]: {words}", violations=[FieldViolation(f"members[{place}]", words)])
    left = {member.id for member in removed if member.kind is MemberKind.GROUP}
    stays = [group for group in state.inside.get(draft.id, ()) if group not in left]
    joined = [member.id for member in added if member.kind is MemberKind.GROUP]
    if joined:
        checked_nesting({**state.inside, draft.id: stays}, group=draft.id, added=joined)
    state.inside[draft.id] = [*stays, *joined]


async def _write(
    connection: AsyncConnection, state: _Groups, draft: GroupDraft, added: Sequence[Member], removed: Sequence[Member], now: int
) -> None:
    tenant = state.tenant
    if state.names.get(draft.id) != draft.display_name or added or removed:
        made = {"tenant": tenant, "id": draft.id, "display_name": draft.display_name, "created": now, "updated": now}
        await connection.execute(_PUT_GROUP, [made])
    missing = sorted({member.id for member in added if member.kind is MemberKind.GROUP and member.id not in state.names} - {draft.id})
    if missing:
        empty = [{"tenant": tenant, "id": name, "display_name": "", "created": now, "updated": now} for name in missing]
        await connection.execute(insert_ignore(groups), empty)
    mine = (group_members.c.tenant == tenant) & (group_members.c.group_id == draft.id)
    for kind in MemberKind:
        gone = [member.id for member in removed if member.kind is kind]
        for start in range(0, len(gone), _CHUNK):
            those = group_members.c.member.in_(gone[start : start + _CHUNK])
            await connection.execute(delete(group_members).where(mine, group_members.c.kind == int(kind), those))
    if added:
        rows = [{"tenant": tenant, "group_id": draft.id, "kind": int(member.kind), "member": member.id} for member in added]
        await connection.execute(insert_ignore(group_members), rows)


async def _members(connection: AsyncConnection, tenant: str, group: str) -> set[Member]:
    members = group_members.c
    rows = await connection.execute(select(members.kind, members.member).where(members.tenant == tenant, members.group_id == group))
    return {Member(MemberKind(row.kind), row.member) for row in rows}


class SqlCategoryImports:
    """Writes categories on PostgreSQL or SQLite."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def put(self, tenant: str, batch: Sequence[ImportedCategory], *, now: int, dry: bool) -> Sequence[Outcome]:
        """Lets categories be what the lines say, in one transaction. With ``dry`` nothing is written."""
        ids = sorted({item.category.id for item in batch})
        outcomes: list[Outcome] = []
        changed: list[dict[str, Any]] = []
        async with self._database.read() if dry else self._database.transaction() as connection:
            stored: dict[str, Any] = {}
            for start in range(0, len(ids), _CHUNK):
                part = categories.c.id.in_(ids[start : start + _CHUNK])
                rows = await connection.execute(select(categories).where(categories.c.tenant == tenant, part))
                stored |= {row.id: read_category(row) for row in rows}
            for item in batch:
                wanted, before = item.category, stored.get(item.category.id)
                same = before is not None and replace(wanted, created=before.created, updated=before.updated) == before
                outcomes.append(ImportOutcome.CREATED if before is None else ImportOutcome.UNCHANGED if same else ImportOutcome.UPDATED)
                if not same:
                    changed.append(category_values(replace(wanted, created=now, updated=now)))
            if changed and not dry:
                await connection.execute(_PUT_CATEGORY, sorted(changed, key=lambda row: row["id"]))
        return outcomes
