"""RabbitMQ by AMQP 0-9-1 (https://www.rabbitmq.com/docs/confirms); needs ``pip install 'tocsin[rabbitmq]'``."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import aio_pika
from aio_pika import exceptions
from pamqp import base, commands, decode

from processor_svc.brokers.messages import CONFIRM_SECONDS, BrokerAway, BrokerMessage, MessageRefused, SourceMessage
from processor_svc.brokers.spec import RABBITMQ, BrokerAddress, BrokerSpec, SourceSpec, place_of
from processor_svc.brokers.tls import tls_context

_TAKE_SECONDS: Final = 1.0
_ROUNDS: Final = 10
_KNOWN_EXCHANGES: Final = 1_000
_LOST: Final = (exceptions.AMQPError, exceptions.ChannelInvalidStateError, OSError, TimeoutError, RuntimeError, asyncio.InvalidStateError)
_UNKNOWN: Final = "NO_SUCH_DESTINATION"


async def _connect(address: BrokerAddress, *, source: bool) -> Any:
    """A connection that does not mend itself: whoever uses it makes another one."""
    try:
        return await aio_pika.connect(
            host=f"[{address.host}]" if ":" in address.host else address.host,
            port=address.port,
            login=address.username or "guest",
            password=address.password or "guest",
            virtualhost=place_of(address, source=source) or "/",
            ssl=address.tls,
            ssl_context=tls_context(address),
            timeout=CONFIRM_SECONDS,
            client_properties={"connection_name": "tocsin"},
        )
    except _LOST as error:
        raise _away(error) from None


def _away(error: Exception) -> BrokerAway:
    """Without the words of the library, which may hold a URL."""
    if isinstance(error, OSError) and error.strerror:
        return BrokerAway(f"RabbitMQ: {error.strerror}")
    if isinstance(error, exceptions.ChannelClosed | exceptions.ConnectionClosed | exceptions.ProbableAuthenticationError):
        return BrokerAway(f"RabbitMQ: {' '.join(f'{part}' for part in error.args)}"[:300])
    return BrokerAway(f"RabbitMQ: {type(error).__name__}")


@asynccontextmanager
async def _answering() -> AsyncGenerator[None]:
    """Bounds what is asked, and makes one error of the many that a lost connection has."""
    try:
        async with asyncio.timeout(CONFIRM_SECONDS):
            yield
    except _LOST as error:
        raise _away(error) from None


class RabbitPublisher:
    """One channel with confirms, on which many messages may be under way."""

    kind: ClassVar[str] = RABBITMQ

    def __init__(self, spec: BrokerSpec) -> None:
        self._address = spec.address
        self._connection: Any = None
        self._channel: Any = None
        self._exchanges: dict[str, Any] = {}

    async def open(self) -> None:
        """Connects."""
        self._connection = await _connect(self._address, source=False)
        async with _answering():
            self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)

    async def send(self, message: BrokerMessage) -> Mapping[str, Any]:
        """Sends a persistent message that must reach a queue."""
        exchange = await self._exchange(message.exchange)
        said = aio_pika.Message(
            message.body,
            message_id=message.id,
            content_type=message.content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            headers=dict(message.headers),
        )
        try:
            async with _answering():
                await self._published(exchange, said, message.to)
        except BrokerAway:
            self._exchanges.pop(message.exchange, None)
            raise
        return {}

    async def _published(self, exchange: Any, said: Any, routing_key: str) -> None:
        try:
            await exchange.publish(said, routing_key=routing_key, mandatory=True)
        except exceptions.PublishError as error:
            words = "no queue takes the message: nothing is bound to this exchange with this routing key, or there is no such queue"
            raise MessageRefused("UNROUTABLE", words) from error
        except exceptions.DeliveryError as error:
            raise MessageRefused("REFUSED_BY_BROKER", "RabbitMQ: the queue did not take the message") from error

    async def _exchange(self, name: str) -> Any:
        """The exchange; asked for in a channel of its own, for one that is not there ends the channel, with all that is under way in it."""
        if not name:
            return self._channel.default_exchange
        known = self._exchanges.get(name)
        if known is not None:
            return known
        async with _answering():
            await self._look(name)
            known = await self._channel.get_exchange(name, ensure=False)
        if len(self._exchanges) >= _KNOWN_EXCHANGES:
            self._exchanges.clear()
        self._exchanges[name] = known
        return known

    async def _look(self, name: str) -> None:
        channel = await self._connection.channel(publisher_confirms=False)
        try:
            await channel.get_exchange(name, ensure=True)
        except exceptions.ChannelNotFoundEntity:
            raise MessageRefused(_UNKNOWN, f"there is no exchange {name!r}") from None
        except exceptions.ChannelClosed as error:
            raise MessageRefused("FORBIDDEN_BY_BROKER", f"RabbitMQ: {error}"[:300]) from None
        finally:
            with suppress(*_LOST):
                await channel.close()

    async def close(self) -> None:
        """Closes the connection."""
        await _close(self._connection)


class RabbitSource:
    """Consumes a queue, which must exist; what is not done comes again when the connection ends."""

    def __init__(self, spec: SourceSpec, *, most: int) -> None:
        """``most`` messages are here at a time."""
        self._spec = spec
        self._most = most
        self._connection: Any = None
        self._channel: Any = None
        self._arrived: asyncio.Queue[Any] = asyncio.Queue()
        self._quiet = 0

    async def open(self) -> None:
        """Connects and consumes."""
        _read_leniently()
        self._connection = await _connect(self._spec.address, source=True)
        self._arrived = asyncio.Queue()
        async with _answering():
            self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
            await self._channel.set_qos(prefetch_count=self._most)
            queue = await self._channel.get_queue(self._spec.queue, ensure=True)
            await queue.consume(self._arrived.put)

    async def take(self, most: int) -> Sequence[SourceMessage]:
        """What has arrived."""
        if self._arrived.empty():
            await self._check()
            try:
                async with asyncio.timeout(_TAKE_SECONDS):
                    first = await self._arrived.get()
            except TimeoutError:
                return []
        else:
            first = self._arrived.get_nowait()
        found = [first]
        while len(found) < most and not self._arrived.empty():
            found.append(self._arrived.get_nowait())
        return [self._message(one) for one in found]

    async def _check(self) -> None:
        """A queue that was removed sends nothing more, and says so to nobody who only waits."""
        if self._channel.is_closed or self._connection.is_closed:
            raise BrokerAway("RabbitMQ: the connection was lost")
        self._quiet += 1
        if self._quiet >= _ROUNDS:
            self._quiet = 0
            async with _answering():
                await self._channel.get_queue(self._spec.queue, ensure=True)

    def _message(self, one: Any) -> SourceMessage:
        headers: Mapping[str, Any] = one.headers or {}
        named = headers.get(self._spec.identity) if self._spec.identity else one.message_id
        identity = named.decode("utf-8", "replace") if isinstance(named, bytes) else f"{named or ''}"
        sent = one.timestamp
        return SourceMessage(
            id=identity,
            body=one.body,
            happened=sent.replace(tzinfo=UTC).timestamp() if isinstance(sent, datetime) else None,
            mark=one,
        )

    async def done(self, messages: Sequence[SourceMessage]) -> None:
        """Acknowledges them."""
        async with _answering():
            for message in messages:
                await message.mark.ack()

    async def bury(self, message: SourceMessage, reason: str) -> bool:
        """Sends the message as it came, and why, to the queue with ".dead" behind its name, which is made if need be."""
        one = message.mark
        dead = aio_pika.Message(
            one.body,
            message_id=one.message_id,
            content_type=one.content_type,
            content_encoding=one.content_encoding,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            headers={**(one.headers or {}), "tocsin-reason": reason},
        )
        async with _answering():
            await self._declare_dead()
            try:
                await self._channel.default_exchange.publish(dead, routing_key=self._spec.dead, mandatory=True)
            except exceptions.DeliveryError:
                return False
        return True

    async def _declare_dead(self) -> None:
        """Makes the queue; one that is there already may be of any kind."""
        channel = await self._connection.channel(publisher_confirms=False)
        with suppress(exceptions.ChannelClosed):
            await channel.declare_queue(self._spec.dead, durable=True)
        with suppress(*_LOST):
            await channel.close()

    async def close(self) -> None:
        """Closes the connection."""
        await _close(self._connection)


def _read_leniently() -> None:
    """Makes the library take whatever a sender may write into a message.

    As it is, a time of the year 292278994 or a routing key that is no UTF-8 ends the connection; it comes again, and ends the next one.
    """
    decode.METHODS["shortstr"] = _short_text
    commands.Basic.Properties.unmarshal = _unmarshal  # pyright: ignore[reportAttributeAccessIssue]  the hook that there is


def _short_text(value: bytes) -> tuple[int, str]:
    length = value[0]
    return length + 1, value[1 : length + 1].decode("utf-8", "replace")


def _unmarshal(properties: Any, flags: int, data: bytes) -> None:
    """Properties as they come; from the first that cannot be read on they stay unset."""
    with suppress(ValueError, OverflowError, OSError, ArithmeticError, RecursionError, IndexError, struct.error):
        base.BasicProperties.unmarshal(properties, flags, data)


async def _close(connection: Any) -> None:
    if connection is not None:
        with suppress(*_LOST):
            async with asyncio.timeout(CONFIRM_SECONDS):
                await connection.close()
