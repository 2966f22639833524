"""Who pauses alarms by the thousand is killed half way, on each database: each alarm is paused once, and counted once."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from contextlib import AsyncExitStack

from sqlalchemy import select

from scheduler_svc.domain import AlarmState
from scheduler_svc.store.tables import alarms
from tests.integration.scheduler.pausing_process import NUMBERS
from tests.integration.scheduler.stores import NOW, SECOND, Stores, alarm

ALARMS = 2600
LONG = 120.0


async def begun(url: str, number: int, running: AsyncExitStack) -> Process:
    """A process that is ready; it is killed when the test ends."""
    module = "tests.integration.scheduler.pausing_process"
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, url, str(number), stdin=PIPE, stdout=PIPE)

    async def end() -> None:
        if process.returncode is None:
            process.kill()
        await process.communicate()

    running.push_async_callback(end)
    assert await line(process) == "ready"
    return process


async def line(process: Process) -> str:
    """The next thing that it says."""
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), LONG)).decode().strip()


def go(process: Process) -> None:
    """Lets it begin."""
    assert process.stdin is not None
    process.stdin.write(b"\n")


async def counted(process: Process) -> int:
    """What it says that it has paused, in the end."""
    while (said := await line(process)) == "step":
        continue
    return int(said)


async def test_whoever_is_killed_half_way_others_finish(stores: Stores, database_url: str) -> None:
    """SIGKILL in its second transaction, while two others begin; on SQLite, which one process uses, one after it."""
    for _ in range(2):
        await stores.add(*(alarm(due=NOW + 3600 * SECOND) for _ in range(ALARMS // 2)))
    stranger = alarm(tenant="t2", due=NOW + 3600 * SECOND)
    await stores.add(stranger)
    survivors = range(1, 2 if database_url.startswith("sqlite") else 3)
    async with AsyncExitStack() as running:
        killed = await begun(database_url, 0, running)
        others = [await begun(database_url, number, running) for number in survivors]
        go(killed)
        assert [await line(killed), await line(killed)] == ["step", "step"]
        killed.kill()
        for other in others:
            go(other)
        counts = await asyncio.gather(*(counted(other) for other in others))
    async with stores.database.read() as connection:
        columns = (alarms.c.state, alarms.c.version, alarms.c.updated_at)
        rows = (await connection.execute(select(*columns).where(alarms.c.tenant == "t1"))).all()
    assert {(state, version) for state, version, _ in rows} == {(AlarmState.PAUSED, 2)}
    paused = Counter(updated % NUMBERS for *_, updated in rows)
    assert [paused[number] for number in survivors] == counts
    assert paused[0] >= 500
    assert paused[0] + sum(counts) == len(rows) == ALARMS
    assert await stores.alarms.get("t2", stranger.id) == stranger
