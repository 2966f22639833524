"""Kafka (https://kafka.apache.org/protocol); needs ``pip install 'tocsin[kafka]'``."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar, Final

import aiokafka
from aiokafka import errors

from processor_svc.brokers.messages import CONFIRM_SECONDS, BrokerAway, BrokerMessage, MessageRefused, SourceMessage
from processor_svc.brokers.spec import KAFKA, BrokerAddress, BrokerSpec, SourceSpec
from processor_svc.brokers.tls import endpoints, tls_context

ID_HEADER: Final = "message-id"
"""The header that bears the id of a message, for Kafka has no field for it."""
_TYPE_HEADER: Final = "content-type"
_TAKE_MILLISECONDS: Final = 1_000
_REQUEST_SECONDS: Final = 8.0
_JOIN_SECONDS: Final = 40.0
_MOST_BYTES: Final = 1024 * 1024
_LOST: Final = (errors.KafkaError, errors.ConsumerStoppedError, OSError, TimeoutError)
_REFUSALS: Final = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.InvalidTopicError, errors.PolicyViolationError)


def _arguments(address: BrokerAddress, *, seconds: float = _REQUEST_SECONDS) -> dict[str, Any]:
    login = bool(address.username)
    protocol = f"{'SASL_' if login else ''}{'SSL' if address.tls else 'PLAINTEXT'}"
    found: dict[str, Any] = {
        "bootstrap_servers": list(endpoints(address)),
        "security_protocol": protocol,
        "ssl_context": tls_context(address),
        "request_timeout_ms": round(seconds * 1000),
        "client_id": "tocsin",
    }
    if login:
        found |= {"sasl_mechanism": address.sasl, "sasl_plain_username": address.username, "sasl_plain_password": address.password}
    return found


def _away(error: BaseException) -> BrokerAway:
    return BrokerAway(f"Kafka: {type(error).__name__}")


@asynccontextmanager
async def _answering() -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(CONFIRM_SECONDS):
            yield
    except _LOST as error:
        raise _away(error) from None


class _Producer:
    """Waits until all replicas in step have a message, and lets the broker drop what the library repeats."""

    def __init__(self, address: BrokerAddress) -> None:
        self._address = address
        self._producer: Any = None

    async def open(self) -> None:
        producer = aiokafka.AIOKafkaProducer(acks="all", enable_idempotence=True, max_request_size=_MOST_BYTES, **_arguments(self._address))
        self._producer = producer
        async with _answering():
            await producer.start()

    async def send(self, topic: str, value: bytes, key: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Any:
        try:
            async with _answering():
                return await self._sent(topic, value, key, headers)
        except MessageRefused as refused:
            if refused.reason == "NO_SUCH_DESTINATION":
                await self._check()
            raise

    async def _sent(self, topic: str, value: bytes, key: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Any:
        try:
            return await self._producer.send_and_wait(topic, value, key=key, headers=headers)
        except errors.UnknownTopicOrPartitionError:
            raise MessageRefused("NO_SUCH_DESTINATION", f"there is no topic {topic!r}") from None
        except errors.TopicAuthorizationFailedError:
            raise MessageRefused("FORBIDDEN_BY_BROKER", f"the topic {topic!r} is not open to Tocsin") from None
        except _REFUSALS as error:
            raise MessageRefused("REFUSED_BY_BROKER", f"Kafka: {type(error).__name__}") from None

    async def _check(self) -> None:
        """Of a cluster that does not answer the library says that it has no such topic."""
        async with _answering():
            if not await self._producer.client.force_metadata_update():
                raise BrokerAway("Kafka: no broker of the cluster answers")

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(*_LOST):
                async with asyncio.timeout(CONFIRM_SECONDS):
                    await producer.stop()


class KafkaPublisher:
    """One idempotent producer."""

    kind: ClassVar[str] = KAFKA

    def __init__(self, spec: BrokerSpec) -> None:
        self._producer = _Producer(spec.address)

    async def open(self) -> None:
        """Connects."""
        await self._producer.open()

    async def send(self, message: BrokerMessage) -> Mapping[str, Any]:
        """Sends a record; its partition and offset."""
        given = {**message.headers, ID_HEADER: message.id, _TYPE_HEADER: message.content_type}
        headers = [(name, value.encode()) for name, value in given.items()]
        told = await self._producer.send(message.to, message.body, message.key.encode() or None, headers)
        return {"partition": told.partition, "offset": told.offset}

    async def close(self) -> None:
        """Sends what waits, and closes the connections."""
        await self._producer.close()


class KafkaSource:
    """Reads a topic as a member of a group, from the oldest record on; offsets are committed when all before them is done."""

    def __init__(self, spec: SourceSpec) -> None:
        self._spec = spec
        self._consumer: Any = None
        self._burial: _Producer | None = None

    async def open(self) -> None:
        """Joins the group."""
        spec = self._spec
        consumer = aiokafka.AIOKafkaConsumer(
            group_id=spec.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **_arguments(spec.address, seconds=_JOIN_SECONDS),
        )
        self._consumer = consumer
        async with _answering():
            await consumer.start()
        self._consumer.subscribe([spec.queue])  # joins in the background: that takes as long as the other members do

    async def take(self, most: int) -> Sequence[SourceMessage]:
        """The next records of all partitions that are ours."""
        async with _answering():
            found = await self._consumer.getmany(timeout_ms=_TAKE_MILLISECONDS, max_records=most)
            if not found and not self._consumer.assignment():
                await self._check()
        return [self._message(record) for records in found.values() for record in records]

    async def _check(self) -> None:
        """A member without partitions may be one too many, or have lost its brokers, of which the library says nothing."""
        await self._consumer.topics()

    def _message(self, record: Any) -> SourceMessage:
        headers = dict(record.headers)
        named = headers.get(self._spec.identity) if self._spec.identity else None
        # A topic that was removed and made again begins with the same offsets, at another time.
        identity = named.decode("utf-8", "replace") if named else f"{record.partition}/{record.offset}/{record.timestamp}"
        sent = record.timestamp / 1000 if record.timestamp and record.timestamp > 0 else None
        return SourceMessage(id=identity, body=record.value or b"", happened=sent, mark=record)

    async def done(self, messages: Sequence[SourceMessage]) -> None:
        """Commits the offsets behind them."""
        behind: dict[Any, int] = {}
        for message in messages:
            record = message.mark
            place = aiokafka.TopicPartition(record.topic, record.partition)
            behind[place] = max(behind.get(place, 0), record.offset + 1)
        if behind:
            async with _answering():
                # Refused while the group is shared out anew: then they come again, to whoever has the partition.
                with suppress(errors.CommitFailedError, errors.IllegalGenerationError, errors.RebalanceInProgressError):
                    await self._consumer.commit(behind)

    async def bury(self, message: SourceMessage, reason: str) -> bool:
        """Sends the record as it came, and why, to the topic with ".dead" behind its name."""
        if self._burial is None:
            burial = _Producer(self._spec.address)
            await burial.open()
            self._burial = burial
        record = message.mark
        headers = [*record.headers, ("tocsin-reason", reason.encode()), ("tocsin-offset", f"{record.partition}/{record.offset}".encode())]
        try:
            await self._burial.send(self._spec.dead, record.value or b"", record.key, headers)
        except MessageRefused:
            return False
        return True

    async def close(self) -> None:
        """Leaves the group."""
        consumer, self._consumer = self._consumer, None
        burial, self._burial = self._burial, None
        if burial is not None:
            await burial.close()
        if consumer is not None:
            with suppress(*_LOST):
                async with asyncio.timeout(CONFIRM_SECONDS):
                    await consumer.stop()
