"""Connections: to whatever a name resolves to, or only to what a user's request may reach."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from tocsin.egress.addresses import AllowedTargets, why_not_public

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, the preferred one first; raises `OSError` when there is none."""

_THREADS: Final = 16
_MOST_ADDRESSES: Final = 8


class TargetForbidden(Exception):
    """The address is not one that a user's request may reach; the words name neither it nor the host."""


class SystemResolver:
    """Asks the system, in threads of its own: a name server that hangs must not hold what else needs a thread."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a name."""
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _ask, host, port)
        return list(dict.fromkeys(str(address[4][0]) for address in found))

    def close(self) -> None:
        """Waits for nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _ask(host: str, port: int) -> Sequence[tuple[int, int, int, str, tuple[object, ...]]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Connector:
    """Resolves a name once and connects to what came of it, never to the name: what was judged is what is used.

    TLS, which is begun on such a connection, still gets the name, for SNI and for the certificate.
    """

    def __init__(self, *, allowed: AllowedTargets | None, resolve: Resolve) -> None:
        """Connects to nothing yet.

        Args:
            allowed: what a user's request may reach besides the public internet; None: the URLs are the operator's, and go anywhere.
            resolve: finds addresses.
        """
        self._allowed = allowed
        self._resolve = resolve

    async def open_socket(self, host: str, port: int, *, seconds: float = 60.0) -> socket.socket:
        """A connected socket to the first address of ``host`` that takes one; ``seconds`` for all of them.

        Raises:
            TargetForbidden: one of its addresses may not be reached; then none is.
            TimeoutError: that takes too long.
            OSError: nobody takes a connection, or the name has no address.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        addresses = await self.addresses(host, port, seconds=seconds)
        failure = OSError("the host has no address")
        for place, address in enumerate(addresses):
            share = (end - loop.time()) / (len(addresses) - place)
            try:
                async with asyncio.timeout(max(share, 0.001)):
                    return await _connected(address, port)
            except OSError as error:
                failure = error
        raise failure

    async def addresses(self, host: str, port: int, *, seconds: float = 60.0) -> Sequence[str]:
        """The addresses of ``host``, the preferred one first: what is connected to must be one of these.

        Raises:
            TargetForbidden: one of them may not be reached; then none is.
            TimeoutError: that takes too long.
            OSError: the name has no address.
        """
        try:
            async with asyncio.timeout(seconds):
                found = (await self._resolve(host, port))[:_MOST_ADDRESSES]
        except socket.gaierror as error:
            raise OSError(f"the host has no address: {error.strerror}") from error
        self._check(host, found)
        return found

    def _check(self, host: str, addresses: Sequence[str]) -> None:
        if self._allowed is None or self._allowed.has_name(host):
            return
        for address in addresses:
            # A zone (fe80::1%eth0) is part of a link-local address alone.
            words = why_not_public(ip_address(address.partition("%")[0]), self._allowed)
            if words:
                raise TargetForbidden(f"the host has an address that is not a public one: {words}")


async def _connected(address: str, port: int) -> socket.socket:
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, (address, port))
    except BaseException:
        connection.close()
        raise
    return connection


@lru_cache(maxsize=1)
def default_tls() -> ssl.SSLContext:
    """Checks certificates against the authorities of the system, which are read once."""
    return ssl.create_default_context()
