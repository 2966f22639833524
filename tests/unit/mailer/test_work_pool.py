"""Items that are worked off in places of their own."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from mailer_svc.work_pool import WorkPool
from tocsin.background import Background
from tocsin.errors import Unavailable
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually


class Item(NamedTuple):
    """What is worked off."""

    tenant: str
    number: int


class Work:
    """Items that wait, and a pool of four places; a tenant may have three. What is in ``held`` hangs until it is taken out."""

    def __init__(self, clock: FakeClock, *waiting: Item) -> None:
        self.waiting = list(waiting)
        self.held: dict[Item, asyncio.Event] = {}
        self.done: list[Item] = []
        self.claims: list[int] = []
        self.slow_claim = asyncio.Event()
        self.slow_claim.set()
        self.background = Background(clock)
        self.pool: WorkPool[Item] = WorkPool(
            name="item", places=4, work=self._work, lane=lambda item: item, background=self.background, clock=clock
        )

    def hold(self, *items: Item) -> None:
        self.held |= {item: asyncio.Event() for item in items}

    async def claim(self, free: int) -> Sequence[Item]:
        busy, taken = [item.tenant for item in self.pool.under_way], list[Item]()
        await self.slow_claim.wait()
        for item in list(self.waiting):
            if len(taken) < free and [*busy, *(one.tenant for one in taken)].count(item.tenant) < 3:
                self.waiting.remove(item)
                taken.append(item)
        self.claims.append(len(taken))
        return taken

    async def _work(self, item: Item) -> None:
        if item in self.held:
            await self.held[item].wait()
        if item.tenant == "odd":
            raise ZeroDivisionError
        if item.tenant == "away":
            raise Unavailable("a test's")
        self.done.append(item)


async def test_a_free_place_takes_the_next_item(clock: FakeClock) -> None:
    """One that hangs keeps its place alone; the round ends when nothing is due and nothing is under way."""
    items = [Item("a", number) for number in range(20)]
    work = Work(clock, *items)
    work.hold(items[0])
    draining = asyncio.ensure_future(work.pool.drain(work.claim))
    await eventually(lambda: work.done == items[1:])
    assert (draining.done(), list(work.pool.under_way)) == (False, [items[0]])
    work.held[items[0]].set()
    await draining
    assert work.done == [*items[1:], items[0]]


async def test_what_comes_due_meanwhile_is_looked_for_each_second(clock: FakeClock) -> None:
    """Although nothing ends."""
    work = Work(clock, Item("a", 0))
    work.hold(Item("a", 0))
    draining = asyncio.ensure_future(work.pool.drain(work.claim))
    await eventually(lambda: len(work.pool.under_way) == 1)
    work.waiting.append(Item("b", 0))
    await clock.advance(1)
    await eventually(lambda: work.done == [Item("b", 0)])
    work.held[Item("a", 0)].set()
    await draining


async def test_what_ends_during_a_claim_makes_room_for_its_like(clock: FakeClock) -> None:
    """The claim left them out, and comes back empty when nothing is under way any more."""
    items = [Item("a", number) for number in range(6)]
    work = Work(clock, *items)
    work.hold(*items[:3])
    draining = asyncio.ensure_future(work.pool.drain(work.claim))
    await eventually(lambda: len(work.pool.under_way) == 3)
    work.slow_claim.clear()
    work.held[items[0]].set()
    await eventually(lambda: work.done == items[:1])
    for item in items[1:3]:
        work.held[item].set()
    await eventually(lambda: work.done == items[:3])
    work.slow_claim.set()
    await draining
    assert work.done == items


async def test_an_error_costs_its_item_and_what_is_away_the_round(clock: FakeClock) -> None:
    """What is under way goes on, and belongs to the next round."""
    items = [Item("odd", 0), Item("away", 0), Item("a", 0)]
    work = Work(clock, *items)
    work.hold(items[2])
    with pytest.raises(Unavailable):
        await work.pool.drain(work.claim)
    assert list(work.pool.under_way) == [items[2]]
    work.held[items[2]].set()
    await work.pool.drain(work.claim)
    assert work.done == [items[2]]


async def test_the_end_of_its_component_ends_what_is_under_way(clock: FakeClock) -> None:
    """And the next start finds every place free."""
    work = Work(clock, Item("a", 0))
    work.hold(Item("a", 0))
    work.background.periodic("rounds", 60, lambda: work.pool.drain(work.claim))
    await eventually(lambda: len(work.pool.under_way) == 1)
    await work.background.stop()
    await eventually(lambda: not work.pool.under_way)
    assert not work.done
