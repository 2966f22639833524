"""A reader is given up that takes nothing for too long, and no other one; a quiet stream costs no timer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, cast

import pytest

from tocsin.mesh.server import ReaderTooSlow, write_all
from tocsin.mesh.server.stream_writer import StreamWriter

SECONDS = 60.0


class HastenedLoop(asyncio.SelectorEventLoop):
    """An event loop whose time can be moved on."""

    ahead = 0.0

    def time(self) -> float:
        """The loop's time, with what it was moved on by."""
        return super().time() + self.ahead


class Reader:
    """Stands for the context of a call whose reader takes so many seconds for each message; None: it never takes one."""

    def __init__(self, *seconds: float | None) -> None:
        self.seconds = list(seconds)
        self.taken: list[Any] = []

    async def write(self, message: Any) -> None:
        """Returns when the reader has taken the message."""
        seconds = self.seconds.pop(0)
        await passing(SECONDS + 1 if seconds is None else seconds)
        if seconds is None:
            await asyncio.Event().wait()
        self.taken.append(message)


async def passing(seconds: float) -> None:
    """Lets time pass, and whatever is due then run."""
    cast("HastenedLoop", asyncio.get_running_loop()).ahead += seconds
    for _ in range(5):
        await asyncio.sleep(0)


async def numbers(count: int, *, apart: float = 0.0) -> AsyncIterator[int]:
    """So many messages, with time between them."""
    for number in range(count):
        yield number
        await passing(apart)


async def failing() -> AsyncIterator[int]:
    """A message, and then a failure of the handler's own."""
    yield 0
    raise TimeoutError("mine")


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs on a loop whose time is moved on by hand."""
    with asyncio.Runner(loop_factory=HastenedLoop) as runner:
        runner.run(main())


def test_a_reader_that_takes_its_time_with_each_message_is_waited_for() -> None:
    """Every message has the whole time."""

    async def main() -> None:
        reader: Any = Reader(*[SECONDS - 5] * 6)
        await write_all(numbers(6, apart=10), reader, stall_seconds=SECONDS)
        assert reader.taken == list(range(6))

    run(main)


@pytest.mark.parametrize("before", [0, 1, 5])
def test_a_reader_that_takes_nothing_is_given_up(before: int) -> None:
    """Be it the first message or a later one, and however long the stream was quiet before."""

    async def main() -> None:
        reader: Any = Reader(*[0.0] * before, None)
        with pytest.raises(ReaderTooSlow, match="nothing for 60 s"):
            await write_all(numbers(before + 1, apart=SECONDS * 3), reader, stall_seconds=SECONDS)
        assert reader.taken == list(range(before))
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()

    run(main)


def test_a_reader_may_be_waited_for_without_end() -> None:
    """Between services nobody is given up."""

    async def main() -> None:
        reader: Any = Reader(SECONDS * 100)
        await write_all(numbers(1), reader, stall_seconds=None)
        assert reader.taken == [0]

    run(main)


def test_a_quiet_stream_has_no_timer() -> None:
    """Tens of thousands of watches say nothing for hours."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        async with StreamWriter(cast("Any", Reader(0.0)), stall_seconds=SECONDS) as writer:
            await writer.write(b"")
            assert [timer for timer in loop._scheduled if not timer.cancelled()]  # noqa: SLF001
            await passing(SECONDS * 2)
            await passing(SECONDS * 2)
            assert not [timer for timer in loop._scheduled if not timer.cancelled()]  # noqa: SLF001

    run(main)


def test_what_fails_otherwise_is_passed_on() -> None:
    """A handler's own TimeoutError, and a cancellation from outside, are not the reader's."""

    async def main() -> None:
        with pytest.raises(TimeoutError, match="mine"):
            await write_all(failing(), cast("Any", Reader(0.0)), stall_seconds=SECONDS)
        writing = asyncio.ensure_future(write_all(numbers(1), cast("Any", Reader(None)), stall_seconds=SECONDS * 10))
        await passing(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing

    run(main)
