"""What a process knows of the endpoints that it calls, for an operator who looks: where they are, how connected, how much called."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tocsin.mesh.labels import NO_LABELS, EndpointLabels


class EndpointTally:
    """Attempts on one way to a service. Belongs to one event loop.

    Attributes:
        started: those that were begun.
        failed: those that ended in an error.
        last: when the last one began, on the event loop's clock; None before the first.
    """

    __slots__ = ("failed", "last", "started")

    def __init__(self) -> None:
        """Nothing was called."""
        self.started = 0
        self.failed = 0
        self.last: float | None = None

    def begun(self, now: float) -> None:
        """An attempt begins."""
        self.started += 1
        self.last = now

    def add(self, other: "EndpointTally") -> None:
        """Counts those of ``other`` as well."""
        self.started += other.started
        self.failed += other.failed
        if other.last is not None and (self.last is None or other.last > self.last):
            self.last = other.last


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointView:
    """One endpoint of a service.

    Attributes:
        service: the called one.
        address: of the endpoint; empty for the way that all of them share.
        labels: what the target says of it.
        state: of the connection, as gRPC names it; empty before it was wanted.
        tally: what was called there.
    """

    service: str
    address: str
    labels: EndpointLabels
    state: str
    tally: EndpointTally


def endpoint_views(
    service: str,
    ways: Mapping[str | None, tuple[str, EndpointTally]],
    *,
    known: Iterable[str],
    labels: Mapping[str, EndpointLabels],
) -> Iterator[EndpointView]:
    """The endpoints of one service, by address.

    Calls by the way that all endpoints share are those of the only endpoint, where there is one; else nobody knows whose they are.

    Args:
        service: the called one.
        ways: state and tally by address; None is the way that all share.
        known: addresses of the target.
        labels: of addresses.
    """
    shared_state, shared = ways.get(None, ("", EndpointTally()))
    addresses = sorted({*known, *(address for address in ways if address is not None)})
    alone = len(addresses) == 1
    if not alone and shared.started:
        yield EndpointView(service=service, address="", labels=NO_LABELS, state=shared_state, tally=shared)
    for address in addresses:
        state, own = ways.get(address, ("", EndpointTally()))
        tally = EndpointTally()
        tally.add(own)
        if alone:
            state = shared_state or state
            tally.add(shared)
        yield EndpointView(service=service, address=address, labels=labels.get(address, NO_LABELS), state=state, tally=tally)
