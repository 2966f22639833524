"""Where leases come from that all replicas share: one count in Redis."""

from functools import cache
from typing import TYPE_CHECKING, Any

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

from tocsin.clock import Clock
from tocsin.mesh.limits import LeaseAnswer, LimitRule
from tocsin.redis import NAMESPACE, Redis

if TYPE_CHECKING:
    import redis.asyncio as redis_client


@cache
def _item(name: str, leases: int, seconds: int) -> RateLimitItem:
    """A limit for `limits`, which counts leases."""
    return RateLimitItemPerSecond(leases, seconds, namespace=name)


class RedisLeases:
    """Moving windows that all replicas share, by one atomic script of `limits` on the connections of `tocsin.redis`."""

    def __init__(self, *, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._limiter: tuple[object, MovingWindowRateLimiter] | None = None

    @property
    def configured(self) -> bool:
        """Whether there is a Redis at all."""
        return self._redis.configured

    @property
    def available(self) -> bool:
        """Whether it answered the last time."""
        return self._redis.available

    async def take(self, rule: LimitRule, key: str) -> LeaseAnswer | None:
        """A lease, if the window has one; None when Redis is away."""

        async def ask(client: "redis_client.Redis") -> LeaseAnswer | None:
            limiter = self._of(client)
            item = _item(rule.name, rule.leases, rule.seconds)
            granted = await limiter.hit(item, key)
            stats = await limiter.get_window_stats(item, key)
            return LeaseAnswer(granted, max(0, stats.remaining), max(0.0, stats.reset_time - self._clock.micros() / 1e6))

        return await self._redis.attempt(ask, lambda: None)

    def _of(self, client: "redis_client.Redis") -> MovingWindowRateLimiter:
        if self._limiter is None or self._limiter[0] is not client:
            options: dict[str, Any] = {"connection_pool": client.connection_pool}
            storage = RedisStorage("async+redis://", implementation="redispy", key_prefix=f"{NAMESPACE}limits", **options)
            self._limiter = client, MovingWindowRateLimiter(storage)
        return self._limiter[1]
