"""Everything of one tenant goes from the database of each service, and nothing of its neighbour; on each database.

The rows are made from the tables themselves, so a new table is tested on the day when it is born.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
)

import auth_svc.store
import gateway.spool
import mailer_svc.store
import processor_svc.store
import scheduler_svc.store
from tocsin.clock import SystemClock
from tocsin.database import Database, RowOwners, TableNotAccountedFor, TenantRows, migrate, purge_table

GONE, STAYS = "gone", "stays"
ROWS: Final = 5
ROOT: Final = Path(__file__).resolve().parents[3]
NOW: Final = SystemClock().micros()


class ServiceTables(NamedTuple):
    """The tables of a service, and whose their rows are."""

    metadata: MetaData
    owners: RowOwners


TABLES: Final[Mapping[str, ServiceTables]] = {
    "auth_svc": ServiceTables(auth_svc.store.metadata, auth_svc.store.OWNERS),
    "gateway": ServiceTables(gateway.spool.metadata, gateway.spool.OWNERS),
    "mailer_svc": ServiceTables(mailer_svc.store.metadata, mailer_svc.store.OWNERS),
    "processor_svc": ServiceTables(processor_svc.store.metadata, processor_svc.store.OWNERS),
    "scheduler_svc": ServiceTables(scheduler_svc.store.metadata, scheduler_svc.store.OWNERS),
}
KILLED: Final = """
import asyncio, sys
from tests.integration.tocsin.test_tenant_rows import GONE, NOW, SystemClock, opened

async def main(service: str, url: str) -> None:
    database, rows = await opened(service, url)
    async for gone in rows.sweep(GONE, now=NOW):
        if gone:
            print(gone, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(params=[name for name in TABLES if name != "gateway"])
def tables_of(request: pytest.FixtureRequest) -> str:
    """Each service that may have either database in turn."""
    return str(request.param)


async def opened(service: str, url: str) -> tuple[Database, TenantRows]:
    """The database of a service, and what removes tenants from it."""
    database = Database(url=url, clock=SystemClock(), schema=service)
    await database.start()
    return database, TenantRows(metadata=TABLES[service].metadata, owners=TABLES[service].owners, database=lambda: database)


class Filler:
    """Makes rows of two tenants in every table: the same in both, but for what has to be unique in the whole table."""

    def __init__(self, tables: ServiceTables) -> None:
        self._owners, self._metadata = tables.owners, tables.metadata
        others = {*self._owners.nobody, *self._owners.kept, "tenant_purges"}
        self.tables = [table for table in tables.metadata.sorted_tables if table.name not in others]
        self.sizes = {table.name: 1 if all(map(self._is_tenant, table.primary_key.columns)) else ROWS for table in self.tables}
        """Rows of each tenant, by table."""

    async def fill(self, database: Database, tenant: str) -> None:
        """Inserts those of one."""
        async with database.transaction() as connection:
            for table in self.tables:
                await connection.execute(insert(table), [self._row(table, tenant, number) for number in range(self.sizes[table.name])])

    def _is_tenant(self, column: Column[Any]) -> bool:
        return column.name in ("tenant", "tenant_id") or self._owners.columns.get(column.table.name) == column.name

    def _row(self, table: Table, tenant: str, number: int) -> dict[str, Any]:
        return {column.name: self._value(column, tenant, number) for column in table.columns}

    def _value(self, column: Column[Any], tenant: str, number: int) -> Any:
        table, owners = column.table, self._owners
        if self._is_tenant(column):
            return tenant
        parent = owners.children.get(table.name)
        if parent is not None and parent[0] == column.name:
            return self._value(self._metadata.tables[parent[1]].columns["id"], tenant, number)
        if column.foreign_keys:
            return self._value(next(iter(column.foreign_keys)).column, tenant, number)
        if column.name == "due_at":
            return NOW + number
        place = number + (ROWS if tenant == STAYS and alone(column) else 0)
        return MAKERS[type(column.type)](f"{column.name[:8]}-{place}", place)


def alone(column: Column[Any]) -> bool:
    """Whether the column has to be unique in the whole table, not for each tenant."""
    table = column.table
    unique = [constraint for constraint in table.constraints if isinstance(constraint, UniqueConstraint)]
    together = [table.primary_key, *unique, *(index for index in table.indexes if index.unique)]
    tenants = {"tenant", "tenant_id"}
    return any(column.name in names and not tenants & names for names in ({each.name for each in key.columns} for key in together))


MAKERS: Final[Mapping[type, Callable[[str, int], Any]]] = {
    BigInteger: lambda _, number: number,
    Boolean: lambda _, number: bool(number % 2),
    Double: lambda _, number: number + 0.5,
    Integer: lambda _, number: number,
    LargeBinary: lambda text, _: text.encode(),
    SmallInteger: lambda _, number: number,
    String: lambda text, _: text,
    Text: lambda text, _: text,
}
Rows = dict[str, list[tuple[Any, ...]]]


async def contents(database: Database, tables: Sequence[Table]) -> Rows:
    """All rows of all tables, in the order of their keys."""
    async with database.read(snapshot=True) as connection:
        return {
            table.name: [tuple(row) for row in await connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in tables
        }


async def sweep(rows: TenantRows) -> int:
    """A whole sweep; how many rows went."""
    return sum([gone async for gone in rows.sweep(GONE, now=NOW)])


async def filled(service: str, url: str) -> tuple[Database, TenantRows, Filler, Rows]:
    """A database in which both tenants have rows in every table; and those of the neighbour alone."""
    database, rows = await opened(service, url)
    filler = Filler(TABLES[service])
    await filler.fill(database, STAYS)
    before = await contents(database, filler.tables)
    await filler.fill(database, GONE)
    return database, rows, filler, before


async def check_gone(database: Database, rows: TenantRows, filler: Filler, before: Rows) -> None:
    """Nothing is left of one, nothing has changed of the other, and every row was counted once."""
    assert await contents(database, filler.tables) == before
    assert await rows.counts(GONE) == filler.sizes
    assert await sweep(rows) == 0
    await database.stop()


@pytest.mark.parametrize("size", [500, 2], ids=["as it is", "in small steps"])
async def test_everything_of_a_tenant_goes_and_nothing_of_its_neighbour(
    tables_of: str, database_url: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each table of each service, which both have filled alike."""
    monkeypatch.setattr("tocsin.database.tenant_rows._BATCH", size)
    monkeypatch.setattr("tocsin.database.tenant_rows._WINDOW", size)
    database, rows, filler, before = await filled(tables_of, database_url)
    assert await sweep(rows) == sum(filler.sizes.values())
    await check_gone(database, rows, filler, before)


async def test_the_same_in_the_file_of_a_gateway(tmp_path: Path) -> None:
    """Calls that wait, calls that were set aside, and answers that are kept."""
    url = f"sqlite:///{tmp_path}/spool.db"
    await migrate(url=url, schema="gateway", package="gateway")
    database, rows, filler, before = await filled("gateway", url)
    await sweep(rows)
    await check_gone(database, rows, filler, before)


@pytest.mark.parametrize("tables_of", ["scheduler_svc"], indirect=True)
async def test_a_kill_in_the_middle_costs_neither_a_row_nor_a_count(tables_of: str, database_url: str) -> None:
    """What removes is killed after some transactions; another process goes on, and counts what the first one did."""
    database, rows, filler, before = await filled(tables_of, database_url)
    if database.dialect == "sqlite":
        await database.stop()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, tables_of, database_url, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    for _ in range(min(2, len(filler.tables) - 1)):
        assert await process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    if database.dialect == "sqlite":
        await database.start()
    counted = sum((await rows.counts(GONE)).values())
    assert counted
    assert await sweep(rows) == sum(filler.sizes.values()) - counted
    await check_gone(database, rows, filler, before)


@pytest.mark.parametrize("service", TABLES)
def test_every_table_is_accounted_for(service: str) -> None:
    """Each table is emptied, or it is said why not; and none that names a tenant is said to have nothing of one."""
    tables = TABLES[service]
    rows = TenantRows(metadata=tables.metadata, owners=tables.owners, database=lambda: pytest.fail("nobody asks"))
    said = {*tables.owners.nobody, *tables.owners.kept}
    assert rows.tables | said == set(tables.metadata.tables) - {"tenant_purges"}
    assert not rows.tables & said
    for name in tables.owners.nobody:
        assert not [column.name for column in tables.metadata.tables[name].columns if column.name.startswith("tenant_i")]


NOTHING: Final = RowOwners(children={}, columns={}, nobody={}, kept={}, along={})


@pytest.mark.parametrize(
    ("columns", "owners", "complaint"),
    [
        (("id",), NOTHING, "new has no column for the tenant"),
        (("id", "tenant"), replace(NOTHING, nobody={"new": "why"}), "new is said to have nothing of a tenant"),
        (("id", "tenant"), replace(NOTHING, kept={"old": "why"}), "there is no table old"),
    ],
    ids=["nobody says", "said wrongly", "not there"],
)
def test_a_table_that_is_not_accounted_for_stops_the_service(columns: Sequence[str], owners: RowOwners, complaint: str) -> None:
    """When it is put together: long before a tenant is deleted and something stays behind."""
    metadata = MetaData()
    purge_table(metadata)
    Table("new", metadata, *(Column(name, Text, primary_key=name == "id") for name in columns))
    with pytest.raises(TableNotAccountedFor, match=complaint):
        TenantRows(metadata=metadata, owners=owners, database=lambda: pytest.fail("nobody asks"))


async def test_counts_are_forgotten_with_their_tenant(tmp_path: Path) -> None:
    """Those of tenants that the book has stay."""
    url = f"sqlite:///{tmp_path}/store.db"
    await migrate(url=url, schema="processor_svc", package="processor_svc")
    database, rows = await opened("processor_svc", url)
    for tenant in (GONE, STAYS):
        await rows.add(tenant, "files/some", 3, now=NOW)
        await rows.finish(tenant, now=NOW)
    await rows.forget({STAYS})
    assert (await rows.done(), await rows.counts(GONE), await rows.counts(STAYS)) == ({STAYS: NOW}, {}, {"files/some": 3})
    await database.stop()
