"""Clocks: exact conversions, and a fake that wakes sleepers in order."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.clock import Clock, SystemClock, from_micros, to_micros
from tocsin.testing.clock import FakeClock


@given(st.datetimes(timezones=st.just(UTC)))
def test_micros_are_exact(instant: datetime) -> None:
    """Every instant survives the way to the database and back."""
    assert from_micros(to_micros(instant)) == instant


def test_micros_of_another_zone() -> None:
    """Zones are converted, not dropped."""
    assert to_micros(datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))) == 0
    assert from_micros(-1) == datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize("micros", [10**18, -(10**18)])
def test_micros_out_of_range(micros: int) -> None:
    """A number that is no instant is refused."""
    with pytest.raises(OverflowError):
        from_micros(micros)


async def test_system_clock() -> None:
    """The machine's clock agrees with itself, is aware, and its sleep takes time only when it should."""
    clock: Clock = SystemClock()
    before = clock.micros()
    now = clock.now()
    assert before <= to_micros(now) <= clock.micros()
    assert now.tzinfo is UTC
    started = clock.monotonic()
    await clock.sleep(-1)
    await clock.sleep(0.01)
    assert clock.monotonic() - started >= 0.009


async def test_fake_clock_stands_still() -> None:
    """Time passes only when the test says so."""
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    await asyncio.sleep(0.01)
    assert clock.now() == datetime(2026, 3, 1, tzinfo=UTC)
    assert clock.monotonic() == 0
    await clock.advance(1.5)
    assert clock.now() == datetime(2026, 3, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert clock.micros() == to_micros(clock.now())
    assert clock.monotonic() == 1.5


async def test_fake_clock_wakes_in_order() -> None:
    """Sleepers wake by due time, those of one instant as they lay down, each seeing its own instant."""
    clock = FakeClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woken.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(nap) for nap in (sleeper("c", 3), sleeper("a", 1, 1, 1), sleeper("b", 2))]
    await clock.advance(2)
    assert woken == [("a", 1), ("b", 2), ("a", 2)]
    assert clock.sleepers == 2
    await clock.advance(10)
    assert woken[3:] == [("c", 3), ("a", 3)]
    assert clock.monotonic() == 12
    await asyncio.gather(*tasks)


async def test_fake_clock_sleep_of_nothing() -> None:
    """A sleep of zero or less returns without the clock's help."""
    clock = FakeClock()
    await clock.sleep(0)
    await clock.sleep(-5)
    assert clock.sleepers == 0


async def test_fake_clock_moves_on_for_a_wait_that_is_shorter_than_a_microsecond() -> None:
    """Who waits for what is left of a rounded time gets there, and does not hold up the clock for ever."""
    clock = FakeClock()

    async def until(end: float) -> int:
        rounds = 0
        while clock.monotonic() < end:
            await clock.sleep(end - clock.monotonic())
            rounds += 1
        return rounds

    task = asyncio.create_task(until(1.0 + 1e-9))
    await clock.advance(2)
    assert await task == 2


async def test_fake_clock_forgets_the_cancelled() -> None:
    """A cancelled sleeper is neither woken nor counted."""
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(5))
    await clock.advance(1)
    assert clock.sleepers == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.sleepers == 0
    await clock.advance(10)


async def test_fake_clock_set() -> None:
    """A jump forward wakes who is due and moves monotonic time; a jump back moves the wall clock alone."""
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    task = asyncio.create_task(clock.sleep(60))
    await clock.advance(0)
    clock.set(datetime(2026, 1, 1, 0, 1, tzinfo=UTC))
    await task
    assert clock.monotonic() == 60
    clock.set(datetime(2025, 1, 1, tzinfo=UTC))
    assert (clock.now().year, clock.monotonic()) == (2025, 60)
