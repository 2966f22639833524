"""Turns are shared among clients, not among requests."""

import asyncio

import pytest

from auth_svc.fair_queue import FairQueue, PasswordsBusy


class Bench:
    """A queue, and the order in which it gave turns; each turn ends when the next is asked for."""

    def __init__(self, *, turns: int = 1, places: int = 100, share: int = 100) -> None:
        self.queue = FairQueue(turns=turns, places=places, share=share)
        self.served: list[str] = []
        self.refused = 0
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, client: str, times: int = 1) -> None:
        """Asks, and waits until every request stands in the queue."""
        self.tasks += [asyncio.create_task(self._one(client)) for _ in range(times)]
        for _ in range(2):  # to stand in the queue, and to hear of having lost the place
            await asyncio.sleep(0)

    async def _one(self, client: str) -> None:
        try:
            await self.queue.take(client)
        except PasswordsBusy:
            self.refused += 1
        else:
            self.served.append(client)

    async def serve(self, times: int) -> list[str]:
        """Ends so many turns, one after the other; who was served by then."""
        for _ in range(times):
            self.queue.give()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return self.served


async def test_clients_are_served_in_turn() -> None:
    """A hundred requests of one keep another waiting for one of them, not for a hundred."""
    bench = Bench()
    await bench.ask("attacker", 50)
    for client in ("ann", "bob"):
        await bench.ask(client, 2)
    served = await bench.serve(8)
    assert served[:8] == ["attacker", "attacker", "ann", "bob", "attacker", "ann", "bob", "attacker"]


async def test_each_of_one_client_comes_in_its_order_and_none_is_lost() -> None:
    """Every turn is given, and the count is right at the end."""
    bench = Bench(turns=2)
    await bench.ask("ann", 5)
    assert (len(bench.served), bench.queue.busy) == (2, 5)
    await bench.serve(5)
    assert (bench.served, bench.queue.busy) == (["ann"] * 5, 0)
    await bench.ask("ann")
    assert len(bench.served) == 6


async def test_a_client_takes_no_more_places_than_its_share() -> None:
    """The rest of them is refused at once, and others find room."""
    bench = Bench(places=10, share=4)
    await bench.ask("attacker", 100)
    assert (bench.refused, bench.queue.busy) == (95, 5)
    await bench.ask("ann")
    assert bench.refused == 95


async def test_who_has_most_makes_room() -> None:
    """When all places are taken, the newest request of whoever has most goes; never that of somebody with as few."""
    bench = Bench(places=4, share=4)
    await bench.ask("attacker", 5)
    await bench.ask("ann")
    assert (bench.refused, bench.queue.busy) == (1, 5)
    await bench.ask("bob")
    assert bench.refused == 2
    await bench.ask("eve")
    assert bench.refused == 3
    await bench.ask("zoe")
    assert bench.refused == 4  # each has one by now: zoe finds no room
    await bench.serve(5)
    assert sorted(bench.served) == ["ann", "attacker", "attacker", "bob", "eve"]
    assert bench.queue.busy == 0


async def test_who_goes_away_leaves_its_place() -> None:
    """Also in the moment in which its turn comes, which then goes to the next."""
    bench = Bench()
    await bench.ask("ann", 3)
    bench.tasks[1].cancel()
    await asyncio.sleep(0)
    assert bench.queue.busy == 2
    bench.queue.give()
    bench.tasks[2].cancel()
    await bench.ask("bob")
    await asyncio.sleep(0)
    assert bench.served == ["ann", "bob"]
    await bench.serve(1)
    assert bench.queue.busy == 0


async def test_a_hundred_sign_ins_at_a_time_delay_another_by_one() -> None:
    """Whatever one client asks for, another's request is served after one of it for each turn that is taken."""
    bench = Bench(turns=2, places=64, share=8)
    await bench.ask("attacker", 100)
    positions: list[int] = []
    for number in range(20):
        await bench.ask("ann")
        await bench.ask("attacker", 100)
        before = len(bench.served)
        while bench.served.count("ann") <= number:
            await bench.serve(1)
        positions.append(len(bench.served) - before)
    assert max(positions) <= 2, positions


@pytest.mark.parametrize("turns", [1, 3])
async def test_without_anybody_waiting_a_turn_comes_at_once(turns: int) -> None:
    """As many as there are."""
    bench = Bench(turns=turns)
    await bench.ask("ann", turns)
    assert len(bench.served) == turns
