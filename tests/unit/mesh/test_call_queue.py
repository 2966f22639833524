"""Which calls a server begins, in which order, and which it refuses because they would wait, or have waited, for too long."""

import asyncio
from collections.abc import Callable

import pytest

from tocsin.mesh.call_queue import CallQueue
from tocsin.mesh.policy import Criticality

CRITICAL, NORMAL, SHEDDABLE = Criticality.CRITICAL, Criticality.NORMAL, Criticality.SHEDDABLE
EMPTY = 3
"""Turns in which nothing is begun, after one in which something was."""


class Turns:
    """An event loop whose turns a test takes, with a clock that it sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.queue = CallQueue(patience=1.0, now=lambda: self.now, call_soon=self._call_soon)
        self._due: list[Callable[[], None]] = []

    def _call_soon(self, due: Callable[[], None]) -> None:
        self._due.append(due)

    @property
    def idle(self) -> bool:
        """Whether the queue asks for no further turn."""
        return not self._due

    def take(self, seconds: float) -> None:
        """One turn, which takes so long, and those in which nothing is begun."""
        for passed in (seconds, *(0.0,) * EMPTY):
            self.now += passed
            self.step()

    def step(self) -> None:
        """What is due at the end of a turn."""
        due, self._due = self._due, []
        for each in due:
            each()

    def narrow(self, seconds: float = 0.01) -> None:
        """Has handlers compute for so long in each of some turns, until one call is begun in a turn."""
        for _ in range(20):
            while self.queue.turn(NORMAL) is None:
                pass
            self.take(seconds)
        while not self.idle:
            self.take(seconds)


@pytest.fixture
def turns() -> Turns:
    """Turns of a loop that has done nothing yet."""
    return Turns()


def begun(calls: list["asyncio.Future[bool] | None"]) -> list[bool]:
    """Of each call, whether it may begin."""
    return [each is None or (each.done() and each.result()) for each in calls]


async def test_a_call_to_an_idle_server_begins_at_once(turns: Turns) -> None:
    """Nothing waits, and nothing turns for ever."""
    assert turns.queue.turn(SHEDDABLE) is None
    turns.take(0.001)
    assert turns.idle
    assert turns.queue.waiting == 0


async def test_handlers_that_compute_are_begun_one_in_a_turn(turns: Turns) -> None:
    """While turns are long, fewer and fewer calls are begun in one."""
    turns.narrow()
    calls = [turns.queue.turn(NORMAL) for _ in range(3)]
    assert begun(calls) == [True, False, False]
    turns.take(0.01)
    assert begun(calls) == [True, True, False]
    turns.take(0.01)
    assert begun(calls) == [True, True, True]


async def test_handlers_that_wait_are_begun_by_the_hundred(turns: Turns) -> None:
    """Short turns let more and more calls be begun in one."""
    for _ in range(60):
        while turns.queue.turn(NORMAL) is None:
            pass
        turns.take(0.0005)
    while turns.queue.waiting:
        turns.take(0.0005)
    turns.take(0.0005)
    assert begun([turns.queue.turn(NORMAL) for _ in range(300)]) == [True] * 300


async def test_what_matters_most_is_begun_first(turns: Turns) -> None:
    """Whatever came first; among equals what came first."""
    turns.narrow()
    calls = [turns.queue.turn(each) for each in (NORMAL, SHEDDABLE, NORMAL, NORMAL, CRITICAL, CRITICAL)]
    order = list[int]()
    for _ in range(30):
        before = begun(calls)
        turns.now += 0.01
        turns.step()
        order += [place for place, (was, now) in enumerate(zip(before, begun(calls), strict=True)) if now and not was]
    assert order == [4, 5, 2, 3, 1]


async def test_a_critical_call_that_comes_while_a_handler_computes_is_begun_next(turns: Turns) -> None:
    """Until it was accepted, which takes gRPC two turns or three, nothing else is begun; and nothing until its message has come."""
    turns.narrow()
    calls = [turns.queue.turn(NORMAL) for _ in range(2)]
    turns.now += 0.01
    for _ in range(EMPTY):
        turns.step()
    turns.queue.accepted(CRITICAL)
    for _ in range(50):
        turns.now += 0.00001
        turns.step()
    assert begun(calls) == [True, False]
    critical = turns.queue.turn(CRITICAL)
    turns.step()
    assert begun([*calls, critical]) == [True, False, True]
    turns.take(0.01)
    assert begun(calls) == [True, True]


async def test_a_critical_call_whose_message_does_not_come_holds_nothing_up_for_long(turns: Turns) -> None:
    """A millisecond, and then none does for a tenth of a second, so that peers who send no messages take a hundredth of the time."""
    turns.narrow()
    calls = [turns.queue.turn(NORMAL) for _ in range(4)]
    turns.queue.accepted(CRITICAL)
    turns.take(0.01)
    assert begun(calls) == [True, False, False, False]
    turns.now += 0.002
    turns.step()
    assert begun(calls) == [True, True, False, False]
    turns.queue.accepted(CRITICAL)
    turns.take(0.01)
    assert begun(calls) == [True, True, True, False]
    turns.now += 0.08
    turns.queue.accepted(CRITICAL)
    turns.take(0.0)
    assert begun(calls)[3] is True
    last = turns.queue.turn(NORMAL)
    turns.now += 0.1
    turns.queue.accepted(CRITICAL)
    turns.take(0.01)
    assert begun([last]) == [False]


async def test_turns_that_are_long_by_something_else_are_not_counted_out(turns: Turns) -> None:
    """One in which nothing is begun is enough then, whatever may come."""
    turns.narrow()
    calls = [turns.queue.turn(NORMAL) for _ in range(3)]
    turns.queue.accepted(CRITICAL)
    for wanted in ([True, False, False], [True, True, False], [True, True, False], [True, True, True]):
        turns.now += 0.005
        turns.step()
        assert begun(calls) == wanted


async def test_a_burst_is_served_however_long_it_takes_within_the_patience(turns: Turns) -> None:
    """Half a second of work at once is no overload."""
    turns.narrow()
    calls = [turns.queue.turn(NORMAL) for _ in range(45)]
    assert not turns.queue.refuses(NORMAL)
    while turns.queue.waiting:
        turns.take(0.01)
        assert not turns.queue.refuses(NORMAL)
    assert all(begun(calls))
    assert turns.queue.refused == 0


async def overload(turns: Turns, *, seconds: float) -> "list[asyncio.Future[bool] | None]":
    """Three normal calls come where one can be begun; those that were not refused as they came."""
    taken, end = list["asyncio.Future[bool] | None"](), turns.now + seconds
    while turns.now < end:
        for _ in range(3):
            if not turns.queue.refuses(NORMAL):
                taken.append(turns.queue.turn(NORMAL))
        turns.take(0.01)
    return taken


async def test_under_lasting_overload_calls_wait_for_half_of_the_patience(turns: Turns) -> None:
    """The rest is refused as it comes; one is begun in every turn, so nothing is lost of what the server can do."""
    turns.narrow()
    earlier = await overload(turns, seconds=3.0)
    before = sum(begun(earlier))
    refused = turns.queue.refused
    served = await overload(turns, seconds=1.0)
    assert turns.queue.waiting <= 55
    assert turns.queue.refused == refused, "whoever is refused is refused at once, without a wait"
    assert 99 <= sum(begun([*earlier, *served])) - before <= 101


async def test_a_few_callers_who_wait_for_their_turn_are_never_refused(turns: Turns) -> None:
    """Sixteen, each with its next call as soon as the last has begun: they wait for 160 ms every time, and nothing is too much."""
    turns.narrow()
    calls = [turns.queue.turn(NORMAL) for _ in range(16)]
    for _ in range(1000):
        turns.take(0.01)
        for place, done in enumerate(begun(calls)):
            if done:
                turns.queue.ended(0.0, passed=True)
                assert not turns.queue.refuses(NORMAL)
                calls[place] = turns.queue.turn(NORMAL)
    assert turns.queue.refused == 0


async def test_while_the_process_stands_still_nobody_waits_for_the_others(turns: Turns) -> None:
    """Sixteen callers, and a machine that gives the process no time for five seconds, now and then: it is not they who are too many."""
    turns.narrow()
    calls = [turns.queue.turn(NORMAL) for _ in range(16)]
    for stall in (5.0, *(0.0,) * 15) * 5:
        turns.now += stall
        for place, done in enumerate(begun(calls)):
            if done:
                turns.queue.ended(0.0, passed=True)
                assert not turns.queue.refuses(NORMAL)
                calls[place] = turns.queue.turn(NORMAL)
        turns.take(0.01)
    assert turns.queue.refused == 0


async def test_what_matters_less_is_refused_first(turns: Turns) -> None:
    """While normal calls wait, sheddable ones are refused earlier, and critical ones are taken."""
    turns.narrow()
    await overload(turns, seconds=3.0)
    while turns.queue.refuses(NORMAL):
        turns.take(0.001)
    assert turns.queue.refuses(SHEDDABLE)
    assert not turns.queue.refuses(NORMAL)
    turns.take(0.02)
    assert not turns.queue.refuses(CRITICAL)


async def test_what_has_waited_for_too_long_is_refused(turns: Turns) -> None:
    """What matters least never has a turn while the rest is too much."""
    turns.narrow()
    while (sheddable := turns.queue.turn(SHEDDABLE)) is None:
        pass
    await overload(turns, seconds=3.0)
    assert sheddable.done()
    assert not sheddable.result()
    assert turns.queue.refused >= 1


async def test_patience_comes_back_when_nothing_was_refused_for_a_while(turns: Turns) -> None:
    """After an overload, a burst is served again."""
    turns.narrow()
    await overload(turns, seconds=3.0)
    while not turns.idle:
        turns.take(0.01)
    turns.now += 0.6
    calls = [turns.queue.turn(NORMAL) for _ in range(40)]
    while turns.queue.waiting:
        assert not turns.queue.refuses(NORMAL)
        turns.take(0.01)
    assert all(begun(calls))


async def test_whoever_has_gone_takes_no_turn(turns: Turns) -> None:
    """A cancelled call is passed over."""
    turns.narrow()
    calls = [turns.queue.turn(NORMAL) for _ in range(4)]
    for each in calls[1:3]:
        assert each is not None
        each.cancel()
    turns.take(0.01)
    assert calls[3] is not None
    assert calls[3].done()
    turns.take(0.01)
    assert turns.queue.waiting == 0
    assert turns.queue.refused == 0
    assert turns.idle
