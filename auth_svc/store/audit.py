"""The audit log: a chain of entries for each tenant."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from operator import attrgetter
from typing import Final

from sqlalchemy import ColumnElement, RowMapping, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import AuditHead, AuditLogNotFound, ChainState, StoredEntry
from auth_svc.store.deletions import tenant_purges
from auth_svc.store.log_tables import audit_chains, audit_logs
from auth_svc.store.rows import Queries
from auth_svc.store.tables import installation
from tocsin.audit_log import GENESIS, AuditEntry, chained
from tocsin.clock import to_micros
from tocsin.database import copy_rows, count_purged, insert_ignore, read_mapped_page
from tocsin.listing import Condition
from tocsin.stored import row_reader

_FIELDS: Final = tuple(field.name for field in fields(AuditEntry) if field.name not in ("tenant", "id", "time"))
_COLUMNS: Final = (*_FIELDS, "tenant", "number", "id", "at", "hash")
_said: Final[Callable[[AuditEntry], tuple[object, ...]]] = attrgetter(*_FIELDS)


class AuditQueries(Queries):
    """`auth_svc.ports.AuditLogStore`."""

    async def append_entries(self, entries: Sequence[AuditEntry]) -> None:
        """Adds entries to the chains of their tenants."""
        async with self._database.transaction() as connection:
            operator = (await connection.execute(select(installation.c.tenant_id))).scalar_one_or_none() or ""
            chains: defaultdict[str, list[AuditEntry]] = defaultdict(list)
            for entry in entries:
                chains[entry.tenant or operator].append(entry)
            for tenant in sorted(chains):  # two replicas take the locks in the same order
                await _append(connection, tenant, chains[tenant])

    async def get_entry(self, tenant: str, number: int) -> StoredEntry:
        """One entry of a tenant."""
        found = await self.entries_after(tenant, number - 1, limit=1)
        if not found or found[0].number != number:
            raise AuditLogNotFound
        return found[0]

    async def list_entries(self, tenant: str, *, conditions: Sequence[Condition], before: int | None, limit: int) -> Sequence[StoredEntry]:
        """Entries of a tenant, the newest first."""
        query = select(audit_logs).where(audit_logs.c.tenant == tenant, *map(_where, conditions))
        if before is not None:
            query = query.where(audit_logs.c.number < before)
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query.order_by(audit_logs.c.number.desc()), _entry_of, limit=limit)

    async def entries_after(self, tenant: str, number: int, *, limit: int) -> Sequence[StoredEntry]:
        """Entries of a tenant behind ``number``, the oldest first."""
        query = select(audit_logs).where(audit_logs.c.tenant == tenant, audit_logs.c.number > number).order_by(audit_logs.c.number)
        async with self._database.read() as connection:
            return [_entry_of(row) for row in (await connection.execute(query.limit(limit))).mappings()]

    async def get_chain(self, tenant: str) -> ChainState:
        """How the chain of a tenant stands."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(audit_chains).where(audit_chains.c.tenant == tenant))).mappings().first()
        return ChainState(tenant=tenant) if row is None else _chain_of(row)

    async def unsigned_chains(self, *, limit: int) -> Sequence[ChainState]:
        """Chains with entries that their signed heads do not cover."""
        query = (
            select(audit_chains).where(audit_chains.c.number > audit_chains.c.signed_number).order_by(audit_chains.c.tenant).limit(limit)
        )
        async with self._database.read() as connection:
            return [_chain_of(row) for row in (await connection.execute(query)).mappings()]

    async def sign_chain(self, head: AuditHead) -> None:
        """Stores a signed head, unless there is a later one."""
        changed = (
            update(audit_chains)
            .where(audit_chains.c.tenant == head.tenant, audit_chains.c.signed_number < head.number)
            .values(signed_number=head.number, signed_hash=head.hash, signed_at=head.signed, signature=head.signature)
        )
        async with self._database.transaction() as connection:
            await connection.execute(changed)

    async def chains_after(self, tenant: str, *, limit: int) -> Sequence[ChainState]:
        """Chains of the tenants behind ``tenant``, by their ids."""
        query = select(audit_chains).where(audit_chains.c.tenant > tenant).order_by(audit_chains.c.tenant).limit(limit)
        async with self._database.read() as connection:
            return [_chain_of(row) for row in (await connection.execute(query)).mappings()]

    async def cut_chain(self, anchor: AuditHead, *, purge: bool = False) -> int:
        """Deletes the entries up to a signed anchor, which takes their place; returns how many."""
        moved = (
            update(audit_chains)
            .where(audit_chains.c.tenant == anchor.tenant, audit_chains.c.anchor_number < anchor.number)
            .values(anchor_number=anchor.number, anchor_hash=anchor.hash, anchor_signed_at=anchor.signed, anchor_signature=anchor.signature)
        )
        async with self._database.transaction() as connection:
            if not (await connection.execute(moved)).rowcount:
                return 0
            gone = delete(audit_logs).where(audit_logs.c.tenant == anchor.tenant, audit_logs.c.number <= anchor.number)
            removed = (await connection.execute(gone)).rowcount
            if purge:
                await count_purged(connection, tenant_purges, anchor.tenant, audit_logs.name, removed, now=anchor.signed)
            return removed


async def _append(connection: AsyncConnection, tenant: str, entries: Sequence[AuditEntry]) -> None:
    await connection.execute(insert_ignore(audit_chains).values(_new_chain(tenant)))
    # Whoever appends next, in whatever replica, waits here.
    locked = select(audit_chains.c.number, audit_chains.c.hash).where(audit_chains.c.tenant == tenant).with_for_update()
    number, last = (await connection.execute(locked)).one()
    ids = [entry.id for entry in entries]
    known = set(
        (await connection.execute(select(audit_logs.c.id).where(audit_logs.c.tenant == tenant, audit_logs.c.id.in_(ids)))).scalars()
    )
    rows: list[tuple[object, ...]] = []
    for entry in entries:
        if entry.id in known:
            continue
        known.add(entry.id)
        number += 1
        last = chained(last, number, entry if entry.tenant == tenant else replace(entry, tenant=tenant))
        rows.append((*_said(entry), tenant, number, entry.id, entry.time, last))
    if rows:
        await copy_rows(connection, audit_logs, _COLUMNS, rows)
        await connection.execute(update(audit_chains).where(audit_chains.c.tenant == tenant).values(number=number, hash=last))


def _new_chain(tenant: str) -> dict[str, object]:
    nothing = {f"{name}_{part}": value for name in ("signed", "anchor") for part, value in (("number", 0), ("hash", GENESIS))}
    return {
        "tenant": tenant,
        "number": 0,
        "hash": GENESIS,
        **nothing,
        "signed_at": 0,
        "signature": "",
        "anchor_signed_at": 0,
        "anchor_signature": "",
    }


def _where(condition: Condition) -> ColumnElement[bool]:
    if isinstance(condition.value, datetime):
        return audit_logs.c.at.op(condition.operator)(to_micros(condition.value))
    return audit_logs.c[condition.field].op(condition.operator)(condition.value)


@row_reader(lambda row: f"auditLogs/{row['number']}")
def _entry_of(row: RowMapping) -> StoredEntry:
    found = {name: row[name] for name in _FIELDS}
    entry = AuditEntry(**found, tenant=row["tenant"], id=row["id"], time=row["at"])
    return StoredEntry(number=row["number"], entry=entry, hash=row["hash"])


def _chain_of(row: RowMapping) -> ChainState:
    tenant = row["tenant"]
    return ChainState(
        tenant=tenant,
        number=row["number"],
        hash=row["hash"],
        signed=AuditHead(tenant, row["signed_number"], row["signed_hash"], row["signed_at"], row["signature"]),
        anchor=AuditHead(tenant, row["anchor_number"], row["anchor_hash"], row["anchor_signed_at"], row["anchor_signature"]),
    )
