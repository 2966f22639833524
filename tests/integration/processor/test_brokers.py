"""Redis Streams and Kafka, to and from, through a real scheduler and processor, and while the broker vanishes before its confirm."""

import asyncio
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
import redis.asyncio as redis_client

from processor_svc.brokers import SourceStream, parse_sources, source_of
from tests.integration.processor.broker_ends import (
    QUEUE,
    FarEnd,
    KafkaEnd,
    RedisEnd,
    account,
    logged,
    publish_all,
    publishing,
    round_trip,
    secured,
)
from tests.integration.processor.kafka_cluster import KafkaCluster
from tests.integration.processor.support import Neighbours
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, alarm_service_pb2_grpc
from tocsin.errors import InvalidInput
from tocsin.testing.proxy import NetworkFault, Proxy
from tocsin.testing.redis import RedisServer
from tocsin.testing.waiting import eventually

Note = Callable[[str, object], None]


@pytest.fixture
def kafka() -> Generator[KafkaCluster]:
    """A Kafka."""
    cluster = KafkaCluster()
    yield cluster
    cluster.close()


@pytest.fixture
def own_broker() -> Generator[RedisServer]:
    """A Redis that is somebody's broker, and no part of Tocsin."""
    server = RedisServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def durable_redis() -> Generator[RedisServer]:
    """A Redis that may be killed, and forgets nothing that it has confirmed."""
    server = RedisServer(durable=True)
    server.start()
    yield server
    server.close()


@pytest.mark.parametrize("which", ["redis", "kafka"])
async def test_there_and_back(request: pytest.FixtureRequest, neighbours: Neighbours, which: str) -> None:
    """From an alarm to the broker, and from the broker to an event."""
    far: FarEnd
    if which == "redis":
        server: RedisServer = request.getfixturevalue("own_broker")
        far = RedisEnd(server.port)
    else:
        cluster: KafkaCluster = request.getfixturevalue("kafka")
        far = KafkaEnd(cluster.url)
    await round_trip(far, neighbours)


async def test_a_redis_that_is_killed_loses_nothing(durable_redis: RedisServer, record_property: Note) -> None:
    """Killed thrice under load: each message is there, and what is there twice bears the same id."""
    count = 400

    async def kill(confirmed: Callable[[], int]) -> None:
        for part in (80, 180, 280):
            await eventually(lambda part=part: confirmed() >= part)
            durable_redis.kill()
            await asyncio.to_thread(durable_redis.start)

    async with publishing(f"{durable_redis.url.removesuffix('/0')}/3") as kind:
        tries = await publish_all(kind, QUEUE, count, trouble=kill)
    account(await RedisEnd(durable_redis.port).all(QUEUE, count), count, tries, record_property)
    assert tries > count


async def test_a_confirm_that_is_swallowed_is_asked_for_again(own_broker: RedisServer, record_property: Note) -> None:
    """The connection is cut somewhere between the message and its confirm, again and again."""
    count = 120
    async with Proxy(target_port=own_broker.port) as proxy:

        async def cut(confirmed: Callable[[], int]) -> None:
            limit = 700
            while confirmed() < count - 20:
                limit = 700 + (limit * 7) % 5_000
                proxy.fault = NetworkFault(cut_after=limit)
                await asyncio.sleep(0.02)
            proxy.fault = NetworkFault()

        async with publishing(f"redis://{proxy.address}/3") as kind:
            tries = await publish_all(kind, QUEUE, count, trouble=cut)
        assert proxy.hurt > 3
    account(await RedisEnd(own_broker.port).all(QUEUE, count), count, tries, record_property)
    assert tries > count


async def test_a_source_survives_its_broker_its_scheduler_and_its_processor(durable_redis: RedisServer, neighbours: Neighbours) -> None:
    """Each goes and comes back while messages arrive: each message is an event, once."""
    far, count = RedisEnd(durable_redis.port), 300
    neighbours.extra["processor_svc"] = {"sources": f"orders={far.source(QUEUE)}?tenant=t1&event=orders.made&claim=1"}
    await neighbours.start("scheduler_svc", "processor_svc")
    written = 0

    async def write() -> None:
        nonlocal written
        while written < count:
            try:
                await far.put(QUEUE, b'{"n": %d}' % written)
            except OSError:
                raise
            except Exception:  # noqa: BLE001  whatever the library says of a broker that was killed
                await asyncio.sleep(0.05)
                continue
            written += 1
            await asyncio.sleep(0.005)

    writing = asyncio.create_task(write())
    await eventually(lambda: written >= 60)
    await neighbours.stop("scheduler_svc")
    await eventually(lambda: written >= 120)
    await neighbours.start("scheduler_svc")
    durable_redis.kill()

    async def told() -> bool:
        return (await neighbours.health("processor_svc"))["sources"].startswith("orders: Redis: ")

    await eventually(told)
    await asyncio.to_thread(durable_redis.start)
    await eventually(lambda: written >= 180)
    await neighbours.stop("processor_svc")
    await eventually(lambda: written >= 240)
    await neighbours.start("processor_svc")
    await writing
    events = await logged(neighbours, count)
    numbers = sorted(int(event["n"]) for event in events)
    assert set(numbers) == set(range(count))
    assert len(numbers) == len(await far.all(QUEUE, count))


async def test_replicas_share_a_stream_and_what_a_dead_one_left_comes_to_another(own_broker: RedisServer) -> None:
    """Each entry to one of them; one that was taken and not done, a second later to whoever is there."""
    far = RedisEnd(own_broker.port)
    (spec,) = parse_sources(f"o={far.source(QUEUE)}?tenant=t1&event=e&claim=1")
    dead, first, second = (source_of(spec, consumer=name) for name in ("dead", "first", "second"))
    for source in (dead, first, second):
        await source.open()
    await far.put(QUEUE, *(b'{"n": %d}' % number for number in range(30)))
    lost = await dead.take(10)
    await dead.close()
    found: list[str] = []

    async def read(source: SourceStream) -> None:
        while len(found) < 30:
            taken = await source.take(5)
            await source.done(taken)
            found.extend(message.id for message in taken)

    async with asyncio.timeout(60):
        await asyncio.gather(read(first), read(second))
    for source in (first, second):
        await source.close()
    assert len(lost) == 10
    assert len(set(found)) == len(found) == 30
    assert await far.left(QUEUE) == 0


async def test_redis_by_tls_with_a_password(own_broker: RedisServer, tmp_path: Path) -> None:
    """Neither an authority that is not ours nor a wrong password lets anything through."""
    async with redis_client.Redis(host="127.0.0.1", port=own_broker.port) as client:
        await client.execute_command("CONFIG", "SET", "requirepass", "s3cret")
    await secured("rediss", "default:s3cret", own_broker.port, tmp_path, QUEUE)


REFUSED = [
    (alarm_pb2.Publish(broker="b", to="orders"), "action.publish.to"),
    (alarm_pb2.Publish(broker="b", to="t2.orders"), "action.publish.to"),
    (alarm_pb2.Publish(broker="closed", to="orders"), "action.publish.broker"),
    (alarm_pb2.Publish(broker="b", to="t1.orders", key="k"), "action.publish.key"),
    (alarm_pb2.Publish(broker="b", to="t1.orders", headers={"body": "x"}), "action.publish.headers"),
    (alarm_pb2.Publish(broker="b", to="t1.orders", headers={"a\nb": "x"}), 'alarm.action.publish.headers["a\nb"]'),
    (alarm_pb2.Publish(broker="b"), "alarm.action.publish"),
]


async def test_what_is_wrong_is_told_when_the_alarm_is_made(neighbours: Neighbours) -> None:
    """With its field; a broker that nobody names is a warning, for it may come."""
    neighbours.extra["processor_svc"] = {"brokers": "b=redis://127.0.0.1:1 closed=redis://127.0.0.1:1?tenants=t9"}
    await neighbours.start("scheduler_svc", "processor_svc")

    async def ready() -> bool:
        return (await neighbours.health("scheduler_svc"))["work"] == "healthy"

    await eventually(ready)
    create = neighbours.stub(alarm_service_pb2_grpc.AlarmServiceStub, "scheduler_svc").CreateAlarm
    for publish, field in REFUSED:
        with pytest.raises(InvalidInput) as refused:
            await create(_alarm(publish))
        assert field in [violation.field for violation in refused.value.violations], refused.value.violations
    made = await create(_alarm(alarm_pb2.Publish(broker="unknown", to="x")))
    assert [warning.field for warning in made.warnings] == ["action.publish.broker"]


def _alarm(publish: alarm_pb2.Publish) -> alarm_service_pb2.CreateAlarmRequest:
    alarm = alarm_pb2.Alarm(action=alarm_pb2.Action(publish=publish))
    alarm.trigger.every.FromSeconds(3600)
    return alarm_service_pb2.CreateAlarmRequest(alarm=alarm)
