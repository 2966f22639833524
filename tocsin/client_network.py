"""What counts as one client, wherever something is counted by address (pure)."""

import ipaddress
from functools import lru_cache
from typing import Final

_IPV6_PREFIX: Final = 64
"""Bits that one customer has at least (RFC 6177): whoever has one address has all of them."""


@lru_cache(maxsize=4096)
def client_network(address: str) -> str:
    """An IPv4 address, also one inside of IPv6, or the /64 of an IPv6 address; empty if ``address`` is neither. A zone is left out."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))
    return str(found if isinstance(found, ipaddress.IPv4Address) else found.ipv4_mapped)
