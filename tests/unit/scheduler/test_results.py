"""Results wait for their commit in lines."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from scheduler_svc.dispatch.results import Entry, Results
from scheduler_svc.domain import Lease, Report, Succeeded
from tocsin.background import Background
from tocsin.errors import Unavailable
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually


def entry(name: str) -> Entry:
    """A success that nobody waits for."""
    return Entry(None, Report(Lease(name, 1), Succeeded()))


def names(batch: Sequence[Entry]) -> list[str]:
    """The firings of a batch."""
    return [entry.report.lease.firing for entry in batch]


class Store:
    """Keeps batches, unless it is away, or holds those back that contain a firing."""

    def __init__(self) -> None:
        self.kept: list[list[str]] = []
        self.away = False
        self.slow = ""
        self.poison = ""
        self.gate = asyncio.Event()

    async def commit(self, batch: Sequence[Entry]) -> None:
        if self.slow in names(batch):
            await self.gate.wait()
        if self.away:
            raise Unavailable("away")
        if self.poison in names(batch):
            raise ValueError(self.poison)
        self.kept.append(names(batch))


class Bench:
    """Results in front of a store."""

    def __init__(self, clock: FakeClock) -> None:
        self.store, self.loops = Store(), Background(clock)
        self.refused: list[str] = []
        refuse = lambda entry: self.refused.extend(names([entry]))  # noqa: E731  one line of a fixture
        self.hurried = False
        self.results = Results(commit=self.store.commit, refuse=refuse, hurried=lambda: self.hurried, most=2, loops=self.loops, clock=clock)

    def add(self, *firings: str, critical: bool = False) -> None:
        for name in firings:
            self.results.add(entry(name), critical=critical)


@pytest.fixture
async def bench(clock: FakeClock) -> AsyncIterator[Bench]:
    """Commits from the start."""
    made = Bench(clock)
    made.results.start()
    yield made
    await made.loops.stop()


async def test_results_are_committed_in_order_and_in_batches(bench: Bench) -> None:
    """Of the size that was asked for."""
    bench.add("a", "b", "c")
    await eventually(lambda: bench.store.kept == [["a", "b"], ["c"]])


async def test_a_critical_result_waits_for_no_other(bench: Bench) -> None:
    """It is committed while a batch of others still is."""
    bench.store.slow = "a"
    bench.add("a", "b", "c")
    await asyncio.sleep(0)
    bench.add("x", critical=True)
    await eventually(lambda: bench.store.kept == [["x"]])
    bench.store.gate.set()
    await eventually(lambda: bench.store.kept == [["x"], ["a", "b"], ["c"]])


async def test_batches_of_others_are_small_while_something_critical_is_under_way(bench: Bench) -> None:
    """The critical ones are not: they are what everybody waits for."""
    bench.hurried = True
    bench.add("a", "b")
    bench.add("x", "y", critical=True)
    await eventually(lambda: sorted(bench.store.kept) == [["a"], ["b"], ["x", "y"]])


async def test_a_batch_is_tried_until_it_is_kept(bench: Bench, clock: FakeClock) -> None:
    """While the store is away its line says so, and nothing overtakes."""
    bench.store.away = True
    bench.add("a", "b", "c")
    await eventually(lambda: bench.loops.failing == {"results": "away"})
    await clock.advance(5)
    bench.store.away = False

    async def kept() -> bool:
        await clock.advance(0.1)
        return bench.store.kept == [["a", "b"], ["c"]]

    await eventually(kept)
    assert bench.loops.failing == {}


async def test_a_batch_that_fails_for_an_unknown_reason_is_tried_again(bench: Bench, clock: FakeClock) -> None:
    """Nothing of it is lost, and nothing of it is refused."""
    bench.store.poison = "a"
    bench.add("a", "b", "c")
    await eventually(lambda: bench.loops.failing == {"results": "ValueError"})
    bench.store.poison = ""

    async def kept() -> bool:
        await clock.advance(0.1)
        return [name for batch in bench.store.kept for name in batch] == ["a", "b", "c"]

    await eventually(kept)
    assert (bench.loops.failing, bench.refused) == ({}, [])


async def test_a_result_that_cannot_be_kept_holds_up_no_other(bench: Bench, clock: FakeClock) -> None:
    """It is found in its batch, refused after some tries, and all others are kept."""
    bench.store.poison = "b"
    bench.add("a", "b", "c", "d")

    async def kept() -> bool:
        await clock.advance(0.5)
        return [name for batch in bench.store.kept for name in batch] == ["a", "c", "d"]

    await eventually(kept)
    assert (bench.loops.failing, bench.refused) == ({}, ["b"])


async def test_whoever_reports_too_much_waits(bench: Bench) -> None:
    """Until the store has caught up; long before, it is told that more would only wait."""
    bench.store.slow = "0"
    bench.add("0", "1", "2")
    assert bench.results.crowded
    await bench.results.room()
    bench.add(*map(str, range(3, 40)))
    waiting = asyncio.create_task(bench.results.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    bench.store.gate.set()
    await waiting
    await eventually(lambda: [name for batch in bench.store.kept for name in batch] == list(map(str, range(40))))
    assert not bench.results.crowded


async def test_what_is_left_is_committed_in_the_end(bench: Bench) -> None:
    """A batch whose commit was cut off goes first; what cannot be kept is fired: nobody was told that it is kept."""
    bench.store.slow = "a"
    bench.add("a", "b", "c")
    bench.add("x", critical=True)
    await eventually(lambda: bench.store.kept == [["x"]])
    await bench.loops.stop()
    bench.store.slow = ""
    await bench.results.finish()
    assert bench.store.kept == [["x"], ["a", "b"], ["c"]]
    bench.store.away = True
    bench.add("d")
    await bench.results.finish()
    bench.store.away, bench.store.poison = False, "x"
    bench.add("x", critical=True)
    bench.add("e")
    await bench.results.finish()
    assert bench.store.kept.pop() == ["e"]
    bench.store.poison = ""
    await bench.results.finish()
    assert bench.store.kept == [["x"], ["a", "b"], ["c"]]
