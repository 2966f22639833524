"""Tables and queries of the processor: one transaction a method."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, MetaData, Row, SmallInteger, String, Table, Text, bindparam, delete, func, select, tuple_, update

from processor_svc.domain import PolicyNotFound, Record, RecordNotFound, StoredPolicy, TooManyPolicies
from tocsin.clock import to_micros
from tocsin.database import Database, GroupCommit, Lookup, RowOwners, TenantRows, purge_table, read_page, upsert
from tocsin.errors import TocsinError
from tocsin.pii import readable
from tocsin.stored import instant, row_reader

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

# Names of the contract's values; kinds are separated by spaces, none for every kind.
pii_policies = Table(
    "pii_policies",
    metadata,
    Column("tenant", String(64).with_variant(String(64, collation="C"), "postgresql"), primary_key=True),
    Column("id", String(64).with_variant(String(64, collation="C"), "postgresql"), primary_key=True),
    Column("measure", Text, nullable=False),
    Column("area", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# One row: the version of all policies.
pii_version = Table(
    "pii_version",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)

purge_table(metadata)

OWNERS = RowOwners(
    children={},
    columns={},
    nobody={"pii_version": "the version of all policies"},
    kept={},
    along={"pii_policies": update(pii_version).values(version=pii_version.c.version + 1)},  # others have a copy
)
"""Whose the rows are."""

_UPSERT = upsert(records, keys=("tenant", "key"), update=("value", "updated_at"))
_GET = Lookup(
    select(records.c.key, records.c.value, records.c.updated_at).where(
        records.c.tenant == bindparam("in_tenant"), records.c.key == bindparam("in_key")
    )
)


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
        found = await self._database.lookup(_GET, {"in_tenant": tenant, "in_key": key})
        if not found:
            raise RecordNotFound
        name, value, updated = found[0]
        return Record(key=name, value=value, update_time=instant(updated))

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


_SET_POLICY = upsert(pii_policies, keys=("tenant", "id"), update=("measure", "area", "subject", "kinds", "updated_at"))
_NEXT_VERSION = update(pii_version).values(version=pii_version.c.version + 1)


class SqlPolicyStore:
    """Policies on personal data."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def set_policy(self, policy: StoredPolicy, *, most: int) -> None:
        """Stores a policy, or replaces it.

        Raises:
            TooManyPolicies: the tenant has ``most`` others.
        """
        owned = policy.policy
        others = select(func.count()).where(pii_policies.c.tenant == owned.tenant, pii_policies.c.id != policy.id)
        values = {
            "tenant": owned.tenant,
            "id": policy.id,
            "measure": owned.measure.value,
            "area": "" if owned.area is None else owned.area.value,
            "subject": owned.subject,
            "kinds": " ".join(sorted(kind.name for kind in owned.kinds)),
            "updated_at": to_micros(policy.update_time),
        }
        async with self._database.transaction() as connection:
            await connection.execute(_NEXT_VERSION)  # locks the row: changes come one after the other
            if (await connection.execute(others)).scalar_one() >= most:
                raise TooManyPolicies
            await connection.execute(_SET_POLICY, values)

    async def get_policy(self, *, tenant: str, id: str) -> StoredPolicy:  # noqa: A002  the word of the contract
        """Reads a policy.

        Raises:
            PolicyNotFound: the tenant has none of this id.
        """
        query = select(pii_policies).where(pii_policies.c.tenant == tenant, pii_policies.c.id == id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise PolicyNotFound
        return _policy_of(row)

    async def list_policies(self, *, tenant: str, after: str, limit: int) -> Sequence[StoredPolicy]:
        """At most ``limit`` policies whose ids follow ``after``, by id."""
        query = select(pii_policies).where(pii_policies.c.tenant == tenant, pii_policies.c.id > after)
        async with self._database.read() as connection:
            return await read_page(connection, query.order_by(pii_policies.c.id), _policy_of, limit=limit)

    async def delete_policy(self, *, tenant: str, id: str) -> None:  # noqa: A002  as above
        """Removes a policy.

        Raises:
            PolicyNotFound: the tenant has none of this id.
        """
        statement = delete(pii_policies).where(pii_policies.c.tenant == tenant, pii_policies.c.id == id)
        async with self._database.transaction() as connection:
            await connection.execute(_NEXT_VERSION)
            if not (await connection.execute(statement)).rowcount:
                raise PolicyNotFound

    async def version(self) -> int:
        """The version of all policies; at least 1."""
        async with self._database.read() as connection:
            return (await connection.execute(select(pii_version.c.version))).scalar_one()

    async def every_policy(self, *, after: tuple[str, str], limit: int) -> tuple[int, Sequence[StoredPolicy]]:
        """The version, and at most ``limit`` policies of all tenants that follow ``after`` (tenant, id), in that order."""
        place = tuple_(pii_policies.c.tenant, pii_policies.c.id)
        query = select(pii_policies).where(place > after).order_by(pii_policies.c.tenant, pii_policies.c.id)
        async with self._database.read() as connection:
            version = (await connection.execute(select(pii_version.c.version))).scalar_one()
            return version, await read_page(connection, query, _policy_of, limit=limit)


@row_reader(lambda row: f"pii/policies/{row.id}")
def _policy_of(row: Row[Any]) -> StoredPolicy:
    """The policy in a row, which a later version may have written: see `tocsin.pii.readable`."""
    if not isinstance(row.subject, str):
        raise TypeError("it is about nothing")
    policy = readable(tenant=row.tenant, measure=row.measure, area=row.area, subject=row.subject, kinds=row.kinds.split())
    return StoredPolicy(id=row.id, policy=policy, update_time=instant(row.updated_at))


def tenant_rows(database: Database) -> TenantRows:
    """Removes what the processor has of a tenant."""
    return TenantRows(metadata=metadata, owners=OWNERS, database=lambda: database)
