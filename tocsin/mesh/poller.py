"""Keeps the thread that brings gRPC's events from waiting for the event loop.

grpc.aio (1.85) has one thread that takes events from gRPC's core and wakes the event loop by a byte in a socket, one for each event. The
loop reads one byte in a turn and takes all events that there are. So bytes pile up whenever a turn brings more than one event, and after
some 280 of them the thread stands in ``write``: from then on about one event comes in a turn, while calls, their messages and the ends of
answers wait in the core. A server under load so sees a call a second after it came, and believes that it has little to do. The same wait
is known as a hang of the shutdown (https://github.com/grpc/grpc/pull/40989).

A byte that finds no room is of no use: those that lie there wake the loop anyway, after the event is in its place. So the writing end must
not block.

This leans on a name within grpcio; one without it is left as it is. tests/unit/mesh/test_poller.py tells if that happens with the version
that is locked.
"""

import socket
from typing import Any

from tocsin.mesh.inner_names import CYTHON, module


class _Sockets:
    """The module ``socket``, with pairs of which the second end does not block."""

    def __getattr__(self, name: str) -> Any:
        return getattr(socket, name)

    @staticmethod
    def socketpair(*args: Any, **options: Any) -> tuple[socket.socket, socket.socket]:
        """A pair of connected sockets."""
        reading, writing = socket.socketpair(*args, **options)
        writing.setblocking(False)
        return reading, writing


_sockets = _Sockets()


def unblock_poller() -> None:
    """Lets what grpc.aio makes from now on never block; has to be called before the first server or channel of a process."""
    cython = module(CYTHON)
    if hasattr(cython, "socket"):
        cython.socket = _sockets
