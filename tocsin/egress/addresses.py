"""Which addresses a request may go to whose URL a user gave (pure).

Python's ``ipaddress.is_global`` is not enough: version 3.11 takes multicast, 6to4, NAT64, Teredo, site-local and newer documentation
blocks for global, and some of them carry an IPv4 address that is not. The blocks are those of IANA's registries of special-purpose
addresses (RFC 6890), and those that were withdrawn but may still be routed somewhere.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")  # RFC 4291, 2.4: nothing else was ever given to anybody
_BLOCKS: Final[dict[Network, str]] = {
    ip_network(block): words
    for words, blocks in {
        "this network": ("0.0.0.0/8",),
        "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        "shared by carriers": ("100.64.0.0/10",),
        "loopback": ("127.0.0.0/8", "::1/128"),
        "link-local": ("169.254.0.0/16", "fe80::/10"),
        "for protocols": ("192.0.0.0/24", "2001::/23"),
        "documentation": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
        "6to4": ("192.88.99.0/24", "2002::/16"),
        "for benchmarks": ("198.18.0.0/15",),
        "multicast": ("224.0.0.0/4", "ff00::/8"),
        "reserved": ("240.0.0.0/4",),
        "unspecified": ("::/128",),
        "IPv4-compatible": ("::/96",),
        "IPv4-translated": ("64:ff9b::/96", "64:ff9b:1::/48"),
        "discarded": ("100::/64",),
        "segment routing": ("5f00::/16",),
        "unique local": ("fc00::/7",),
        "site-local": ("fec0::/10",),
    }.items()
    for block in blocks
}
_TRANSLATED: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
_ISATAP: Final = (0x00005EFE, 0x02005EFE)  # RFC 5214, 6.1: in any prefix
_LOW: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class AllowedTargets:
    """What an operator opens besides the public internet: networks, and host names; one with a leading dot means those below it."""

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "AllowedTargets":
        """Reads networks, addresses and names.

        Raises:
            ValueError: an entry is none of them.
        """
        networks: list[Network] = []
        names: set[str] = set()
        for entry in entries:
            try:
                networks.append(ip_network(entry))
            except ValueError as error:
                name = entry.removeprefix(".").lower()
                if "/" in entry or not name.isascii() or not name.replace("-", "").replace(".", "").replace("_", "").isalnum():
                    raise ValueError(f"{entry!r} is neither a network (such as 10.1.0.0/16) nor a host name: {error}") from None
                names.add(entry.lower())
        return cls(tuple(networks), frozenset(names))

    def has_name(self, host: str) -> bool:
        """Whether ``host`` was opened by its name; what it resolves to does not matter then."""
        labels = host.lower().split(".")
        return host.lower() in self.names or any("." + ".".join(labels[place:]) in self.names for place in range(1, len(labels)))

    def has_host(self, host: str) -> bool:
        """Whether ``host`` was opened as it is written: by its name, or by a network that holds its address."""
        address = literal(host)
        return self.has_name(host) or (address is not None and self.has_address(address))

    def has_address(self, address: Address) -> bool:
        """Whether ``address`` lies in an opened network."""
        return any(address in network for network in self.networks if network.version == address.version)


def why_not_public(address: Address, allowed: AllowedTargets) -> str:
    """Why a request may not go to ``address``; empty: it may.

    An IPv4-mapped address is judged as the IPv4 address that a connection to it goes to. Where another IPv6 address carries an IPv4
    address (NAT64, 6to4, Teredo, ISATAP), that one must be good as well, also if an operator opened the IPv6 network around it.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return why_not_public(address.ipv4_mapped, allowed)
    if not allowed.has_address(address):
        block = next((words for network, words in _BLOCKS.items() if network.version == address.version and address in network), "")
        if block:
            return block
        if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
            return "not global unicast"
    return next((f"it carries an address that is {words}" for inner in _embedded(address) if (words := why_not_public(inner, allowed))), "")


def _embedded(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses inside of an IPv6 address."""
    if not isinstance(address, IPv6Address):
        return
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    number = int(address)
    if any(address in network for network in _TRANSLATED) or (number >> 32) & _LOW in _ISATAP:
        yield IPv4Address(number & _LOW)


@lru_cache(maxsize=1024)
def literal(host: str) -> Address | None:
    """The address that ``host`` writes in the usual way; None for a name, and for notations that only some resolvers know."""
    try:
        return ip_address(host)
    except ValueError:
        return None
