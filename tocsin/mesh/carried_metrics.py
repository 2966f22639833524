"""Whether calls ride on carriers, and if not, why (docs/mesh.md)."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(slots=True)
class CarriedCount:
    """Attempts at the methods of one service whose policies let them ride.

    Attributes:
        carried: rode.
        left: of those, how many a carrier gave back before anybody had begun them; they were made in another way.
        opening: went by themselves, because no carrier stood.
        full: because as much rode, or waited, as may.
        shared: because the connection led to several endpoints.
        large: because their request was too great.
        metadata: because they had metadata that does not ride.
        options: because they had options of gRPC.
        messages: not of attempts: messages that were written, with one call or more.
    """

    carried: int = 0
    left: int = 0
    opening: int = 0
    full: int = 0
    shared: int = 0
    large: int = 0
    metadata: int = 0
    options: int = 0
    messages: int = 0


_WAYS: Final = tuple(each.name for each in fields(CarriedCount) if each.name != "messages")


class CarriedCollector(Collector):
    """Shows what is counted at the moment of the scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Counts nothing yet."""
        self._counts: dict[str, CarriedCount] = {}
        registry.register(self)

    def of(self, target: str) -> CarriedCount:
        """What is counted of the service ``target``."""
        found = self._counts.get(target)
        if found is None:
            found = self._counts[target] = CarriedCount()
        return found

    def collect(self) -> Iterator[Metric]:
        """Yields every way of every target, from 0 on, and the messages."""
        text = "Attempts that may ride on a carrier, by whether they did, or why not; of the carried, left are given back unbegun."
        calls = CounterMetricFamily("tocsin_client_carried", text, labels=("target", "way"))
        text = "Messages with calls that were written to carriers."
        messages = CounterMetricFamily("tocsin_client_carrier_messages", text, labels=("target",))
        for target, count in sorted(self._counts.items(), key=itemgetter(0)):
            for way in _WAYS:
                calls.add_metric((target, way), getattr(count, way))
            messages.add_metric((target,), count.messages)
        yield calls
        yield messages
