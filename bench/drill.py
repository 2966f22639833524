"""`make drill`: an installation is backed up under load, lost, restored elsewhere, and accounted for.

Among many alarms that are not due yet, some ring all the time: once each, and every two seconds. While they do, `tocsin backup` runs; then
every service is killed, the archive is restored into another folder, and `tocsin audit` compares the rules with the ledger. Nothing may be
missing, and no mail be there twice. It prints one JSON object.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import asyncpg

from bench.bulk import lines
from tocsin.clock import SystemClock
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.stack import RunningStack

ONCE: Final = "rings once"
_TIMERS: Final = 5
_PATIENCE_SECONDS: Final = 120.0
_LEAD_SECONDS: Final = 6
_PAGE: Final = 1000


async def measure(*, alarms: int = 1000, ringing: int = 100, seconds: float = 10.0, postgresql: bool = False) -> dict[str, Any]:
    """Makes the drill.

    Args:
        alarms: that are not due yet.
        ringing: that ring once, evenly, from before the backup until after the restore.
        seconds: for how long before the backup begins.
        postgresql: keep everything in a PostgreSQL, and restore into another database of it.

    Returns:
        What the account says: due times that the ledger lacks (missing), rows that no rule asked for (unexpected), mails that did not
        come or came twice, and alarms that are gone; and how long backup and restore took.
    """
    with tempfile.TemporaryDirectory(prefix="drill-") as name:
        folder = Path(name)
        if not postgresql:
            return await _drill(folder, {}, {}, alarms=alarms, ringing=ringing, seconds=seconds)
        server = PostgresServer(fsync=True)
        server.start()
        try:
            settings = [await _database(server, database) for database in ("before", "after")]
            return await _drill(folder, *settings, alarms=alarms, ringing=ringing, seconds=seconds)
        finally:
            server.close()


async def _database(server: PostgresServer, name: str) -> dict[str, str]:
    admin: Any = await cast("Any", asyncpg).connect(server.url())
    try:
        await admin.execute(f"CREATE DATABASE {name}")
    finally:
        await admin.close()
    return {"TOCSIN_DATABASE_URL": server.url(name), "PATH": f"{server.programs}:{os.environ['PATH']}"}


async def _drill(
    folder: Path, before: Mapping[str, str], after: Mapping[str, str], *, alarms: int, ringing: int, seconds: float
) -> dict[str, Any]:
    archive, figures = folder / "backup.tar", dict[str, Any](alarms=alarms, ringing=ringing)
    old = RunningStack(state=folder / "before", env=before)
    old.start()
    try:
        begun = await asyncio.to_thread(_fill, old, folder / "alarms.ndjson", alarms=alarms, ringing=ringing, seconds=seconds)
        await asyncio.sleep(max(0.0, seconds - (time.time() - begun.timestamp())))
        figures["backup_s"] = await asyncio.to_thread(_timed, old, "backup", str(archive))
    finally:
        for service in old.info["services"]:
            old.kill(service)
        old.command("down")
    figures["archive_bytes"] = archive.stat().st_size
    new = RunningStack(state=folder / "after", env=after)
    figures["restore_s"] = await asyncio.to_thread(_timed, new, "restore", str(archive))
    with new:
        figures |= await account(new, begun=begun, ringing=ringing)
        figures["alarms_missing"] = alarms - await asyncio.to_thread(_restored, new, folder / "restored.ndjson")
    return figures


def _restored(stack: RunningStack, file: Path) -> int:
    """How many of those alarms are there that are not due yet."""
    stack.command("export", str(file))
    with file.open(encoding="utf-8") as found:
        return len({key for line in found if (key := str(json.loads(line).get("key", ""))).startswith("bench-")})


def _fill(stack: RunningStack, file: Path, *, alarms: int, ringing: int, seconds: float) -> datetime:
    """Imports everything; when the first one rings."""
    stack.command("import", _written(file, lines(alarms, now=SystemClock().micros())))
    first = datetime.now(UTC) + timedelta(seconds=_LEAD_SECONDS)
    stack.command("import", _written(file, ringing_lines(first, ringing=ringing, seconds=3 * seconds)))
    return first


def _written(file: Path, data: bytes) -> str:
    file.write_bytes(data)
    return str(file)


def ringing_lines(first: datetime, *, ringing: int, seconds: float) -> bytes:
    """NDJSON of alarms that ring: once each, evenly for so many seconds, and some every two seconds."""
    late = {"mode": "LATEST"}  # on a slow machine the first ones are due before they are imported
    made: list[dict[str, Any]] = [
        {
            "key": f"once-{number}",
            "trigger": {"at": (first + timedelta(seconds=seconds * number / ringing)).isoformat(), "catchUp": late},
            "action": {"notify": {"to": ["ann@example.com"], "subject": f"{ONCE} {number}", "text": "Rings once."}},
        }
        for number in range(ringing)
    ]
    made += [
        {"key": f"timer-{number}", "trigger": {"every": "2s", "startTime": first.isoformat()}, "action": {"task": {"handler": "noop"}}}
        for number in range(_TIMERS)
    ]
    return b"".join(json.dumps(each).encode() + b"\n" for each in made)


async def account(stack: RunningStack, *, begun: datetime, ringing: int) -> dict[str, int]:
    """Waits until everything that rings once has, and compares rules, ledger and mails."""
    end = time.monotonic() + _PATIENCE_SECONDS
    mails = await mails_of(stack)
    while len(mails) < ringing and time.monotonic() < end:
        await asyncio.sleep(0.5)
        mails = await mails_of(stack)
    told = stack.command("audit", "--from", begun.isoformat(), "--to", datetime.now(UTC).isoformat(), "--json", check=False).stdout
    summary: dict[str, Any] = json.loads(told.splitlines()[-1])["summary"]
    figures = {name: int(summary.get(name, 0)) for name in ("expected", "found", "missing", "unexpected", "unreadable")}
    return {**figures, "mails_missing": ringing - len(mails), "mails_twice": sum(count > 1 for count in mails.values())}


async def mails_of(stack: RunningStack) -> Counter[str]:
    """The subjects of the mails in the development inbox that are of the drill, and how often each is there."""
    found, token = Counter[str](), ""
    async with stack.client() as client:
        while True:
            page = (await client.get("/v1/inbox/messages", params={"pageSize": _PAGE, "pageToken": token})).json()
            subjects = (message["subject"] for message in page.get("messages", ()))
            found.update(subject for subject in subjects if re.fullmatch(rf"{ONCE} \d+", subject))
            token = page.get("nextPageToken", "")
            if not token:
                return found


def _timed(stack: RunningStack, *words: str) -> float:
    begun = time.monotonic()
    stack.command(*words)
    return round(time.monotonic() - begun, 2)


def main() -> None:
    """Prints the account; exit code 1 unless it is right."""
    parser = argparse.ArgumentParser(prog="make drill", description=__doc__)
    parser.add_argument("--alarms", type=int, default=1000)
    parser.add_argument("--ringing", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--postgresql", action="store_true")
    figures = asyncio.run(measure(**vars(parser.parse_args())))
    print(json.dumps(figures, indent=2))
    sys.exit(any(figures[name] for name in ("missing", "unexpected", "unreadable", "mails_missing", "mails_twice", "alarms_missing")))


if __name__ == "__main__":
    main()
