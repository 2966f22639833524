"""Coroutines whose first step is taken at once, by whoever begins them or before a task waits for them."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tocsin.mesh.server.first_step import Started, Steps


class Batch:
    """What gRPC would do: it is begun by the first step, and ended by the test."""

    def __init__(self) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.trace = list[str]()

    async def run(self) -> str:
        """Two waits, as for a call's end and then for its task."""
        self.trace.append("begun")
        try:
            await self.done
            await asyncio.get_running_loop().create_task(asyncio.sleep(0))
        except BaseException as error:
            self.trace.append(type(error).__name__)
            raise
        self.trace.append("ended")
        return "answer"


@pytest.fixture
async def batch() -> Batch:
    """One that has not begun."""
    return Batch()


async def result(started: Started) -> Any:
    """Awaits it in a task."""
    return await started


async def at_once(value: str) -> str:
    """Has nothing to wait for."""
    return value


async def fails() -> None:
    """Has nothing to wait for either."""
    raise LookupError


async def test_the_first_step_needs_no_turn_and_a_task_takes_the_others(batch: Batch) -> None:
    """What was begun is under way before anybody waits for it."""
    started = Started(batch.run())
    assert batch.trace == ["begun"]
    task = asyncio.ensure_future(result(started))
    await asyncio.sleep(0)
    assert not task.done()
    batch.done.set_result(None)
    assert await task == "answer"


async def test_what_is_there_when_the_task_begins_is_not_waited_for() -> None:
    """A message that came in the meantime costs no turn."""
    future = asyncio.get_running_loop().create_future()
    started = Started(_value(future))
    future.set_result("came")
    task = asyncio.ensure_future(result(started))
    await asyncio.sleep(0)
    assert task.done()
    assert (await task, await Started(at_once("no wait at all"))) == ("came", "no wait at all")


async def _value(future: "asyncio.Future[str]") -> str:
    return await future


async def test_a_failure_is_raised_where_it_is_waited_for(batch: Batch) -> None:
    """Also by the coroutine, which may handle it."""
    started = Started(batch.run())
    batch.done.set_exception(LookupError())
    with pytest.raises(LookupError):
        await started
    assert batch.trace == ["begun", "LookupError"]


@pytest.mark.parametrize("waits", [False, True])
async def test_a_coroutine_handles_what_it_waits_for(*, waits: bool) -> None:
    """An error that comes before a task waits, or while it does, is the coroutine's first, which may go on after it."""
    ready, then = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()

    async def careful() -> str:
        try:
            await ready
        except LookupError:
            await then
            return "handled"
        return "no error"

    started = Started(careful())
    task = asyncio.ensure_future(result(started)) if waits else None
    await asyncio.sleep(0)
    ready.set_exception(LookupError())
    task = task or asyncio.ensure_future(result(started))
    await asyncio.sleep(0)
    assert not task.done()
    then.set_result(None)
    assert await task == "handled"


async def test_a_cancelled_task_ends_what_it_waits_for(batch: Batch) -> None:
    """Nothing of it goes on."""
    task = asyncio.ensure_future(result(Started(batch.run())))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert batch.done.cancelled()
    assert batch.trace == ["begun", "CancelledError"]


async def test_steps_are_taken_without_a_task(batch: Batch) -> None:
    """Each when what it waits for is done; it is held until it has ended."""
    running = set[Steps]()
    tasks = asyncio.all_tasks()
    Steps(batch.run(), running=running)
    assert (batch.trace, len(running), asyncio.all_tasks()) == (["begun"], 1, tasks)
    batch.done.set_result(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert (batch.trace, running) == (["begun", "ended"], set())


@pytest.mark.parametrize("late", [False, True])
async def test_what_steps_raise_is_logged_and_ends_nothing_else(batch: Batch, caplog: pytest.LogCaptureFixture, *, late: bool) -> None:
    """There is no task to keep it, and whoever took the first step has others to care for."""
    running = set[Steps]()
    coroutine: Coroutine[Any, Any, Any] = batch.run() if late else fails()
    Steps(coroutine, running=running)
    if late:
        batch.done.set_exception(LookupError())
        await asyncio.sleep(0)
    assert running == set()
    assert [(record.levelname, "a step of a call failed" in str(record.msg)) for record in caplog.records] == [("ERROR", True)]
