"""What one tenant's flood costs another: lateness of a quiet tenant's alarms, alone and beside alarms of a stranger due at one instant."""

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.fire import Everything, Sink, fill, opened
from scheduler_svc.config import SchedulerSettings
from scheduler_svc.domain import QueuedFiring
from scheduler_svc.engine import Engine
from scheduler_svc.store import SqlDueStore
from scheduler_svc.wiring.options import engine_options
from tocsin.clock import SECOND, SystemClock
from tocsin.testing.postgres import PostgresServer

_START: Final = 4 * SECOND
_STEP: Final = 40_000
_QUIET: Final = 300
"""Alarms of the quiet tenant: one every 40 ms for twelve seconds."""


class _Tenants(Sink):
    """Notes how late each tenant's alarms were."""

    def __init__(self, clock: SystemClock, wanted: int) -> None:
        super().__init__(clock, wanted)
        self._now = clock.micros
        self.of: dict[str, list[int]] = {"quiet": [], "flood": []}

    def offer(self, queued_firings: Iterable[QueuedFiring]) -> None:
        taken = list(queued_firings)
        now = self._now()
        for queued in taken:
            self.of[queued.tenant].append(now - queued.due)
        super().offer(taken)


async def measure(*, url: str, flood: int) -> dict[str, Any]:
    """Lateness of the quiet tenant's alarms, alone and beside ``flood`` others.

    Args:
        url: a database of its own.
        flood: alarms of the stranger, due at one instant in the middle of the quiet tenant's.
    """
    return {"alone": await _run(url, 0), "beside": await _run(url, flood)}


async def _run(url: str, flood: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        values: dict[str, Any] = {"state_dir": Path(folder), "database_url": url}
        settings = SchedulerSettings(**values)
        clock = SystemClock()
        async with opened(settings) as database:
            first = clock.micros() + _START + flood * 20
            await fill(settings, mark="02", many=_QUIET, first=first, step=_STEP, tenant="quiet")
            await fill(settings, mark="01", many=flood, first=first + 2 * SECOND, step=0, tenant="flood")
            sink = _Tenants(clock, _QUIET + flood)
            engine = Engine(
                store=SqlDueStore(database),
                shards=Everything(),
                sink=sink,
                changes=sink,
                observer=sink,
                clock=clock,
                options=engine_options(settings),
            )
            await engine.start()
            await sink.done.wait()
            await engine.stop()
            async with database.transaction() as connection:
                await connection.exec_driver_sql("DELETE FROM alarms")
                await connection.exec_driver_sql("DELETE FROM firings")
        return _figures(sink)


def _figures(sink: _Tenants) -> dict[str, Any]:
    late = sorted(sink.of["quiet"])
    found = {
        "quiet_late_p50_ms": round(statistics.median(late) / 1000, 1),
        "quiet_late_p99_ms": round(late[len(late) * 99 // 100] / 1000, 1),
        "quiet_late_worst_ms": round(late[-1] / 1000, 1),
    }
    if flood := sink.of["flood"]:
        found |= {"flood": len(flood), "flood_drained_after_ms": round(max(flood) / 1000, 1)}
    return found


async def _by_hand(url: str | None, flood: int) -> dict[str, Any]:
    if url is not None:
        return await measure(url=url, flood=flood)
    server = await asyncio.to_thread(PostgresServer, fsync=True)
    await asyncio.to_thread(server.start)
    try:
        return await measure(url=server.url(), flood=flood)
    finally:
        await asyncio.to_thread(server.close)


def main() -> None:
    """Measures from the command line: ``python -m bench.neighbours --flood 20000 [--url sqlite:////tmp/store.db]``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flood", type=int, default=20_000)
    parser.add_argument("--url", help="database URL; a private PostgreSQL that flushes each commit without it")
    given = parser.parse_args()
    print(json.dumps(uvloop.run(_by_hand(given.url, given.flood)), indent=2))


if __name__ == "__main__":
    main()
