"""The firing path by itself: from the time index through the firing transaction into the ledger, with nobody who takes the firings."""

import argparse
import asyncio
import json
import resource
import statistics
import tempfile
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.services import seconds_of_server
from scheduler_svc.config import SchedulerSettings
from scheduler_svc.domain import Action, FiringState, QueuedFiring
from scheduler_svc.engine import Engine
from scheduler_svc.ports import Fired
from scheduler_svc.service.fire_quotas import FireQuotas
from scheduler_svc.store import SqlDueStore, SqlFireQuotas
from scheduler_svc.wiring.options import engine_options
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.clock import DAY, SECOND, SystemClock
from tocsin.database import Database
from tocsin.tenants import TenantBook
from tocsin.tenants.quotas import QuotaAlerts
from tocsin.testing.alerts import RecordedAlerts
from tocsin.testing.postgres import PostgresServer

_OWNER: Final = "bench"
_SHARDS: Final = 256
_START_SECONDS: Final = 3
_FAR: Final = 30 * DAY
_ACTION: Final = Action("task", alarm_pb2.Action(task=alarm_pb2.Task(handler="noop")).SerializeToString(deterministic=True))
_COLUMNS: Final = (
    "id, tenant, shard, state, priority, next_fire_at, ordinal, anchor_at, trigger_rule, kind, action, retry, display_name, labels, "
    "traceparent, version, created_at, updated_at"
)
# The n-th of `many` alarms is due at `first + n * step`; ids begin with `mark`, so that they sort by it.
_STORE: Final = {
    "postgresql": (
        f"INSERT INTO alarms ({_COLUMNS}) SELECT '{{mark}}' || lpad(upper(to_hex(n)), 24, '0'), {{tenant}}, n % 256, 1, 2, "  # noqa: S608  numbers
        """{first} + n * {step}, 0, 0, '{{"at":' || ({first} + n * {step}) || ',"tz":"UTC"}}', '{kind}', '\\x{body}'::bytea, """
        "'', '', '', '', 1, 0, 0 FROM generate_series(1, {many}::bigint) AS n"
    ),
    "sqlite": (
        f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {{many}}) INSERT INTO alarms ({_COLUMNS}) "  # noqa: S608  numbers
        "SELECT '{mark}' || printf('%024X', n), {tenant}, n % 256, 1, 2, {first} + n * {step}, 0, 0, "
        """'{{"at":' || ({first} + n * {step}) || ',"tz":"UTC"}}', '{kind}', x'{body}', '', '', '', '', 1, 0, 0 FROM s"""
    ),
}


class Everything:
    """Every shard is ours."""

    def __init__(self) -> None:
        self.owner = _OWNER
        self.held: Mapping[int, int] = dict.fromkeys(range(_SHARDS), 1)


class Sink:
    """Takes what is fired, and notes how late it was: sink, observer and teller of changes at once."""

    def __init__(self, clock: SystemClock, wanted: int) -> None:
        self._clock = clock
        self._wanted = wanted
        self.lateness: list[int] = []
        self.begun = asyncio.Event()
        self.done = asyncio.Event()
        self.transactions: list[float] = []

    def offer(self, queued_firings: Iterable[QueuedFiring]) -> None:
        """Notes when they were fired."""
        now = self._clock.micros()
        self.lateness += [now - queued.due for queued in queued_firings]
        self.begun.set()
        if len(self.lateness) >= self._wanted:
            self.done.set()

    def cancel(self, firing: str) -> None:
        """Nobody cancels one here."""

    def rescan(self) -> None:
        """Nobody looks for them here."""

    def fired(self, fired: Fired, *, now: int, seconds: float) -> None:
        """Notes how long the transaction took."""
        self.transactions.append(seconds)

    def recorded(self, states: Mapping[FiringState, int], *, seconds: float) -> None:
        """Nothing comes back here."""

    def lost(self, count: int) -> None:
        """Likewise."""

    async def changed(self, tenants: Iterable[str]) -> None:
        """Nobody watches."""


async def measure(*, url: str, alarms: int, stored: int = 0, per_second: int = 0, **settings: Any) -> dict[str, Any]:
    """How fast alarms are fired.

    Args:
        url: a database of its own.
        alarms: how many.
        stored: so many others, due in a month, lie in the same table.
        per_second: they are due one after the other at this rate; 0: all at one instant, which is over when the engine starts.
        settings: of the scheduler.
    """
    with tempfile.TemporaryDirectory() as folder:
        values: dict[str, Any] = {"state_dir": Path(folder), "database_url": url, **settings}
        made = SchedulerSettings(**values)
        first = SystemClock().micros()
        await fill(made, mark="7Z", many=stored, first=first + _FAR, step=1)
        first = SystemClock().micros() + (_START_SECONDS * SECOND if per_second else 0)
        await fill(made, mark="01", many=alarms, first=first, step=SECOND // per_second if per_second else 0)
        return {"alarms": alarms, "stored": stored, **await _run(made, alarms=alarms, per_second=per_second)}


async def _run(settings: SchedulerSettings, *, alarms: int, per_second: int) -> dict[str, Any]:
    clock = SystemClock()
    sink, memory, begun = Sink(clock, alarms), _resident(), clock.monotonic()
    async with opened(settings) as database:
        server = await _backend(database)
        used, served = _used(), seconds_of_server(server) if server else 0.0
        engine = Engine(
            store=SqlDueStore(database),
            shards=Everything(),
            sink=sink,
            changes=sink,
            observer=sink,
            clock=clock,
            options=engine_options(settings),
            fires=FireQuotas(store=SqlFireQuotas(database), book=TenantBook, alerts=QuotaAlerts(RecordedAlerts()), clock=clock),
        )
        launched = clock.monotonic()
        await engine.start()
        await sink.begun.wait()
        started = clock.monotonic() - begun
        await sink.done.wait()
        seconds = clock.monotonic() - launched
        await engine.stop()
        return {
            **(_late(sink.lateness) if per_second else {"first_after_seconds": round(started, 3), "per_second": round(alarms / seconds)}),
            "scheduler_microseconds_each": round((_used() - used) * SECOND / alarms, 1),
            "server_microseconds_each": round((seconds_of_server(server) - served) * SECOND / alarms, 1) if server else 0,
            "transactions": len(sink.transactions),
            "transaction_milliseconds": round(1000 * statistics.fmean(sink.transactions), 1),
            "memory_growth_megabytes": round((_resident() - memory) / 2**20, 1),
        }


async def fill(settings: SchedulerSettings, *, mark: str, many: int, first: int, step: int, tenant: str = "") -> None:
    """Stores alarms.

    Args:
        settings: of the scheduler.
        mark: their ids begin with it.
        many: how many.
        first: when the first one is due, in microseconds.
        step: microseconds from one to the next.
        tenant: whose they are; ten tenants', in turn, unless given.
    """
    owner = f"'{tenant}'" if tenant else "'tenant-' || n % 10"
    values = {"tenant": owner, "mark": mark, "many": many, "first": first, "step": step, "kind": _ACTION.kind, "body": _ACTION.body.hex()}
    async with opened(settings) as database:
        async with database.transaction() as connection:
            await connection.exec_driver_sql("UPDATE shards SET owner = 'bench', epoch = 1")
            if many:
                await connection.exec_driver_sql(_STORE[database.dialect].format(**values))
        if database.dialect == "postgresql":
            async with database.read() as connection:
                await connection.exec_driver_sql("VACUUM ANALYZE alarms")
                await connection.exec_driver_sql("CHECKPOINT")


@asynccontextmanager
async def opened(settings: SchedulerSettings) -> AsyncGenerator[Database]:
    """The scheduler's database, with patience for large statements."""
    patient = settings.model_copy(update={"database_command_timeout_seconds": 600.0})
    database = Database.of(patient, clock=SystemClock())
    await database.start()
    try:
        yield database
    finally:
        await database.stop()


async def _backend(database: Database) -> int:
    if database.dialect == "sqlite":
        return 0
    async with database.read() as connection:
        return int((await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one())


def _late(lateness: list[int]) -> dict[str, Any]:
    percentiles = statistics.quantiles((late / 1000 for late in lateness), n=1000, method="inclusive")
    shown = {f"late_p{name}_ms": round(percentiles[at], 1) for name, at in (("50", 499), ("99", 989), ("99_9", 998))}
    return {**shown, "early": sum(late < 0 for late in lateness)}


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    """Runs one measurement by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="database URL; a private PostgreSQL that flushes each commit without it")
    parser.add_argument("--alarms", type=int, default=50_000)
    parser.add_argument("--stored", type=int, default=0)
    parser.add_argument("--per-second", type=int, default=0)
    parser.add_argument("--batch", type=int, default=None)
    options = vars(parser.parse_args())
    url, batch = options.pop("url"), options.pop("batch")
    if batch is not None:
        options["fire_batch_size"] = batch
    if url is not None:
        print(json.dumps(uvloop.run(measure(url=url, **options)), indent=2))
        return
    server = PostgresServer(fsync=True)
    server.start()
    try:
        print(json.dumps(uvloop.run(measure(url=server.url(), **options)), indent=2))
    finally:
        server.close()


if __name__ == "__main__":
    main()
