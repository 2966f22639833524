"""Handlers for the tests of the registry and the runner."""

import asyncio
import threading
from typing import Any

from processor_svc.domain import TaskFailed
from processor_svc.registry import TaskContext, task


@task("sample.add")
async def add(left: int, right: int = 1) -> int:
    """Adds two integers."""
    return left + right


@task("sample.sync")
def in_thread(context: TaskContext) -> dict[str, Any]:
    """Tells where it runs."""
    return {"main": threading.current_thread() is threading.main_thread(), "firing": context.firing, "attempt": context.attempt}


@task("sample.about")
async def about(context: TaskContext) -> dict[str, Any]:
    """Tells what its firing is about."""
    return {"alarm": context.alarm, "origin": context.origin, "topic": context.about["event"]["topic"]}


@task("sample.slow", timeout_seconds=0.01)
async def slow() -> None:
    """Never ends by itself."""
    await asyncio.Event().wait()


@task("sample.broken")
async def broken() -> None:
    """Raises something."""
    raise KeyError("socket")


@task("sample.final")
async def final() -> None:
    """Says that another attempt cannot help."""
    raise TaskFailed("no such customer", retryable=False)


@task("sample.later")
async def later() -> None:
    """Says when another attempt may help."""
    raise TaskFailed("busy", retry_after=7.0)


@task("sample.cancels")
async def cancels() -> None:
    """Cancels itself, which is no reason to stop the processor."""
    raise asyncio.CancelledError


@task("sample.steps")
async def steps() -> list[str]:
    """Waits again and again, and handles what goes wrong meanwhile."""
    seen = ["begun"]
    await asyncio.sleep(0)
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.001)
    except TimeoutError:
        seen.append("late")
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
    return [*seen, "done"]


@task("sample.grow")
async def grow(items: list[int]) -> list[int]:
    """Changes what it was given."""
    items.append(0)
    return items


def not_a_task() -> None:
    """Stays out of the registry."""
