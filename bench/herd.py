"""Alarms that are due at one instant: how they get into a database, and how the ledger tells that all of them are done."""

import statistics
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from ulid import ULID

from scheduler_svc.config import SchedulerSettings
from scheduler_svc.domain import Action, Alarm, Priority, shard_of
from scheduler_svc.ports import NewAlarm
from scheduler_svc.store import SqlAlarmStore
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.clock import SECOND, SystemClock
from tocsin.database import Database
from tocsin.recurrence import At, Trigger

_CHUNK: Final = 5000
_TENANTS: Final = 10
_SHORTEST_SECONDS: Final = 0.02
_URGENT_EVERY: Final = SECOND // 10
_DONE: Final = "SELECT count(*) FROM firings WHERE state = 3 AND due_at BETWEEN :since AND :until"
_ROWS: Final = "SELECT priority, due_at, fired_at, completed_at, attempts FROM firings WHERE state = 3 AND due_at BETWEEN :since AND :until"


@dataclass(frozen=True, slots=True, kw_only=True)
class Herd:
    """Alarms of `_TENANTS` tenants due at ``due``, and ``urgent`` critical ones among them, one each tenth of a second from then on.

    ``created`` is how many seconds it took to store them.
    """

    alarms: int
    urgent: int
    due: int
    created: float

    @property
    def until(self) -> int:
        """When the last of them is due."""
        return self.due + self.urgent * _URGENT_EVERY


async def store(settings: SchedulerSettings, *, alarms: int, urgent: int, due: int) -> Herd:
    """Puts the alarms in, in batches of the size that a group commit has under load."""
    clock = SystemClock()
    database = Database.of(settings, clock=clock)
    await database.start()
    target = SqlAlarmStore(database)
    body = alarm_pb2.Action(task=alarm_pb2.Task(handler="noop")).SerializeToString(deterministic=True)
    lane = Priority.BULK if urgent else Priority.NORMAL
    dues = [(due, lane)] * alarms + [(due + number * _URGENT_EVERY, Priority.CRITICAL) for number in range(1, urgent + 1)]
    begun = clock.monotonic()
    for start in range(0, len(dues), _CHUNK):
        now = clock.micros()
        batch = [_alarm(number, when, priority, body, now) for number, (when, priority) in enumerate(dues[start : start + _CHUNK])]
        await target.create(batch)
    created = clock.monotonic() - begun
    async with database.transaction() as connection:
        await connection.execute(text("ANALYZE alarms"))  # autovacuum does so within a minute
    await database.stop()
    return Herd(alarms=alarms, urgent=urgent, due=due, created=created)


def _alarm(number: int, due: int, priority: Priority, body: bytes, now: int) -> NewAlarm:
    identity = str(ULID())
    return NewAlarm(
        alarm=Alarm(
            id=identity,
            tenant=f"tenant-{number % _TENANTS}",
            shard=shard_of(identity),
            priority=priority,
            trigger=Trigger(spec=At(due)),
            anchor=now,
            action=Action("task", body),
            due=due,
            created=now,
            updated=now,
        )
    )


class Watcher:
    """Asks the ledger, as little as possible, because it runs on the same cores."""

    def __init__(self, settings: SchedulerSettings) -> None:
        self._database = Database.of(settings.model_copy(update={"database_migrate": False}), clock=SystemClock())

    async def __aenter__(self) -> "Watcher":
        """Connects."""
        await self._database.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnects."""
        await self._database.stop()

    async def _ask(self, query: str, **values: int) -> Any:
        async with self._database.read() as connection:
            return (await connection.execute(text(query), values)).all()

    async def drained(self, herd: Herd) -> None:
        """Returns when every result is committed. A look costs, so there are few: each after half of the time that the rest will take."""
        clock = SystemClock()
        begun, done, wanted = clock.monotonic(), 0, herd.alarms + herd.urgent
        while done < wanted:
            passed = clock.monotonic() - begun
            await clock.sleep(max(_SHORTEST_SECONDS, min(1.0, passed * (wanted - done) / (2 * done)) if done else 0.5))
            done = (await self._ask(_DONE, since=herd.due, until=herd.until))[0][0]

    async def server(self) -> int | None:
        """The process id of one backend of PostgreSQL; None on SQLite."""
        return None if self._database.dialect == "sqlite" else int((await self._ask("SELECT pg_backend_pid()"))[0][0])

    async def figures(self, herd: Herd) -> dict[str, Any]:
        """What the ledger says: how many are done, how often they were tried, and how long the critical ones took."""
        rows = await self._ask(_ROWS, since=herd.due, until=herd.until)
        critical = [row for row in rows if row.priority == Priority.CRITICAL]
        found: dict[str, Any] = {
            "missing": herd.alarms + herd.urgent - len(rows),
            "attempts_beyond_one": sum(row.attempts - 1 for row in rows),
            "early": sum(row.fired_at < row.due_at for row in rows),
        }
        if herd.urgent:
            for name, since in (("fired", "fired_at"), ("done", "completed_at")):
                took = [(getattr(row, since) - row.due_at) / 1000 for row in critical]
                percentiles = statistics.quantiles(took, n=100, method="inclusive")
                found |= {f"critical_{name}_p50_ms": round(percentiles[49], 1), f"critical_{name}_p99_ms": round(percentiles[98], 1)}
        return found
