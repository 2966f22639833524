"""A Kafka for tests: librdkafka's mock cluster, which speaks the real protocol, to other clients too."""

from typing import Any

from confluent_kafka import Producer


class KafkaCluster:
    """One broker in this process, with topics that are made when they are asked for. It forgets all with `close`."""

    def __init__(self) -> None:
        """Starts it."""
        self._owner: Any = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        brokers = self._owner.list_topics(timeout=10).brokers
        (broker,) = brokers.values()
        self.port = int(broker.port)

    @property
    def url(self) -> str:
        """Its URL."""
        return f"kafka://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Ends it."""
        self._owner = None
