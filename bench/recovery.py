"""How long each service is missed: it is killed while 500 alarms a second become mails, and the rate is watched until it is back.

Run ``python -m bench.recovery`` (``--postgresql`` for that database); it prints one JSON object. Every completion is read from the
database afterwards, so nothing that watches takes a share of the machine meanwhile.
"""

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import asyncpg

from tocsin.clock import SECOND
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.stack import RunningStack

SERVICES: Final = ("processor_svc", "mailer_svc", "scheduler_svc", "gateway", "auth_svc")
_LEAD: Final = 20.0
"""Seconds for the import of everything, and for the services to calm down again."""
_SHARE: Final = 0.95
_DONE: Final = "SELECT completed_at FROM firings WHERE state = 3 AND completed_at IS NOT NULL"
_ROWS: Final = "SELECT count(*), count(DISTINCT alarm) FROM firings"


async def measure(*, rate: int = 500, apart: float = 12.0, postgresql: str | None = None) -> dict[str, Any]:
    """Kills each service once.

    Args:
        rate: alarms a second.
        apart: seconds from one kill to the next.
        postgresql: URL of an empty database; SQLite unless given.

    Returns:
        For each service the seconds from its kill until a second begins in which at least 95 % of the rate is done again (0: no second had
        less), and the longest time in which nothing rang; and how many alarms were lost or rang twice.
    """
    total = round(rate * apart * (len(SERVICES) + 1))
    with tempfile.TemporaryDirectory(prefix="recovery-") as name:
        folder = Path(name)
        with RunningStack(state=folder / "state", env={"TOCSIN_DATABASE_URL": postgresql} if postgresql else None) as stack:
            first = time.time() + _LEAD + total / 4000
            await asyncio.to_thread(_import, stack, folder / "alarms.ndjson", first, rate, total)
            kills = await _kill_in_turn(stack, first, apart)
            await asyncio.sleep(max(0.0, first + total / rate - time.time()))
            done, rows, alarms = await _all_completions(folder / "state", postgresql, total)
            mails = await _mails(stack)
    result: dict[str, Any] = {
        service: {"rings_again_s": _recovery(done, killed, rate), "silent_s": _silence(done, killed, apart)}
        for service, killed in kills.items()
    }
    lost = total - len(done)
    return {"alarms": total, **result, "lost": lost, "rang_twice": rows - alarms, "mails": mails, "mails_expected": total}


def _import(stack: RunningStack, file: Path, first: float, rate: int, total: int) -> None:
    with file.open("w") as lines:
        for number in range(total):
            due = datetime.fromtimestamp(first + number / rate, UTC).isoformat()
            action = {"notify": {"to": ["ann@example.com"], "subject": f"recovery {number}", "text": "Rings once."}}
            lines.write(json.dumps({"key": f"recovery-{number}", "trigger": {"at": due}, "action": action}) + "\n")
    stack.command("import", str(file))
    if time.time() > first:
        msg = "the import took longer than planned; the first alarms are late already"
        raise RuntimeError(msg)


async def _kill_in_turn(stack: RunningStack, first: float, apart: float) -> dict[str, float]:
    """When each was killed, in seconds since the epoch."""
    kills: dict[str, float] = {}
    for number, service in enumerate(SERVICES):
        await asyncio.sleep(first + (number + 0.5) * apart - time.time())
        kills[service] = time.time()
        stack.kill(service)
    return kills


async def _all_completions(state: Path, postgresql: str | None, total: int) -> tuple[list[float], int, int]:
    """The completions once there are ``total``, or after half a minute: what is missing then is lost."""
    found = await _completions(state, postgresql)
    for _ in range(30):
        if len(found[0]) >= total:
            break
        await asyncio.sleep(1.0)
        found = await _completions(state, postgresql)
    return found


async def _completions(state: Path, postgresql: str | None) -> tuple[list[float], int, int]:
    """When each firing was done, in order; rows, and alarms among them."""
    done, (counts,) = await _read_postgresql(postgresql) if postgresql else _read_sqlite(state)
    return sorted(row[0] / SECOND for row in done), int(counts[0]), int(counts[1])


async def _read_postgresql(url: str) -> tuple[list[Any], list[Any]]:
    connection: Any = await cast("Any", asyncpg).connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute("SET search_path TO scheduler_svc")
        return await connection.fetch(_DONE), await connection.fetch(_ROWS)
    finally:
        await connection.close()


def _read_sqlite(state: Path) -> tuple[list[Any], list[Any]]:
    (path,) = state.rglob("scheduler_svc.db")
    with closing(sqlite3.connect(path)) as database:
        return database.execute(_DONE).fetchall(), database.execute(_ROWS).fetchall()


def _recovery(done: Sequence[float], killed: float, rate: int) -> float:
    """Seconds until a second begins in which enough is done again."""

    def enough(begin: float) -> bool:
        return bisect_left(done, begin + 1.0) - bisect_left(done, begin) >= rate * _SHARE

    begins = [killed + step / 20 for step in range(200)]
    dip = next((begin for begin in begins[:60] if not enough(begin)), None)
    return 0.0 if dip is None else round(next((begin for begin in begins if begin > dip and enough(begin)), float("inf")) - killed, 2)


def _silence(done: Sequence[float], killed: float, apart: float) -> float:
    """The longest pause between two that were done, before the next kill."""
    there = done[bisect_left(done, killed) - 1 : bisect_left(done, killed + apart)]
    return round(max((later - earlier for earlier, later in pairwise(there)), default=apart), 2)


async def _mails(stack: RunningStack) -> int:
    """How many different mails arrived."""
    subjects: set[str] = set()
    token = ""
    async with stack.client() as client:
        while True:
            page = (await client.get("/v1/inbox/messages", params={"pageSize": 1000, "pageToken": token})).json()
            subjects |= {message["subject"] for message in page.get("messages", [])}
            token = page.get("nextPageToken", "")
            if not token:
                return len(subjects)


def main() -> None:
    """Prints the measures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args()
    if not options.postgresql:
        print(json.dumps(asyncio.run(measure(rate=options.rate)), indent=2))
        return
    server = PostgresServer(fsync=True)
    server.start()
    try:
        print(json.dumps(asyncio.run(measure(rate=options.rate, postgresql=server.url())), indent=2))
    finally:
        server.close()


if __name__ == "__main__":
    main()
