"""The watchdog sees whatever holds the event loop, and says what it is."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tocsin.telemetry.watchdog import LoopWatchdog
from tocsin.testing.waiting import eventually


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where the metrics are."""
    return CollectorRegistry()


@pytest.fixture
async def watchdog(registry: CollectorRegistry) -> AsyncIterator[LoopWatchdog]:
    """A watchdog at work that warns from 200 ms on."""
    made = LoopWatchdog(registry=registry, bound=0.2)
    await made.start()
    await asyncio.sleep(0)
    yield made
    await made.stop()
    await made.stop()


def wait_for_nothing() -> None:
    """Holds the loop without computing."""
    time.sleep(0.6)


def compute() -> None:
    """Holds the loop by computing in Python."""
    end = time.thread_time() + 0.4
    while time.thread_time() < end:
        pass


def compute_in_one_call() -> None:
    """Holds the loop, and the interpreter with it: no other thread runs meanwhile."""
    end = time.thread_time() + 0.4
    while time.thread_time() < end:
        pow(7, 2**17, 2**40000 - 1)


@pytest.mark.parametrize("hold", [wait_for_nothing, compute, compute_in_one_call])
async def test_what_holds_the_loop_is_told_with_its_stack(
    hold: Callable[[], None], watchdog: LoopWatchdog, caplog: pytest.LogCaptureFixture
) -> None:
    """Once for each stall, while it lasts; the stack is that of the code that holds it."""
    hold()
    await eventually(lambda: watchdog.worst > 0.2)
    records: list[Any] = [record for record in caplog.records if record.name == "tocsin.telemetry.watchdog"]
    assert {(record.levelname, record.msg["event"]) for record in records} == {("WARNING", "event loop blocked")}
    # A machine that is loaded may hold the loop once more, elsewhere.
    assert len([record for record in records if any(hold.__name__ in frame for frame in record.msg["stack"])]) == 1


async def test_the_metrics_tell_lag_and_what_of_it_was_computing(watchdog: LoopWatchdog, registry: CollectorRegistry) -> None:
    """The worst since the start stays; time that passes without computing is lag, and holds nothing."""
    wait_for_nothing()
    await eventually(lambda: watchdog.worst > 0.4)
    assert (registry.get_sample_value("tocsin_loop_lag_seconds") or 0) > 0.4
    assert (registry.get_sample_value("tocsin_loop_lag_max_seconds") or 0) > 0.4
    assert (registry.get_sample_value("tocsin_loop_stalls_total") or 0) >= 1
    assert watchdog.held < 0.2
    compute()
    await eventually(lambda: watchdog.held > 0.3)
    assert registry.get_sample_value("tocsin_loop_held_max_seconds") == watchdog.held
    watchdog.reset()
    assert (watchdog.worst, watchdog.held) == (0.0, 0.0)


async def test_a_loop_with_many_short_callbacks_is_not_held(watchdog: LoopWatchdog) -> None:
    """A busy loop that gives way is well, however much it computes."""
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        hashlib.sha256(b"x" * 10_000).digest()
        await asyncio.sleep(0)
    assert watchdog.held < 0.1


async def test_the_shedder_sees_the_lag_for_a_moment(watchdog: LoopWatchdog) -> None:
    """What was late a moment ago counts, and then no more."""
    wait_for_nothing()
    await eventually(lambda: watchdog.seconds > 0.4)
    await eventually(lambda: watchdog.seconds < 0.4)
