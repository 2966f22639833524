"""The scheduler is killed in the middle of a stream of events: every event that was accepted has let go what waited for it, once."""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from scheduler_svc.domain import Action, Origin
from scheduler_svc.store import SqlSignalStore
from tests.chaos.schedulers import Scheduler
from tests.integration.scheduler.outside import on
from tests.integration.scheduler.stores import Stores
from tests.integration.scheduler.support import noop
from tocsin.api.scheduler.v1 import trigger_service_pb2, trigger_service_pb2_grpc
from tocsin.clock import SystemClock
from tocsin.mesh.authority import ensure_pki
from tocsin.testing.tokens import TokenMint
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900 if os.environ.get("CHAOS") == "full" else 600)]

FULL = os.environ.get("CHAOS") == "full"
EVENTS, KILLS = (20_000, 20) if FULL else (600, 3)
LISTENERS, ABREAST, CHUNK = 3, 4, 20
# INTERNAL is what grpc.aio itself says when it writes to a stream whose connection has just broken.
LATER = (
    *(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED),
    *(grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL),
)
ACTION = Action("task", noop().SerializeToString())


class Publisher:
    """A careful client: what it gets no answer for it says again, with the same id."""

    def __init__(self, *, folder: Path, scheduler: Scheduler, token: str) -> None:
        ca, certificate, key = ((folder / "pki" / name).read_bytes() for name in ("ca.pem", "gateway.pem", "gateway-key.pem"))
        # No mesh: its breaker would spare a scheduler that dies so often, and this is about what happens while it dies.
        options = [("grpc.max_reconnect_backoff_ms", 200), ("grpc.initial_reconnect_backoff_ms", 50)]
        credentials = grpc.ssl_channel_credentials(ca, key, certificate)
        self.channel = grpc.aio.secure_channel(scheduler.address, credentials, options)
        self._stub: Any = trigger_service_pb2_grpc.TriggerServiceStub(self.channel)
        self._given: Any = {"metadata": (("authorization", f"Bearer {token}"),), "timeout": 10.0, "wait_for_ready": True}
        self.accepted = 0

    async def publish(self, numbers: range) -> None:
        """Publishes events one by one, or as a stream, until they are accepted."""
        ids = [f"e{number}" for number in numbers]
        while True:
            try:
                if random.random() < 0.5:
                    await self._stub.StreamEvents(_stream(ids), **self._given)
                else:
                    await asyncio.gather(*(self._stub.PublishEvent(_request(identity), **self._given) for identity in ids))
            except grpc.aio.AioRpcError as error:
                if error.code() not in LATER:
                    raise
                await asyncio.sleep(random.uniform(0.05, 0.3))
            else:
                self.accepted += len(ids)
                return


def _request(identity: str) -> trigger_service_pb2.PublishEventRequest:
    return trigger_service_pb2.PublishEventRequest(event=trigger_service_pb2.PublishedEvent(id=identity, topic="a.b"))


async def _stream(ids: list[str]) -> AsyncIterator[trigger_service_pb2.StreamEventsRequest]:
    for identity in ids:
        yield trigger_service_pb2.StreamEventsRequest(event=_request(identity).event)


@pytest.fixture
async def scheduler(tmp_path: Path, database_url: str) -> AsyncGenerator[Scheduler]:
    """A real process that trusts the test's tokens."""
    ensure_pki(folder=tmp_path / "pki", services=["scheduler_svc", "gateway"], trust_domain="tocsin.local", clock=SystemClock())
    one = Scheduler(folder=tmp_path, database_url=database_url, lease_seconds=5, number=1)
    yield one
    one.end()


async def test_an_accepted_event_fires_once_whatever_dies(
    tmp_path: Path, database_url: str, scheduler: Scheduler, record_property: Callable[[str, object], None]
) -> None:
    """Killed over and over while events come in: the ledger has one firing for each event and each alarm, and no more."""
    stores = Stores(database_url, SystemClock())
    await stores.database.start()
    alarms = [on("a.*", now=SystemClock().micros(), action=ACTION) for _ in range(LISTENERS)]
    await stores.add(*alarms)
    await stores.database.stop()
    mint = TokenMint(clock=SystemClock())
    (tmp_path / "jwks").mkdir()
    (tmp_path / "jwks" / "scheduler_svc.json").write_text(json.dumps(mint.jwks()))
    scheduler.start()
    publisher = Publisher(folder=tmp_path, scheduler=scheduler, token=mint.mint(tenant="t1", scopes=["events:write"], lifetime=3600))
    room = asyncio.Semaphore(ABREAST)

    async def publish(numbers: range) -> None:
        async with room:
            await publisher.publish(numbers)

    async with asyncio.TaskGroup() as group:
        for begin in range(0, EVENTS, CHUNK):
            group.create_task(publish(range(begin, begin + CHUNK)))
        for kill in range(KILLS):
            part = (kill + 1) * EVENTS // (KILLS + 1)
            await eventually(lambda part=part: publisher.accepted >= part, what=f"{part} events", seconds=90)
            scheduler.end(signal.SIGKILL)
            scheduler.start()
    await publisher.channel.close()
    scheduler.end(signal.SIGTERM)
    await stores.database.start()
    fired = Counter((firing.alarm, firing.origin) for firing in await stores.all_firings())
    counts = await _counts(stores)
    await stores.database.stop()
    record_property("account", f"{publisher.accepted} events accepted, {KILLS} kills, {sum(fired.values())} firings")
    assert publisher.accepted == EVENTS
    assert fired == {(alarm.id, Origin.EVENT): EVENTS for alarm in alarms}
    assert counts == (EVENTS, EVENTS * LISTENERS)


async def _counts(stores: Stores) -> tuple[int, int]:
    counts = await SqlSignalStore(stores.database).counts("t1")
    return counts.events, counts.event_firings
