"""The database of the simulation: the service's own SQL on SQLite in memory, behind a network that fails.

The stores are the real ones; only the connection under them is simulated. A transaction's statements run in one go, as transactions that
are serializable do; what can go wrong lies before and after: it may wait, be refused, be broken off before the commit, or commit while
the caller hears of a failure, or hears nothing because it is dead.
"""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, create_engine
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import StaticPool

from scheduler_svc.domain import SHARDS
from scheduler_svc.store import metadata
from tests.simulation.journal import JOURNAL
from tests.simulation.loop import Fate, Process, SimLoop, SimTask
from tests.simulation.machine import SimClock
from tocsin.database import Database, DatabaseUnavailable, DriverConnection, Lookup
from tocsin.errors import Aborted

_WIDE: Final = 20

T = TypeVar("T")


@dataclass(slots=True)
class StorageFaults:
    """How often the way to the database fails, each a probability of one use.

    Attributes:
        delay: mean seconds each way.
        slow: chance of a delay a thousand times as long.
    """

    delay: float = 0.0
    slow: float = 0.0
    refused: float = 0.0
    aborted: float = 0.0
    unanswered: float = 0.0


class Locks:
    """The locks that processes hold as long as their connection to the database lasts."""

    def __init__(self) -> None:
        self.holders: dict[int, Process] = {}

    def release(self, process: Process) -> None:
        """The connection of a process ended."""
        self.holders = {key: holder for key, holder in self.holders.items() if holder is not process}


class Storage:
    """The database server: one, shared by all replicas; it survives them."""

    def __init__(self, *, loop: SimLoop, draw: random.Random, clock: SimClock) -> None:
        """Makes an empty schema.

        Args:
            loop: source of virtual time.
            draw: source of delays and failures.
            clock: decides when a lease is over.
        """
        self.loop = loop
        self.clock = clock
        self.locks = Locks()
        self.draw = draw
        self.storage_faults = StorageFaults()
        self.away = False
        self.counts: Counter[str] = Counter()
        self.on_commit: Callable[[Process, Sequence[str]], None] = _nothing
        self._read_up_to = 0
        self._transactions = 0
        self.raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.raw.create_function("sim_time", 0, loop.time)
        self.raw.create_function("sim_transaction", 0, lambda: self._transactions)
        self.raw.row_factory = _row
        self._engine = create_engine("sqlite://", creator=lambda: self.raw, poolclass=StaticPool)
        metadata.create_all(self._engine)
        self.raw.executescript(JOURNAL)
        self._fill()
        self.connection: Connection = self._engine.connect()
        self._server = Process("database")
        self._waiting: dict[SimTask, Process] = {}
        self._ghosts: list[asyncio.Future[None]] = []
        self._writer: Process | None = None

    def close(self) -> None:
        """Throws everything away."""
        self.connection.close()
        self._engine.dispose()
        self.raw.close()

    def _fill(self) -> None:
        """The rows that the first migration makes."""
        rows = [(shard,) for shard in range(SHARDS)]
        self.raw.executemany("INSERT INTO shards (shard, owner, epoch, lease_until) VALUES (?, '', 0, 0)", rows)
        self.raw.execute("INSERT INTO counters (name, value) VALUES ('change', 0), ('transactions', 0)")

    def on_their_way(self, process: Process, chance: float) -> int:
        """Lets transactions of a process go on that dies or freezes now: they have left it. How many."""
        found = [task for task, owner in self._waiting.items() if owner is process and self.draw.random() < chance]
        for task in found:
            task.process = self._server
        return len(found)

    def writes_for(self, process: Process) -> bool:
        """Whether a transaction of a process is open, which gives others their turn in between."""
        return self._writer is process

    @contextmanager
    def _on_the_way(self) -> Generator[Process]:
        task = asyncio.current_task()
        assert isinstance(task, SimTask)
        self._waiting[task] = owner = task.process
        try:
            yield owner
        finally:
            self._waiting.pop(task, None)

    async def _travel(self) -> None:
        storage_faults = self.storage_faults
        delay = self.draw.expovariate(1 / storage_faults.delay) if storage_faults.delay else 0.0
        if storage_faults.slow and self.draw.random() < storage_faults.slow:
            delay *= 1000
            self.counts["slow transactions"] += 1
        await asyncio.sleep(delay)

    async def _back(self, owner: Process) -> None:
        """The answer reaches its process; one that is dead gets none, and one that is frozen gets it later."""
        task = asyncio.current_task()
        if isinstance(task, SimTask) and task.process is self._server:
            if owner.fate is Fate.DEAD:
                self._ghosts.append(asyncio.get_running_loop().create_future())
                await self._ghosts[-1]
            task.process = owner
        await self._travel()

    def _fails(self, kind: str, chance: float) -> bool:
        if chance and self.draw.random() < chance:
            self.counts[kind] += 1
            return True
        return False

    async def _arrive(self, owner: Process) -> None:
        await self._travel()
        if self.away:
            self.counts["database away"] += 1
        elif not self._fails("refused transactions", self.storage_faults.refused):
            # There is one connection: what is written is seen when it is committed, which takes no time.
            while self._writer is not None:  # noqa: ASYNC110  whoever commits wakes nobody, who might be dead by then
                await asyncio.sleep(0)
            return
        await self._back(owner)
        raise DatabaseUnavailable("The simulated database is away.", retry_after=1.0)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """See `tocsin.database.Database`."""
        with self._on_the_way() as owner:
            await self._arrive(owner)
        self._transactions += 1
        self.raw.execute("BEGIN IMMEDIATE")
        self._writer = owner
        try:
            yield cast("AsyncConnection", SimConnection(self.connection, self.raw))
        except BaseException:
            self.raw.execute("ROLLBACK")
            self._writer = None
            await self._back(owner)
            raise
        self._writer = None
        if self._fails("aborted transactions", self.storage_faults.aborted):
            self.raw.execute("ROLLBACK")
            await self._back(owner)
            raise Aborted("The simulated database chose this transaction as a victim.")
        self.raw.execute("COMMIT")
        self.counts["commits"] += 1
        self.on_commit(owner, self._made_by_others(owner))
        await self._back(owner)
        if self._fails("lost acknowledgements", self.storage_faults.unanswered):
            raise DatabaseUnavailable("The simulated database did not answer; nobody knows whether it committed.", retry_after=1.0)

    def _made_by_others(self, owner: Process) -> list[str]:
        """The firings that this commit made in shards of somebody else."""
        found = self.raw.execute("SELECT seq, kind, id, owner FROM log WHERE seq > ? ORDER BY seq", (self._read_up_to,)).fetchall()
        self._read_up_to = found[-1][0] if found else self._read_up_to
        return [identity for _, kind, identity, whose in found if kind == "firing" and whose != owner.name]

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """See `tocsin.database.Database`."""
        with self._on_the_way() as owner:
            await self._arrive(owner)
        yield cast("AsyncConnection", SimConnection(self.connection, self.raw))
        self.counts["reads"] += 1
        await self._back(owner)


class _Wide(tuple[Any, ...]):
    """A row of a whole alarm, which has names as SQLAlchemy's have: the stores read such rows by name."""

    names: tuple[str, ...]

    def __getattr__(self, name: str) -> Any:
        return self[self.names.index(name)]


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(values) < _WIDE:
        return values
    row = _Wide(values)
    row.names = tuple(column[0] for column in cursor.description)
    return row


def _nothing(process: Process, trespasses: Sequence[str]) -> None:
    """Nobody looks."""


class SimDatabase(Database):
    """The connection pool of one replica."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.dialect = "sqlite"

    async def start(self) -> None:
        """There is nothing to open."""

    async def stop(self) -> None:
        """There is nothing to close."""

    def transaction(self, *, urgent: bool = False) -> Any:
        """See `tocsin.database.Database`."""
        del urgent
        return self._storage.transaction()

    async def transact(self, work: Callable[[DriverConnection], Coroutine[Any, Any, T]], *, urgent: bool = False) -> T:
        """See `tocsin.database.Database`."""
        async with self.transaction(urgent=urgent) as connection:
            return await work(connection)

    def read(self, *, snapshot: bool = False) -> Any:
        """See `tocsin.database.Database`."""
        return self._storage.read()

    async def lookup(self, query: Lookup, values: Mapping[str, Any]) -> Sequence[Any]:
        """See `tocsin.database.Database`."""
        async with self.read() as connection:
            return (await connection.exec_driver_sql(query.sqlite, values)).fetchall()


class SimConnection:
    """What the stores use of SQLAlchemy's `AsyncConnection`; the statements run at once."""

    def __init__(self, connection: Connection, raw: sqlite3.Connection) -> None:
        self._connection = connection
        self._raw = raw
        self.dialect = connection.dialect

    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        """See `AsyncConnection`."""
        return self._connection.execute(statement, parameters)

    async def exec_driver_sql(self, statement: str, parameters: Any = ()) -> Any:
        """See `AsyncConnection`. The cursor of the driver has what the stores use of SQLAlchemy's, and is several times as fast."""
        if isinstance(parameters, list):
            return self._raw.executemany(statement, parameters)
        return self._raw.execute(statement, parameters)

    async def scalar(self, statement: Any, parameters: Any = None) -> Any:
        """See `AsyncConnection`."""
        return self._connection.scalar(statement, parameters)

    async def scalars(self, statement: Any, parameters: Any = None) -> Any:
        """See `AsyncConnection`."""
        return self._connection.scalars(statement, parameters)

    async def begin_nested(self) -> "SimSavepoint":
        """See `AsyncConnection`."""
        self._raw.execute("SAVEPOINT nested")
        return SimSavepoint(self._raw)

    async def run_sync(self, function: Callable[..., Any], *given: Any) -> Any:
        """See `AsyncConnection`."""
        return function(self._connection, *given)


class SimSavepoint:
    """What the stores use of a nested transaction."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    async def commit(self) -> None:
        """Keeps what was done since."""
        self._raw.execute("RELEASE nested")

    async def rollback(self) -> None:
        """Forgets it."""
        self._raw.execute("ROLLBACK TO nested")
        self._raw.execute("RELEASE nested")
