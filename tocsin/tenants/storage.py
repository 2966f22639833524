"""How many bytes the services keep of each tenant that has a quota of them: counted now and then, so that no write pays for it."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, LargeBinary, MetaData, Select, Table, Text, cast, func, literal, select

from tocsin.api.mesh.v1 import mesh_service_pb2, mesh_service_pb2_grpc
from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.errors import QuotaExceeded, TocsinError
from tocsin.mesh.client import Mesh
from tocsin.mesh.policy import MethodPolicy
from tocsin.telemetry import get_logger
from tocsin.tenants import TenantBook
from tocsin.tenants.quotas import QuotaAlerts

_log = get_logger(__name__)

STORAGE_BYTES: Final = "storage_bytes"
"""The quota."""
STORING_SERVICES: Final = ("scheduler_svc", "processor_svc", "mailer_svc")
"""Services that keep what tenants make."""
_SECONDS: Final = 60.0
_REST: Final = 50
"""So many times as long as counting took nobody counts: it takes a fiftieth of a database's time at most."""
_NUMBER_BYTES: Final = 8
_UNCOUNTED: Final = frozenset(("quota_periods", "tenant_counts"))
_MAKES: Final = re.compile(r"(?:Create|Import|Add|Register)[A-Z]\w*|SetRecord")
_URGENT: Final = frozenset(("CreateSilence", "CreateRotationOverride"))

Bytes = Mapping[str, int]
"""By tenant."""
AskBytes = Callable[[], Awaitable[Bytes]]


class StorageMeter:
    """Counts what this service keeps, asks the others, and refuses to make more for a tenant that has used up its quota; a component.

    What runs goes on: firings, messages, incidents, silences. What was made since the last count is not in it.
    """

    def __init__(
        self,
        *,
        database: Database,
        metadata: MetaData,
        book: Callable[[], TenantBook],
        peers: Mapping[str, AskBytes],
        clock: Clock,
        alerts: QuotaAlerts | None = None,
        parts: Sequence[tuple[Table, Column[Any], Column[Any]]] = (),
    ) -> None:
        """Takes what it counts.

        Args:
            database: of this service.
            metadata: its tables; those with a column ``tenant`` are counted.
            book: knows the quotas.
            peers: asks the other services, by name.
            clock: paces the counts.
            alerts: told when a quota is nearly used up, or is; one service tells.
            parts: tables without such a column, the column of their key, and that of the table whose rows they are part of.
        """
        self._database = database
        sqlite = database.dialect == "sqlite"
        tables = (table for table in metadata.sorted_tables if "tenant" in table.c and table.name not in _UNCOUNTED)
        self._queries: dict[str, Callable[[], Select[Any, Any]]] = {table.name: partial(_sizes, table, sqlite=sqlite) for table in tables}
        self._queries |= {table.name: partial(_sizes_of_part, table, key, whole, sqlite=sqlite) for table, key, whole in parts}
        self._book = book
        self._peers = peers
        self._clock = clock
        self._alerts = alerts
        self._sizes: dict[str, Bytes] = {}
        self._others: dict[str, Bytes] = {}
        self._total: Bytes = {}
        self._rest_until = 0.0
        self._rounds = Background(clock)

    async def start(self) -> None:
        """Begins to count."""
        if not self._rounds.running:
            self._rounds.periodic("stored bytes", _SECONDS, self._round, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._rounds.stop()

    @property
    def own(self) -> Bytes:
        """What this service keeps of each tenant with a quota."""
        return sum(map(Counter, self._sizes.values()), Counter[str]())

    def used(self, tenant: str) -> int:
        """What all services keep of a tenant with a quota, as far as they were asked."""
        return self._total.get(tenant, 0)

    def require(self, policy: MethodPolicy, tenant: str) -> None:
        """Refuses a call that makes something for a tenant that has used up its quota.

        Raises:
            QuotaExceeded: it has.
        """
        if tenant in self._total and _MAKES.fullmatch(policy.method) and policy.method not in _URGENT:
            used, limit = self._total[tenant], self._limit(tenant)
            if limit and used >= limit:
                raise QuotaExceeded.of(STORAGE_BYTES, limit=limit, used=used)

    async def measure(self) -> None:
        """Counts, and asks."""
        if STORAGE_BYTES not in self._book().bounded:
            self._sizes, self._others, self._total = {}, {}, {}
            return
        for name, query in self._queries.items():
            try:
                self._sizes[name] = await self._count(query())
            except TocsinError as error:  # what was counted last stands
                _log.warning("stored bytes not counted", table=name, error=error.message)
            report_progress()
        for name, ask in self._peers.items():
            try:
                self._others[name] = await ask()
            except TocsinError as error:
                _log.warning("stored bytes not told", service=name, error=error.message)
        before, self._total = self._total, sum(map(Counter, self._others.values()), Counter(self.own))
        if self._alerts is not None:
            for tenant, used in self._total.items():
                self._alerts.used(STORAGE_BYTES, tenant, before=before.get(tenant, 0), after=used, limit=self._limit(tenant))

    async def _round(self) -> None:
        begun = self._clock.monotonic()
        if begun >= self._rest_until:
            await self.measure()
            ended = self._clock.monotonic()
            self._rest_until = ended + _REST * (ended - begun)

    async def _count(self, query: Select[Any, Any]) -> Bytes:
        async with self._database.read() as connection:
            return {row[0]: int(row[1]) for row in await connection.execute(query) if self._limit(row[0])}

    def _limit(self, tenant: str) -> int:
        return self._book().of(tenant).quotas.storage_bytes


def stored_over_mesh(mesh: Mesh, *, service: str) -> Mapping[str, AskBytes]:
    """Asks the services that keep something, but not ``service``."""
    return {name: _asking(mesh, name) for name in STORING_SERVICES if name != service}


def _asking(mesh: Mesh, name: str) -> AskBytes:
    stub = mesh_service_pb2_grpc.MeshServiceStub(mesh.channel(name))

    async def ask() -> Bytes:
        answer = await stub.GetStoredBytes(mesh_service_pb2.GetStoredBytesRequest())
        return {each.tenant: each.bytes for each in answer.tenants}

    return ask


@lru_cache(maxsize=512)  # written when there is a quota: most installations have none, and a start would take a tenth longer
def _sizes(table: Table, *, sqlite: bool) -> Select[Any, Any]:
    return select(table.c.tenant, func.sum(_size(table, sqlite=sqlite))).group_by(table.c.tenant)


@lru_cache(maxsize=512)
def _sizes_of_part(table: Table, key: Column[Any], whole: Column[Any], *, sqlite: bool) -> Select[Any, Any]:
    tenant = whole.table.c.tenant
    return select(tenant, func.sum(_size(table, sqlite=sqlite))).join_from(table, whole.table, key == whole).group_by(tenant)


def _size(table: Table, *, sqlite: bool) -> ColumnElement[int]:
    """Bytes of a row: of texts as they are stored, without indexes."""
    sizes = literal(0)
    numbers = 0
    for column in table.c:
        if isinstance(column.type, Text | LargeBinary):
            size = func.length(cast(column, LargeBinary)) if sqlite else func.pg_column_size(column)
            sizes += func.coalesce(size, 0)
        else:
            numbers += _NUMBER_BYTES
    return sizes + numbers
