"""A process that pauses every alarm of a tenant, and that a test may kill.

``python -m tests.integration.scheduler.pausing_process URL NUMBER`` says ``ready``, waits for a line, says ``step`` before each
transaction, and in the end how many alarms it has paused. The last digit of the time at which an alarm was paused is the number of the
process.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from scheduler_svc.domain import REQUESTED
from scheduler_svc.ports import AlarmHead
from scheduler_svc.service import BulkChanges, Caller
from scheduler_svc.store import SqlAlarmStore
from tests.integration.scheduler.stores import Stores
from tests.integration.scheduler.timetable import NoHints
from tocsin.clock import SystemClock
from tocsin.database import Database

NUMBERS: Final = 10


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class _Told(SqlAlarmStore):
    """Says when it begins a transaction, and signs it."""

    def __init__(self, database: Database, number: int) -> None:
        super().__init__(database)
        self._number = number

    async def pause_all(self, tenant: str, wanted: Sequence[AlarmHead], *, now: int, reason: str = REQUESTED) -> Sequence[AlarmHead]:
        _say("step")
        return await super().pause_all(tenant, wanted, now=now // NUMBERS * NUMBERS + self._number, reason=reason)


async def _main(url: str, number: int) -> None:
    clock = SystemClock()
    database = Stores(url, clock).database
    await database.start()
    use = BulkChanges(store=_Told(database, number), hints=NoHints(), clock=clock)
    _say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    count, more = 0, True
    while more:
        done = await use.pause(Caller(tenant="t1"), conditions=(), force=True)
        count, more = count + done.count, done.more
    _say(str(count))
    await database.stop()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
