"""Rotations and overrides, and what they were."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import AddressState, MemberKind, RotationExists, RotationNotFound
from mailer_svc.domain.rotations import CalendarReading, OverrideKind, Rotation, RotationOverride, RotationPlan, decoded_plan, encoded_plan
from mailer_svc.ports.rotations import ParticipantProblem, RotationChange
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.people_tables import addresses, group_members, groups, recipients
from mailer_svc.store.rotation_tables import (
    calendar_feeds,
    rotation_calendars,
    rotation_changes,
    rotation_overrides,
    rotation_revisions,
    rotations,
)
from tocsin.database import Database, insert_ignore, upsert
from tocsin.stored import NOT_READABLE, known, texts
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_CHUNK = 5000
_TABLES = {"recipients": recipients, "groups": groups, "rotations": rotations}


class SqlRotations:
    """Keeps rotations on PostgreSQL or SQLite; every query is of one tenant."""

    def __init__(self, *, database: Database, order: ChangeOrder) -> None:
        self._database = database
        self._order = order

    async def create(self, rotation: Rotation) -> Rotation:
        """Stores a new rotation; one that was removed goes on counting its revisions.

        Raises:
            RotationExists: the id is in use.
        """
        mine = _revisions_of(rotation.tenant, rotation.id)
        async with self._database.transaction() as connection:
            await self._order.take_turn(connection)
            last = await connection.scalar(select(func.max(rotation_revisions.c.revision)).where(*mine))
            made = replace(rotation, revision=(last or 0) + 1)
            row = {"tenant": made.tenant, "id": made.id, "created": made.created, **_changed(made)}
            if await connection.scalar(insert_ignore(rotations).values(row).returning(rotations.c.id)) is None:
                raise RotationExists(f"rotations/{rotation.id} exists already")
            await connection.execute(insert(rotation_revisions).values(_revision(made)))
            await keep_calendars(connection, made)
            await self._changed(connection, rotation.tenant, rotation.id)
        return made

    async def get(self, *, tenant: str, id: str) -> Rotation | None:  # noqa: A002 - the word of the contract
        """One rotation."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(rotations).where(*_one(tenant, id)))).first()
            return (await _with_calendars(connection, [_rotation(row)]))[0] if row is not None else None

    async def page(self, *, tenant: str, after: str, limit: int) -> list[Rotation]:
        """Rotations by id, those behind the id ``after``."""
        query = select(rotations).where(rotations.c.tenant == tenant, rotations.c.id > after).order_by(rotations.c.id).limit(limit)
        async with self._database.read() as connection:
            return await _with_calendars(connection, [_rotation(row) for row in await connection.execute(query)])

    async def change(self, *, tenant: str, id: str, revision: int, plan: RotationPlan, now: int) -> Rotation | None:  # noqa: A002
        """Puts a plan in place of that of ``revision``. None: there is no such rotation, or it has another revision by now."""
        new = Rotation(tenant=tenant, id=id, plan=plan, revision=revision + 1, updated=now)
        change = update(rotations).where(*_one(tenant, id), rotations.c.revision == revision).values(_changed(new)).returning(*rotations.c)
        async with self._database.transaction() as connection:
            await self._order.take_turn(connection)
            row = (await connection.execute(change)).first()
            if row is None:
                return None
            await _close(connection, tenant, id, now)
            await connection.execute(insert(rotation_revisions).values(_revision(new)))
            await keep_calendars(connection, new)
            await self._changed(connection, tenant, id)
            return (await _with_calendars(connection, [_rotation(row)]))[0]

    async def delete(self, *, tenant: str, id: str, now: int) -> bool:  # noqa: A002 - the word of the contract
        """Removes a rotation, also from groups, and takes back its overrides. False: there was none."""
        gone = delete(rotations).where(*_one(tenant, id)).returning(rotations.c.revision)
        overrides, members, feeds = rotation_overrides.c, group_members.c, calendar_feeds.c
        left = (overrides.tenant == tenant) & (overrides.rotation == id) & (overrides.ends > now)
        inside = (members.tenant == tenant) & (members.kind == int(MemberKind.ROTATION)) & (members.member == id)
        async with self._database.transaction() as connection:
            await self._order.take_turn(connection)
            revision = await connection.scalar(gone)
            if revision is None:
                return False
            await _close(connection, tenant, id, now)
            removed = Rotation(tenant=tenant, id=id, plan=None, revision=revision + 1, updated=now)
            await connection.execute(insert(rotation_revisions).values(_revision(removed)))
            await connection.execute(update(rotation_overrides).where(left).values(ends=now, deleted=now))
            await connection.execute(delete(group_members).where(inside))
            await keep_calendars(connection, removed)
            await connection.execute(delete(calendar_feeds).where(feeds.tenant == tenant, feeds.subject == f"rotations/{id}"))
            await self._changed(connection, tenant, id)
        return True

    async def revisions(self, *, tenant: str, id: str, before: int | None, limit: int) -> list[Rotation]:  # noqa: A002
        """What it was, the newest first; those before the revision ``before``."""
        found = rotation_revisions.c
        query = select(rotation_revisions).where(*_revisions_of(tenant, id)).order_by(found.revision.desc()).limit(limit)
        if before is not None:
            query = query.where(found.revision < before)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Rotation(tenant=tenant, id=id, plan=read_plan(row.document, id), revision=row.revision, updated=row.since) for row in rows]

    async def add_override(self, *, tenant: str, rotation: str, override: RotationOverride, most: int) -> RotationOverride | None:
        """Stores an override, made later than all others of the rotation. None: ``most`` of them have not ended.

        Raises:
            RotationNotFound: there is no such rotation.
        """
        held = rotation_overrides.c
        mine = (held.tenant == tenant) & (held.rotation == rotation)
        async with self._database.transaction() as connection:
            await self._order.take_turn(connection)
            await _look_for_gaps(connection, tenant, rotation)
            running = select(func.count()).select_from(rotation_overrides).where(mine, held.ends > override.created)
            if (await connection.scalar(running) or 0) >= most:
                return None
            last = await connection.scalar(select(func.max(held.created)).where(mine))
            made = replace(override, created=max(override.created, (last or 0) + 1))
            row = {"tenant": tenant, "rotation": rotation, **_override_row(made)}
            await connection.execute(insert(rotation_overrides).values(row))
            await self._changed(connection, tenant, rotation)
        return made

    async def overrides(self, *, tenant: str, rotation: str, running_at: int | None, after: int, limit: int) -> list[RotationOverride]:
        """Overrides in the order of their creation, those made after the instant ``after``; only those not ended then if one is given."""
        held = rotation_overrides.c
        query = select(rotation_overrides).where(held.tenant == tenant, held.rotation == rotation, held.created > after)
        if running_at is not None:
            query = query.where(held.ends > running_at)
        async with self._database.read() as connection:
            return [read_override(row) for row in await connection.execute(query.order_by(held.created).limit(limit))]

    async def delete_override(self, *, tenant: str, rotation: str, id: str, now: int) -> bool:  # noqa: A002
        """Takes one back. False: there is none that has not ended."""
        held = rotation_overrides.c
        mine = (held.tenant == tenant, held.rotation == rotation, held.id == id, held.ends > now)
        async with self._database.transaction() as connection:
            await self._order.take_turn(connection)
            taken = await connection.execute(update(rotation_overrides).where(*mine).values(ends=now, deleted=now))
            if not taken.rowcount:
                return False
            await _look_for_gaps(connection, tenant, rotation)
            await self._changed(connection, tenant, rotation)
        return True

    async def end_of_changes(self) -> int:
        """The number behind which changes from now on are."""
        async with self._database.read() as connection:
            return await self._order.horizon(connection) - 1

    async def changes(self, *, tenant: str, after: int, limit: int) -> list[RotationChange]:
        """The rotations that were changed behind a number, in the order of their last change."""
        made = rotation_changes.c
        async with self._database.read(snapshot=True) as connection:
            shown = (made.tenant == tenant, made.change > after, made.change < await self._order.horizon(connection))
            rows = await connection.execute(select(made.change, made.rotation).where(*shown).order_by(made.change).limit(limit))
            return [RotationChange(row.change, row.rotation) for row in rows]

    async def _changed(self, connection: AsyncConnection, tenant: str, rotation: str) -> None:
        """Tells whoever watches; a transaction changes one rotation, so that its number is a place of its own in the order."""
        row = {"tenant": tenant, "rotation": rotation, "change": await self._order.begin(connection)}
        await connection.execute(upsert(rotation_changes, keys=("tenant", "rotation"), update=("change",)), row)

    async def problems(self, *, tenant: str, recipients: Collection[str]) -> Sequence[ParticipantProblem]:
        """Those of the recipients who cannot take turns: they do not exist, or all their addresses are RETIRED."""
        named = sorted(recipients)
        found: list[ParticipantProblem] = []
        async with self._database.read() as connection:
            for start in range(0, len(named), _CHUNK):
                found += await _problems(connection, tenant, named[start : start + _CHUNK])
        return found

    async def exists(self, *, tenant: str, name: str) -> bool:
        """Whether there is a recipient ("recipients/{id}"), group or rotation of this name."""
        collection, _, identity = name.partition("/")
        table = _TABLES[collection]
        async with self._database.read() as connection:
            return await connection.scalar(select(table.c.id).where(table.c.tenant == tenant, table.c.id == identity)) is not None


async def keep_calendars(connection: AsyncConnection, rotation: Rotation) -> None:
    """Has the calendars read that its layers name, and no other; those that are new at once."""
    urls = rotation.plan.calendar_urls if rotation.plan is not None else frozenset[str]()
    kept = rotation_calendars.c
    mine = (kept.tenant == rotation.tenant) & (kept.rotation == rotation.id)
    await connection.execute(delete(rotation_calendars).where(mine, kept.url.not_in(sorted(urls))))
    for url in sorted(urls):
        row = {"tenant": rotation.tenant, "rotation": rotation.id, "url": url, "due": 0, "error": ""}
        await connection.execute(insert_ignore(rotation_calendars).values(row))


async def _with_calendars(connection: AsyncConnection, found: list[Rotation]) -> list[Rotation]:
    """The rotations, all of one tenant, with how their calendars stand."""
    ids = [one.id for one in found if one.plan is not None and one.plan.calendar_urls]
    if not ids:
        return found
    kept, held = rotation_calendars.c, dict[str, dict[str, CalendarReading]]()
    query = select(rotation_calendars).where(kept.tenant == found[0].tenant, kept.rotation.in_(ids))
    for row in await connection.execute(query):
        held.setdefault(row.rotation, {})[row.url] = CalendarReading(row.read, row.error)
    return [replace(one, calendars=held.get(one.id, {})) for one in found]


async def _problems(connection: AsyncConnection, tenant: str, named: Sequence[str]) -> list[ParticipantProblem]:
    there = set(await connection.scalars(select(recipients.c.id).where(recipients.c.tenant == tenant, recipients.c.id.in_(named))))
    usable = addresses.c.state != int(AddressState.RETIRED)
    owned = select(addresses.c.recipient, func.count(), func.count().filter(usable))
    owned = owned.where(addresses.c.tenant == tenant, addresses.c.recipient.in_(named)).group_by(addresses.c.recipient)
    retired = {row[0] for row in await connection.execute(owned) if row[1] and not row[2]}
    lost = [ParticipantProblem(one, f"there is no recipient recipients/{one}") for one in named if one not in there]
    return lost + [ParticipantProblem(one, f"all addresses of recipients/{one} are retired") for one in named if one in retired]


async def _look_for_gaps(connection: AsyncConnection, tenant: str, rotation: str) -> None:
    """Locks a rotation, and has its gaps looked for at once if anybody is told of them.

    Raises:
        RotationNotFound: there is none.
    """
    due = update(rotations).where(*_one(tenant, rotation)).values(gaps_due=rotations.c.gaps_due * 0)
    if not (await connection.execute(due)).rowcount:
        raise RotationNotFound(f"There is no rotation rotations/{rotation}")


async def _close(connection: AsyncConnection, tenant: str, identity: str, now: int) -> None:
    running = update(rotation_revisions).where(*_revisions_of(tenant, identity), rotation_revisions.c.until.is_(None))
    await connection.execute(running.values(until=now))


def _one(tenant: str, identity: str) -> tuple[Any, Any]:
    return rotations.c.tenant == tenant, rotations.c.id == identity


def _revisions_of(tenant: str, identity: str) -> tuple[Any, Any]:
    return rotation_revisions.c.tenant == tenant, rotation_revisions.c.rotation == identity


def _changed(item: Rotation) -> dict[str, Any]:
    plan = item.plan
    return {
        "revision": item.revision,
        "document": encoded_plan(plan) if plan is not None else "",
        "gaps_due": 0 if plan is not None and plan.owner else None,
        "updated": item.updated,
    }


def _revision(item: Rotation) -> dict[str, Any]:
    return {
        "tenant": item.tenant,
        "rotation": item.id,
        "revision": item.revision,
        "document": encoded_plan(item.plan) if item.plan is not None else "",
        "since": item.updated,
    }


def _override_row(item: RotationOverride) -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": int(item.kind),
        "recipients": msgspec.json.encode(item.recipients).decode(),
        "starts": item.start,
        "ends": item.end,
        "comment": item.comment,
        "author": item.author,
        "created": item.created,
    }


def _rotation(row: Row[Any]) -> Rotation:
    return Rotation(
        tenant=row.tenant,
        id=row.id,
        plan=read_plan(row.document, row.id),
        revision=row.revision,
        created=row.created,
        updated=row.updated,
    )


def read_plan(document: str, rotation: str) -> RotationPlan | None:
    """The plan of a stored document; None: it was removed, or nobody can read it, which costs it alone."""
    if not document:
        return None
    try:
        return decoded_plan(document)
    except NOT_READABLE as error:
        _log.warning("stored rotation cannot be read", rotation=rotation, error=str(error))
        return None


def read_override(row: Row[Any]) -> RotationOverride:
    """An override as it is stored; ``end`` is when it ended also if it was taken back."""
    return RotationOverride(
        id=row.id,
        kind=known(OverrideKind, row.kind),
        recipients=texts(row.recipients),
        start=row.starts,
        end=row.ends,
        comment=row.comment,
        author=row.author,
        created=row.created,
        deleted=row.deleted,
    )
