"""Lists with filters at a million alarms: how long a page takes, in the middle and at the worst, and by which index it is found."""

import argparse
import json
import statistics
import tempfile
import time
from typing import Any, Final

import uvloop

from bench.bulk import fill
from scheduler_svc.handlers.alarm_filter import ALARM_FILTER
from scheduler_svc.store import SqlAlarmStore
from tocsin.clock import SystemClock
from tocsin.database import ConnectionLimits, Database
from tocsin.listing import parse_filter
from tocsin.testing.postgres import PostgresServer

TENANT: Final = "bulk"
_ROUNDS: Final = 15
_PAGE: Final = 50
FILTERS: Final = (
    "",
    'state="ACTIVE"',
    'state="PAUSED"',
    'state="COMPLETED"',
    'state!="ACTIVE"',
    'priority="NORMAL"',
    'priority="BULK"',
    'priority="CRITICAL"',
    'key="bench-500000"',
    'key="none"',
    'display_name="Alarm number 400000"',
    'display_name!="Alarm number 400000"',
    'labels.team="team-7"',
    'labels.env="prod"',
    'labels.half="a"',
    'labels.none="x"',
    'labels.team="team-7" AND priority="BULK"',
    'labels.env="prod" AND labels.half="a"',
    'labels.half="a" AND labels.env="prod" AND state="ACTIVE"',
    'state="PAUSED" AND labels.team="team-3"',
    'state="ACTIVE" AND priority="CRITICAL" AND labels.env="prod"',
)
"""Common ones, rare ones, those without any, and pairs of common ones that seldom meet."""


async def measure(*, url: str, alarms: int, filled: bool = False) -> dict[str, Any]:
    """Fills the database by an import, unless it is ``filled``, and asks for the first page and for one from the middle on."""
    if not filled:
        await fill(url=url, alarms=alarms)
    database = Database(url=url, clock=SystemClock(), schema="scheduler_svc", limits=ConnectionLimits(pool_size=2))
    await database.start()
    try:
        store = SqlAlarmStore(database)
        middle = await _middle(store, alarms)
        return {text or "(none)": await _timed(store, text, middle) for text in FILTERS}
    finally:
        await database.stop()


async def _middle(store: SqlAlarmStore, alarms: int) -> str:
    found = await store.page(TENANT, conditions=parse_filter(f'key="bench-{alarms // 2}"', fields=ALARM_FILTER), before=None, size=1)
    return found.alarms[0].id


async def _timed(store: SqlAlarmStore, text: str, middle: str) -> dict[str, float]:
    conditions = parse_filter(text, fields=ALARM_FILTER)
    took: dict[str, list[float]] = {"first": [], "deep": []}
    count = 0
    for name, before in (("first", None), ("deep", middle)):
        for _ in range(_ROUNDS):
            begun = time.perf_counter()
            page = await store.page(TENANT, conditions=conditions, before=before, size=_PAGE)
            took[name].append(1000 * (time.perf_counter() - begun))
            count = len(page.alarms) if name == "first" else count
    return {"found": count} | {f"{name}_{word}_ms": round(of(times), 1) for name, times in took.items() for word, of in _FIGURES.items()}


_FIGURES: Final = {"median": statistics.median, "worst": max}


def main() -> None:
    """Measures from the command line: ``python -m bench.lists --alarms 1000000 [--sqlite]``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, default=1_000_000)
    parser.add_argument("--sqlite", action="store_true", help="on SQLite instead of PostgreSQL")
    parser.add_argument("--url", help="a database that was filled before")
    given = parser.parse_args()
    if given.url:
        print(json.dumps(uvloop.run(measure(url=given.url, alarms=given.alarms, filled=True)), indent=2))
    elif given.sqlite:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(uvloop.run(measure(url=f"sqlite:///{folder}/store.db", alarms=given.alarms)), indent=2))
    else:
        server = PostgresServer(fsync=True)
        server.start()
        try:
            print(json.dumps(uvloop.run(measure(url=server.url(), alarms=given.alarms)), indent=2))
        finally:
            server.close()


if __name__ == "__main__":
    main()
