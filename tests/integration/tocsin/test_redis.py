"""Redis and the event bus, against a real server and without one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis as Client

from tocsin.clock import SystemClock
from tocsin.config import RedisSettings
from tocsin.redis import EventBus, Redis, RedisUnavailable
from tocsin.testing.clock import FakeClock
from tocsin.testing.process import free_port
from tocsin.testing.redis import RedisServer
from tocsin.testing.waiting import eventually


@asynccontextmanager
async def replica(url: str | None) -> AsyncGenerator[EventBus]:
    """The bus of one process."""
    clock = SystemClock()
    redis = Redis(url=url, clock=clock)
    bus = EventBus(redis=redis, clock=clock)
    await redis.start()
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()
        await redis.stop()


async def until(events: AsyncIterator[bytes], payload: bytes) -> list[bytes]:
    """The events up to and with this one."""
    seen: list[bytes] = []
    async for event in events:
        seen.append(event)
        if event == payload:
            break
    return seen


async def hears(publisher: EventBus, events: AsyncIterator[bytes], topic: str, payload: bytes) -> None:
    """Publishes until the subscriber has heard: the first events may come before its subscription reaches Redis."""
    hearing = asyncio.create_task(until(events, payload))

    async def told() -> bool:
        await publisher.publish(topic, payload)
        await asyncio.sleep(0.01)
        return hearing.done()

    try:
        await eventually(told, what="the event")
    finally:
        hearing.cancel()


@pytest.mark.parametrize("away", [False, True], ids=["not configured", "away"])
async def test_local_delivery_needs_no_redis(away: bool) -> None:
    """Events reach each subscriber of the topic in the same process, in order, without any Redis."""
    url = f"redis://127.0.0.1:{free_port()}/0" if away else None
    async with replica(url) as bus, bus.subscribe("firings") as first, bus.subscribe("firings") as second:
        await bus.publish("firings", b"1")
        await bus.publish("others", b"x")
        await bus.publish("firings", b"2")
        assert await until(first, b"2") == [b"1", b"2"]
        assert await until(second, b"2") == [b"1", b"2"]


async def test_other_replicas_hear(redis_server: RedisServer) -> None:
    """An event crosses to another replica, bytes untouched, for the topic that is subscribed there alone."""
    async with replica(redis_server.url) as one, replica(redis_server.url) as two, two.subscribe("t") as events:
        await hears(one, events, "t", b"linked")
        await one.publish("u", b"no")
        await one.publish("t", b"\x00binary\xff")
        assert set(await until(events, b"\x00binary\xff")) <= {b"linked", b"\x00binary\xff"}


async def test_own_events_come_once(redis_server: RedisServer) -> None:
    """What comes back from Redis to its publisher is not delivered a second time."""
    async with replica(redis_server.url) as one, replica(redis_server.url) as two, one.subscribe("t") as mine, two.subscribe("t") as theirs:
        await hears(two, mine, "t", b"from two")
        await hears(one, theirs, "t", b"from one")
        await one.publish("t", b"once")
        await until(theirs, b"once")
        await two.publish("t", b"after")
        assert (await until(mine, b"after")).count(b"once") == 1


async def test_a_topic_can_be_left_and_taken_up_again(redis_server: RedisServer) -> None:
    """A later subscriber of a topic hears other replicas like the first one."""
    async with replica(redis_server.url) as one, replica(redis_server.url) as two:
        for round_number in range(3):
            async with two.subscribe("t") as events:
                await hears(one, events, "t", b"%d" % round_number)


async def test_the_link_returns_after_redis_died(own_redis_server: RedisServer) -> None:
    """A killed Redis stops nobody: local events go on, and when it is back replicas hear one another again."""
    url = own_redis_server.url
    async with replica(url) as one, replica(url) as two, one.subscribe("t") as mine, two.subscribe("t") as theirs:
        await hears(one, theirs, "t", b"before")
        own_redis_server.kill()
        await one.publish("t", b"alone")
        await until(mine, b"alone")
        own_redis_server.start()
        await hears(one, theirs, "t", b"after")


async def test_redis_that_comes_late(own_redis_server: RedisServer) -> None:
    """Replicas that started without Redis find it when it is there."""
    own_redis_server.stop()
    url = own_redis_server.url
    async with replica(url) as one, replica(url) as two, two.subscribe("t") as events:
        own_redis_server.start()
        await hears(one, events, "t", b"x")


async def test_a_slow_subscriber_holds_nobody_up() -> None:
    """Events beyond a subscriber's backlog push out its oldest; publishing never waits."""
    async with replica(None) as bus, bus.subscribe("t") as slow, bus.subscribe("t") as other:
        for number in range(10_000):
            await bus.publish("t", b"%d" % number)
        kept = await until(slow, b"9999")
        assert len(kept) < 1000
        assert kept == [b"%d" % number for number in range(10_000 - len(kept), 10_000)]
        assert await until(other, b"9999") == kept


async def test_polling_makes_up_for_lost_events() -> None:
    """A subscriber that asks for it wakes by the clock as well, and not twice when an event waits already."""
    clock = FakeClock()
    bus = EventBus(redis=Redis(url=None, clock=clock), clock=clock)
    async with bus.subscribe("t", poll_seconds=1.0) as events:
        await bus.publish("t", b"event")
        await clock.advance(1)
        assert await anext(events) == b"event"
        waiting = asyncio.ensure_future(anext(events))
        await clock.advance(0.5)
        assert not waiting.done()
        await clock.advance(0.5)
        assert await waiting == b""
    assert clock.sleepers == 0


async def test_publish_before_start_and_after_stop() -> None:
    """A bus that is not running still delivers in its process."""
    clock = FakeClock()
    bus = EventBus(redis=Redis(url="redis://127.0.0.1:1", clock=clock), clock=clock)
    async with bus.subscribe("t") as events:
        await bus.publish("t", b"early")
        await bus.start()
        await bus.start()
        await bus.stop()
        await bus.stop()
        await bus.publish("t", b"late")
        assert await until(events, b"late") == [b"early", b"late"]


async def test_check_and_fallbacks(own_redis_server: RedisServer) -> None:
    """Health follows the server; an operation falls back while it is away and works again afterwards."""
    redis = Redis(url=own_redis_server.url, clock=SystemClock(), timeout=2.0)

    def count(client: Client) -> Awaitable[int]:
        return client.incr("tocsin:test")

    with pytest.raises(RedisUnavailable):
        await redis.check()
    assert await redis.attempt(count, lambda: -1) == -1
    await redis.start()
    await redis.start()
    try:
        await redis.check()
        assert redis.available
        assert await redis.attempt(count, lambda: -1) == 1
        own_redis_server.pause()
        assert await redis.attempt(count, lambda: -1) == -1
        assert not redis.available
        with pytest.raises(RedisUnavailable) as caught:
            await redis.check()
        assert caught.value.error_reason == "REDIS_UNAVAILABLE"
        own_redis_server.resume()
        await eventually(lambda: redis.available, what="the return of Redis")
        assert await redis.attempt(count, lambda: -1) > 1
    finally:
        await redis.stop()
        await redis.stop()


async def test_without_redis_nothing_is_missing() -> None:
    """A deployment without Redis is healthy."""
    redis = Redis.of(RedisSettings(), clock=SystemClock())
    await redis.start()
    await redis.check()
    assert (redis.configured, redis.available) == (False, False)
    with pytest.raises(RedisUnavailable):
        redis.connect()
    await redis.stop()
    assert Redis.of(RedisSettings(redis_url=SecretStr("redis://x")), clock=SystemClock()).configured
