"""Group commit: every accepted item is flushed once, in order, whatever happens to the others."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.database import GroupCommit
from tocsin.errors import Aborted, DataLoss, Internal, NotFound, TocsinError, Unavailable

Flush = Callable[[Sequence[int]], Awaitable[Sequence[int | TocsinError]]]


class Store:
    """Takes batches, one at a time, and is released by the test."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.busy = 0

    async def flush(self, items: Sequence[int]) -> list[int | TocsinError]:
        self.busy += 1
        assert self.busy == 1
        self.batches.append(list(items))
        await self.gate.wait()
        self.busy -= 1
        return [10 * item for item in items]


async def started(flush: Flush, max_batch: int = 500) -> GroupCommit[int, int]:
    """A running batcher."""
    batcher = GroupCommit[int, int](flush=flush, max_batch=max_batch)
    await batcher.start()
    return batcher


async def submit(batcher: GroupCommit[int, int], *items: int) -> list[asyncio.Task[int]]:
    """Submits each item in a task of its own, and lets them arrive."""
    tasks = [asyncio.create_task(batcher.submit(item)) for item in items]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_what_arrives_during_a_flush_goes_together() -> None:
    """One flush runs at a time; all that came meanwhile are the next."""
    store = Store()
    batcher = await started(store.flush)
    first = await submit(batcher, 1)
    rest = await submit(batcher, 2, 3, 4)
    assert store.batches == [[1]]
    store.gate.set()
    assert await asyncio.gather(*first, *rest) == [10, 20, 30, 40]
    assert store.batches == [[1], [2, 3, 4]]


async def test_what_arrives_at_once_goes_together() -> None:
    """Items that are submitted before the loop turns share the first flush."""
    store = Store()
    store.gate.set()
    batcher = await started(store.flush)
    assert await asyncio.gather(*(batcher.submit(item) for item in range(5))) == [0, 10, 20, 30, 40]
    assert store.batches == [[0, 1, 2, 3, 4]]


async def test_a_batch_has_a_limit() -> None:
    """More items than `max_batch` take several flushes, in order."""
    store = Store()
    store.gate.set()
    batcher = await started(store.flush, max_batch=2)
    await asyncio.gather(*(batcher.submit(item) for item in range(5)))
    assert store.batches == [[0, 1], [2, 3], [4]]


async def test_an_items_error_is_its_own() -> None:
    """An error in place of a result reaches that item's submitter alone."""

    async def flush(items: Sequence[int]) -> list[int | TocsinError]:
        return [NotFound(str(item)) if item % 2 else item for item in items]

    batcher = await started(flush)
    results = await asyncio.gather(*(batcher.submit(item) for item in range(4)), return_exceptions=True)
    assert [str(result) for result in results] == ["0", "1", "2", "3"]
    assert [type(result) for result in results] == [int, NotFound, int, NotFound]


async def test_what_one_item_says_fails_that_item_alone() -> None:
    """A flush that fails is made again in halves: two bad ones among a hundred are found, and the others are flushed once."""
    flushed: list[int] = []
    attempts = 0

    async def flush(items: Sequence[int]) -> list[int | TocsinError]:
        nonlocal attempts
        attempts += 1
        if 13 in items or 77 in items:
            raise ValueError(items)
        flushed.extend(items)
        return list(items)

    batcher = await started(flush)
    results = await asyncio.gather(*(batcher.submit(item) for item in range(100)), return_exceptions=True)
    assert [item for item, result in enumerate(results) if result != item] == [13, 77]
    assert {type(results[13]), type(results[77])} == {ValueError}
    assert flushed == [item for item in range(100) if item not in (13, 77)]
    assert attempts <= 2 * 2 * 7 + 1  # two ways down a tree of a hundred leaves


@pytest.mark.parametrize("error", [Unavailable, Aborted, DataLoss])
async def test_what_no_item_is_to_blame_for_fails_them_all(error: type[TocsinError]) -> None:
    """While the database is away nothing is flushed again in parts; the next batch is not touched by it."""
    gate, attempts = asyncio.Event(), 0

    async def flush(items: Sequence[int]) -> list[int | TocsinError]:
        nonlocal attempts
        attempts += 1
        await gate.wait()
        if 1 in items:
            raise error
        return list(items)

    batcher = await started(flush, max_batch=2)
    tasks = await submit(batcher, 1, 2, 3)
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [error, error, int]
    assert attempts == 2


async def test_a_flush_that_miscounts() -> None:
    """Results that cannot be matched to items are an internal error for all of them."""

    async def flush(_items: Sequence[int]) -> list[int | TocsinError]:
        return [1]

    batcher = await started(flush)
    results = await asyncio.gather(batcher.submit(1), batcher.submit(2), return_exceptions=True)
    assert [type(result) for result in results] == [Internal, Internal]


async def test_who_leaves_while_waiting_is_left_out() -> None:
    """An item whose submitter was cancelled before its flush is dropped, and its neighbours are not."""
    store = Store()
    batcher = await started(store.flush)
    first = await submit(batcher, 1)
    rest = await submit(batcher, 2, 3, 4)
    rest[1].cancel()
    await asyncio.sleep(0)
    store.gate.set()
    assert await asyncio.gather(*first, rest[0], rest[2]) == [10, 20, 40]
    assert store.batches == [[1], [2, 4]]


async def test_who_leaves_during_the_flush_changes_nothing() -> None:
    """Cancelling a submitter does not cancel the flush that its item is in."""
    store = Store()
    batcher = await started(store.flush)
    tasks = await submit(batcher, 1, 2)
    tasks[0].cancel()
    await asyncio.sleep(0)
    store.gate.set()
    assert await tasks[1] == 20
    assert tasks[0].cancelled()
    assert store.batches == [[1, 2]]


async def test_stop_flushes_what_was_accepted() -> None:
    """Stop waits for accepted items and takes no new ones; a start opens it again."""
    store = Store()
    batcher = await started(store.flush)
    tasks = await submit(batcher, 1)
    tasks += await submit(batcher, 2)
    stopping = asyncio.create_task(batcher.stop())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await batcher.submit(3)
    store.gate.set()
    await stopping
    await batcher.stop()
    assert [task.result() for task in tasks] == [10, 20]
    await batcher.start()
    assert await batcher.submit(4) == 40


async def test_nothing_before_the_start() -> None:
    """A batcher that was not started accepts nothing."""
    with pytest.raises(Unavailable):
        await GroupCommit[int, int](flush=Store().flush).submit(1)


async def test_a_flush_belongs_to_no_request() -> None:
    """Context variables of whoever submits, such as a deadline or a principal, are not seen by the flush."""
    variable = contextvars.ContextVar("variable", default="none")
    seen: list[str] = []

    async def flush(items: Sequence[int]) -> list[int | TocsinError]:
        seen.append(variable.get())
        return list(items)

    batcher = await started(flush)
    variable.set("request")
    await batcher.submit(1)
    assert seen == ["none"]


@given(st.data())
def test_cancel_storms_lose_and_duplicate_nothing(data: st.DataObject) -> None:
    """Whoever is cancelled when, each other item is flushed exactly once, in order, and gets its own result."""
    count = data.draw(st.integers(1, 30))
    limit = data.draw(st.integers(1, 8))
    cancelled = data.draw(st.sets(st.integers(0, count - 1)))
    pauses = data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    failing = data.draw(st.sets(st.integers(0, 10)))
    flushed: list[int] = []

    async def run() -> None:
        turns = iter(range(10_000))

        async def flush(items: Sequence[int]) -> list[int | TocsinError]:
            turn = next(turns)
            await asyncio.sleep(0)
            if turn in failing:
                raise OSError(turn)
            flushed.extend(items)
            return list(items)

        batcher = await started(flush, max_batch=limit)
        tasks: list[asyncio.Task[int]] = []
        for item, pause in enumerate(pauses):
            tasks.append(asyncio.create_task(batcher.submit(item)))
            for _ in range(pause):
                await asyncio.sleep(0)
            for victim in cancelled:
                if victim < item:
                    tasks[victim].cancel()
        await asyncio.wait(tasks)
        await batcher.stop()
        for item, task in enumerate(tasks):
            if task.cancelled():
                assert item in cancelled
            elif task.exception() is None:
                assert task.result() == item
                assert item in flushed

    asyncio.run(run())
    assert flushed == sorted(set(flushed))


async def test_several_items_of_one_submitter_go_together() -> None:
    """They are flushed in their order and beside others as long as a batch has room; the error of one is told in its place."""
    batches: list[list[int]] = []

    async def flush(items: Sequence[int]) -> list[int | TocsinError]:
        batches.append(list(items))
        return [NotFound("none") if item == 2 else 10 * item for item in items]

    batcher = await started(flush, max_batch=4)
    first, others, last = await asyncio.gather(batcher.submit(1), batcher.submit_all([2, 3, 4, 5, 6, 7]), batcher.submit(8))
    assert (first, last) == (10, 80)
    assert [answer if isinstance(answer, int) else type(answer) for answer in others] == [NotFound, 30, 40, 50, 60, 70]
    assert batches == [[1], [2, 3, 4, 5], [6, 7, 8]]
    assert await batcher.submit_all([]) == []


async def test_what_nobody_waits_for_any_more_takes_no_room() -> None:
    """Items whose submitter was cancelled are dropped, all of them."""
    store = Store()
    batcher = await started(store.flush, max_batch=2)
    running = await submit(batcher, 1)
    gone = asyncio.create_task(batcher.submit_all([2, 3]))
    kept = await submit(batcher, 4, 5)
    gone.cancel()
    store.gate.set()
    assert await asyncio.gather(*running, *kept) == [10, 40, 50]
    assert store.batches == [[1], [4, 5]]
