"""Transactions that lost a conflict are made again."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from scheduler_svc.ports import Caused
from scheduler_svc.service.fire_quotas import FireQuotas
from scheduler_svc.service.signals import Intake
from tocsin.errors import Aborted, Unavailable
from tocsin.tenants import TenantBook
from tocsin.tenants.quotas import QuotaAlerts
from tocsin.testing.alerts import RecordedAlerts
from tocsin.testing.clock import FakeClock


class Store:
    """Loses so many conflicts first, then keeps what it is given; or is away."""

    def __init__(self, losses: int, *, away: bool = False) -> None:
        self.losses = losses
        self.away = away
        self.kept: list[Any] = []

    async def _keep(self, batch: Any, **_: Any) -> Caused[Any]:
        if self.away:
            raise Unavailable("away")
        if self.losses:
            self.losses -= 1
            raise Aborted("deadlock")
        self.kept.append(batch)
        return Caused(answers=list(batch))

    publish = record = ping = _keep

    async def go_on(self, log: str, **options: Any) -> tuple[list[Any], bool]:
        await self._keep(log, **options)
        return [], False


class Rest:
    """The shards that are held, and who is told."""

    owner = "me"
    held: Mapping[int, int] = {}

    async def caused(self, firings: Any, moved: Any) -> None:
        """Hears it."""


Take = Callable[[Any], Awaitable[Any]]
TAKES: list[Take] = [lambda intake: intake.events(["a"]), lambda intake: intake.readings(["a"]), lambda intake: intake.pings(["a"])]


def intake(store: Store) -> Intake:
    """The intake in front of it."""
    clock, nobody = FakeClock(), TenantBook()
    fires = FireQuotas(store=Rest(), book=lambda: nobody, alerts=QuotaAlerts(RecordedAlerts()), clock=clock)  # pyright: ignore[reportArgumentType]  nobody has a quota
    return Intake(store=store, shards=Rest(), hints=Rest(), clock=clock, fires=fires)  # pyright: ignore[reportArgumentType]  it is what they need


@pytest.mark.parametrize("take", TAKES)
async def test_whoever_says_something_does_not_hear_of_conflicts(take: Take) -> None:
    """Four lost in a row; what is said is kept once."""
    store = Store(losses=4)
    assert await take(intake(store)) == ["a"]
    assert store.kept == [["a"]]


async def test_the_rest_of_an_event_is_made_again_too() -> None:
    """By itself: what of the event is committed stays."""
    store = Store(losses=2)
    assert await intake(store).finish("log") == 0
    assert store.kept == ["log"]


@pytest.mark.parametrize("take", TAKES)
async def test_in_the_end_a_conflict_is_told(take: Take) -> None:
    """Nothing is tried for ever, and only conflicts are tried again."""
    store = Store(losses=5)
    with pytest.raises(Aborted):
        await take(intake(store))
    with pytest.raises(Unavailable):
        await take(intake(Store(losses=0, away=True)))
    assert store.kept == []
