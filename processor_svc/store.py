"""Tables and queries of the processor: one transaction a method."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text, bindparam, delete, select

from processor_svc.domain import Record, RecordNotFound
from tocsin.clock import to_micros
from tocsin.database import Database, GroupCommit, upsert
from tocsin.errors import TocsinError
from tocsin.stored import instant

metadata = MetaData()

records = Table(
    "records",
    metadata,
    Column("tenant", String(64), primary_key=True),
    # Ordered by bytes on every database, as SQLite does: pages by key are then the same everywhere.
    Column("key", String(200).with_variant(String(200, collation="C"), "postgresql"), primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

_UPSERT = upsert(records, keys=("tenant", "key"), update=("value", "updated_at"))
_GET = select(records).where(records.c.tenant == bindparam("in_tenant"), records.c.key == bindparam("in_key"))


@dataclass(frozen=True, slots=True)
class _Write:
    tenant: str
    key: str
    value: str
    updated_at: int


class SqlRecordStore:
    """Records in the processor's own database. Concurrent writes share a transaction; a component, because of that batch."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._writes: GroupCommit[_Write, None] = GroupCommit(flush=self._flush)

    async def start(self) -> None:
        """Accepts writes."""
        await self._writes.start()

    async def stop(self) -> None:
        """Commits what was accepted."""
        await self._writes.stop()

    async def set_record(self, *, tenant: str, key: str, value: str, now: datetime) -> Record:
        """Stores ``value`` under ``key`` and returns the record once it is committed."""
        await self._writes.submit(_Write(tenant, key, value, to_micros(now)))
        return Record(key=key, value=value, update_time=now)

    async def _flush(self, writes: Sequence[_Write]) -> Sequence[TocsinError | None]:
        latest = {(write.tenant, write.key): write for write in writes}  # one statement may not touch a row twice
        rows = [{"tenant": w.tenant, "key": w.key, "value": w.value, "updated_at": w.updated_at} for w in latest.values()]
        async with self._database.transaction() as connection:
            await connection.execute(_UPSERT, rows)
        return [None] * len(writes)

    async def get_record(self, *, tenant: str, key: str) -> Record:
        """Reads a record.

        Raises:
            RecordNotFound: the tenant has none under ``key``.
        """
        async with self._database.read() as connection:
            row = (await connection.execute(_GET, {"in_tenant": tenant, "in_key": key})).one_or_none()
        if row is None:
            raise RecordNotFound
        return Record(key=row.key, value=row.value, update_time=instant(row.updated_at))

    async def list_records(self, *, tenant: str, after: str, limit: int) -> Sequence[Record]:
        """At most ``limit`` records whose keys follow ``after``, by key."""
        query = select(records).where(records.c.tenant == tenant, records.c.key > after).order_by(records.c.key).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Record(key=row.key, value=row.value, update_time=instant(row.updated_at)) for row in rows]

    async def delete_record(self, *, tenant: str, key: str) -> None:
        """Removes a record.

        Raises:
            RecordNotFound: the tenant has none under ``key``.
        """
        async with self._database.transaction() as connection:
            result = await connection.execute(delete(records).where(records.c.tenant == tenant, records.c.key == key))
        if not result.rowcount:
            raise RecordNotFound
