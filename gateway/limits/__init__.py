"""How many calls a tenant, or a client address, may make: at both doors by one count, across replicas through Redis."""

from gateway.limits.door import DoorLimits, Tell, ignore
from gateway.limits.rules import ADDRESS_DEFAULTS, TENANT_DEFAULTS
from gateway.limits.sources import RedisLeases

__all__ = [
    "ADDRESS_DEFAULTS",
    "TENANT_DEFAULTS",
    "DoorLimits",
    "RedisLeases",
    "Tell",
    "ignore",
]
