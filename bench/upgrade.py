"""`make upgrade`: an installation with many alarms gets this release over an older schema, while alarms are due all the time.

Stopped, as on one machine: the old scheduler is gone, `tocsin migrate` runs, the new one starts, and recomputes every alarm, since a
release may bring other time zones. Served (`--served`, on PostgreSQL): the scheduler of the last commit that had the older schema goes on
while the schema is migrated, the new one starts beside it, and the old one ends. An alarm is due each tenth of a second; how late each was
fired, and whether each was, is read from the ledger. It prints one JSON object.
"""

import argparse
import asyncio
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from bench import bulk
from bench.services import service
from scheduler_svc.domain import Outcome
from tocsin.api.scheduler.v1 import alarm_service_pb2_grpc
from tocsin.clock import SECOND, SystemClock, from_micros
from tocsin.database import Database, downgrade
from tocsin.database.migration import migrations_of
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.process import free_port
from tocsin.testing.waiting import eventually

REVISION: Final = "0005"
"""The older schema, unless another one is asked for: that of the first day on which everything was there that fires alarms."""

_PACKAGE: Final = "scheduler_svc"
_ROOT: Final = Path(__file__).resolve().parent.parent
_TENTH: Final = SECOND // 10
_LEAD_SECONDS: Final = 2
_BEFORE_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 120.0
_LASTING_SECONDS: Final = 300
_A_SECOND: Final = 10_000
"""Alarms that the slowest part of the preparation gets through in a second."""


async def measure(*, url: str, alarms: int, revision: str = REVISION, served: bool = False, after: float = 5.0) -> dict[str, Any]:
    """Makes the upgrade.

    Args:
        url: an empty database.
        alarms: that are not due yet.
        revision: of the schema before.
        served: the scheduler of the old release goes on meanwhile.
        after: seconds for which it is looked at what is due once the new scheduler is ready.

    Returns:
        Seconds that the migration and the start of the new scheduler took; how many alarms were due from the beginning until a moment after
        the end, how late the latest of them was fired, and how many were fired early, not at all (missing, not fired) or again (twice).
    """
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="upgrade-") as name:
        folder = Path(name)
        tree = await asyncio.to_thread(_tree_of, revision, folder / "old") if served else _ROOT
        times = await _fill(folder, url, alarms, clock)
        await downgrade(url=url, schema=_PACKAGE, package=_PACKAGE, revision=revision)
        database = Database(url=url, schema=_PACKAGE, clock=clock)
        await database.start()
        try:
            async with AsyncExitStack() as stack:
                figures = await (_served if served else _stopped)(stack, database, folder, url, tree)
                begun = figures.pop("begun")
                await clock.sleep(after)
                accounted = await account(database, times, begun, clock.micros())
        finally:
            await database.stop()
    return {"alarms": alarms, **figures, "upgrade_s": round(figures["migrate_s"] + figures["start_s"], 2), **accounted}


async def _stopped(stack: AsyncExitStack, database: Database, folder: Path, url: str, tree: Path) -> dict[str, Any]:
    async with database.transaction() as connection:
        await connection.exec_driver_sql("DELETE FROM facts WHERE name LIKE 'tzdata/%'")
    begun = SystemClock().micros()
    migrated = await _migrate(folder, url)
    return {"begun": begun, "migrate_s": migrated, "start_s": await _start(stack, folder, url, tree)}


async def _served(stack: AsyncExitStack, database: Database, folder: Path, url: str, tree: Path) -> dict[str, Any]:
    async with AsyncExitStack() as old:
        await _start(old, folder, url, tree)
        await SystemClock().sleep(_BEFORE_SECONDS)
        begun = SystemClock().micros()
        migrated = await _migrate(folder, url)
        started = await _start(stack, folder, url, _ROOT)
    return {"begun": begun, "migrate_s": migrated, "start_s": started}


async def _start(stack: AsyncExitStack, folder: Path, url: str, tree: Path) -> float:
    """Seconds until a scheduler is ready, which runs until the stack ends."""
    begun = SystemClock().monotonic()
    settings = {"DATABASE_URL": url, "DATABASE_MIGRATE": "false", "PORT": str(free_port()), "LOG_LEVEL": "error"}
    await stack.enter_async_context(service("scheduler", folder=folder, settings=settings, tree=tree))
    return round(SystemClock().monotonic() - begun, 2)


async def _migrate(folder: Path, url: str) -> float:
    """Seconds that the command takes."""
    begun = SystemClock().monotonic()
    line = [sys.executable, "-m", "tocsin.cli", "migrate", _PACKAGE, "--state", str(folder)]
    env = {**os.environ, "TOCSIN_SCHEDULER_DATABASE_URL": url}
    command = await asyncio.create_subprocess_exec(*line, env=env, stdout=subprocess.DEVNULL)
    if await command.wait():
        msg = f"{' '.join(line)} ended with {command.returncode}"
        raise RuntimeError(msg)
    return round(SystemClock().monotonic() - begun, 2)


async def _fill(folder: Path, url: str, alarms: int, clock: SystemClock) -> range:
    """Imports everything; when those are due of which one is due each tenth of a second, for as long as the rest takes."""
    async with bulk.scheduler(folder, url, clock) as (channel, _):
        stub: Any = alarm_service_pb2_grpc.AlarmServiceStub(channel)
        await import_all(stub, bulk.stream(alarms, now=clock.micros()))
        first = clock.micros() + _LEAD_SECONDS * SECOND
        times = range(first, first + (_LASTING_SECONDS + alarms // _A_SECOND) * SECOND, _TENTH)
        await import_all(stub, ringing(times))
        return times


async def import_all(stub: Any, requests: AsyncIterator[Any]) -> None:
    """Imports alarms.

    Raises:
        RuntimeError: one was refused.
    """
    answer = [item async for item in stub.ImportAlarms(requests)][-1]
    if answer.refused:
        msg = f"{answer.refused} lines were refused"
        raise RuntimeError(msg)


async def ringing(times: range) -> AsyncIterator[Any]:
    """The import of alarms that are due at these times, once each."""
    made = (
        {
            "key": f"due-{number}",
            "trigger": {"at": from_micros(due).isoformat(), "catchUp": {"mode": "LATEST"}},
            "action": {"task": {"handler": "noop"}},
        }
        for number, due in enumerate(times)
    )
    yield bulk.request(b"".join(json.dumps(each).encode() + b"\n" for each in made))


async def account(database: Database, times: range, begun: int, until: int) -> dict[str, Any]:
    """What became of those that were due meanwhile, once each has its row in the ledger."""
    wanted = f"SELECT count(*) FROM alarms WHERE key LIKE 'due-%' AND state = 1 AND next_fire_at < {until}"  # noqa: S608  a number

    async def done() -> bool:
        async with database.read() as connection:
            return (await connection.exec_driver_sql(wanted)).scalar_one() == 0

    await eventually(done, seconds=_PATIENCE_SECONDS, what="that everything is fired that was due")
    async with database.read() as connection:
        found = await connection.exec_driver_sql(
            "SELECT f.alarm, f.due_at, f.fired_at, f.outcome FROM firings f "  # noqa: S608  numbers
            f"WHERE f.due_at >= {begun} AND f.due_at < {until}"
        )
        rows = [tuple(row) for row in found]
    rung = Counter(alarm for alarm, *_ in rows)
    late = [fired - due for _, due, fired, outcome in rows if fired is not None and outcome in (Outcome.FIRED, Outcome.LATE)]
    due = sum(begun <= each < until for each in times)
    return {
        "due": due,
        "latest_ms": round(max(late, default=0) / 1000),
        "early": sum(each < 0 for each in late),
        "missing": max(0, due - len(rung)),
        "not_fired": len(rows) - len(late),
        "twice": sum(count > 1 for count in rung.values()),
    }


def _tree_of(revision: str, folder: Path) -> Path:
    """The last commit whose newest revision it was, written into a folder.

    Raises:
        SystemExit: this clone does not reach back so far.
    """
    versions = migrations_of(_PACKAGE) / "versions"
    later = min((path for path in versions.glob("[0-9]*.py") if path.name[: len(revision)] > revision), default=None)
    if later is None:
        raise SystemExit(f"revision {revision} is not an older one")
    found = _git("log", "--format=%H^", "-1", "--diff-filter=A", "--", str(later.relative_to(_ROOT))).decode().strip()
    archive = _git("archive", "--format=tar", found) if found else b""
    if not archive:
        raise SystemExit(f"this clone has no commit of before {later.name}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def _git(*words: str) -> bytes:
    program = shutil.which("git")
    return subprocess.run([program, *words], cwd=_ROOT, capture_output=True, check=False).stdout if program else b""


def main() -> None:
    """Prints the figures; exit code 1 unless each that was due was fired once."""
    parser = argparse.ArgumentParser(prog="make upgrade", description=__doc__)
    parser.add_argument("--alarms", type=int, default=10_000)
    parser.add_argument("--from", dest="revision", default=REVISION, help="the older schema")
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--served", action="store_true", help="the scheduler of then goes on meanwhile, on PostgreSQL")
    options: Mapping[str, Any] = vars(parser.parse_args())
    figures = asyncio.run(_on_a_database(**options))
    print(json.dumps(figures, indent=2))
    sys.exit(any(figures[name] for name in ("early", "missing", "not_fired", "twice")))


async def _on_a_database(*, alarms: int, revision: str, postgresql: bool, served: bool) -> dict[str, Any]:
    if not (postgresql or served):
        with tempfile.TemporaryDirectory(prefix="upgrade-") as folder:
            return await measure(url=f"sqlite:///{folder}/store.db", alarms=alarms, revision=revision)
    server = PostgresServer(fsync=True)
    server.start()
    try:
        return await measure(url=server.url(), alarms=alarms, revision=revision, served=served)
    finally:
        server.close()


if __name__ == "__main__":
    main()
