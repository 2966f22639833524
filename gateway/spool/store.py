"""The tables of a gateway, in a SQLite file of its own: what waits in the spool, and answers by Idempotency-Key."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Row, Table, Text, delete, func, insert, or_, select, text

from gateway.idempotency import KeptAnswer
from tocsin.database import Database, RowOwners, purge_table, storable

metadata: Final = MetaData()

calls: Final = Table(
    "calls",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True, comment="Their order."),
    Column("path", Text, nullable=False),
    Column("tenant", Text, nullable=False, comment="Empty when the call needs none."),
    Column("request", LargeBinary, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("accepted_at", BigInteger, nullable=False, comment="Microseconds since the Unix epoch, UTC."),
    Column("lane", Text, nullable=False, server_default=text("''"), comment="Calls of one keep their order; a tenant, or @address."),
    Index("calls_by_lane", "lane", "number"),
    sqlite_autoincrement=True,  # a number is never used again, so a late delete cannot hit a younger call
)
set_aside: Final = Table(
    "set_aside",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False, comment="As it was in calls."),
    Column("path", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    Column("set_aside_at", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("reason", Text, nullable=False, comment="The class of the error."),
    Column("message", Text, nullable=False),
)
idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    Column("id", LargeBinary, primary_key=True, comment="Digest of tenant, caller, method and key."),
    Column("tenant", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False, comment="Digest of the payload."),
    Column("answer", LargeBinary, comment="Sealed; null when it was too large to be kept."),
    Column("created_at", BigInteger, nullable=False, comment="Microseconds since the Unix epoch, UTC."),
    Index("idempotency_keys_by_age", "created_at"),
)
purge_table(metadata)

OWNERS: Final = RowOwners(children={}, columns={}, nobody={}, kept={}, along={})
"""Whose the rows are: every table says it."""

_SHARED: Final = ("number", "path", "tenant", "lane", "request", "traceparent", "accepted_at")


class SpooledCall(NamedTuple):
    """One call that waits; ``number`` is 0 before it is stored."""

    path: str
    tenant: str
    request: bytes
    traceparent: str
    accepted: int
    queue: str
    number: int = 0


class SetAsideCall(NamedTuple):
    """A call that was set aside: when, after how many tries, and why."""

    call: SpooledCall
    at: int
    tries: int
    reason: str
    message: str


class SpoolUse(NamedTuple):
    """Calls, and the bytes of their requests."""

    calls: int = 0
    bytes: int = 0


class OpenDatabase(Protocol):
    """What has the database while it is open."""

    @property
    def database(self) -> Database:
        """The database."""
        ...


class SpoolStore:
    """Calls that wait, and calls that were set aside; one transaction a method."""

    def __init__(self, file: OpenDatabase) -> None:
        self._file = file

    async def add(self, entries: Sequence[SpooledCall]) -> None:
        """Keeps calls, behind those that are there."""
        rows = [_row(entry) for entry in entries]
        async with self._file.database.transaction() as connection:
            await connection.execute(insert(calls), rows)

    async def oldest(self, queue: str, *, most: int, most_bytes: int) -> list[SpooledCall]:
        """The calls of a queue that came first, in order; those after the one that passes the bound of bytes come later."""
        size = func.length(calls.c.request)
        before = (func.sum(size).over(order_by=calls.c.number) - size).label("before")
        first = select(calls, before).where(calls.c.lane == queue).order_by(calls.c.number).limit(most).subquery()
        query = select(first).where(first.c.before <= most_bytes).order_by(first.c.number)
        async with self._file.database.read() as connection:
            return [_entry(row) for row in await connection.execute(query)]

    async def remove(self, numbers: Sequence[int]) -> None:
        """Forgets calls that are over."""
        async with self._file.database.transaction() as connection:
            await connection.execute(delete(calls).where(calls.c.number.in_(numbers)))

    async def use_by_queue(self) -> dict[str, SpoolUse]:
        """What waits, by queue."""
        query = select(calls.c.lane, func.count(), func.sum(func.length(calls.c.request))).group_by(calls.c.lane)
        async with self._file.database.read() as connection:
            return {queue: SpoolUse(count, size) for queue, count, size in await connection.execute(query)}

    async def first_accepted(self) -> int | None:
        """When the oldest call was taken on, in microseconds since the Unix epoch."""
        query = select(calls.c.accepted_at).order_by(calls.c.number).limit(1)
        async with self._file.database.read() as connection:
            return await connection.scalar(query)

    async def set_aside(self, aside: SetAsideCall, *, most: SpoolUse) -> int:
        """Sets a call aside, and drops the oldest of those beyond ``most``; how many were dropped."""
        values = _row(aside.call) | {
            "number": aside.call.number,
            "set_aside_at": aside.at,
            "tries": aside.tries,
            "reason": aside.reason,
            "message": storable(aside.message),
        }
        size = func.length(set_aside.c.request)
        newest_first = set_aside.c.number.desc()
        ranked = select(
            set_aside.c.number,
            func.row_number().over(order_by=newest_first).label("place"),
            func.sum(size).over(order_by=newest_first).label("bytes"),
        ).subquery()
        beyond = select(ranked.c.number).where((ranked.c.place > most.calls) | (ranked.c.bytes > most.bytes))
        async with self._file.database.transaction() as connection:
            await connection.execute(delete(calls).where(calls.c.number == aside.call.number))
            await connection.execute(insert(set_aside).prefix_with("OR REPLACE"), values)
            return (await connection.execute(delete(set_aside).where(set_aside.c.number.in_(beyond)))).rowcount

    async def set_aside_use(self) -> SpoolUse:
        """What is set aside."""
        query = select(func.count(), func.coalesce(func.sum(func.length(set_aside.c.request)), 0))
        async with self._file.database.read() as connection:
            return SpoolUse(*(await connection.execute(query)).one())

    async def set_aside_page(self, *, after: int, most: int, tenant: str = "") -> list[SetAsideCall]:
        """Calls that were set aside, by their number, behind a number."""
        query = select(set_aside).where(set_aside.c.number > after).order_by(set_aside.c.number).limit(most)
        if tenant:
            query = query.where(set_aside.c.tenant == tenant)
        async with self._file.database.read() as connection:
            return [_aside(row) for row in await connection.execute(query)]

    async def aside(self, number: int) -> SetAsideCall | None:
        """One of them."""
        async with self._file.database.read() as connection:
            row = (await connection.execute(select(set_aside).where(set_aside.c.number == number))).one_or_none()
        return None if row is None else _aside(row)

    async def restore(self, number: int) -> bool:
        """Lets a call wait again, at its old place; whether it was set aside."""
        columns = [set_aside.c[name] for name in _SHARED]
        async with self._file.database.transaction() as connection:
            back = insert(calls).from_select(list(_SHARED), select(*columns).where(set_aside.c.number == number))
            await connection.execute(back)
            return (await connection.execute(delete(set_aside).where(set_aside.c.number == number))).rowcount > 0

    async def drop(self, number: int) -> bool:
        """Forgets a call that was set aside; whether it was."""
        async with self._file.database.transaction() as connection:
            return (await connection.execute(delete(set_aside).where(set_aside.c.number == number))).rowcount > 0


class IdempotencyStore:
    """The table; one transaction a method."""

    def __init__(self, file: OpenDatabase) -> None:
        self._file = file

    async def ids(self) -> set[bytes]:
        """Every key."""
        async with self._file.database.read() as connection:
            return set(await connection.scalars(select(idempotency_keys.c.id)))

    async def find(self, identity: bytes) -> KeptAnswer | None:
        """What one key was used for."""
        query = select(idempotency_keys).where(idempotency_keys.c.id == identity)
        async with self._file.database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _kept(row)

    async def add(self, kept: Sequence[KeptAnswer]) -> None:
        """Keeps answers; of a key that is there the newest counts."""
        rows = [
            {"id": one.id, "tenant": one.tenant, "fingerprint": one.fingerprint, "answer": one.answer, "created_at": one.created}
            for one in kept
        ]
        async with self._file.database.transaction() as connection:
            await connection.execute(insert(idempotency_keys).prefix_with("OR REPLACE"), rows)

    async def page(self, *, after: bytes, most: int) -> list[KeptAnswer]:
        """Keys behind ``after``, in their order."""
        query = select(idempotency_keys).where(idempotency_keys.c.id > after).order_by(idempotency_keys.c.id).limit(most)
        async with self._file.database.read() as connection:
            return [_kept(row) for row in await connection.execute(query)]

    async def ids_of(self, tenant: str) -> list[bytes]:
        """The keys of a tenant."""
        query = select(idempotency_keys.c.id).where(idempotency_keys.c.tenant == tenant)
        async with self._file.database.read() as connection:
            return list(await connection.scalars(query))

    async def clean(self, *, before: int, keys: int, tenant_keys: int, size: int) -> list[bytes]:
        """Forgets what is older than ``before``, and the oldest beyond the bounds of all and of each tenant; which keys those were."""
        table = idempotency_keys
        newest = table.c.created_at.desc(), table.c.id
        length = func.coalesce(func.length(table.c.answer), 0)
        ranked = select(
            table.c.id,
            table.c.created_at,
            func.row_number().over(order_by=newest).label("place"),
            func.row_number().over(partition_by=table.c.tenant, order_by=newest).label("tenant_place"),
            func.sum(length).over(order_by=newest).label("bytes"),
        ).subquery()
        beyond = select(ranked.c.id).where(
            or_(ranked.c.created_at < before, ranked.c.place > keys, ranked.c.tenant_place > tenant_keys, ranked.c.bytes > size)
        )
        async with self._file.database.transaction() as connection:
            return list(await connection.scalars(delete(table).where(table.c.id.in_(beyond)).returning(table.c.id)))


def _row(entry: SpooledCall) -> dict[str, Any]:
    return {
        "path": entry.path,
        "tenant": entry.tenant,
        "lane": entry.queue,
        "request": entry.request,
        "traceparent": entry.traceparent,
        "accepted_at": entry.accepted,
    }


def _entry(row: Row[Any]) -> SpooledCall:
    return SpooledCall(row.path, row.tenant, row.request, row.traceparent, row.accepted_at, row.lane, row.number)


def _aside(row: Row[Any]) -> SetAsideCall:
    return SetAsideCall(_entry(row), row.set_aside_at, row.tries, row.reason, row.message)


def _kept(row: Row[Any]) -> KeptAnswer:
    return KeptAnswer(row.id, row.tenant, row.fingerprint, row.answer, row.created_at)
