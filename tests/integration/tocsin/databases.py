"""A table, and databases that hold it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, select

from tocsin.clock import SystemClock
from tocsin.database import ConnectionLimits, Database

METADATA = MetaData()
ROWS = Table("rows", METADATA, Column("id", BigInteger, primary_key=True), Column("word", Text, nullable=False, unique=True))


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Database]:
    """A started database with the table."""
    database = Database(url=url, clock=SystemClock(), limits=ConnectionLimits(pool_size=5))
    await database.start()
    try:
        async with database.transaction() as connection:
            await connection.run_sync(METADATA.create_all)
        yield database
    finally:
        await database.stop()


async def insert(database: Database, *ids: int) -> None:
    """Commits rows with these ids."""
    async with database.transaction() as connection:
        await connection.execute(ROWS.insert(), [{"id": number, "word": f"w{number}"} for number in ids])


async def ids(database: Database) -> list[int]:
    """The ids that are committed."""
    async with database.read() as connection:
        return list(await connection.scalars(select(ROWS.c.id).order_by(ROWS.c.id)))
