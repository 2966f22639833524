"""The kinds of broker: for each its module, which is imported when one is named, for two of them need an extra."""

from importlib import import_module
from typing import Any, Final, NamedTuple

from processor_svc.brokers.messages import Publisher, SourceStream
from processor_svc.brokers.spec import KAFKA, RABBITMQ, REDIS, BrokerSpec, SourceSpec

BATCH: Final = 200
"""Messages that one source takes at a time, at most."""


class _Kind(NamedTuple):
    module: str
    publisher: str
    source: str
    reserved: frozenset[str]


_KINDS: Final = {
    REDIS: _Kind("redis_streams", "RedisPublisher", "RedisSource", frozenset({"body", "id", "content-type"})),
    # CC and BCC would be further queues (https://www.rabbitmq.com/docs/sender-selected).
    RABBITMQ: _Kind("rabbitmq", "RabbitPublisher", "RabbitSource", frozenset({"cc", "bcc"})),
    KAFKA: _Kind("kafka", "KafkaPublisher", "KafkaSource", frozenset({"message-id", "content-type"})),
}


def publisher_of(spec: BrokerSpec) -> Publisher:
    """Connects nothing yet."""
    made: Publisher = _part(spec.address.kind, "publisher")(spec)
    return made


def source_of(spec: SourceSpec, *, consumer: str) -> SourceStream:
    """Connects nothing yet; ``consumer`` is the name of this process."""
    further: dict[str, dict[str, Any]] = {REDIS: {"consumer": consumer}, RABBITMQ: {"most": BATCH}}
    made: SourceStream = _part(spec.address.kind, "source")(spec, **further.get(spec.address.kind, {}))
    return made


def reserved_headers(kind: str) -> frozenset[str]:
    """Names of headers, in lower case, that have a meaning of their own there."""
    return _KINDS[kind].reserved


def _part(kind: str, what: str) -> Any:
    found = _KINDS[kind]
    return getattr(import_module(f"processor_svc.brokers.{found.module}"), getattr(found, what))
