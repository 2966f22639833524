"""Everything that a database has of one tenant, found from its tables and removed in small transactions.

No table can be forgotten: one that has a column named "tenant" or "tenant_id" goes by it; any other has to be declared, and a table that is
neither is an error when the service is put together.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    delete,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Executable

from tocsin.database.connection import Database
from tocsin.database.statements import upsert

_BATCH: Final = 500
_WINDOW: Final = 2000
_TENANT: Final = ("tenant", "tenant_id")
_DONE: Final = ""
_PURGES: Final = "tenant_purges"

Place: TypeAlias = tuple[Any, ...]


def purge_table(metadata: MetaData) -> Table:
    """The table, one in each database, of what was removed of tenants whose deletion is under way or not long ago.

    ``kind`` is a table, or another place; an empty one says that all were found empty, and that this was told. ``at`` is in microseconds.
    """
    return Table(
        _PURGES,
        metadata,
        Column("tenant", Text, primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("removed", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
    )


async def count_purged(connection: AsyncConnection, purges: Table, tenant: str, kind: str, removed: int, *, now: int) -> None:
    """Counts what was removed of a tenant in `purge_table`, within the transaction that removes it."""
    statement = upsert(purges, keys=("tenant", "kind"), update=("at",), add=("removed",))
    await connection.execute(statement, {"tenant": tenant, "kind": kind, "removed": removed, "at": now})


class TableNotAccountedFor(TypeError):
    """Nobody has said what becomes of a table when a tenant is deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOwners:
    """Whose the rows are that have no tenant of their own, or keep it.

    Attributes:
        children: table: (its column, the table whose rows it refers to by their id). They go with those.
        columns: table: the column that names the tenant, where it is called neither "tenant" nor "tenant_id".
        nobody: table: why it has nothing of a tenant.
        kept: table: why it stays when a tenant is deleted, or who else removes it.
        along: table: a statement for the transaction which removes rows of it, such as a new version of what others have copied.
    """

    children: Mapping[str, tuple[str, str]]
    columns: Mapping[str, str]
    nobody: Mapping[str, str]
    kept: Mapping[str, str]
    along: Mapping[str, Executable]


@dataclass(frozen=True, slots=True)
class _Step:
    """How one table is emptied."""

    table: Table
    tenant: Column[Any]
    keys: tuple[Column[Any], ...]
    children: tuple[tuple[Column[Any], Column[Any]], ...]
    """Columns of other tables, with that of this one which they hold."""
    indexed: bool
    along: Executable | None


class TenantRows:
    """Removes what a database has of a tenant: implements `tocsin.tenants.purge.PurgeStore`."""

    def __init__(self, *, metadata: MetaData, owners: RowOwners, database: Callable[[], Database]) -> None:
        """Looks at every table.

        Args:
            metadata: all tables of the database.
            owners: what the tables do not say themselves.
            database: gives the database when it is asked.

        Raises:
            TableNotAccountedFor: of a table nobody says what becomes of it.
        """
        self._open = database
        self._purges = metadata.tables[_PURGES]
        self.steps: Final = tuple(_steps(metadata, owners))
        """In the order in which they are emptied: what refers to another table goes before that."""

    @property
    def tables(self) -> frozenset[str]:
        """Names of the tables that are emptied."""
        return frozenset(name for step in self.steps for name in (step.table.name, *(child.table.name for child, _ in step.children)))

    async def sweep(self, tenant: str, *, now: int) -> AsyncIterator[int]:
        """Removes everything of ``tenant``, a batch each time that it is asked for more; how many rows went, 0 while it only looks."""
        for step in self.steps:
            cursor: Place | None = None
            while True:
                found, cursor = await self._look(step, tenant, cursor)
                yield await self._remove(step, tenant, found, now=now) if found else 0
                if cursor is None and (not step.indexed or not found):
                    break

    async def add(self, tenant: str, kind: str, removed: int, *, now: int) -> None:
        """Counts what was removed elsewhere, such as files."""
        async with self._open().transaction() as connection:
            await count_purged(connection, self._purges, tenant, kind, removed, now=now)

    async def counts(self, tenant: str) -> Mapping[str, int]:
        """How much was removed, by kind, since the deletion began."""
        table = self._purges.c
        query = select(table.kind, table.removed).where(table.tenant == tenant, table.kind != _DONE).order_by(table.kind)
        async with self._open().read() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def done(self) -> Mapping[str, int]:
        """Tenants of which nothing was left, and when."""
        query = select(self._purges.c.tenant, self._purges.c.at).where(self._purges.c.kind == _DONE)
        async with self._open().read() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def finish(self, tenant: str, *, now: int) -> None:
        """Remembers that nothing is left, and that it was told."""
        await self.add(tenant, _DONE, 0, now=now)

    async def forget(self, known: Collection[str]) -> None:
        """Forgets the counts of all tenants but ``known``."""
        table = self._purges
        async with self._open().read() as connection:
            there = set((await connection.execute(select(table.c.tenant).distinct())).scalars())
        if over := sorted(there.difference(known)):
            async with self._open().transaction() as connection:
                await connection.execute(delete(table).where(table.c.tenant.in_(over)))

    async def _look(self, step: _Step, tenant: str, cursor: Place | None) -> tuple[Sequence[Place], Place | None]:
        """Keys of some rows of the tenant; and where to go on, where the whole table has to be looked through."""
        query = select(*step.keys, *(parent for _, parent in step.children))
        if step.indexed:
            async with self._open().read() as connection:
                rows = (await connection.execute(query.where(step.tenant == tenant).limit(_BATCH))).all()
            return [tuple(row) for row in rows], None
        query = query.add_columns(step.tenant.label("owner")).order_by(*step.keys).limit(_WINDOW)
        if cursor is not None:
            query = query.where(_behind(step.keys, cursor))
        async with self._open().read() as connection:
            rows = (await connection.execute(query)).all()
        found = [tuple(row[:-1]) for row in rows if row[-1] == tenant]
        return found, tuple(rows[-1][: len(step.keys)]) if len(rows) == _WINDOW else None

    async def _remove(self, step: _Step, tenant: str, found: Sequence[Place], *, now: int) -> int:
        """Removes rows, and what belongs to them, in one transaction; how many."""
        gone: dict[str, int] = {}
        size = len(step.keys)
        async with self._open().transaction() as connection:
            for place, (child, _) in enumerate(step.children):
                statement = delete(child.table).where(child.in_({row[size + place] for row in found}))
                gone[child.table.name] = (await connection.execute(statement)).rowcount
            statement = delete(step.table).where(step.tenant == tenant, _among(step, [row[:size] for row in found]))
            gone[step.table.name] = (await connection.execute(statement)).rowcount
            if step.along is not None:
                await connection.execute(step.along)
            for kind, removed in gone.items():
                if removed:
                    await count_purged(connection, self._purges, tenant, kind, removed, now=now)
        return sum(gone.values())


def _steps(metadata: MetaData, owners: RowOwners) -> list[_Step]:
    said = {**owners.children, **owners.nobody, **owners.kept}
    if unknown := sorted({*said, *owners.columns, *owners.along}.difference(metadata.tables)):
        raise TableNotAccountedFor(f"there is no table {', '.join(unknown)}")
    steps = list[_Step]()
    for table in reversed(metadata.sorted_tables):
        if table.name == _PURGES:
            continue
        tenant = owners.columns.get(table.name) or next((name for name in _TENANT if name in table.columns), None)
        if tenant is not None and table.name in owners.nobody:
            raise TableNotAccountedFor(f"{table.name} is said to have nothing of a tenant, and has the column {tenant}")
        if table.name in said:
            continue
        if tenant is None:
            raise TableNotAccountedFor(f"{table.name} has no column for the tenant: say in RowOwners whose its rows are")
        steps.append(_step(table, table.columns[tenant], metadata, owners))
    return steps


def _step(table: Table, tenant: Column[Any], metadata: MetaData, owners: RowOwners) -> _Step:
    children = [(name, column) for name, (column, parent) in owners.children.items() if parent == table.name]
    return _Step(
        table=table,
        tenant=tenant,
        keys=tuple(table.primary_key.columns),
        children=tuple((metadata.tables[name].columns[column], table.columns["id"]) for name, column in children),
        indexed=_is_indexed(table, tenant),
        along=owners.along.get(table.name),
    )


def _is_indexed(table: Table, column: Column[Any]) -> bool:
    """Whether the rows of one tenant are found without looking at those of others."""
    whole = [index for index in table.indexes if all(index.dialect_options[name]["where"] is None for name in ("postgresql", "sqlite"))]
    unique = [constraint for constraint in table.constraints if isinstance(constraint, UniqueConstraint)]
    return any(next(iter(each.columns), None) is column for each in (table.primary_key, *whole, *unique))


def _among(step: _Step, found: Sequence[Place]) -> ColumnElement[bool]:
    """The condition that a row is one of those found."""
    places = [place for place, key in enumerate(step.keys) if key is not step.tenant]
    keys = [step.keys[place] for place in places]
    if not keys:
        return true()
    if len(keys) == 1:
        return keys[0].in_([row[places[0]] for row in found])
    return tuple_(*keys).in_([tuple(row[place] for place in places) for row in found])


def _behind(keys: Sequence[Column[Any]], cursor: Place) -> ColumnElement[bool]:
    return keys[0] > cursor[0] if len(keys) == 1 else tuple_(*keys) > cursor
