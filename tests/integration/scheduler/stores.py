"""The scheduler's stores on a fresh database, and rows to put in."""

import random
from collections.abc import Mapping
from typing import Any

from scheduler_svc.domain import Action, Alarm, Firing, FiringState, Origin, Outcome, Priority, new_id, shard_of
from scheduler_svc.domain.planning import Plan
from scheduler_svc.engine import plan_due
from scheduler_svc.ports import Due, NewAlarm
from scheduler_svc.store import SqlAlarmStore, SqlDueStore, SqlHousekeepingStore, SqlLedger, SqlShardStore
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.errors import TocsinError
from tocsin.recurrence import At, Trigger

SECOND = 1_000_000
NOW = 1_767_225_600 * SECOND
ACTION = Action("task", b"\n\x06noop")
OWNER = "me"
SPOILED_RULES = (
    *('"x"', "null", "7", "{}", "[" * 50_000, '{"tz":"Europe/Paris","x":' + "[" * 50_000),
    *(
        '{"tz":"Europe/Paris"}',
        '{"tz":"Europe/Paris","daily":[1],"recurring":true}',
        '{"tz":"Europe/Paris","daily":"25:00","recurring":true}',
    ),
    *('{"tz":7,"cron":null}', '{"tz":"Europe/Paris","cron":{}}', '{"tz":"Europe/Paris","every":"soon"}', '{"tz":"Europe/Paris","event":7}'),
    *(
        '{"tz":"Europe/Paris","threshold":[1]}',
        '{"tz":"Mars/Olympus","cron":"0 9 * * *"}',
        '{"tz":"Europe/Paris","cron":"0 9 * * *","dst":7}',
    ),
)
"""Stored triggers that nobody can read: an older version wrote them, or a newer one, or a foreign hand."""


class Stores:
    """All stores on one database."""

    def __init__(self, database_url: str, clock: Clock, **database: Any) -> None:
        self.database = Database(url=database_url, clock=clock, schema="scheduler_svc", migrations="scheduler_svc", **database)
        self.alarms = SqlAlarmStore(self.database)
        self.due = SqlDueStore(self.database)
        self.ledger = SqlLedger(self.database)
        self.shards = SqlShardStore(self.database, clock=clock)
        self.housekeeping = SqlHousekeepingStore(self.database)
        self.held: Mapping[int, int] = {}

    async def start(self) -> None:
        """Opens the database and takes every shard."""
        await self.database.start()
        self.held = await self.shards.acquire(OWNER, lease=10 * SECOND, most=256, dead={}, steal=False)

    async def add(self, *made: Alarm) -> None:
        """Stores alarms."""
        for result in await self.alarms.create([NewAlarm(alarm=alarm) for alarm in made]):
            assert not isinstance(result, TocsinError), result

    async def fire(self, *batch: tuple[str, int], now: int = NOW, owner: str = OWNER, most: int = 1000, **given: Any) -> Any:
        """One firing transaction."""
        values = {"held": self.held, **given}
        return await self.due.fire(batch, owner=owner, now=now, most=most, planner=planner(now), **values)

    async def all_firings(self, tenant: str = "t1") -> list[Firing]:
        """The tenant's ledger in order of due time."""
        return list(reversed(await self.ledger.page(tenant, conditions=(), before=None, size=100_000)))


def planner(now: int) -> Any:
    """Plans as the engine does."""

    def run(due: Due, room: int) -> Plan:
        return plan_due(due, now=now, most=room, grace=30 * SECOND)

    return run


def alarm(**fields: Any) -> Alarm:
    """An alarm due now; ``fields`` replace its own."""
    identity = fields.pop("id", None) or new_id(NOW)
    trigger: Trigger = fields.pop("trigger", None) or Trigger(spec=At(fields.get("due", NOW)))
    values: dict[str, Any] = {
        "tenant": "t1",
        "shard": shard_of(identity),
        "anchor": NOW,
        "action": ACTION,
        "due": NOW,
        "created": NOW,
        "updated": NOW,
        **fields,
    }
    return Alarm(id=identity, trigger=trigger, **values)


def firing(**fields: Any) -> Firing:
    """An ad-hoc firing due now; ``fields`` replace its own."""
    values: dict[str, Any] = {
        "id": new_id(NOW),
        "tenant": "t1",
        "alarm": "",
        "shard": random.randrange(256),
        "origin": Origin.ADHOC,
        "due": NOW,
        "fired": NOW,
        "outcome": Outcome.FIRED,
        "state": FiringState.PENDING,
        "ready": NOW,
        "priority": Priority.NORMAL,
        "action": ACTION,
        **fields,
    }
    return Firing(**values)
