"""How many calls a tenant, or a client address, may make: at both doors by one count, across replicas through Redis."""

from gateway.limits.door import DoorLimits, Tell, ignore
from gateway.limits.limiter import RateLimited, RateLimiter
from gateway.limits.rules import ADDRESS_DEFAULTS, TENANT_DEFAULTS, LimitRule, parse_limits
from gateway.limits.sources import LocalLeases, RedisLeases

__all__ = [
    "ADDRESS_DEFAULTS",
    "TENANT_DEFAULTS",
    "DoorLimits",
    "LimitRule",
    "LocalLeases",
    "RateLimited",
    "RateLimiter",
    "RedisLeases",
    "Tell",
    "ignore",
    "parse_limits",
]
