"""What was in force of rotations: for who is on call, whenever it is asked."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Text, and_, bindparam, or_, select, update

from mailer_svc.domain import MemberKind
from mailer_svc.domain.rotations import RotationHistory, RotationOverride, RotationRevision
from mailer_svc.ports.rotations import GapClaim
from mailer_svc.store.bulk import Rows
from mailer_svc.store.facts import reachable_groups
from mailer_svc.store.people_tables import group_members
from mailer_svc.store.people_tables import recipients as people
from mailer_svc.store.rotation_tables import rotation_overrides, rotation_revisions, rotations
from mailer_svc.store.rotations import read_override, read_plan
from tocsin.database import Database

_CHUNK = 500


class SqlRotationHistories:
    """Reads on PostgreSQL or SQLite; every query is of one tenant, but for the claims."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._groups = Rows({"id": Text}, sqlite=database.dialect == "sqlite")
        self._reached = reachable_groups(self._groups)

    async def in_force(self, *, tenant: str, ids: Collection[str], at: int, around: int) -> Mapping[str, RotationHistory]:
        """The revisions that are in force at an instant, each with the overrides that hold within ``around`` of it."""
        found: dict[str, RotationHistory] = {}
        named = list(ids)
        revisions, overrides = rotation_revisions.c, rotation_overrides.c
        then = (revisions.tenant == tenant) & (revisions.since <= at) & or_(revisions.until.is_(None), revisions.until > at)
        near = (overrides.tenant == tenant) & (overrides.ends > at - around) & (overrides.starts <= at + around)
        async with self._database.read() as connection:
            for start in range(0, len(named), _CHUNK):
                part = named[start : start + _CHUNK]
                held: dict[str, list[RotationOverride]] = {}
                of_part = select(rotation_overrides).where(near, overrides.rotation.in_(part)).order_by(overrides.created)
                for row in await connection.execute(of_part):
                    held.setdefault(row.rotation, []).append(read_override(row))
                for row in await connection.execute(select(rotation_revisions).where(then, revisions.rotation.in_(part))):
                    mine = tuple(held.get(row.rotation, ()))
                    found[row.rotation] = RotationHistory(rotation=row.rotation, revisions=(_revision(row),), overrides=mine)
        return found

    async def between(self, *, tenant: str, id: str, start: int, end: int, most: int) -> RotationHistory | None:  # noqa: A002
        """All revisions and overrides that are in force in a stretch of time. None: there are more than ``most``."""
        revisions, overrides = rotation_revisions.c, rotation_overrides.c
        meets = and_(revisions.since < end, or_(revisions.until.is_(None), revisions.until > start))
        mine = select(rotation_revisions).where(revisions.tenant == tenant, revisions.rotation == id, meets)
        near = and_(overrides.starts < end, overrides.ends > start, overrides.created < end)
        held = select(rotation_overrides).where(overrides.tenant == tenant, overrides.rotation == id, near)
        async with self._database.read(snapshot=True) as connection:
            rows = (await connection.execute(mine.order_by(revisions.revision).limit(most + 1))).all()
            others = (await connection.execute(held.order_by(overrides.created).limit(most + 1))).all()
        if len(rows) > most or len(others) > most:
            return None
        return RotationHistory(
            rotation=id, revisions=tuple(_revision(row) for row in rows), overrides=tuple(read_override(row) for row in others)
        )

    async def behind(self, *, tenant: str, targets: Sequence[str]) -> list[str]:
        """Ids of the rotations that are among the targets, or in groups that are, or in groups in those."""
        found = {target.removeprefix("rotations/") for target in targets if target.startswith("rotations/")}
        named = [(target.removeprefix("groups/"),) for target in targets if target.startswith("groups/")]
        if named:
            members = group_members.c
            inside = (members.tenant == bindparam("tenant", type_=Text)) & (members.kind == int(MemberKind.ROTATION))
            query = select(members.member).where(inside, members.group_id.in_(self._reached))
            async with self._database.read() as connection:
                found.update(await connection.scalars(query, {**self._groups.bind(named), "tenant": tenant}))
        return sorted(found)

    async def existed(self, *, tenant: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Whether there is or was such a rotation."""
        revisions = rotation_revisions.c
        query = select(revisions.revision).where(revisions.tenant == tenant, revisions.rotation == id).limit(1)
        async with self._database.read() as connection:
            return await connection.scalar(query) is not None

    async def ever(self, *, tenant: str, after: str, limit: int) -> list[str]:
        """Ids of rotations, removed ones too, behind the id ``after``, in order."""
        revisions = rotation_revisions.c
        query = select(revisions.rotation).distinct().where(revisions.tenant == tenant, revisions.rotation > after)
        async with self._database.read() as connection:
            return list(await connection.scalars(query.order_by(revisions.rotation).limit(limit)))

    async def gone(self, *, tenant: str, recipients: Collection[str]) -> set[str]:
        """Those of the recipients who do not exist."""
        named = sorted(recipients)
        found: set[str] = set()
        async with self._database.read() as connection:
            for start in range(0, len(named), _CHUNK):
                mine = (people.c.tenant == tenant) & people.c.id.in_(named[start : start + _CHUNK])
                found.update(await connection.scalars(select(people.c.id).where(mine)))
        return set(named) - found

    async def claim_gaps(self, *, now: int, again: int, limit: int) -> list[GapClaim]:
        """Takes rotations whose gaps are to be looked for by ``now``; they are due again at ``again``, whoever claims them then."""
        due = select(rotations.c.tenant, rotations.c.id).where(rotations.c.gaps_due <= bindparam("now", type_=BigInteger))
        first = due.order_by(rotations.c.gaps_due).limit(limit).with_for_update(skip_locked=True).cte("due_now")
        mine = select(first.c.id).where(first.c.tenant == rotations.c.tenant, first.c.id == rotations.c.id).exists()
        claim = update(rotations).where(mine).values(gaps_due=again).returning(rotations.c.tenant, rotations.c.id)
        async with self._database.transaction() as connection:
            return [GapClaim(row.tenant, row.id) for row in await connection.execute(claim, {"now": now})]


def _revision(row: Any) -> RotationRevision:
    plan = read_plan(row.document, row.rotation)
    return RotationRevision(revision=row.revision, since=row.since, until=row.until, plan=plan)
