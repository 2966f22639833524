"""Limits for tests."""

from prometheus_client import CollectorRegistry

from gateway.limits import DoorLimits, RedisLeases
from gateway.metrics import LimitMetrics
from tocsin.clock import Clock
from tocsin.mesh.limits import LocalLeases, RateLimiter
from tocsin.redis import Redis


def no_limits(clock: Clock) -> DoorLimits:
    """A door that lets every call in."""
    limiter = local_limiter(clock)
    return DoorLimits(limiter=limiter, tenants={}, addresses={}, metrics=LimitMetrics(CollectorRegistry(), alone=lambda: limiter.is_alone))


def local_limiter(clock: Clock) -> RateLimiter:
    """A limiter of one process without Redis."""
    return RateLimiter(shared=RedisLeases(redis=Redis(url=None, clock=clock), clock=clock), local=LocalLeases(clock=clock), clock=clock)
