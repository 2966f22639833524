"""Work that lives longer than a call is kept going, and its failures are seen."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from tocsin.background import (
    FAILURES_IN_A_ROW,
    HEALTHY_SECONDS,
    Background,
    BackgroundFailed,
    Backgrounds,
    report_progress,
    report_stall,
)
from tocsin.errors import Unavailable
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually
from tocsin.wake import Wake


class Meter:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def known(self, name: str) -> None:
        self.counts.setdefault(name, 0)

    def failed(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1


class House:
    """A process with one component."""

    def __init__(self) -> None:
        self.clock, self.meter = FakeClock(), Meter()
        self.all = Backgrounds(self.meter)
        self.background = Background(self.clock)

    @property
    def failures(self) -> int:
        return sum(self.meter.counts.values())


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A process whose component gathers its works."""
    made = House()
    with made.all.collecting():
        yield made
    await made.background.stop()


@pytest.fixture
def logs() -> Iterator[list[dict[str, object]]]:
    """What was logged."""
    with capture_logs() as captured:
        yield captured  # pyright: ignore[reportReturnType]  the library's own mapping type


def raising(error: BaseException) -> Callable[[], Coroutine[Any, Any, None]]:
    """A work that raises ``error``."""

    async def run() -> None:
        raise error

    return run


ERRORS = [
    ValueError("v"),
    RecursionError(),
    MemoryError(),
    SystemExit(3),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    TimeoutError(),
    BaseException(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_an_unexpected_error_is_logged_counted_failing_and_survived(
    error: BaseException, house: House, logs: list[dict[str, object]]
) -> None:
    """Whatever a work raises, it begins again; until it works it is failing."""
    errors = [error]

    async def run() -> None:
        if errors:
            raise errors.pop()
        report_progress()
        await asyncio.Event().wait()

    house.background.supervised("work", run)
    await eventually(lambda: house.failures == 1)
    assert list(house.all.failing) == ["work"]
    [line] = [line for line in logs if line["event"] == "background failed"]
    assert line["background"] == "work"
    assert isinstance(line["exc_info"], BaseException)
    await house.clock.advance(1)
    assert house.all.failing == {}
    assert house.meter.counts == {"work": 1}


async def test_a_return_is_a_failure(house: House) -> None:
    """A work that returns though it should go on for ever begins again, and is counted."""
    begun = list[int]()

    async def run() -> None:
        begun.append(1)

    house.background.supervised("work", run)
    await eventually(lambda: house.failures == 1)
    await house.clock.advance(1)
    assert len(begun) > 1
    assert house.all.failing == {"work": "TaskReturned"}


async def test_failures_in_a_row_end_the_process(house: House, logs: list[dict[str, object]]) -> None:
    """After so many failures without success between them the process ends, and the reason names the work."""
    house.background.supervised("work", raising(ValueError("secret")))
    ended = asyncio.ensure_future(house.all.ended())
    while house.failures < FAILURES_IN_A_ROW:
        assert not ended.done()
        await house.clock.advance(1)
    assert {line["event"] for line in logs} == {"background failed"}
    with pytest.raises(BackgroundFailed, match=r"'work' failed 10 times in a row, at last with ValueError$"):
        await ended


async def test_what_is_not_vital_ends_nothing(house: House, logs: list[dict[str, object]]) -> None:
    """A process lives on without what others do well without; its failure stays visible."""
    house.background.supervised("work", raising(ValueError()), vital=False)
    ended = asyncio.ensure_future(house.all.ended())
    await house.clock.advance(600)
    assert len(logs) == house.failures > FAILURES_IN_A_ROW
    assert not ended.done()
    assert house.all.failing == {"work": "ValueError"}
    ended.cancel()


async def test_success_between_failures_is_no_row(house: House, logs: list[dict[str, object]]) -> None:
    """Only failures in a row end the process."""

    async def run() -> None:
        report_progress()
        raise ValueError

    house.background.supervised("work", run)
    ended = asyncio.ensure_future(house.all.ended())
    await house.clock.advance(5)
    assert len(logs) == house.failures > FAILURES_IN_A_ROW
    assert not ended.done()
    ended.cancel()


async def test_pauses_double_and_stay_short_for_what_is_vital(house: House, logs: list[dict[str, object]]) -> None:
    """The pauses between failures grow to a few seconds, so that neither the log nor the alarm suffers."""
    begun = list[float]()

    async def run() -> None:
        begun.append(house.clock.monotonic())
        raise ValueError

    house.background.supervised("work", run)
    await house.clock.advance(60)
    pauses = [later - earlier for earlier, later in pairwise(begun)]
    assert len(logs) in (len(begun), len(begun) - 1)
    assert pauses[0] <= 0.1
    assert max(pauses) <= 5.0
    assert min(pauses[8:]) >= 2.5


async def test_a_neighbour_that_is_away_is_no_failure(house: House, logs: list[dict[str, object]]) -> None:
    """A TocsinError is told once, tried again soon, and never counted nor the end of the process."""
    house.background.supervised("work", raising(Unavailable("The database is away.")))
    await house.clock.advance(120)
    assert house.failures == 0
    assert house.all.failing == {"work": "The database is away."}
    assert [line["event"] for line in logs] == ["background interrupted"]


async def test_a_work_that_runs_for_a_while_is_well(house: House) -> None:
    """A work that says nothing is failing until it ran for a while."""
    errors = [ValueError()]

    async def run() -> None:
        if errors:
            raise errors.pop()
        await asyncio.Event().wait()

    house.background.supervised("work", run)
    await eventually(lambda: house.failures == 1)
    await house.clock.advance(HEALTHY_SECONDS / 2)
    assert "work" in house.all.failing
    await house.clock.advance(HEALTHY_SECONDS)
    assert house.all.failing == {}


async def test_a_work_tells_that_it_falters(house: House) -> None:
    """A work that deals with its trouble by itself is failing as long as it says so."""
    turn = Wake(house.clock)
    words = [lambda: report_stall("away", house.clock), report_progress]

    async def run() -> None:
        while True:
            await turn.wait(None)
            words.pop(0)()

    house.background.supervised("work", run)
    turn.set()
    await eventually(lambda: house.all.failing == {"work": "away"})
    turn.set()
    await eventually(lambda: house.all.failing == {})


async def test_a_round_that_failed_is_made_again_before_its_time(house: House) -> None:
    """An hourly work need not wait for an hour after a failure, and counts as failing until a round gets through."""
    rounds = list[float]()

    async def run() -> None:
        rounds.append(house.clock.monotonic())
        if len(rounds) == 2:
            raise ValueError

    house.background.periodic("work", 3600, run)
    await house.clock.advance(3600)
    assert house.all.failing == {"work": "ValueError"}
    await house.clock.advance(1)
    assert house.all.failing == {}
    await house.clock.advance(3601)
    assert len(rounds) == 4


async def test_periods_and_wakes(house: House) -> None:
    """A periodic work does its rounds by the clock and when it is woken; a woken one only then."""
    done = {"periodic": 0, "woken": 0}
    wakes = {name: Wake(house.clock) for name in done}

    def count(name: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            done[name] += 1

        return run

    house.background.periodic("periodic", 10, count("periodic"), wake=wakes["periodic"], at_once=False)
    house.background.woken("woken", wakes["woken"], count("woken"))
    await house.clock.advance(25)
    assert done == {"periodic": 2, "woken": 0}
    for wake in wakes.values():
        wake.set()
    await eventually(lambda: done == {"periodic": 3, "woken": 1})


async def test_it_inherits_nothing_of_a_call(house: House) -> None:
    """A work that a call begins carries none of the call's context, and belongs to the process all the same."""
    call: ContextVar[str] = ContextVar("call", default="none")
    call.set("mine")
    seen = list[str]()

    async def run() -> None:
        seen.append(call.get())
        inner = Background(house.clock)
        inner.supervised("inner", asyncio.Event().wait)

    task = house.background.once("once", run)
    await task
    assert seen == ["none"]
    assert [work.name for work in house.all.tasks] == ["inner"]


async def test_what_runs_once_tells_whoever_waits_and_the_log(house: House, logs: list[dict[str, object]]) -> None:
    """An unexpected error of a work that ends by itself is counted even if nobody waits for it."""
    with pytest.raises(ValueError, match="x"):
        await house.background.once("once", raising(ValueError("x")))
    house.background.once("once", raising(SystemExit(3)))
    await eventually(lambda: house.failures == 2)
    with pytest.raises(Unavailable):
        await house.background.once("once", raising(Unavailable("away")))
    assert [line["event"] for line in logs] == ["background failed"] * 2


async def test_stop_ends_what_loses_a_cancellation(house: House) -> None:
    """A work that swallows a cancellation is cancelled again, and one that raises instead has ended all the same."""
    swallowed = list[int]()

    async def deaf() -> None:
        while len(swallowed) < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed.append(1)
        raise ValueError

    async def rude() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise Unavailable("away")

    house.background.supervised("deaf", deaf)
    house.background.supervised("rude", rude)
    await house.clock.advance(0)
    await house.background.stop()
    await house.background.stop()
    assert not house.background.running
    assert house.failures == 0
    assert house.all.tasks == []


async def test_stop_waits_for_what_ends_by_itself(house: House) -> None:
    """Within the grace a work may end what it has in hand; its return is no failure then."""
    told, ended = asyncio.Event(), list[int]()

    async def run() -> None:
        await told.wait()
        await asyncio.sleep(0)
        ended.append(1)

    house.background.supervised("work", run)
    await house.clock.advance(0)
    told.set()
    await house.background.stop(grace_seconds=5)
    assert ended == [1]
    assert house.failures == 0
