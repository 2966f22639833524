"""Rate limits at both doors, and across replicas by a real Redis."""

import asyncio
import contextlib
from bisect import bisect_right
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest

from gateway.limits import RedisLeases
from tests.integration.gateway.support import Rig, message_type
from tocsin.clock import SystemClock
from tocsin.mesh.limits import LimitRule, LocalLeases, RateLimited, RateLimiter
from tocsin.redis import Redis
from tocsin.testing.redis import RedisServer
from tocsin.testing.waiting import eventually

BOOK = "/v1/shelves/1/books/1"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncGenerator[Rig]:
    """A gateway that lets a tenant make five calls in an hour, and an address show three bad credentials."""
    made = Rig(folder=tmp_path, clock=SystemClock())
    try:
        await made.start(rate_limits="write=5/h", address_rate_limits="credentials=3/h,public=4/h", cors_allow_origins=("*",))
        yield made
    finally:
        await made.stop()


async def edge_get(rig: Rig, token: str) -> tuple[grpc.StatusCode, dict[str, Any]]:
    """GetBook at the gRPC edge: its code and trailing metadata."""
    request: Any = message_type("GetBookRequest")(name="shelves/1/books/1")
    async with grpc.aio.insecure_channel(rig.running.address) as channel:
        call: Any = channel.unary_unary("/shelf.v1.ShelfService/GetBook")(
            request.SerializeToString(), metadata=(("authorization", f"Bearer {token}"),)
        )
        return await call.code(), dict(await call.trailing_metadata())


async def test_both_doors_count_together(rig: Rig) -> None:
    """Whatever the door, the token and the headers: one count a tenant. A neighbour has its own, and pages have none."""
    other_key = rig.mint.mint(tenant="acme", subject="apiKeys/2", scopes=("books:read",))
    async with rig.client() as client, rig.client(rig.mint.mint(tenant="other", scopes=("books:read",))) as neighbour:
        first = await client.get(BOOK)
        assert first.headers["ratelimit-policy"] == '"write";q=5;w=3600'
        assert first.headers["ratelimit"].startswith('"write";r=4;t=')
        _, trailers = await edge_get(rig, rig.token())
        assert trailers["ratelimit"].startswith('"write";r=3;t=')
        await edge_get(rig, other_key)
        forged = {"X-Forwarded-For": "198.51.100.7", "X-Tenant": "other", "x-tocsin-tenant": "other", "Forwarded": "for=198.51.100.7"}
        await client.get(BOOK, headers=forged)
        await client.head(BOOK.replace("shelves", "shelve%73"))
        refused = await client.get(BOOK, headers={**forged, "AUTHORIZATION": f"bearer  {other_key}", "Origin": "https://a.example"})
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        assert refused.headers["ratelimit"].startswith('"write";r=0;t=')
        assert "ratelimit-policy" in refused.headers["access-control-expose-headers"]
        details = refused.json()["details"]
        assert details[0]["reason"] == "RATE_LIMITED"
        assert details[1]["@type"].endswith("RetryInfo")
        code, trailers = await edge_get(rig, other_key)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert trailers["ratelimit-policy"] == '"write";q=5;w=3600'
        assert b"RATE_LIMITED" in trailers["grpc-status-details-bin"]
        assert (await neighbour.get(BOOK)).status_code == 200
        assert (await client.get("/debug/services")).status_code == 200


async def test_bad_credentials_of_an_address_are_bounded(rig: Rig) -> None:
    """Then they are refused without being looked at, and without asking auth_svc. Who is known goes on, from the same address."""
    rig.keys.known["tk_good"] = ("books:read",)
    async with rig.client() as known, httpx2.AsyncClient(base_url=rig.url) as stranger:
        assert (await known.get(BOOK)).status_code == 200
        for number in range(3):
            assert (await stranger.get(BOOK, headers={"Authorization": f"Bearer tk_{number}"})).status_code == 401
        asked = len(rig.keys.asked)
        for credential in ("tk_another", "tk_good", "eyJhbGciOiJub25lIn0.e30."):
            refused = await stranger.get(BOOK, headers={"Authorization": f"Bearer {credential}"})
            assert refused.status_code == 429
            assert refused.headers["ratelimit-policy"] == '"credentials";q=3;w=3600'
        assert len(rig.keys.asked) == asked
        assert (await known.get(BOOK)).status_code == 200
        assert (await stranger.get(BOOK)).status_code == 401  # none at all is no guess


async def test_public_methods_are_bounded_by_address(rig: Rig) -> None:
    """A valid token is no way round it."""
    async with rig.client() as client:
        codes = [(await client.get("/hello")).status_code for _ in range(5)]
        assert codes == [200, 200, 200, 200, 429]
        assert (await client.get("/health")).status_code == 200


SPOOFS = (
    {"X-Forwarded-For": "198.51.100.{n}"},
    {"Forwarded": "for=198.51.100.{n};proto=https"},
    {"X-Real-IP": "198.51.100.{n}", "X-Client-IP": "198.51.100.{n}", "True-Client-IP": "198.51.100.{n}"},
    {"CF-Connecting-IP": "198.51.100.{n}", "X-Cluster-Client-IP": "198.51.100.{n}", "X-Originating-IP": "198.51.100.{n}"},
    {"x-tocsin-client-address": "198.51.100.{n}", "Via": "1.1 p{n}", "User-Agent": "other/{n}"},
)
"""Headers by which a client would be another one each time."""


async def test_no_header_makes_a_client_another_one(rig: Rig) -> None:
    """Limits of an address count the one that the connection comes from, unless a proxy is named: public methods, and bad credentials."""

    def spoofed(number: int) -> dict[str, str]:
        return {name: value.format(n=number) for name, value in SPOOFS[number % len(SPOOFS)].items()}

    async with httpx2.AsyncClient(base_url=rig.url, trust_env=False) as client:
        codes = [(await client.get("/hello", headers=spoofed(number))).status_code for number in range(10)]
        assert codes == [200] * 4 + [429] * 6
        guesses = [{**spoofed(number), "Authorization": f"Bearer tk_{number}"} for number in range(10)]
        assert [(await client.get(BOOK, headers=headers)).status_code for headers in guesses] == [401] * 3 + [429] * 7


async def replica(stack: AsyncExitStack, url: str) -> RateLimiter:
    """The limiter of one more gateway."""
    clock = SystemClock()
    redis = Redis(url=url, clock=clock)
    await redis.start()
    stack.push_async_callback(redis.stop)
    limiter = RateLimiter(shared=RedisLeases(redis=redis, clock=clock), local=LocalLeases(clock=clock), clock=clock)
    stack.push_async_callback(limiter.stop)
    return limiter


async def flood(limiter: RateLimiter, rule: LimitRule, *, seconds: float, key: str) -> list[float]:
    """When calls were let through."""
    loop, times = asyncio.get_running_loop(), list[float]()
    end = loop.time() + seconds
    while loop.time() < end:
        try:
            await limiter.take(rule, key)
        except RateLimited as error:
            await asyncio.sleep(min(error.retry_after or 0, 0.01))
        else:
            times.append(loop.time())
            if len(times) % 50 == 0:
                await asyncio.sleep(0)
    return times


async def granted(limiter: RateLimiter, rule: LimitRule, *, tries: int, key: str) -> int:
    """How many of so many calls were let through."""
    found = 0
    for _ in range(tries):
        with contextlib.suppress(RateLimited):
            await limiter.take(rule, key)
            found += 1
    return found


async def standstill(*, seconds: float) -> float:
    """For how long the loop stood still at the most: so much later than it was let through a call may be written down."""
    loop, longest = asyncio.get_running_loop(), 0.0
    end = loop.time() + seconds
    while (before := loop.time()) < end:
        await asyncio.sleep(0.001)
        longest = max(longest, loop.time() - before)
    return longest


def densest(times: list[float], seconds: float) -> int:
    """Most of ``times`` in any window of ``seconds``."""
    return max(bisect_right(times, start + seconds) - index for index, start in enumerate(times))


async def test_four_replicas_keep_one_limit(redis_server: RedisServer) -> None:
    """In no window do they let more than a tenth above the limit through; and there is one in which the limit is used."""
    rule = LimitRule.of("read", 1200, 1)
    async with AsyncExitStack() as stack:
        replicas = [await replica(stack, redis_server.url) for _ in range(4)]
        floods = asyncio.gather(*(flood(limiter, rule, seconds=4, key="four") for limiter in replicas))
        found, late = await asyncio.gather(floods, standstill(seconds=4))
    times = sorted(time for part in found for time in part)
    assert densest(times, rule.seconds) >= 0.9 * rule.calls
    assert densest(times, rule.seconds - late) <= 1.1 * rule.calls


async def test_a_small_limit_is_exact(redis_server: RedisServer) -> None:
    """However many replicas there are: sign-ins are counted one by one."""
    rule = LimitRule.of("auth", 50, 3600)
    async with AsyncExitStack() as stack:
        replicas = [await replica(stack, redis_server.url) for _ in range(4)]
        found = await asyncio.gather(*(granted(limiter, rule, tries=40, key="exact") for limiter in replicas))
    assert sum(found) == rule.calls


async def test_a_redis_that_dies_fails_nobody(own_redis_server: RedisServer) -> None:
    """Calls go on by a count of this process, and by the common one as soon as it is back."""
    rule = LimitRule.of("read", 50, 3600)
    async with AsyncExitStack() as stack:
        one, other = [await replica(stack, own_redis_server.url) for _ in range(2)]
        for _ in range(30):
            await one.take(rule, "acme")
        for _ in range(20):
            await other.take(rule, "acme")
        for limiter in (one, other):
            with pytest.raises(RateLimited):
                await limiter.take(rule, "acme")
        own_redis_server.kill()
        for _ in range(50):
            await one.take(rule, "neighbour")
        with pytest.raises(RateLimited):
            await one.take(rule, "neighbour")
        await eventually(lambda: one.is_alone and other.is_alone)
        own_redis_server.start()
        await eventually(lambda: not one.is_alone and not other.is_alone)
        for limiter in (one, other):
            for _ in range(25):
                await limiter.take(rule, "third")
        with pytest.raises(RateLimited):
            await one.take(rule, "third")
