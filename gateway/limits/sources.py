"""Where leases come from: one count for all replicas in Redis, or a count of this process alone."""

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

from gateway.limits.rules import LimitRule
from tocsin.clock import Clock
from tocsin.redis import NAMESPACE, Redis

if TYPE_CHECKING:
    import redis.asyncio as redis_client

MOST_KEYS: Final = 10_000
"""Tenants or addresses that are remembered for each limit; a flood of others drops those that were silent for longest."""


class LeaseAnswer(NamedTuple):
    """Whether there was a lease; how many are left in the window, and in how many seconds the oldest of it comes back."""

    granted: bool
    left: int
    resets_in: float


class LocalLeases:
    """Moving windows of this process. Those that `limits` has in memory sweep over every key at every hit."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._taken: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    @property
    def size(self) -> int:
        """Windows that are in memory."""
        return len(self._taken)

    def take(self, rule: LimitRule, key: str) -> LeaseAnswer:
        """A lease, if the window has one."""
        now, most = self._clock.monotonic(), rule.item.amount
        taken = self._taken.setdefault((rule.name, key), deque())
        self._taken.move_to_end((rule.name, key))
        while len(self._taken) > MOST_KEYS:
            self._taken.popitem(last=False)
        while taken and taken[0] <= now - rule.seconds:
            taken.popleft()
        if granted := len(taken) < most:
            taken.append(now)
        return LeaseAnswer(granted, most - len(taken), taken[0] + rule.seconds - now)


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
            granted = await limiter.hit(rule.item, key)
            stats = await limiter.get_window_stats(rule.item, key)
            return LeaseAnswer(granted, max(0, stats.remaining), max(0.0, stats.reset_time - self._clock.micros() / 1e6))

        return await self._redis.attempt(ask, lambda: None)

    def _of(self, client: "redis_client.Redis") -> MovingWindowRateLimiter:
        if self._limiter is None or self._limiter[0] is not client:
            options: dict[str, Any] = {"connection_pool": client.connection_pool}
            storage = RedisStorage("async+redis://", implementation="redispy", key_prefix=f"{NAMESPACE}limits", **options)
            self._limiter = client, MovingWindowRateLimiter(storage)
        return self._limiter[1]
