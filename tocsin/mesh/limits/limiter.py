"""Counts calls against their limits: mostly without asking anybody, and never by more than the bound that `LimitRule` keeps.

A replica holds at most one lease of a window that has passed, and serves half a lease on credit while it asks for the next. So ``n``
replicas together let at most ``calls + n * 1.5 * lease`` through in any window: 10 % more than the limit with four of them. Limits of fewer
than 120 calls have leases of one call and no credit: they are exact.
"""

import asyncio
import math
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from functools import partial
from typing import Final

from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import ResourceExhausted
from tocsin.mesh.limits.leases import MOST_KEYS, LeaseAnswer, LocalLeases, SharedLeases
from tocsin.mesh.limits.rule import LimitRule

_SHORTEST_REFUSAL: Final = 0.05
"""Seconds that a refusal holds at least, whatever the clocks of others say."""


class RateLimited(ResourceExhausted):
    """Too many calls in a short time."""

    @property
    def standing(self) -> bytes:
        """The value of the RateLimit field."""
        return f'"{self.metadata["limit"]}";r=0;t={math.ceil(self.retry_after or 1)}'.encode()

    @property
    def policy(self) -> bytes:
        """The value of the RateLimit-Policy field."""
        return f'"{self.metadata["limit"]}";q={self.metadata["calls"]};w={self.metadata["seconds"]}'.encode()


@dataclass(slots=True)
class _LeasePocket:
    """What this process has of one window; times are seconds on the monotonic clock.

    Attributes:
        permits: calls that may be served; below zero, calls that were served on credit.
        expires: when the permits do.
        blocked_until: no other lease is to be had before.
        left: calls that the window has besides, when it was asked last.
        resets: when the oldest lease of the window comes back.
        asking: the question for the next lease.
    """

    permits: int = 0
    expires: float = 0.0
    blocked_until: float = 0.0
    left: int = 0
    resets: float = 0.0
    asking: "asyncio.Task[None] | None" = None


class RateLimiter:
    """The limits of this process; a component. Belongs to one event loop."""

    def __init__(self, *, shared: SharedLeases | None, local: LocalLeases, clock: Clock) -> None:
        """Takes where leases come from.

        Args:
            shared: asked as long as it answers; None for a count of this process alone.
            local: asked otherwise.
            clock: source of time.
        """
        self._shared = shared
        self._local = local
        self._clock = clock
        self._background = Background(clock)
        self._buckets: defaultdict[str, OrderedDict[str, _LeasePocket]] = defaultdict(OrderedDict)

    @property
    def is_alone(self) -> bool:
        """Whether this process counts alone although there is a Redis."""
        return self._shared is not None and self._shared.configured and not self._shared.available

    @property
    def size(self) -> int:
        """Windows that are in memory, here and in the local count."""
        return sum(map(len, self._buckets.values())) + self._local.size

    async def start(self) -> None:
        """There is nothing to start."""

    async def stop(self) -> None:
        """Asks for no more leases; may be called twice."""
        await self._background.stop()

    async def take(self, rule: LimitRule, key: str) -> bytes:
        """Counts one call of ``key``; the value of the RateLimit field (draft-ietf-httpapi-ratelimit-headers-10, section 4).

        Raises:
            RateLimited: the limit is reached.
        """
        bucket = self._bucket(rule, key)
        while True:
            now = self._clock.monotonic()
            if bucket.permits > 0 and now >= bucket.expires:
                bucket.permits = 0
            if bucket.permits > 0:
                break
            self._check(rule, bucket, now)
            asking = self._ask(rule, key, bucket)
            if asking is None:
                continue
            if bucket.permits > -rule.credit:
                break
            await asyncio.shield(asking)
        bucket.permits -= 1
        return _standing(rule, bucket, now)

    def check(self, rule: LimitRule, key: str) -> None:
        """Returns if the limit of ``key`` is not known to be reached; counts nothing.

        Raises:
            RateLimited: it is.
        """
        bucket = self._buckets[rule.name].get(key)
        if bucket is not None and bucket.permits <= 0:
            self._check(rule, bucket, self._clock.monotonic())

    def _check(self, rule: LimitRule, bucket: _LeasePocket, now: float) -> None:
        if now < bucket.blocked_until:
            raise RateLimited(
                f"There is a limit of {rule.calls:,} calls in {rule.seconds} s for this kind of call, and it is reached.",
                retry_after=bucket.blocked_until - now,
                metadata={"limit": rule.name, "calls": str(rule.calls), "seconds": str(rule.seconds)},
            )

    def _bucket(self, rule: LimitRule, key: str) -> _LeasePocket:
        buckets = self._buckets[rule.name]
        bucket = buckets.get(key)
        if bucket is None:
            bucket = buckets[key] = _LeasePocket()
            if len(buckets) > MOST_KEYS:
                buckets.popitem(last=False)
        else:
            buckets.move_to_end(key)
        return bucket

    def _ask(self, rule: LimitRule, key: str, bucket: _LeasePocket) -> "asyncio.Task[None] | None":
        """The question for a lease that is under way, or a new one; None when it was answered at once."""
        if bucket.asking is None or bucket.asking.done():
            shared = self._shared
            if shared is None or not shared.available:
                self._answered(rule, bucket, self._local.take(rule, key))
                return None
            bucket.asking = self._background.once("rate-limit", partial(self._ask_shared, shared, rule, key, bucket))
        return bucket.asking

    async def _ask_shared(self, shared: SharedLeases, rule: LimitRule, key: str, bucket: _LeasePocket) -> None:
        answer = await shared.take(rule, key)
        self._answered(rule, bucket, self._local.take(rule, key) if answer is None else answer)

    def _answered(self, rule: LimitRule, bucket: _LeasePocket, answer: LeaseAnswer) -> None:
        now = self._clock.monotonic()
        bucket.left = answer.left * rule.lease
        bucket.resets = now + answer.resets_in
        if answer.granted:
            bucket.permits += rule.lease
            bucket.expires = now + rule.seconds
        if not answer.granted or not answer.left:
            bucket.blocked_until = now + max(answer.resets_in, _SHORTEST_REFUSAL)


def _standing(rule: LimitRule, bucket: _LeasePocket, now: float) -> bytes:
    """How many calls are left, and when there are more again."""
    return b'"%b";r=%d;t=%d' % (rule.name.encode(), bucket.left + max(0, bucket.permits), max(0, math.ceil(bucket.resets - now)))
