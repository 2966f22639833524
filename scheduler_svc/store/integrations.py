"""Integrations, and the last payloads of each."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    Row,
    SmallInteger,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from scheduler_svc.domain.incident_words import IncidentSeverity
from scheduler_svc.domain.intake.generic import PayloadMapping
from scheduler_svc.domain.intake.integrations import (
    KEPT_PAYLOADS,
    MOST_INTEGRATIONS,
    Integration,
    IntegrationChanged,
    IntegrationExists,
    IntegrationKeyUnknown,
    IntegrationKind,
    IntegrationNotFound,
    KeptPayload,
    PayloadOutcome,
    PayloadReceipt,
    TooManyIntegrations,
)
from scheduler_svc.store.sql import Statement
from scheduler_svc.store.tables import ID, metadata
from tocsin.database import ConstraintBroken, Database, storable
from tocsin.stored import NOT_READABLE, known
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

integrations = Table(
    "integrations",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("key_hash", ID, nullable=False, comment="SHA-256 of its key, in hexadecimal digits."),
    Column("display_name", Text, nullable=False),
    Column("policy", Text, nullable=False, comment="Id of the policy of its incidents; empty without one."),
    Column("severity", SmallInteger, nullable=False, comment="Of alerts that name none."),
    Column("mapping", Text, nullable=False, comment="Where its payloads say what, JSON; empty without a mapping."),
    Column("by_group", Boolean, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("ux_integrations_key", integrations.c.key_hash, unique=True)

integration_payloads = Table(
    "integration_payloads",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("integration", ID, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size", Integer, nullable=False, comment="Bytes that came."),
    Column("body", Text, nullable=False, comment="The beginning of it, at most."),
    Column("headers", Text, nullable=False, comment="Those that belong to it, JSON."),
    Column("outcome", SmallInteger, nullable=False),
    Column("field", Text, nullable=False, comment="For which it was refused."),
    Column("detail", Text, nullable=False),
    Column("receipt", Text, nullable=False, comment="What became of its alerts, JSON."),
    Column("incidents", Text, nullable=False, comment="Ids of some of the incidents that it is about, JSON."),
)
Index("ix_integration_payloads", integration_payloads.c.tenant, integration_payloads.c.integration, integration_payloads.c.id)

_PAYLOAD_COLUMNS: Final = (
    *("id", "tenant", "integration", "received_at", "content_type", "size", "body", "headers", "outcome", "field", "detail", "receipt"),
    "incidents",
)
_PAYLOAD_TYPES: Final = ("text", "text", "text", "bigint", "text", "integer", "text", "text", "smallint", "text", "text", "text", "text")
_KEEP: Final = Statement(
    sqlite=(
        f"INSERT INTO integration_payloads ({', '.join(_PAYLOAD_COLUMNS)}) "
        f"SELECT {', '.join(f'?{place}' for place, _ in enumerate(_PAYLOAD_COLUMNS, 1))} "
        "WHERE EXISTS (SELECT 1 FROM integrations WHERE tenant = ?2 AND id = ?3)"
    ),
    postgresql=(
        f"INSERT INTO integration_payloads ({', '.join(_PAYLOAD_COLUMNS)}) "
        f"SELECT v.* FROM unnest({', '.join(f'${place}::{kind}[]' for place, kind in enumerate(_PAYLOAD_TYPES, 1))}) "
        f"AS v({', '.join(_PAYLOAD_COLUMNS)}) JOIN integrations i ON i.tenant = v.tenant AND i.id = v.integration"
    ),
)
_FORGET: Final = Statement(
    sqlite=(
        "DELETE FROM integration_payloads WHERE id IN (SELECT id FROM integration_payloads WHERE tenant = ?1 AND integration = ?2 "
        f"ORDER BY id DESC LIMIT -1 OFFSET {KEPT_PAYLOADS})"
    ),
    postgresql=(
        "DELETE FROM integration_payloads WHERE id IN (SELECT id FROM integration_payloads WHERE tenant = $1 AND integration = $2 "
        f"ORDER BY id DESC OFFSET {KEPT_PAYLOADS})"
    ),
)
_RECEIVED: Final = (
    select(func.max(integration_payloads.c.received_at))
    .where(integration_payloads.c.tenant == integrations.c.tenant, integration_payloads.c.integration == integrations.c.id)
    .scalar_subquery()
    .label("received_at")
)
_MAPPINGS: Final = msgspec.json.Decoder(PayloadMapping)
_RECEIPTS: Final = msgspec.json.Decoder(PayloadReceipt)
_HEADERS: Final = msgspec.json.Decoder(dict[str, str])
_IDS: Final = msgspec.json.Decoder(tuple[str, ...])


class SqlIntegrationStore:
    """Implements `scheduler_svc.ports.integrations.IntegrationStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, integration: Integration, *, key_hash: str) -> None:
        there = select(func.count()).select_from(integrations).where(integrations.c.tenant == integration.tenant)
        row = {"id": integration.id, "key_hash": key_hash, "kind": int(integration.kind), "created_at": integration.created}
        try:
            async with self._database.transaction() as connection:
                if (await connection.execute(there)).scalar_one() >= MOST_INTEGRATIONS:
                    raise TooManyIntegrations(f"There are {MOST_INTEGRATIONS} integrations.")
                await connection.execute(insert(integrations).values(row | _values(integration)))
        except ConstraintBroken as error:
            raise IntegrationExists(f"There is an {integration.name} already.") from error

    async def get(self, tenant: str, integration: str) -> Integration:
        async with self._database.read() as connection:
            row = (await connection.execute(select(integrations, _RECEIVED).where(*_key(tenant, integration)))).one_or_none()
        if row is None:
            raise IntegrationNotFound
        return _integration(row, received=row.received_at)

    async def by_key(self, key_hash: str) -> Integration:
        async with self._database.read() as connection:
            row = (await connection.execute(select(integrations).where(integrations.c.key_hash == key_hash))).one_or_none()
        if row is None:
            raise IntegrationKeyUnknown
        return _integration(row)

    async def page(self, tenant: str, *, after: str, size: int) -> Sequence[Integration]:
        query = select(integrations, _RECEIVED).where(integrations.c.tenant == tenant, integrations.c.id > after)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(integrations.c.id).limit(size))
            return [_integration(row, received=row.received_at) for row in rows]

    async def replace(self, integration: Integration, *, version: int, key_hash: str = "") -> None:
        query = update(integrations).where(*_key(integration.tenant, integration.id), integrations.c.version == version)
        values = _values(integration) | ({"key_hash": key_hash} if key_hash else {})
        async with self._database.transaction() as connection:
            if (await connection.execute(query.values(**values))).rowcount == 0:
                raise IntegrationChanged("The integration was changed meanwhile; read it again.")

    async def delete(self, tenant: str, integration: str, *, etag: str) -> None:
        table = integration_payloads.c
        async with self._database.transaction() as connection:
            row = (await connection.execute(select(integrations.c.version).where(*_key(tenant, integration)).with_for_update())).first()
            if row is None:
                raise IntegrationNotFound
            if etag and etag != str(row.version):
                raise IntegrationChanged("The integration was changed since; its etag is another one now.")
            await connection.execute(delete(integrations).where(*_key(tenant, integration)))
            await connection.execute(delete(integration_payloads).where(table.tenant == tenant, table.integration == integration))

    async def keep(self, payloads: Sequence[KeptPayload]) -> Sequence[None]:
        async with self._database.transaction() as connection:
            await _KEEP.many(connection, [_payload_row(payload) for payload in payloads])
            for tenant, integration in sorted({(payload.tenant, payload.integration) for payload in payloads}):
                await _FORGET.run(connection, tenant, integration)
        return [None] * len(payloads)

    async def payloads(self, tenant: str, integration: str, *, before: str, size: int) -> Sequence[KeptPayload]:
        table = integration_payloads.c
        query = select(integration_payloads).where(table.tenant == tenant, table.integration == integration)
        if before:
            query = query.where(table.id < before)
        async with self._database.read() as connection:
            return [_payload(row) for row in await connection.execute(query.order_by(table.id.desc()).limit(size))]


def _key(tenant: str, integration: str) -> tuple[Any, ...]:
    return integrations.c.tenant == tenant, integrations.c.id == integration


def _values(integration: Integration) -> dict[str, Any]:
    return {
        "tenant": integration.tenant,
        "display_name": integration.display_name,
        "policy": integration.policy,
        "severity": int(integration.severity),
        "mapping": msgspec.json.encode(integration.mapping).decode() if integration.mapping else "",
        "by_group": integration.by_group,
        "paused": integration.paused,
        "version": integration.version,
        "updated_at": integration.updated,
    }


def _integration(row: Row[Any], *, received: int | None = None) -> Integration:
    """The integration in a row; a mapping that nobody can read is left out, and named."""
    mapping, damaged = None, ()
    try:
        mapping = _MAPPINGS.decode(row.mapping) if row.mapping else None
    except NOT_READABLE as error:
        _log.error("a stored mapping cannot be read", tenant=row.tenant, integration=row.id, exc_info=error)
        damaged = ("mapping",)
    return Integration(
        id=row.id,
        tenant=row.tenant,
        kind=known(IntegrationKind, row.kind),
        display_name=row.display_name,
        policy=row.policy,
        severity=known(IncidentSeverity, row.severity),
        mapping=mapping,
        by_group=bool(row.by_group),
        paused=bool(row.paused),
        version=row.version,
        created=row.created_at,
        updated=row.updated_at,
        received=received,
        damaged=damaged,
    )


def _payload_row(payload: KeptPayload) -> tuple[Any, ...]:
    return (
        *(payload.id, payload.tenant, payload.integration, payload.received, storable(payload.content_type), payload.size),
        *(storable(payload.body), storable(msgspec.json.encode(payload.headers).decode()), int(payload.outcome)),
        *(storable(payload.field), storable(payload.detail), msgspec.json.encode(payload.receipt).decode()),
        msgspec.json.encode(payload.incidents).decode(),
    )


def _payload(row: Row[Any]) -> KeptPayload:
    return KeptPayload(
        id=row.id,
        tenant=row.tenant,
        integration=row.integration,
        received=row.received_at,
        content_type=row.content_type,
        size=row.size,
        body=row.body,
        outcome=known(PayloadOutcome, row.outcome),
        field=row.field,
        detail=row.detail,
        receipt=_read(_RECEIPTS, row.receipt, PayloadReceipt()),
        incidents=_read(_IDS, row.incidents, ()),
        headers=_read(_HEADERS, row.headers, {}),
    )


def _read(decoder: "msgspec.json.Decoder[Any]", stored: str, otherwise: "Any") -> Any:
    """What a stored text says; what is usual if nobody can read it."""
    try:
        return decoder.decode(stored)
    except NOT_READABLE:
        return otherwise
