"""Connections for HTTP: to whatever a name resolves to, or only to what a user's request may reach."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, cast

import httpcore2

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


class Connector(httpcore2.AsyncNetworkBackend):
    """Resolves a name once and connects to what came of it, never to the name: what was judged is what is used.

    TLS still gets the name of the URL, for SNI and for the certificate.
    """

    def __init__(self, *, allowed: AllowedTargets | None, resolve: Resolve) -> None:
        """Connects to nothing yet.

        Args:
            allowed: what a user's request may reach besides the public internet; None: the URLs are the operator's, and go anywhere.
            resolve: finds addresses.
        """
        self._allowed = allowed
        self._resolve = resolve
        self._network = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to the first address of ``host`` that takes one; ``timeout`` seconds for all of them.

        Raises:
            TargetForbidden: one of its addresses may not be reached; then none is.
            httpcore2.ConnectError: nobody takes a connection, or the name has no address.
            httpcore2.ConnectTimeout: that takes too long.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + (timeout or 60.0)
        try:
            async with asyncio.timeout_at(end):
                addresses = (await self._resolve(host, port))[:_MOST_ADDRESSES]
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("the host's address was not found in time") from error
        except OSError as error:
            raise httpcore2.ConnectError(f"the host has no address: {error.strerror or type(error).__name__}") from error
        self._check(host, addresses)
        failure: Exception = httpcore2.ConnectError("the host has no address")
        for place, address in enumerate(addresses):
            share = (end - loop.time()) / (len(addresses) - place)
            try:
                return await self._network.connect_tcp(address, port, max(share, 0.001), local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def open_socket(self, host: str, port: int) -> socket.socket:
        """A connected socket for a protocol that is not HTTP, to the first address of ``host`` that takes one.

        Raises:
            TargetForbidden: one of its addresses may not be reached; then none is.
            OSError: nobody takes a connection, or the name has no address.
        """
        addresses = (await self._resolve(host, port))[:_MOST_ADDRESSES]
        self._check(host, addresses)
        failure = OSError("the host has no address")
        for address in addresses:
            connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            connection.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(connection, (address, port))
            except OSError as error:
                connection.close()
                failure = error
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise failure

    def _check(self, host: str, addresses: Sequence[str]) -> None:
        if self._allowed is None or self._allowed.has_name(host):
            return
        for address in addresses:
            # A zone (fe80::1%eth0) is part of a link-local address alone.
            words = why_not_public(ip_address(address.partition("%")[0]), self._allowed)
            if words:
                raise TargetForbidden(f"the host has an address that is not a public one: {words}")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Refused: no URL names one."""
        raise TargetForbidden("sockets of this machine are not for HTTP requests")

    async def sleep(self, seconds: float) -> None:
        """Waits between attempts, which there are none of."""
        await self._network.sleep(seconds)


@lru_cache(maxsize=1)
def default_tls() -> ssl.SSLContext:
    """Checks certificates against the authorities of the system, which are read once."""
    return ssl.create_default_context()
