"""How the service knows when nobody could take a ping."""

from scheduler_svc.engine.outages import Outages
from scheduler_svc.triggers import Outage
from tocsin.errors import Unavailable
from tocsin.recurrence import Micros
from tocsin.testing.clock import FakeClock

OUTAGE = 90.0


class Store:
    """Fails as often as it is told, and keeps when it was told that somebody listens."""

    def __init__(self) -> None:
        self.failures = 0
        self.heard: list[Micros] = []

    async def hear(self, *, now: Micros, tolerance: Micros) -> Outage | None:
        """See `scheduler_svc.engine.outages.OutageStore`."""
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        self.heard.append(now)
        return None


async def test_a_few_failed_attempts_are_no_outage() -> None:
    """Whoever could not say that it listens says it again at once, and not a third of an outage later."""
    clock, store = FakeClock(), Store()
    outages = Outages(store=store, clock=clock, outage_seconds=OUTAGE)
    await outages.start()
    try:
        store.failures = 4
        await clock.advance(OUTAGE / 3 + 5)
        assert len(store.heard) == 2
        await clock.advance(OUTAGE)
        assert outages.outage() is None
    finally:
        await outages.stop()
