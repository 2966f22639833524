"""Threads for handlers that are not async."""

import asyncio
import threading

import pytest

from processor_svc.pool import ThreadPool
from tocsin.testing.waiting import eventually


async def test_a_critical_job_finds_a_thread_when_others_hold_all() -> None:
    """Some threads are for critical jobs alone; what runs and what waits is counted."""
    pool, gate = ThreadPool(threads=2, reserve=1), threading.Event()
    bulk = [asyncio.create_task(pool.run(gate.wait, critical=False)) for _ in range(5)]
    await eventually(lambda: (pool.busy, pool.waiting) == (2, 3))
    assert await pool.run(lambda: "done", critical=True) == "done"
    assert not any(task.done() for task in bulk)
    gate.set()
    assert await asyncio.gather(*bulk) == [True] * 5
    await eventually(lambda: (pool.busy, pool.waiting) == (0, 0))


async def test_a_job_that_is_cancelled_while_it_waits_never_runs() -> None:
    """One that runs already runs on, and holds its thread."""
    pool, gate = ThreadPool(threads=1, reserve=1), threading.Event()
    ran: list[int] = []
    first = asyncio.create_task(pool.run(gate.wait, critical=False))
    second = asyncio.create_task(pool.run(lambda: ran.append(1), critical=False))
    await eventually(lambda: (pool.busy, pool.waiting) == (1, 1))
    for task in (first, second):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (pool.busy, pool.waiting) == (1, 0)
    gate.set()
    await eventually(lambda: pool.busy == 0)
    assert ran == []


async def test_what_a_function_raises_reaches_its_caller() -> None:
    """And frees the thread."""
    pool = ThreadPool(threads=1, reserve=1)
    with pytest.raises(KeyError):
        await pool.run(lambda: {}["x"], critical=False)
    await eventually(lambda: (pool.busy, pool.waiting) == (0, 0))
