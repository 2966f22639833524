"""Who the client is when proxies stand in front: read from the headers that named proxies write, and from nobody else's (RFC 7239)."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
ForwardedHeader: TypeAlias = Literal["x-forwarded-for", "forwarded"]

# Nobody has more proxies in a row, and whatever a client wrote in front of their entries is not read.
_MOST_HOPS: Final = 16
_LONGEST_NODE: Final = 64
_LONGEST_ELEMENT: Final = 512
_WHITESPACE: Final = " \t"
_PAIR: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64})=(?:([A-Za-z0-9!#$%&'*+.^_`|~-]*)|\"([^\"\\]*)\")\Z")
"""A pair of an element (RFC 7239, section 4)."""
_WITH_PORT: Final = re.compile(r"\[([^\]]{1,64})\](?::[0-9]{1,5})?\Z|([0-9.]{7,15})(?::[0-9]{1,5})?\Z")
"""A node (RFC 7239, section 6): IPv6 in brackets, IPv4, either with a port."""


class TrustedProxies:
    """Finds the address of a client: that of the connection, unless a named proxy made it and says more."""

    __slots__ = ("_is_proxy", "_names", "_networks", "_of_element")

    def __init__(self, *, networks: Sequence[str], header: ForwardedHeader) -> None:
        """Reads the names of the proxies.

        Args:
            networks: addresses and networks such as 10.0.0.0/8.
            header: which header they write; the other one is a client's own words, for a proxy passes on what it does not know.

        Raises:
            ValueError: one is no network.
        """
        self._networks: Sequence[Network] = [ip_network(text) for text in networks]
        self._names = (header, header.encode())
        self._of_element = _for_of if header == "forwarded" else str
        self._is_proxy = lru_cache(maxsize=1024)(self._is_named)

    def is_proxy(self, peer: str) -> bool:
        """Whether the address of a connection is that of a named proxy."""
        found = _address(peer)
        return found is not None and bool(self._networks) and self._is_proxy(found)

    def client(self, peer: str, headers: Iterable[tuple[str | bytes, str | bytes]]) -> str:
        """The address of the client.

        The entries of the header are read from the right, where the nearest proxy wrote: each entry is believed if the one who wrote it is
        a named proxy. The first address that is none is the client's. What is no address ends the reading; then the client is the last
        proxy that was named.

        Args:
            peer: the address of the connection; empty for none.
            headers: of the request, in their order.
        """
        found = _address(peer)
        if found is None:
            return peer
        if not self._networks or not self._is_proxy(found):
            return str(found)
        for element in self._elements(headers):
            said = _address(_node(self._of_element(element)))
            if said is None:
                break
            found = said
            if not self._is_proxy(found):
                break
        return str(found)

    def came_by_tls(self, peer: str, headers: Iterable[tuple[str | bytes, str | bytes]]) -> bool:
        """Whether a named proxy made the connection and says that its client came by TLS: `X-Forwarded-Proto`, or `proto` (RFC 7239, 5.4).

        Args:
            peer: the address of the connection.
            headers: of the request, in their order.
        """
        if not self.is_proxy(peer):
            return False
        if self._of_element is not str:
            nearest = next(iter(self._elements(headers)), "")
            return _value_of(nearest, "proto").lower() == "https"
        said = [value for name, value in headers if name in ("x-forwarded-proto", b"x-forwarded-proto")]
        last = said[-1] if said else ""
        text = last.decode("latin-1") if isinstance(last, bytes) else last
        return text.rpartition(",")[2].strip(_WHITESPACE).lower() == "https"

    def _elements(self, headers: Iterable[tuple[str | bytes, str | bytes]]) -> Iterable[str]:
        """The entries of the header, the last one first; several lines are one list (RFC 9110, section 5.3)."""
        lines = [value.decode("latin-1") if isinstance(value, bytes) else value for name, value in headers if name in self._names]
        left = _MOST_HOPS
        for line in reversed(lines):
            parts = line.rsplit(",", left)
            yield from (part.strip(_WHITESPACE) for part in reversed(parts[-left:]))
            left -= len(parts)
            if left <= 0:
                return

    def _is_named(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _for_of(element: str) -> str:
    """The node that an element of `Forwarded` names with "for"; empty if it names none, or is not well formed."""
    return _value_of(element, "for")


def _value_of(element: str, parameter: str) -> str:
    """What an element of `Forwarded` says of a parameter; empty if nothing, or it is not well formed."""
    found = ""
    for part in element.split(";") if len(element) <= _LONGEST_ELEMENT else ("",):
        pair = _PAIR.match(part.strip(_WHITESPACE))
        if pair is None or (pair[1].lower() == parameter and found):
            return ""
        if pair[1].lower() == parameter:
            found = pair[2] or pair[3] or ""
    return found


def _node(text: str) -> str:
    """The address of a node without its port; empty if there is none, as in "unknown" and "_hidden"."""
    match = _WITH_PORT.match(text)
    return text if match is None else (match[1] or match[2])


@lru_cache(maxsize=4096)
def _address(text: str) -> Address | None:
    """The address that ``text`` is; IPv4 inside of IPv6 is IPv4, and a zone is left out, for it means nothing elsewhere."""
    if not 0 < len(text) <= _LONGEST_NODE:
        return None
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
