"""Connections of the gRPC edge: how many may come from one address.

gRPC's core accepts them itself, counts them in all alone (``grpc.max_allowed_incoming_connections``), and tells nobody of one that makes
no call. But they are descriptors of this process, so that one look at those sees them all; those of an address that has too many are shut
down, the newest first. `docs/adr/0036` compares with what else was tried.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.metrics import EdgeConnectionMetrics
from tocsin.background import Background
from tocsin.client_network import client_network
from tocsin.clock import Clock
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""Between two looks, at least; a look that takes long is followed by a longer pause, so that looking takes a twentieth of the time."""
_SHARE: Final = 20
_DESCRIPTORS: Final = Path("/proc/self/fd")
_INTERNET: Final = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeConnectionRule:
    """How many connections there may be.

    Attributes:
        of_one_address: from one client (IPv6: one /64).
        exempt: whether an address is a proxy that brings many clients.
    """

    of_one_address: int
    exempt: Callable[[str], bool]


class EdgeConnections:
    """Keeps the bound, where the system shows a process its own descriptors (Linux)."""

    def __init__(self, *, port: Callable[[], int], rule: EdgeConnectionRule, metrics: EdgeConnectionMetrics, clock: Clock) -> None:
        """Looks at nothing yet.

        Args:
            port: that the edge listens on, once it does.
            rule: the bound.
            metrics: told of what is open, and of what is closed.
            clock: source of the time between two looks.
        """
        self._port = port
        self._rule = rule
        self._metrics = metrics
        self._background = Background(clock)
        self._since: Mapping[int, int] = {}
        self._looks = 0
        self._took = 0.0

    async def start(self) -> None:
        """Begins to look."""
        if not self._background.running and _DESCRIPTORS.is_dir():
            self._background.periodic("edge-connections", self._pause, self._round, vital=False)

    async def stop(self) -> None:
        """Looks no more."""
        await self._background.stop()

    def _pause(self) -> float:
        return max(LOOK_SECONDS, _SHARE * self._took)

    async def _round(self) -> None:
        await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Counts, and shuts down what is too much; may run in any thread."""
        begun = time.thread_time()
        self._looks += 1
        since: dict[int, int] = {}
        found: dict[str, list[tuple[int, int]]] = {}
        for inode, connection in _connections(self._port()):
            address = str(connection.getpeername()[0])
            since[inode] = self._since.get(inode, self._looks)
            if not self._rule.exempt(address) and (client := client_network(address)):
                found.setdefault(client, []).append((since[inode], inode))
        self._since = since
        self._metrics.open(len(since))
        surplus = {inode for each in found.values() if len(each) > self._most for _, inode in sorted(each)[self._most :]}
        if surplus:
            for inode, connection in _connections(self._port()):
                if inode in surplus:
                    connection.shutdown(socket.SHUT_RDWR)  # on a descriptor of ours: gRPC reads an end, as if the peer had closed
                    self._metrics.refused()
            _log.warning("connections closed", count=len(surplus), limit=self._most)
        self._took = time.thread_time() - begun

    @property
    def _most(self) -> int:
        return self._rule.of_one_address


def _connections(port: int) -> Iterator[tuple[int, socket.socket]]:
    """The connections of this process to ``port`` with their inodes, on descriptors of their own, which are closed behind the caller."""
    for descriptor in _DESCRIPTORS.iterdir():
        with suppress(OSError):  # closed meanwhile, or the listener
            if not str(descriptor.readlink()).startswith("socket:"):
                continue
            connection = socket.socket(fileno=os.dup(int(descriptor.name)))
            try:
                if connection.family in _INTERNET and connection.getsockname()[1] == port and connection.getpeername():
                    yield os.fstat(connection.fileno()).st_ino, connection
            finally:
                connection.close()
