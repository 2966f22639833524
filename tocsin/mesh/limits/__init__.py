"""How many calls somebody may make in a time: counted in leases, here or by all replicas together."""

from tocsin.mesh.limits.leases import MOST_KEYS, LeaseAnswer, LocalLeases, SharedLeases
from tocsin.mesh.limits.limiter import RateLimited, RateLimiter
from tocsin.mesh.limits.rule import LimitRule, parse_limits

__all__ = ["MOST_KEYS", "LeaseAnswer", "LimitRule", "LocalLeases", "RateLimited", "RateLimiter", "SharedLeases", "parse_limits"]
