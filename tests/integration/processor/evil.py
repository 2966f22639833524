"""Handlers that do what no handler should; loaded in processes of their own by the tests."""

import asyncio
import contextlib
import ctypes
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processor_svc.domain import TaskFailed
from processor_svc.registry import TaskContext, task


@task("evil.good")
async def good(context: TaskContext, log: str = "", seconds: float = 0.0, until: str = "") -> dict[str, Any]:
    """Does its work, as long as it is told to or until there is a file, and writes down that it began."""
    _note(log, context)
    await asyncio.sleep(seconds)
    while until and not Path(until).exists():  # noqa: ASYNC110  the file is made by another process
        await asyncio.sleep(0.05)
    return {"pid": os.getpid(), "attempt": context.attempt}


@task("evil.thread")
def sync(context: TaskContext, log: str = "", seconds: float = 0.0) -> dict[str, Any]:
    """The same, not async."""
    _note(log, context)
    time.sleep(seconds)
    return {"pid": os.getpid(), "attempt": context.attempt}


@task("evil.hang", timeout_seconds=1.0)
def hang() -> None:
    """Never ends, and hears nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(1)


@task("evil.forever", timeout_seconds=600)
def forever(n: int = 0) -> None:
    """Never ends in the time of a test."""
    while True:
        time.sleep(1)


@task("evil.block", timeout_seconds=1.0)
async def block() -> None:
    """Holds the loop that it shares with others."""
    while True:
        time.sleep(1)  # noqa: ASYNC251  the fault that it is for


@task("evil.deaf", timeout_seconds=0.5)
async def deaf() -> None:
    """Does not let itself be cancelled."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


@task("evil.slow", timeout_seconds=0.5)
async def slow() -> None:
    """Takes too long, and lets itself be cancelled."""
    await asyncio.sleep(60)


@task("evil.forks", timeout_seconds=1.0)
def forks() -> None:
    """Leaves a grandchild behind that holds every file open, and ends."""
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)


def _note(log: str, context: TaskContext) -> None:
    if log:
        with Path(log).open("a") as file:
            file.write(f"{context.firing} {context.attempt}\n")


def _recursive() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def _deep() -> int:
    return _deep() + 1


class _Mute(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class _Hostile(dict[str, Any]):
    def items(self) -> Any:
        raise KeyboardInterrupt


def _raises(error: Callable[[], BaseException]) -> Callable[[], Any]:
    def run() -> Any:
        raise error()

    return run


def _chatter() -> Any:
    os.write(1, b"\x00" * 100_000)
    sys.stderr.write("x" * 1000)
    return {}


def _late_thread() -> Any:
    threading.Thread(target=_raises(lambda: SystemExit(3)), daemon=True).start()
    return {}


ENDS: dict[str, Callable[[], Any]] = {
    "exit": _raises(lambda: SystemExit(3)),
    "interrupt": _raises(KeyboardInterrupt),
    "generator": _raises(GeneratorExit),
    "cancelled": _raises(asyncio.CancelledError),
    "memory": _raises(MemoryError),
    "stop": _raises(StopIteration),
    "mute": _raises(_Mute),
    "group": _raises(lambda: BaseExceptionGroup("g", [SystemExit(3)])),
    "recursion": _deep,
    "wait": _raises(lambda: TaskFailed("later", retry_after=math.nan)),
    "surrogate": _raises(lambda: TaskFailed("\ud800\0")),
    "key": lambda: {1: "x"},
    "nan": lambda: math.nan,
    "set": lambda: {1, 2},
    "bytes": lambda: b"x",
    "object": object,
    "recursive": _recursive,
    "lone": lambda: "\ud800",
    "rounded": lambda: 2**53 + 1,
    "hostile": _Hostile,
    "huge": lambda: "x" * 10_000_000,
    "chatter": _chatter,
    "thread": _late_thread,
    "os_exit": lambda: os._exit(0),
    "segfault": lambda: ctypes.string_at(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "close": lambda: os.closerange(3, 256),
}


@task("evil.ends", timeout_seconds=10)
async def ends(how: str) -> Any:
    """Ends in one of many ways."""
    return ENDS[how]()


@task("evil.ends.sync", timeout_seconds=10)
def ends_sync(how: str) -> Any:
    """The same, not async."""
    return ENDS[how]()


@task("evil.steps")
async def steps(context: TaskContext, many: int, until: str = "", first: str = "") -> int:
    """Says how far it is, sensibly and otherwise; waits for a file before, and for one after."""
    while first and not Path(first).exists():  # noqa: ASYNC110  the file is made by another process
        await asyncio.sleep(0.02)
    for step in range(many):
        context.progress((step + 1) / many, f"step {step + 1}")
    context.progress(math.nan, "nothing")
    context.progress(7, "x" * 5000 + "\ud800\0")
    while until and not Path(until).exists():  # noqa: ASYNC110  the file is made by another process
        await asyncio.sleep(0.02)
    return many


@task("evil.polite", timeout_seconds=600)
def polite(context: TaskContext, began: str, ended: str) -> None:
    """Ends when it finds that it is cancelled."""
    Path(began).touch()
    while not context.cancelled:
        time.sleep(0.01)
    context.progress(1.0, "cleaned up")
    Path(ended).touch()


@task("evil.stubborn", timeout_seconds=600)
async def stubborn(began: str) -> None:
    """Never ends, and takes no cancellation."""
    Path(began).touch()
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
