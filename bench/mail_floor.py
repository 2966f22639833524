"""The floor of mail that is kept: the barest pipelined client, which stores what the mailer stores of a mail and does nothing else.

Each mail has its row, its body and three entries in the timeline; it is claimed, marked before its content goes out and settled after the
answer. All that waits is committed together, on plain drivers: nothing is checked, no claim is compared, nobody is told.
"""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol, cast

import asyncpg

from mailer_svc.domain import DeliveryState
from mailer_svc.store.tables import contents, deliveries, events
from tocsin.clock import SystemClock
from tocsin.database import Database

BATCH: Final = 200
TEXT: Final = "In five minutes.\n"
_SENDING, _SENT = int(DeliveryState.SENDING), int(DeliveryState.SENT)

Work = Sequence[tuple[str, Sequence[tuple[Any, ...]]]]
"""Statements with ``?`` for each value, and the rows of each: one transaction."""
Mark = Callable[[], Awaitable[None]]


class RawMailClient:
    """Bytes that are ready, with the commands of each mail in one piece (RFC 2920)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "RawMailClient":
        """A client of the server at this port."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        writer.write(b"EHLO bench\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass
        return cls(reader, writer)

    async def send(self, key: int, mark: Mark | None = None) -> None:
        """Sends the mail of this number; ``mark`` is awaited before its content."""
        self._writer.write(b"MAIL FROM:<bench@example.com>\r\nRCPT TO:<u%d@example.com>\r\nDATA\r\n" % key)
        for _ in range(3):
            await self._reader.readline()
        if mark is not None:
            await mark()
        head = b"From: bench@example.com\r\nTo: u%d@example.com\r\nSubject: Stand-up\r\nMessage-ID: <%d@bench>\r\n\r\n" % (key, key)
        self._writer.write(head + TEXT.replace("\n", "\r\n").encode() + b".\r\n")
        await self._reader.readline()

    async def close(self) -> None:
        """Says goodbye."""
        self._writer.write(b"QUIT\r\n")
        await self._reader.readline()
        self._writer.close()


class _Store(Protocol):
    async def write(self, work: Work) -> None: ...

    async def close(self) -> None: ...


class _Sqlite:
    def __init__(self, path: str) -> None:
        self._driver = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            self._driver.execute(f"PRAGMA {pragma}")

    async def write(self, work: Work) -> None:
        await asyncio.to_thread(self._write, work)

    def _write(self, work: Work) -> None:
        self._driver.execute("BEGIN IMMEDIATE")
        for statement, rows in work:
            self._driver.executemany(statement, rows)
        self._driver.execute("COMMIT")

    async def close(self) -> None:
        self._driver.close()


class _Postgres:
    def __init__(self, driver: Any) -> None:
        self._driver = driver

    async def write(self, work: Work) -> None:
        async with self._driver.transaction():
            for statement, rows in work:
                text, *rest = statement.split("?")
                numbered = text + "".join(f"${number}{piece}" for number, piece in enumerate(rest, start=1))
                await self._driver.executemany(numbered, rows)

    async def close(self) -> None:
        await self._driver.close()


class _Keeper:
    """Commits what waits, all of it at once, again and again."""

    def __init__(self, store: _Store) -> None:
        self._store = store
        self._change = 10**9
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._running: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def accept(self, keys: range) -> None:
        now = time.time_ns() // 1000
        rows = [_row(key, now) for key in keys]
        bodies = [(_name(key), TEXT, "", "[]") for key in keys]
        claim = "UPDATE deliveries SET epoch = 1, owner = ?, due = ? WHERE id >= ? AND id <= ?"
        work: Work = [
            (_insert(deliveries), rows),
            (_insert(contents), bodies),
            (_insert(events), self._entries([(key, 1) for key in keys], now)),
            (claim, [("bench", now + 30_000_000, _name(keys[0]), _name(keys[-1]))]),
        ]
        await self._write(work)

    async def _write(self, work: Work) -> None:
        async with self._turn:
            await self._store.write(work)

    def _entries(self, changes: Sequence[tuple[int, int]], now: int) -> list[tuple[Any, ...]]:
        self._change += 1
        return [
            (self._change, number, _name(key), "bench", now, state, 1, None, "smtp", 0, "") for number, (key, state) in enumerate(changes)
        ]

    def progress(self, key: int, state: int) -> "asyncio.Future[None]":
        """The future is done once it is stored."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, state, stored))
        if self._running is None:
            self._running = asyncio.ensure_future(self._flush())
        return stored

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            now = time.time_ns() // 1000
            changes = [(state, 1, now, None if state == _SENT else now, _name(key)) for key, state, _ in batch]
            change = "UPDATE deliveries SET state = ?, attempts = ?, updated = ?, due = ? WHERE id = ?"
            entries = self._entries([(key, state) for key, state, _ in batch], now)
            try:
                await self._write([(change, changes), (_insert(events), entries)])
            except Exception as error:  # noqa: BLE001  whoever waits gets it, and ends
                for _, _, stored in batch:
                    stored.set_exception(error)
            else:
                for _, _, stored in batch:
                    stored.set_result(None)
        self._running = None


def _name(key: int) -> str:
    return f"floor-{key:09d}"


def _row(key: int, now: int) -> tuple[Any, ...]:
    """A row of ``deliveries``, with what the mailer has in it."""
    known = {"id": _name(key), "tenant": "bench", "firing": f"f{key}", "channel": "email", "recipient": f"u{key}@example.com"}
    known |= {"subject": "Stand-up", "message_id": f"<{key}@bench>"}
    numbers = {"lane": 2, "state": 1, "attempts": 0, "deferrals": 0, "epoch": 0, "since": 0, "created": now, "updated": now, "due": now}
    rest = {"resend": False, "next_attempt": None, "hold_until": None}
    values: dict[str, Any] = {**known, **numbers, **rest}
    return tuple(values.get(column.name, "") for column in deliveries.columns)


def _insert(table: Any) -> str:
    return f"INSERT INTO {table.name} ({', '.join(column.name for column in table.columns)}) VALUES ({', '.join('?' * len(table.columns))})"  # noqa: S608


async def _opened(url: str) -> _Store:
    """The mailer's tables, as they are after its migrations."""
    database = Database(url=url, clock=SystemClock(), schema="mailer_svc", migrations="mailer_svc")
    await database.start()
    await database.stop()
    if url.startswith("sqlite"):
        return _Sqlite(url.removeprefix("sqlite:///"))
    connect = cast("Any", asyncpg).connect  # the library has no types
    return _Postgres(await connect(url, server_settings={"search_path": "mailer_svc"}))


async def measure(*, mails: int, url: str, clients: Sequence[RawMailClient]) -> float:
    """Stores and sends ``mails``.

    Args:
        mails: how many.
        url: a database that holds no mails of an earlier floor.
        clients: each sends one mail at a time; closed in the end.

    Returns:
        Seconds.
    """
    store = await _opened(url)
    keeper, queue = _Keeper(store), asyncio.Queue[int]()
    started = time.perf_counter()

    async def work(client: RawMailClient) -> None:
        while True:
            key = await queue.get()
            await client.send(key, partial(keeper.progress, key, _SENDING))
            keeper.progress(key, _SENT).add_done_callback(lambda _: queue.task_done())

    working = [asyncio.ensure_future(work(client)) for client in clients]
    try:
        for first in range(0, mails, BATCH):
            keys = range(first, min(mails, first + BATCH))
            await keeper.accept(keys)
            for key in keys:
                queue.put_nowait(key)
        ended = asyncio.ensure_future(queue.join())
        await asyncio.wait([ended, *working], return_when=asyncio.FIRST_COMPLETED)
        for failed in (task for task in working if task.done()):
            await failed
        return time.perf_counter() - started
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await asyncio.gather(store.close(), *(client.close() for client in clients))
