"""The wire of Redis, as it comes: in pieces, with every type, and broken."""

import asyncio
from typing import Any

import pytest

from tocsin.resp import RedisAnswers, RedisRefusal, packed

ANSWERS: list[tuple[bytes, Any]] = [
    (b"+OK\r\n", b"OK"),
    (b":-7\r\n", -7),
    (b"$5\r\na\r\nbc\r\n", b"a\r\nbc"),
    (b"$0\r\n\r\n", b""),
    (b"$-1\r\n", None),
    (b"_\r\n", None),
    (b"#t\r\n", b"t"),
    (b",1.5\r\n", b"1.5"),
    (b"=7\r\ntxt:abc\r\n", b"txt:abc"),
    (b"-ERR wrong\r\n", RedisRefusal("ERR wrong")),
    (b"!9\r\nERR wrong\r\n", RedisRefusal("ERR wrong")),
    (b"*-1\r\n", None),
    (b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n", [b"a", [1]]),
    (b"%1\r\n+a\r\n:1\r\n", [b"a", 1]),
    (b"~0\r\n", []),
]
WIRE = b"".join(wire for wire, _ in ANSWERS)
PUSH = b">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n"
ATTRIBUTE = b"|1\r\n+ttl\r\n:3600\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, len(WIRE)])
async def test_answers_come_in_pieces(size: int) -> None:
    """However the network cuts them."""
    reader = RedisAnswers(seconds=60)
    asked = reader.expect(len(ANSWERS))
    for first in range(0, len(WIRE), size):
        assert not asked.done()
        reader.data_received(WIRE[first : first + size])
    assert await asked == [value for _, value in ANSWERS]
    reader.connection_lost(None)


async def test_each_gets_its_own_and_who_has_left_gets_none() -> None:
    """In the order in which they asked; what nobody asked for is passed over."""
    reader = RedisAnswers(seconds=60)
    first, left, last = reader.expect(2), reader.expect(1), reader.expect(1)
    left.cancel()
    reader.data_received(b":1\r\n" + PUSH + b":2\r\n" + ATTRIBUTE + b":3\r\n:4\r\n")
    assert (await first, await last) == ([1, 2], [4])
    reader.connection_lost(None)


@pytest.mark.parametrize("wire", [b"?\r\n", b"\r\n", b"$x\r\n", b":\r\n", b"*1e9\r\n", b"*1\r\n" * 5000, b":1\r\n:2\r\n"])
async def test_what_is_no_answer_ends_the_connection(wire: bytes) -> None:
    """And every wait on it, also one that begins later: nobody knows which answer would be the next."""
    reader = RedisAnswers(seconds=60)
    asked = [reader.expect(1), reader.expect(1)] if wire != b":1\r\n:2\r\n" else [reader.expect(1)]
    reader.data_received(wire + b":1\r\n")
    if len(asked) == 1:
        assert await asked.pop() == [1]
    asked.append(reader.expect(1))
    for each in asked:
        with pytest.raises(ConnectionError):
            await each
    assert reader.lost is not None


def test_commands_are_lists_of_bytes() -> None:
    """With lengths in bytes, whatever is in them."""
    assert packed(("SET", "ä", b"\r\n\0", 7)) == b"*4\r\n$3\r\nSET\r\n$2\r\n\xc3\xa4\r\n$3\r\n\r\n\0\r\n$1\r\n7\r\n"
    assert packed(("x" * 300,)) == b"*1\r\n$300\r\n" + b"x" * 300 + b"\r\n"


async def test_silence_ends_the_connection() -> None:
    """Of whoever waits; an answer to one of those who wait is none to the others, but a sign of life."""
    reader = RedisAnswers(seconds=0.02)
    async with asyncio.timeout(60):
        with pytest.raises(ConnectionError, match="does not answer"):
            await reader.expect(1)
    assert isinstance(reader.lost, TimeoutError)
