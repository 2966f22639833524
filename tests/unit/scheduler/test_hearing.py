"""How the service knows when nobody could take a ping."""

from scheduler_svc.hearing import Hearing
from scheduler_svc.recurrence import Micros
from scheduler_svc.signals import Deaf
from tocsin.errors import Unavailable
from tocsin.testing.clock import FakeClock

OUTAGE = 90.0


class Store:
    """Fails as often as it is told, and keeps when it was told that somebody listens."""

    def __init__(self) -> None:
        self.failures = 0
        self.heard: list[Micros] = []

    async def hear(self, *, now: Micros, tolerance: Micros) -> Deaf | None:
        """See `scheduler_svc.hearing.HearingStore`."""
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        self.heard.append(now)
        return None


async def test_a_few_failed_attempts_are_no_outage() -> None:
    """Whoever could not say that it listens says it again at once, and not a third of an outage later."""
    clock, store = FakeClock(), Store()
    hearing = Hearing(store=store, clock=clock, outage_seconds=OUTAGE)
    await hearing.start()
    try:
        store.failures = 4
        await clock.advance(OUTAGE / 3 + 5)
        assert len(store.heard) == 2
        await clock.advance(OUTAGE)
        assert hearing.deaf() is None
    finally:
        await hearing.stop()
