"""What bounds the dispatcher."""

from dataclasses import dataclass

from tocsin.clock import SECOND
from tocsin.recurrence import Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchOptions:
    """Bounds of the dispatcher.

    Attributes:
        batch_size: jobs in one message.
        result_batch: results in one transaction.
        queue_limit: firings of one queue in memory; as many again may wait there for their next attempt.
        lease_seconds: how long a processor may be silent about a firing.
        lost_deliveries: so many deliveries without a result count as one failed attempt.
        retry_horizon: a firing whose next attempt is further away, in microseconds, waits in the store.
        heal_seconds: how often firings are looked up that are in the store and that nobody has offered.
    """

    batch_size: int = 500
    result_batch: int = 2000
    queue_limit: int = 50_000
    lease_seconds: float = 30.0
    lost_deliveries: int = 3
    retry_horizon: Micros = 60 * SECOND
    heal_seconds: float = 30.0
