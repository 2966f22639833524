"""HTTP checks at an even rate, through the whole scheduler and processor, of a local server that answers at once."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from ulid import ULID

from bench.services import seconds_of, service
from scheduler_svc.config import SchedulerSettings
from scheduler_svc.domain import Action, Alarm, Priority, shard_of
from scheduler_svc.ports import NewAlarm
from scheduler_svc.store import SqlAlarmStore
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.clock import SECOND, SystemClock
from tocsin.database import Database
from tocsin.mesh.authority import ensure_pki
from tocsin.recurrence import At, Trigger
from tocsin.testing.process import free_port
from tocsin.testing.waiting import eventually

_LEAD_SECONDS: Final = 10
_ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class _Site(asyncio.Protocol):
    """Answers every request of one piece."""

    def __init__(self, seen: list[float]) -> None:
        self._seen = seen

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._seen += [asyncio.get_running_loop().time()] * data.count(b"\r\n\r\n")
        self._transport.write(_ANSWER * data.count(b"\r\n\r\n"))


async def measure(*, url: str, a_minute: int, seconds: int) -> dict[str, Any]:
    """Lets checks go evenly, ``a_minute`` of them a minute, for so many seconds, each of an alarm of its own.

    Args:
        url: the scheduler's database.
        a_minute: checks a minute.
        seconds: how long.
    """
    clock, seen = SystemClock(), list[float]()
    loop, checks = asyncio.get_running_loop(), a_minute * seconds // 60
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), str(free_port())
        ensure_pki(folder=folder / "pki", services=["scheduler_svc", "processor_svc"], trust_domain="tocsin.local", clock=clock)
        values: dict[str, Any] = {"state_dir": folder, "database_url": url, "database_migrate": False}
        settings = SchedulerSettings(**values)
        site = await loop.create_server(lambda: _Site(seen), "127.0.0.1", 0)
        async with AsyncExitStack() as stack:
            start = stack.enter_async_context
            scheduler = await start(service("scheduler", folder=folder, settings={"DATABASE_URL": url, "PORT": port}))
            egress = {"PORT": "0", "SCHEDULER_TARGET": f"127.0.0.1:{port}", "EGRESS_ALLOW": "127.0.0.0/8"}
            processor = await start(service("processor", folder=folder, settings=egress))
            begin = clock.micros() + _LEAD_SECONDS * SECOND
            dues = [begin + number * seconds * SECOND // checks for number in range(checks)]
            await _store(settings, dues, f"http://127.0.0.1:{site.sockets[0].getsockname()[1]}/health")
            await asyncio.sleep(max(0.0, (begin - clock.micros()) / SECOND))
            before = {"processor": seconds_of(processor), "scheduler": seconds_of(scheduler)}
            await eventually(lambda: len(seen) >= checks, seconds=seconds + 60)
            used = {"processor": seconds_of(processor) - before["processor"], "scheduler": seconds_of(scheduler) - before["scheduler"]}
        site.close()
    took = seen[-1] - seen[0]
    return {
        "checks": checks,
        "seconds": round(took, 1),
        "checks_a_minute": round(60 * (checks - 1) / took),
        "percent_of_a_core": {name: round(100 * spent / took, 1) for name, spent in used.items()},
        "cpu_ms_a_check": {name: round(1000 * spent / checks, 2) for name, spent in used.items()},
    }


async def _store(settings: SchedulerSettings, dues: list[int], url: str) -> None:
    database = Database.of(settings, clock=SystemClock())
    await database.start()
    check = alarm_pb2.Action(check=alarm_pb2.Check(http=url, contains="ok"))
    now = SystemClock().micros()
    await SqlAlarmStore(database).create([_alarm(due, check.SerializeToString(deterministic=True), now) for due in dues])
    await database.stop()


def _alarm(due: int, body: bytes, now: int) -> NewAlarm:
    identity = str(ULID())
    return NewAlarm(
        alarm=Alarm(
            id=identity,
            tenant="bench",
            shard=shard_of(identity),
            priority=Priority.NORMAL,
            trigger=Trigger(spec=At(due)),
            anchor=now,
            action=Action("check", body),
            due=due,
            created=now,
            updated=now,
        )
    )
