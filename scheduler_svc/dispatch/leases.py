"""Which firing is with whom, and until when. Pure."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler_svc.dispatch.session import ProcessorSession
from scheduler_svc.domain import Lease, Priority, QueuedFiring

_EPOCH_BITS: Final = 40


@dataclass(slots=True)
class LeasedFiring:
    """One firing with one session.

    Attributes:
        deadline: monotonic seconds at which the lease ends.
        reported: its result has come and is about to be committed, so that it can neither expire nor get lost.
    """

    queued: QueuedFiring
    session: ProcessorSession
    deadline: float
    reported: bool = False


class Leases:
    """Deliveries by firing. A firing is with one session at a time."""

    def __init__(self, *, seconds: float) -> None:
        """Begins empty.

        Args:
            seconds: how long a lease lasts.
        """
        self.seconds = seconds
        self._deliveries: dict[str, LeasedFiring] = {}
        self._expiries: deque[tuple[float, Sequence[LeasedFiring]]] = deque()
        self._count = 0
        self.critical = 0
        """Critical firings that are out."""

    def __len__(self) -> int:
        return len(self._deliveries)

    def __contains__(self, firing: object) -> bool:
        return firing in self._deliveries

    def shards(self) -> set[int]:
        """The shards whose firings are out."""
        return {delivery.queued.shard for delivery in self._deliveries.values()}

    def get(self, firing: str) -> LeasedFiring | None:
        """The delivery of a firing that is out."""
        return self._deliveries.get(firing)

    def current(self, lease: Lease) -> LeasedFiring | None:
        """The delivery that ``lease`` stands for, if it is still the newest one of its firing."""
        delivery = self._deliveries.get(lease.firing)
        return delivery if delivery is not None and delivery.queued.token == lease.token else None

    def give(self, queued_firings: Iterable[QueuedFiring], session: ProcessorSession, *, epochs: Mapping[int, int], now: float) -> None:
        """Leases firings together. A token grows with each delivery: the shard's epoch above, a counter of this process below."""
        deadline = now + self.seconds
        given = [LeasedFiring(queued, session, deadline) for queued in queued_firings]
        for count, delivery in enumerate(given, self._count + 1):
            queued = delivery.queued
            queued.token = (epochs[queued.shard] << _EPOCH_BITS) | count
            self._deliveries[queued.id] = delivery
            self.critical += queued.priority == Priority.CRITICAL
            session.leased.add(queued.id)
        self._count += len(given)
        self._expiries.append((deadline, given))

    def extend(self, delivery: LeasedFiring, *, now: float) -> None:
        """Begins the lease anew."""
        delivery.deadline = now + self.seconds
        self._expiries.append((delivery.deadline, (delivery,)))

    def end(self, firing: str) -> LeasedFiring | None:
        """Ends a lease; the delivery, if there was one."""
        delivery = self._deliveries.pop(firing, None)
        if delivery is not None:
            delivery.session.leased.discard(firing)
            self.critical -= delivery.queued.priority == Priority.CRITICAL
        return delivery

    def expired(self, *, now: float) -> Iterator[LeasedFiring]:
        """The deliveries whose lease is over and whose result has not come."""
        while self._expiries and self._expiries[0][0] <= now:
            deadline, given = self._expiries.popleft()
            for delivery in given:
                if self._runs(delivery, deadline):
                    yield delivery

    def next_expiry(self) -> float | None:
        """The earliest time at which a lease may end; None when none is out."""
        while self._expiries:
            deadline, given = self._expiries[0]
            if any(self._runs(delivery, deadline) for delivery in given):
                return deadline
            self._expiries.popleft()
        return None

    def _runs(self, delivery: LeasedFiring, deadline: float) -> bool:
        """Whether the lease is one that ends at ``deadline``, unless its result comes."""
        return self._deliveries.get(delivery.queued.id) is delivery and delivery.deadline == deadline and not delivery.reported
