"""Who writes next: in order, urgent ones first, and nobody never."""

import asyncio

import pytest

from tocsin.database.turns import WriterTurns


class Writers:
    """Tasks that want a turn; ``served`` are the names of those that had one, in order."""

    def __init__(self) -> None:
        self.turns = WriterTurns()
        self.served: list[str] = []

    def wait(self, name: str) -> "asyncio.Task[None]":
        """One of this name waits; a capital letter is urgent."""
        return asyncio.create_task(self._write(name))

    async def _write(self, name: str) -> None:
        async with self.turns.turn(urgent=name.isupper()):
            await asyncio.sleep(0)
            self.served.append(name)


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [("abc", "abc"), ("abCdE", "CEabd"), ("ABC", "ABC"), ("aBCDEFGHIJKb", "BCDEaFGHIbJK"), ("", "")],
)
async def test_the_order(waiting: str, expected: str) -> None:
    """Behind one who writes already; four urgent ones pass one who waits, and no fifth."""
    writers = Writers()
    async with writers.turns.turn():
        tasks = [writers.wait(name) for name in waiting]
        await asyncio.sleep(0)
        assert writers.served == []
    await asyncio.gather(*tasks)
    assert "".join(writers.served) == expected


@pytest.mark.parametrize("when", ["while it waits", "when it is served"])
async def test_one_who_gives_up_holds_nobody(when: str) -> None:
    """Whether it waited, or had just been given the turn."""
    writers = Writers()
    async with writers.turns.turn():
        gone, stays = writers.wait("a"), writers.wait("b")
        await asyncio.sleep(0)
        if when == "while it waits":
            gone.cancel()
            await asyncio.wait([gone])
    gone.cancel()
    await asyncio.wait([gone, stays])
    assert (gone.cancelled(), writers.served) == (True, ["b"])
    async with asyncio.timeout(60), writers.turns.turn():
        pass


async def test_an_error_ends_a_turn() -> None:
    """The next one is served."""
    turns = WriterTurns()
    with pytest.raises(ZeroDivisionError):
        async with turns.turn(urgent=True):
            raise ZeroDivisionError
    async with asyncio.timeout(60), turns.turn():
        pass
