"""Commands of many callers on one connection, with a real Redis that stops, dies and refuses."""

import asyncio
import os
from collections.abc import AsyncGenerator

import pytest

from tocsin.clock import SystemClock
from tocsin.redis import Redis
from tocsin.redis_pipe import RedisPipe
from tocsin.testing.redis import RedisServer
from tocsin.testing.waiting import eventually


@pytest.fixture
async def server() -> AsyncGenerator[RedisServer]:
    """A Redis that wants a password."""
    made = RedisServer(user=("gateway", "+@all", "~*", "-flushall"))
    made.start()
    yield made
    made.close()


@pytest.fixture
async def redis(server: RedisServer) -> AsyncGenerator[Redis]:
    """The way to it."""
    made = Redis(url=server.url, clock=SystemClock(), timeout=2.0)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def pipe(redis: Redis) -> AsyncGenerator[RedisPipe]:
    """The pipe."""
    made = RedisPipe(redis, clock=SystemClock())
    await made.start()
    yield made
    await made.stop()
    await made.stop()


async def test_many_ask_at_once_and_each_gets_its_answer(pipe: RedisPipe) -> None:
    """Also those that ask before there is a connection; what was told before is there."""
    pipe.tell("SET", "told", b"\r\n\0")
    assert await asyncio.gather(*(pipe.ask("ECHO", str(number)) for number in range(300))) == [b"%d" % number for number in range(300)]
    assert await pipe.ask("GET", "told") == b"\r\n\0"
    big = os.urandom(1 << 20)
    assert (await pipe.ask("SET", "big", big), await pipe.ask("GET", "big")) == (b"OK", big)


async def test_what_nobody_waits_for_is_sent_soon(pipe: RedisPipe, redis: Redis) -> None:
    """Without another command; and at the end."""
    pipe.tell("SET", "a", 1)
    await eventually(lambda: asked(redis, "a", b"1"))
    pipe.tell("SET", "b", 1)
    await pipe.stop()
    assert await asked(redis, "b", b"1")
    assert await pipe.ask("GET", "b") is None


async def asked(redis: Redis, key: str, value: bytes) -> bool:
    """Whether Redis has a value."""
    return await redis.attempt(lambda client: client.get(key), lambda: None) == value


async def test_who_leaves_takes_no_answer_of_somebody_else(pipe: RedisPipe) -> None:
    """A client that goes away in the middle costs itself alone."""
    await pipe.ask("PING")
    leaving = [asyncio.create_task(pipe.ask("ECHO", f"left {number}")) for number in range(20)]
    await asyncio.sleep(0)
    for task in leaving[::2]:
        task.cancel()
    assert await pipe.ask("ECHO", "stays") == b"stays"
    found = await asyncio.gather(*leaving, return_exceptions=True)
    assert found[1::2] == [b"left %d" % number for number in range(1, 20, 2)]


async def test_a_refusal_is_that_of_its_command_alone(pipe: RedisPipe, redis: Redis) -> None:
    """It is no answer; Redis is there all the same."""
    pipe.tell("NO-SUCH-COMMAND")
    assert await pipe.ask("FLUSHALL") is None
    assert await pipe.ask("ECHO", "x") == b"x"
    assert redis.available


async def test_a_frozen_server_holds_nobody_for_long(pipe: RedisPipe, redis: Redis, server: RedisServer) -> None:
    """Everybody who waits is told that nobody can say; once it goes on, a new connection gives right answers."""
    assert await pipe.ask("ECHO", "before") == b"before"
    server.pause()
    try:
        async with asyncio.timeout(60):
            assert await asyncio.gather(*(pipe.ask("ECHO", "frozen") for _ in range(10))) == [None] * 10
        assert not redis.available
        assert await pipe.ask("ECHO", "frozen") is None
    finally:
        server.resume()
    await eventually(lambda: redis.available)
    assert await pipe.ask("ECHO", "after") == b"after"


async def test_a_killed_server_is_away_until_it_is_back(pipe: RedisPipe, redis: Redis, server: RedisServer) -> None:
    """As for everything else that asks it."""
    assert await pipe.ask("SET", "k", "v") == b"OK"
    server.kill()
    assert await pipe.ask("GET", "k") is None
    assert not redis.available
    server.start()
    await eventually(lambda: redis.available)
    assert await pipe.ask("ECHO", "after") == b"after"
