"""Many alarms at once: how fast scheduler_svc imports and exports them, and how long those take meanwhile that must not wait."""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import asyncpg
import uvloop
from google.api.httpbody_pb2 import HttpBody

from bench.services import mesh_of, seconds_of, seconds_of_server, service
from tocsin.api.scheduler.v1 import alarm_service_pb2, alarm_service_pb2_grpc, firing_service_pb2, firing_service_pb2_grpc
from tocsin.clock import SECOND, SystemClock, from_micros
from tocsin.mesh.authority import ensure_pki
from tocsin.mesh.context import acting_as
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.process import free_port
from tocsin.testing.tokens import TokenMint

TENANT: Final = "bulk"
_PIECE: Final = 256 * 1024
_IMPORT_SECONDS: Final = 3600  # as long as one may take
_WATCHED: Final = 300
_FEWEST: Final = 10
_ZONES: Final = ("Europe/Paris", "America/New_York", "Asia/Kolkata", "UTC")
_SCOPES: Final = ("alarms:read", "alarms:write", "firings:read")


def lines(count: int, *, first: int = 0, now: int = 0, skewed: bool = False) -> bytes:
    """NDJSON of so many alarms: by cron, intervals, times of day and instants; mails to addresses of their own, and tasks."""
    made = (alarm(number, now=now) | (_skew(number) if skewed else {}) for number in range(first, first + count))
    return b"".join(json.dumps(item, separators=(",", ":")).encode() + b"\n" for item in made)


def alarm(number: int, *, now: int) -> dict[str, Any]:
    """An alarm in proto3 JSON, a week or more before anything of it is due."""
    zone = _ZONES[number % len(_ZONES)]
    week = now // SECOND + 7 * 86_400
    triggers: tuple[dict[str, Any], ...] = (
        {"cron": f"{number % 60} {number % 24} * * MON-FRI", "timeZone": zone, "startTime": _instant(week)},
        {"cron": f"{number % 60} 9 1 * *", "timeZone": zone, "startTime": _instant(week)},
        {"daily": {"time": f"{number % 24:02}:{number % 60:02}:00"}, "timeZone": zone, "startTime": _instant(week)},
        {"every": f"{3600 + number % 100}s", "startTime": _instant(week)},
        {"at": _instant(week + number)},
    )
    mail = {
        "to": [f"user{number}@example.com"],
        "subject": f"Reminder {number}",
        "text": f"This is what you wanted to hear about, number {number}.",
    }
    return {
        "key": f"bench-{number}",
        "displayName": f"Alarm number {number}",
        "labels": {"team": f"team-{number % 100}"},
        "priority": "BULK" if number % 10 == 0 else "NORMAL",
        "trigger": triggers[(0, 0, 0, 1, 1, 2, 2, 3, 4, 4)[number % 10]],
        "action": {"task": {"handler": "noop"}} if number % 4 == 0 else {"notify": mail},
    }


def _skew(number: int) -> dict[str, Any]:
    """Labels that most alarms have and that seldom meet, alarms that are paused or completed, and a few that are critical."""
    meets = number % 50_000 == 17
    env = "prod" if number % 2 or meets else "test"
    labels = {"team": f"team-{number % 100}", "env": env, **({"half": "a"} if number % 2 == 0 or meets else {})}
    state = "PAUSED" if number % 20 == 0 else "COMPLETED" if number % 1000 == 1 else "ACTIVE"
    return {"labels": labels, "state": state, "priority": "CRITICAL" if number % 5000 == 2 else ("NORMAL", "BULK")[number % 10 == 0]}


def _instant(second: int) -> str:
    return from_micros(second * SECOND).strftime("%Y-%m-%dT%H:%M:%SZ")


async def measure(*, url: str, alarms: int, export: bool = True) -> dict[str, Any]:
    """How fast ``alarms`` are imported over mTLS and gRPC by scheduler_svc as a process of its own, and exported again.

    Meanwhile others are due, one each tenth of a second: how late they are fired tells whether the import holds them up.
    """
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as name:
        text = await asyncio.to_thread(lines, alarms, now=clock.micros())
        async with AsyncExitStack() as stack:
            channel, process = await stack.enter_async_context(scheduler(Path(name), url, clock))
            stub: Any = alarm_service_pb2_grpc.AlarmServiceStub(channel)
            firings: Any = firing_service_pb2_grpc.FiringServiceStub(channel)
            backend = await stack.enter_async_context(_backend(url))
            return await _run(_Caller(stub, firings, process, backend), text, alarms=alarms, export=export)


async def fill(*, url: str, alarms: int) -> None:
    """Imports as many alarms as the database lacks."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as name:
        async with AsyncExitStack() as stack:
            channel, _ = await stack.enter_async_context(scheduler(Path(name), url, clock))
            stub: Any = alarm_service_pb2_grpc.AlarmServiceStub(channel)
            answer = [item async for item in stub.ImportAlarms(stream(alarms, now=clock.micros()))][-1]
            print(f"filled: {answer.created} made, {answer.unchanged} there, {answer.refused} refused", file=sys.stderr)


@asynccontextmanager
async def scheduler(folder: Path, url: str, clock: SystemClock) -> AsyncGenerator[tuple[Any, int]]:
    """scheduler_svc as a process of its own, as the user of a tenant: the channel to it and its process id."""
    port = str(free_port())
    ensure_pki(folder=folder / "pki", services=["scheduler_svc", "gateway"], trust_domain="tocsin.local", clock=clock)
    mint = TokenMint(clock=clock)
    (folder / "jwks").mkdir()
    (folder / "jwks" / "scheduler_svc.json").write_text(json.dumps(mint.jwks()))
    async with service("scheduler", folder=folder, settings={"DATABASE_URL": url, "PORT": port, "LOG_LEVEL": "error"}) as process:
        mesh = mesh_of("gateway", folder=folder, scheduler_target=f"127.0.0.1:{port}")
        try:
            with acting_as(mint.mint(tenant=TENANT, scopes=_SCOPES, lifetime=_IMPORT_SECONDS)):
                yield mesh.channel("scheduler_svc"), process
        finally:
            await mesh.stop()


async def stream(alarms: int, *, now: int) -> AsyncIterator[alarm_service_pb2.ImportAlarmsRequest]:
    """Requests that import so many alarms, of every state and priority."""
    for first in range(0, alarms, 1000):
        yield request(lines(min(1000, alarms - first), first=first, now=now, skewed=True))


def request(text: bytes) -> alarm_service_pb2.ImportAlarmsRequest:
    """A request with lines of NDJSON."""
    return alarm_service_pb2.ImportAlarmsRequest(data=HttpBody(content_type="application/x-ndjson", data=text))


async def _run(caller: "_Caller", text: bytes, *, alarms: int, export: bool) -> dict[str, Any]:
    await caller.timed(_watched(SystemClock().micros()))
    begun = SystemClock().micros()
    figures = {"alarms": alarms, "imported": await caller.timed(text)}
    took = SystemClock().micros() - begun
    figures["again, unchanged"] = await caller.timed(text)
    if export:
        figures["exported"] = await caller.export()
    return figures | {"lateness_ms": await caller.lateness(begun, begun + took)}


def _watched(now: int) -> bytes:
    """Alarms that are due one each tenth of a second from now on."""
    made = [
        {
            "key": f"watched-{number}",
            "priority": "CRITICAL",
            "trigger": {"at": from_micros(now + SECOND + number * SECOND // 10).isoformat()},
            "action": {"task": {"handler": "noop"}},
        }
        for number in range(_WATCHED)
    ]
    return b"".join(json.dumps(item).encode() + b"\n" for item in made)


class _Caller:
    """Imports and exports, and what they cost."""

    def __init__(self, stub: Any, firings: Any, scheduler: int, backend: int | None) -> None:
        self._stub = stub
        self._firings = firings
        self._parts = {"scheduler": lambda: seconds_of(scheduler), "client": lambda: seconds_of(os.getpid())}
        if backend is not None:
            self._parts["postgresql"] = lambda: seconds_of_server(backend)

    async def timed(self, text: bytes) -> dict[str, Any]:
        """Imports a text."""
        answer: Any = None
        before, begun = self._used(), SystemClock().monotonic()
        async for answer in self._stub.ImportAlarms(_pieces(text)):
            for item in answer.refusals:
                print(f"line {item.line}: {item.field}: {item.reason}", file=sys.stderr)
        count = answer.created + answer.updated + answer.unchanged
        return self._cost(count, begun, before)

    async def export(self) -> dict[str, Any]:
        """Exports everything."""
        count, before, begun = 0, self._used(), SystemClock().monotonic()
        async for answer in self._stub.ExportAlarms(alarm_service_pb2.ExportAlarmsRequest()):
            count += len(answer.alarms)
        return self._cost(count, begun, before)

    async def lateness(self, since: int, until: int) -> dict[str, float]:
        """How late those were fired that were due meanwhile, in milliseconds."""
        request = firing_service_pb2.ListFiringsRequest(page_size=1000)
        found = (await self._firings.ListFirings(request)).firings
        late = [_micros(firing.fire_time) - _micros(firing.due_time) for firing in found if since <= _micros(firing.due_time) < until]
        if len(late) < _FEWEST:
            return {"watched": len(late)}
        percentiles = statistics.quantiles(late, n=100, method="inclusive")
        return {"watched": len(late), "p50": round(percentiles[49] / 1000, 1), "p99": round(percentiles[98] / 1000, 1)}

    def _used(self) -> dict[str, float]:
        return {name: used() for name, used in self._parts.items()}

    def _cost(self, count: int, begun: float, before: dict[str, float]) -> dict[str, Any]:
        seconds, after = SystemClock().monotonic() - begun, self._used()
        return {
            "per_second": round(count / seconds),
            "seconds": round(seconds, 2),
            "cpu_microseconds_per_alarm": {name: round((after[name] - before[name]) * SECOND / count, 1) for name in before},
        }


def _micros(time: Any) -> int:
    return time.seconds * SECOND + time.nanos // 1000


async def _pieces(text: bytes) -> AsyncIterator[alarm_service_pb2.ImportAlarmsRequest]:
    for at in range(0, len(text), _PIECE):
        yield request(text[at : at + _PIECE])


@asynccontextmanager
async def _backend(url: str) -> AsyncGenerator[int | None]:
    """A backend of PostgreSQL, which lives as long as the context; None on SQLite."""
    if url.startswith("sqlite"):
        yield None
        return
    connection = cast("Any", await asyncpg.connect(url))  # pyright: ignore[reportUnknownMemberType]  it has no types
    try:
        yield await connection.fetchval("SELECT pg_backend_pid()")
    finally:
        await connection.close()


def main() -> None:
    """Measures from the command line: ``python -m bench.bulk --alarms 100000 [--sqlite]``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, default=100_000)
    parser.add_argument("--sqlite", action="store_true", help="on SQLite instead of PostgreSQL")
    parser.add_argument("--url", help="a database that is there already")
    given = parser.parse_args()
    if given.url:
        print(json.dumps(uvloop.run(measure(url=given.url, alarms=given.alarms)), indent=2))
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
