"""RabbitMQ, to and from: Debian's, which `make brokers` needs installed."""

import asyncio
import struct
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from pamqp import encode

from processor_svc.brokers import BrokerAway, MessageRefused, SourceStream, parse_brokers, parse_sources, source_of
from processor_svc.brokers.kinds import publisher_of
from processor_svc.brokers.messages import BrokerMessage
from tests.integration.processor.broker_ends import Seen, account, publish_all, publishing, round_trip, secured
from tests.integration.processor.support import Neighbours
from tocsin.testing.rabbitmq import RabbitServer
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.brokers, pytest.mark.timeout(600)]


class RabbitEnd:
    """RabbitMQ, as `tests.integration.processor.broker_ends.FarEnd`."""

    def __init__(self, server: RabbitServer) -> None:
        self.url = server.url

    @asynccontextmanager
    async def channel(self) -> AsyncGenerator[Any]:
        """A channel of one who is no part of Tocsin."""
        connection = await aio_pika.connect(f"{self.url}/")
        async with connection:
            yield await connection.channel()

    def source(self, queue: str) -> str:
        """In the virtual host that there is."""
        return f"{self.url}/{queue}"

    async def make(self, queue: str) -> None:
        """Makes it, and empties one that is there."""
        async with self.channel() as channel:
            await (await channel.declare_queue(queue, durable=True)).purge()

    async def put(self, queue: str, *bodies: bytes) -> None:
        """Sends persistent messages with ids."""
        async with self.channel() as channel:
            for body in bodies:
                message = aio_pika.Message(body, message_id=str(uuid.uuid4()), delivery_mode=2, timestamp=datetime.now(UTC))
                await channel.default_exchange.publish(message, routing_key=queue)

    async def all(self, queue: str, at_least: int) -> list[Seen]:
        """Takes what is there."""
        found: list[Seen] = []
        async with self.channel() as channel:
            while len(found) < at_least:
                declared = await channel.declare_queue(queue, durable=True)
                while (one := await declared.get(fail=False)) is not None:
                    headers = {name: value for name, value in one.headers.items() if isinstance(value, str)}
                    found.append(Seen(one.message_id or "", one.body, headers))
                    await one.ack()
                await asyncio.sleep(0.05)
        return found

    async def left(self, queue: str) -> int:
        """Ready, for nobody holds any when none are."""
        async with self.channel() as channel:
            declared = await channel.declare_queue(queue, durable=True)
            return int(declared.declaration_result.message_count or 0)


@pytest.fixture
def far(rabbit: RabbitServer) -> RabbitEnd:
    """The broker as its users see it."""
    return RabbitEnd(rabbit)


async def test_there_and_back(far: RabbitEnd, neighbours: Neighbours) -> None:
    """From an alarm to the broker, and from the broker to an event."""
    await round_trip(far, neighbours)


async def test_a_broker_that_is_killed_in_the_middle_of_confirms_loses_nothing(
    far: RabbitEnd, rabbit: RabbitServer, record_property: Callable[[str, object], None]
) -> None:
    """Killed under load: each message is there, and what is there twice bears the same id."""
    count = 3_000
    await far.make("load")

    async def kill(confirmed: Callable[[], int]) -> None:
        await eventually(lambda: confirmed() >= count // 3)
        rabbit.kill()
        await asyncio.to_thread(rabbit.start)

    async with publishing(rabbit.url) as kind:
        tries = await publish_all(kind, "load", count, trouble=kill)
    account(await far.all("load", count), count, tries, record_property)
    assert tries > count


async def test_what_the_broker_refuses_is_told_and_harms_nobody_else(rabbit: RabbitServer, far: RabbitEnd) -> None:
    """No queue, no exchange: each its own reason, while others are confirmed on the same connection."""
    await far.make("good")
    publisher = publisher_of(parse_brokers(f"b={rabbit.url}?prefix=")["b"])
    await publisher.open()

    async def reason(number: int, to: str, exchange: str) -> str:
        try:
            await publisher.send(BrokerMessage(id=f"f{number}", to=to, exchange=exchange, body=b"{}"))
        except MessageRefused as error:
            return error.reason
        return ""

    asked = [("good", ""), ("none", ""), ("x", "none"), ("x", "amq.direct")]
    told = await asyncio.gather(*(reason(number, *where) for number, where in enumerate(asked * 10)))
    await publisher.close()
    assert told == ["", "UNROUTABLE", "NO_SUCH_DESTINATION", "UNROUTABLE"] * 10
    assert len(await far.all("good", 10)) == 10


async def test_by_tls_with_a_password(rabbit: RabbitServer, far: RabbitEnd, tmp_path: Path) -> None:
    """Neither an authority that is not ours nor a wrong password lets anything through."""
    await far.make("secured")
    await secured("amqps", "guest:guest", rabbit.port, tmp_path, "secured")
    assert [one.id for one in await far.all("secured", 1)] == ["f"]


async def test_a_message_that_no_library_can_read_stops_nothing(
    rabbit: RabbitServer, far: RabbitEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time beyond all years, a routing key and headers of any bytes: each comes, and so does what is behind them."""
    await far.make("evil")
    (spec,) = parse_sources(f"s={rabbit.url}/evil?tenant=t&event=e")
    async with far.channel() as channel:
        exchange = await channel.declare_exchange("everywhere", aio_pika.ExchangeType.FANOUT)
        await (await channel.get_queue("evil")).bind(exchange)
        send = channel.default_exchange.publish
        with monkeypatch.context() as wrong:
            wrong.setitem(encode.METHODS, "timestamp", lambda value: struct.pack(">Q", 2**63 - 1))
            await send(aio_pika.Message(b"{}", timestamp=datetime.now(UTC), message_id="time"), routing_key="evil")
            wrong.setitem(encode.METHODS, "shortstr", _raw)
            await send(aio_pika.Message(b"{}", message_id="\udcff\udcfe"), routing_key="evil")
            await exchange.publish(aio_pika.Message(b"{}", message_id="key"), routing_key="\udcff")
        await send(aio_pika.Message(b"{}", message_id="good", headers={"a": {"b": [1, None]}}), routing_key="evil")
    source = source_of(spec, consumer="c")
    await source.open()
    found: list[str] = []
    while len(found) < 4:
        taken = await source.take(10)
        await source.done(taken)
        found += [message.id for message in taken]
    await source.close()
    assert found == ["time", "\ufffd\ufffd", "key", "good"]


def _raw(value: str) -> bytes:
    """A short string of any bytes."""
    data = value.encode("utf-8", "surrogateescape")
    return bytes([len(data)]) + data


async def test_a_queue_that_is_removed_is_told_and_read_again_when_it_is_back(rabbit: RabbitServer, far: RabbitEnd) -> None:
    """A consumer of nothing would wait for ever."""
    (spec,) = parse_sources(f"s={rabbit.url}/going?tenant=t&event=e")
    source = source_of(spec, consumer="c")
    with pytest.raises(BrokerAway, match="no queue 'going'"):
        await source.open()
    await source.close()
    await far.make("going")
    source = source_of(spec, consumer="c")
    await source.open()
    async with far.channel() as channel:
        await channel.queue_delete("going")
    with pytest.raises(BrokerAway):
        await _taken_for_ever(source)
    await source.close()


async def _taken_for_ever(source: SourceStream) -> None:
    while True:
        await source.take(1)
