"""Connections for HTTP that stay open for a while for the requests that follow."""

import asyncio
import ssl
from typing import Final

from tocsin.egress.connection import HttpConnection, HttpOrigin
from tocsin.egress.network import Connector
from tocsin.egress.urls import HttpUrl

_KEEPALIVE_SECONDS: Final = 15.0


class HttpPool:
    """So many connections at most, whoever they are with; a request that finds none free waits its turn."""

    def __init__(self, *, connector: Connector, tls: ssl.SSLContext, most: int, connect_seconds: float) -> None:
        """Connects to nothing yet.

        Args:
            connector: opens sockets.
            tls: how certificates are checked.
            most: connections that are open at once.
            connect_seconds: the longest wait for a turn, and for connecting with TLS.
        """
        self._connector = connector
        self._tls = tls
        self._most = most
        self._connect_seconds = connect_seconds
        self._turns = asyncio.Semaphore(most)
        self._taken = 0
        self._busy: set[HttpConnection] = set()
        self._idle: list[HttpConnection] = []  # what was used last is the last

    async def close(self) -> None:
        """Ends every connection."""
        for connection in (*self._busy, *self._idle):
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # asyncio tells the connections

    async def take(self, url: HttpUrl) -> HttpConnection:
        """A connection for a request to ``url``; to be given back.

        Raises:
            TimeoutError: there was none in time.
            TargetForbidden: it may not be reached.
            OSError: there is none to be had.
        """
        if self._turns.locked():
            async with asyncio.timeout(self._connect_seconds):
                await self._turns.acquire()
        else:
            await self._turns.acquire()
        self._taken += 1
        try:
            origin = HttpOrigin.of(url)
            connection = self._idle_one(origin) or await self._connected(origin)
        except BaseException:
            self._end_turn()
            raise
        self._busy.add(connection)
        return connection

    def give_back(self, connection: HttpConnection) -> None:
        """Takes back what `take` gave, to keep it if it may be used again."""
        self._busy.discard(connection)
        self._end_turn()
        if connection.usable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)

    def _end_turn(self) -> None:
        self._taken -= 1
        self._turns.release()

    def _idle_one(self, origin: HttpOrigin) -> HttpConnection | None:
        """The one that was used last, as the others may then be closed; those are ended that have been idle for too long."""
        oldest = asyncio.get_running_loop().time() - _KEEPALIVE_SECONDS
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.pop(0).close()
        for place in range(len(self._idle) - 1, -1, -1):
            if self._idle[place].origin == origin:
                connection = self._idle.pop(place)
                if connection.quiet():
                    return connection
                connection.close()
        return None

    async def _connected(self, origin: HttpOrigin) -> HttpConnection:
        while self._idle and self._taken + len(self._idle) > self._most:
            self._idle.pop(0).close()
        secure = origin.scheme == "https"
        async with asyncio.timeout(self._connect_seconds):
            opened = await self._connector.open_socket(origin.host, origin.port, seconds=self._connect_seconds)
            try:
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: HttpConnection(origin),
                    sock=opened,
                    ssl=self._tls if secure else None,
                    server_hostname=origin.host if secure else None,
                )
            except BaseException:
                opened.close()
                raise
        return connection
