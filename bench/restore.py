"""How long `tocsin backup` and `tocsin restore` take with many alarms, on an installation that is otherwise idle.

Run ``python -m bench.restore --alarms 100000``; it prints one JSON object.
"""

import argparse
import asyncio
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, cast

import asyncpg

from bench.bulk import fill
from tocsin.backups.installation import BackedUpInstallation
from tocsin.backups.making import make_backup, verify_backup
from tocsin.backups.restoring import restore_backup
from tocsin.clock import SystemClock
from tocsin.database import migrate
from tocsin.testing.postgres import PostgresServer

SERVICES: Final = ("auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")


async def measure(*, alarms: int) -> dict[str, Any]:
    """Seconds of each step, on SQLite and on a PostgreSQL that flushes each commit."""
    return {"alarms": alarms, "sqlite": await _on_sqlite(alarms), "postgresql": await _on_postgresql(alarms)}


async def _on_sqlite(alarms: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="restore-") as name:
        return await _steps(Path(name), alarms, {}, {}, lambda service: f"sqlite:///{name}/before/{service}.db")


async def _on_postgresql(alarms: int) -> dict[str, Any]:
    server, path = PostgresServer(fsync=True), os.environ["PATH"]
    server.start()
    os.environ["PATH"] = f"{server.programs}:{path}"
    try:
        admin: Any = await cast("Any", asyncpg).connect(server.url())
        for database in ("before", "after"):
            await admin.execute(f"CREATE DATABASE {database}")
        await admin.close()
        before, after = ({"TOCSIN_DATABASE_URL": server.url(database)} for database in ("before", "after"))
        with tempfile.TemporaryDirectory(prefix="restore-") as name:
            return await _steps(Path(name), alarms, before, after, lambda _: server.url("before"))
    finally:
        os.environ["PATH"] = path
        server.close()


async def _steps(folder: Path, alarms: int, before: dict[str, str], after: dict[str, str], url: Callable[[str], str]) -> dict[str, Any]:
    state, archive = folder / "before", folder / "backup.tar"
    _make_state(state)
    for service in SERVICES:
        await migrate(url=url(service), schema=service, package=service)
    await fill(url=url("scheduler_svc"), alarms=alarms)
    old = BackedUpInstallation.of({"TOCSIN_STATE_DIR": str(state), **before})
    new = BackedUpInstallation.of({"TOCSIN_STATE_DIR": str(folder / "after"), **after})
    figures = {"backup_s": await _timed(make_backup(old, archive, clock=SystemClock()))}
    figures["verify_s"] = await _timed(asyncio.to_thread(verify_backup, archive))
    figures["restore_s"] = await _timed(restore_backup(new, archive, clock=SystemClock()))
    return {**figures, "archive_bytes": archive.stat().st_size}


def _make_state(state: Path) -> None:
    state.mkdir()
    (state / "secret-key").write_text(secrets.token_urlsafe(32))


async def _timed(step: Coroutine[Any, Any, object]) -> float:
    begun = time.monotonic()
    await step
    return round(time.monotonic() - begun, 1)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.restore", description=__doc__)
    parser.add_argument("--alarms", type=int, default=100_000)
    print(json.dumps(asyncio.run(measure(alarms=parser.parse_args().alarms)), indent=2))


if __name__ == "__main__":
    main()
