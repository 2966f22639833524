"""A sample of `make rollback`: the schema is taken back to the release before while alarms are made and fire."""

import asyncio
import random
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.integration.callers import mesh_of
from tests.integration.scheduler.support import LATEST, Rig, at, noop
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, alarm_service_pb2_grpc
from tocsin.database import current, migrate
from tocsin.database.migration import migrations_of
from tocsin.errors import DeadlineExceeded, ResourceExhausted, Unavailable
from tocsin.testing.process import free_port
from tocsin.testing.waiting import eventually

SCHEDULER = "scheduler_svc"
BEFORE = sorted(path.name.partition("_")[0] for path in (migrations_of(SCHEDULER) / "versions").glob("[0-9]*.py"))[-2]
ENOUGH = 15
pytestmark = pytest.mark.timeout(600)


class CarefulCallers:
    """Make alarms that are due in a moment, and repeat what is not answered with the same request id."""

    def __init__(self, rig: Rig, stub: Any) -> None:
        self._rig = rig
        self._stub = stub
        self.accepted: list[str] = []
        self.repeated = 0
        self.ending = asyncio.Event()

    async def run(self) -> None:
        """Makes one after the other."""
        with self._rig.user():
            while not self.ending.is_set():
                alarm = alarm_pb2.Alarm(trigger=at(self._rig.soon(0.2), catch_up=LATEST), action=noop())
                await self._insist(alarm_service_pb2.CreateAlarmRequest(alarm=alarm, request_id=str(uuid.uuid4())))
                await asyncio.sleep(0.02)

    async def _insist(self, request: alarm_service_pb2.CreateAlarmRequest) -> None:
        while True:
            try:
                self.accepted.append((await self._stub.CreateAlarm(request)).name)
            except (Unavailable, DeadlineExceeded, ResourceExhausted):
                self.repeated += 1
                await asyncio.sleep(random.uniform(0.05, 0.2))
            else:
                return

    async def more(self) -> None:
        """Returns when some more were accepted."""
        enough = len(self.accepted) + ENOUGH
        await eventually(lambda: len(self.accepted) >= enough, what=f"{enough} alarms")


async def test_nothing_is_lost_on_the_way_back_and_forward_again(database_url: str, tmp_path: Path) -> None:
    """Callers meet a scheduler that is away; whatever it has accepted, before and after, fires once."""
    rig = Rig(folder=tmp_path / "state", database_url=database_url, port=(port := free_port()))
    await rig.start()
    mesh = mesh_of("gateway", folder=rig.folder, scheduler_target=f"127.0.0.1:{port}")
    channel: Any = mesh.channel(SCHEDULER)
    callers = CarefulCallers(rig, alarm_service_pb2_grpc.AlarmServiceStub(channel))
    running = asyncio.gather(*(callers.run() for _ in range(2)))
    await callers.more()
    await rig.stop()
    await migrate(url=database_url, schema=SCHEDULER, package=SCHEDULER, revision=BEFORE)
    assert await current(url=database_url, schema=SCHEDULER) == BEFORE
    await eventually(lambda: callers.repeated > 0, what="a caller who was not answered")
    await migrate(url=database_url, schema=SCHEDULER, package=SCHEDULER)
    await rig.start()
    await callers.more()
    callers.ending.set()
    await running
    fired = Counter[str]()

    async def all_fired() -> bool:
        fired.clear()
        fired.update(firing.alarm for firing in await rig.ledger())
        return fired.keys() >= {*callers.accepted}

    await eventually(all_fired, what="the firing of each alarm")
    await mesh.stop()
    await rig.stop()
    assert fired == dict.fromkeys(callers.accepted, 1)
