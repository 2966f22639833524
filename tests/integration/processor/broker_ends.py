"""The far ends of the tests of brokers: each kind of broker as its users see it, and what holds for all kinds alike."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import aiokafka
import redis.asyncio as redis_client

from processor_svc.actions.publish import PublishKind
from processor_svc.brokers import BrokerAway, BrokerMessage, Brokers, parse_brokers
from processor_svc.brokers.kinds import publisher_of
from processor_svc.domain import JobFailed, JobSucceeded
from tests.integration.mailer.support import certificate
from tests.integration.processor.support import Neighbours
from tests.unit.processor.kinds import publish_kind
from tests.unit.processor.test_worker import job
from tocsin.api.scheduler.v1 import (
    alarm_pb2,
    alarm_service_pb2,
    alarm_service_pb2_grpc,
    firing_service_pb2,
    trigger_service_pb2,
    trigger_service_pb2_grpc,
)
from tocsin.clock import SECOND, SystemClock
from tocsin.mesh.breaker import Breaker, BreakerRule
from tocsin.testing.waiting import eventually

QUEUE, SEEN = "t1.orders", "t1.seen"
ENDED = (firing_service_pb2.Firing.SUCCEEDED, firing_service_pb2.Firing.DEAD)


class Seen(NamedTuple):
    """A message as a consumer finds it."""

    id: str
    body: bytes
    headers: Mapping[str, str]


class FarEnd(Protocol):
    """A broker."""

    url: str

    def source(self, queue: str) -> str:
        """The URL of a source, without its options."""
        ...

    async def make(self, queue: str) -> None:
        """Makes a queue."""
        ...

    async def put(self, queue: str, *bodies: bytes) -> None:
        """Sends messages to a queue, with ids that differ."""
        ...

    async def all(self, queue: str, at_least: int) -> list[Seen]:
        """The messages of a queue, of which so many have come at least."""
        ...

    async def left(self, queue: str) -> int:
        """Messages that the group has not done."""
        ...


class RedisEnd:
    """Redis Streams."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}"
        self._port = port

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[Any]:
        async with redis_client.Redis(host="127.0.0.1", port=self._port, db=3) as client:
            yield client

    def source(self, queue: str) -> str:
        """In a database of its own."""
        return f"{self.url}/3/{queue}"

    async def make(self, queue: str) -> None:
        """It is made by what is added."""

    async def put(self, queue: str, *bodies: bytes) -> None:
        """Adds entries."""
        async with self._client() as client:
            for body in bodies:
                await client.xadd(queue, {"body": body})

    async def all(self, queue: str, at_least: int) -> list[Seen]:
        """Reads the stream."""
        async with self._client() as client:
            entries: list[Any] = []
            while len(entries) < at_least:
                entries = await client.xrange(queue)
                await asyncio.sleep(0.05 if len(entries) < at_least else 0)
        return [_entry({name.decode(): value for name, value in fields.items()}) for _, fields in entries]

    async def left(self, queue: str) -> int:
        """Pending, and not read."""
        async with self._client() as client:
            (group,) = await client.xinfo_groups(queue)
        return int(group["pending"]) + int(group["lag"] or 0)


def _entry(fields: dict[str, bytes]) -> Seen:
    return Seen(
        fields.pop("id", b"").decode(), fields.pop("body", b""), {name: value.decode("utf-8", "replace") for name, value in fields.items()}
    )


class KafkaEnd:
    """Kafka."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._host = url.removeprefix("kafka://")

    def source(self, queue: str) -> str:
        """A topic."""
        return f"{self.url}/{queue}"

    async def make(self, queue: str) -> None:
        """It is made when it is asked for."""

    async def put(self, queue: str, *bodies: bytes) -> None:
        """Sends records."""
        async with aiokafka.AIOKafkaProducer(bootstrap_servers=self._host) as producer:
            for body in bodies:
                await producer.send_and_wait(queue, body, partition=0)

    async def all(self, queue: str, at_least: int) -> list[Seen]:
        """Reads the topic."""
        found: list[Any] = []
        async with aiokafka.AIOKafkaConsumer(queue, bootstrap_servers=self._host, auto_offset_reset="earliest") as consumer:
            while len(found) < at_least:
                found += [record for records in (await consumer.getmany(timeout_ms=200)).values() for record in records]
        return [_record(record) for record in found]

    async def left(self, queue: str) -> int:
        """From what is committed to the end."""
        async with aiokafka.AIOKafkaConsumer(bootstrap_servers=self._host, group_id="tocsin") as consumer:
            place = aiokafka.TopicPartition(queue, 0)
            ends = await consumer.end_offsets([place])
            return int(ends[place]) - int(await consumer.committed(place) or 0)


def _record(record: Any) -> Seen:
    headers = {name: value.decode() for name, value in record.headers}
    return Seen(headers.pop("message-id", ""), record.value, headers)


async def round_trip(far: FarEnd, neighbours: Neighbours) -> None:
    """Alarms publish to a queue that we look into, and to one that is a source of ours, where it becomes an event, once.

    What cannot be an event lies among the dead, and all is acknowledged.
    """
    for queue in (SEEN, QUEUE):
        await far.make(queue)
    where = far.source(QUEUE)
    neighbours.extra["processor_svc"] = {
        "brokers": f"b={where.removesuffix(f'/{QUEUE}')}",
        "sources": f"orders={where}?tenant=t1&event=orders.made",
    }
    await neighbours.start("scheduler_svc", "processor_svc")
    await eventually(lambda: _ready(neighbours))
    first, _ = [await _published(neighbours, queue) for queue in (SEEN, QUEUE)]
    (message,) = await far.all(SEEN, 1)
    assert message.id == first.name.removeprefix("firings/")
    assert json.loads(message.body) == {"order": 7}
    assert message.headers["team"] == "core"
    poison = [b"nonsense", b"\xff\xfe", b'{"n": NaN}', b"x" * 70_000]
    await far.put(QUEUE, b'{"order": 8}', *poison, b'{"order": 9}')
    events = await logged(neighbours, 3)
    assert sorted(event["order"] for event in events) == [7, 8, 9]
    dead = await far.all(f"{QUEUE}.dead", len(poison))
    assert sorted(one.body for one in dead) == sorted(poison)
    assert {one.headers["tocsin-reason"] for one in dead} >= {"it is not JSON", "it is not UTF-8", "it has more than 65536 bytes"}
    await eventually(lambda: _nothing_left(far))


async def _ready(neighbours: Neighbours) -> bool:
    return (await neighbours.health("scheduler_svc"))["work"] == "healthy"


async def _published(neighbours: Neighbours, to: str) -> firing_service_pb2.Firing:
    """The firing of an alarm that publishes once, when it has ended well."""
    publish = alarm_pb2.Publish(broker="b", to=to, headers={"team": "core"})
    publish.body["order"] = 7
    alarm = alarm_pb2.Alarm(action=alarm_pb2.Action(publish=publish))
    alarm.trigger.every.FromSeconds(1)
    alarm.trigger.count = 1
    create = neighbours.stub(alarm_service_pb2_grpc.AlarmServiceStub, "scheduler_svc").CreateAlarm
    made = await create(alarm_service_pb2.CreateAlarmRequest(alarm=alarm))
    assert not made.warnings
    found: list[firing_service_pb2.Firing] = []

    async def ended() -> bool:
        firing = await neighbours.firing(made.name)
        found[:] = [firing] if firing is not None else []
        return firing is not None and firing.state in ENDED

    await eventually(ended)
    assert (found[0].state, found[0].result["to"]) == (firing_service_pb2.Firing.SUCCEEDED, to), found[0].error
    return found[0]


async def _nothing_left(far: FarEnd) -> bool:
    return await far.left(QUEUE) == 0


async def logged(neighbours: Neighbours, count: int) -> list[dict[str, Any]]:
    """The data of the events that came, of which there are so many at least."""
    triggers = neighbours.stub(trigger_service_pb2_grpc.TriggerServiceStub, "scheduler_svc")
    found: list[Any] = []

    async def came() -> bool:
        page = await triggers.ListTriggerLogs(trigger_service_pb2.ListTriggerLogsRequest(page_size=1000))
        found[:] = page.logs
        return len(found) >= count

    await eventually(came)
    assert {entry.source for entry in found} == {"sources/orders"}
    assert {entry.topic for entry in found} == {"orders.made"}
    return [dict(entry.data) for entry in found]


@asynccontextmanager
async def behind_tls(port: int, folder: Path) -> AsyncGenerator[tuple[int, Path]]:
    """The port at localhost that speaks TLS before the one given, and the authority to trust for it."""
    context, authority = await asyncio.to_thread(certificate, folder)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # one end is gone
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], authority


async def secured(scheme: str, credentials: str, port: int, folder: Path, queue: str) -> None:
    """A message goes by TLS to a broker whose authority is named; to one whose is not, and with a wrong password, nothing goes."""
    async with behind_tls(port, folder) as (secure, authority):
        trusted, wrong = f"&ca={authority}", credentials.replace(":", ":not-")
        told = [
            await _tried(f"b={scheme}://{user}@localhost:{secure}?prefix={option}", queue)
            for user, option in ((credentials, trusted), (credentials, ""), (wrong, trusted))
        ]
    assert told[0] == ""
    assert "certificate" in told[1].lower()
    assert told[2]
    assert wrong.partition(":")[2] not in told[2]


async def _tried(text: str, queue: str) -> str:
    """Why no message goes there; empty when one does."""
    (spec,) = parse_brokers(text).values()
    publisher = publisher_of(spec)
    try:
        await publisher.open()
        await publisher.send(BrokerMessage(id="f", to=queue, body=b"{}"))
    except BrokerAway as error:
        return error.message
    finally:
        await publisher.close()
    return ""


@asynccontextmanager
async def publishing(url: str) -> AsyncGenerator[PublishKind]:
    """The action before one broker, b, whose breaker lets a probe pass soon."""
    clock = SystemClock()
    rule = BreakerRule(open=0.2, max_open=0.4)
    brokers = Brokers(
        parse_brokers(f"b={url}?prefix="), clock=clock, breaker=lambda name: Breaker(id=name, target=name, rule=rule, clock=clock)
    )
    yield publish_kind(clock, brokers)
    await brokers.stop()


async def publish_all(kind: PublishKind, to: str, count: int, *, trouble: Callable[[Callable[[], int]], Coroutine[Any, Any, None]]) -> int:
    """Publishes as many messages, each again until it is confirmed, as the scheduler would, while there is trouble; how many tries."""
    action = kind.decode(alarm_pb2.Publish(broker="b", to=to, text="x" * 200))
    room, draw = asyncio.Semaphore(20), random.Random(1)
    confirmed = tries = 0

    async def publish(number: int) -> None:
        nonlocal confirmed, tries
        async with room:
            fired = job(f"f{number}")._replace(due=SystemClock().micros() // SECOND, tenant=f"t{number % 4}")
            while True:
                tries += 1
                end = await kind.run(fired, action)
                assert not isinstance(end, JobFailed), end
                if isinstance(end, JobSucceeded):
                    confirmed += 1
                    return
                await asyncio.sleep(draw.uniform(0.02, 0.1))

    async with asyncio.TaskGroup() as group:
        group.create_task(trouble(lambda: confirmed))
        for number in range(count):
            group.create_task(publish(number))
    return tries


def account(seen: Sequence[Seen], count: int, tries: int, note: Callable[[str, object], None]) -> None:
    """Every message is there; what is there twice bears the same id."""
    found = Counter(one.id for one in seen)
    note("account", f"{count} messages, {tries} tries, {len(found)} there, {len(seen) - len(found)} again by the same id")
    assert found.keys() == {f"f{number}" for number in range(count)}
    assert {one.body for one in seen} == {b"x" * 200}
