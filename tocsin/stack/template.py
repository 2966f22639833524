"""The template of a stack's services: it imports what they consist of, once, and forks one whenever the supervisor asks.

Run as ``python -m tocsin.stack.template DESCRIPTOR SERVICE...``, where the descriptor is that of a socket (AF_UNIX, SOCK_SEQPACKET). A
service that is forked needs a quarter of the CPU time that a new interpreter takes to become one, so one that was killed is back sooner;
and all of them share the memory of their modules until they write to it.

The template reads nothing that a service is given. Settings, which may hold secrets, lie in a file in memory (memfd_create(2)) that the
fork alone reads; its descriptor comes with the request (unix(7), SCM_RIGHTS), as does that of the log.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from setproctitle import setproctitle, setthreadtitle

from tocsin.core_lines import silence_core
from tocsin.stack.launcher import tie_to

_LONGEST = 1024
"""Bytes of a request."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the supervisor asks for: ``number`` names the request in the answer."""

    number: int
    service: str
    settings: int
    """Descriptor of the environment: a JSON object of texts."""
    log: int

    def close(self) -> None:
        """Lets go of the descriptors."""
        os.close(self.settings)
        os.close(self.log)


class ServiceTemplate:
    """Forks services until the supervisor is gone."""

    def __init__(self, channel: socket.socket) -> None:
        """Listens for the ends of forks; nothing is imported yet."""
        self._channel = channel
        self._imported: set[str] = set()
        self._broken: set[str] = set()
        self._waiting: list[Request] = []
        self._ended, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def serve(self, services: Sequence[str]) -> Request | None:
        """Imports the services in this order, and forks each that is asked for as soon as it can.

        Returns the request in every fork, which becomes that service; None in the template, when the supervisor is gone.
        """
        gc.disable()  # nothing of what is imported becomes garbage
        for service in services:
            self._import(service)
            gc.freeze()  # a collection in a fork would touch, and so copy, all of it
            going, request = self._turn(wait=False)
            if not going:
                return request
        while True:
            going, request = self._turn(wait=True)
            if not going:
                return request

    def _import(self, service: str) -> None:
        try:
            for module in ("config", "wiring", "__main__"):
                importlib.import_module(f"{service}.{module}")
            from tocsin.mesh.policy import policies  # here, and no sooner: services have imported it

            policies()  # of the contract, the same for all: read once, and shared as modules are
        except Exception:  # noqa: BLE001 - whatever is wrong with one service, the others are served
            traceback.print_exc()
            self._broken.add(service)
        else:
            self._imported.add(service)

    def _turn(self, *, wait: bool) -> tuple[bool, Request | None]:
        """Takes all that has come, and forks what can be forked: whether to go on, and the request in a fork."""
        readable, _, _ = select.select((self._channel, self._ended), (), (), None if wait else 0)
        if self._ended in readable:
            os.read(self._ended, 4096)
        try:
            self._bury()
            while self._channel in readable:
                if not self._take():
                    return False, None
                readable, _, _ = select.select((self._channel,), (), (), 0)
            while able := next((each for each in self._waiting if each.service in self._imported | self._broken), None):
                self._waiting.remove(able)
                if able.service in self._broken:
                    self._refuse(able)
                elif self._fork(able):
                    return False, able
        except (BrokenPipeError, ConnectionResetError):
            return False, None
        return True, None

    def _take(self) -> bool:
        """Takes a request; False at the end of the channel."""
        text, descriptors, _, _ = socket.recv_fds(self._channel, _LONGEST, 2)
        if not text:
            return False
        number, _, service = text.decode().partition(" ")
        self._waiting.append(Request(int(number), service, *descriptors))
        return True

    def _fork(self, request: Request) -> bool:
        """Whether this is the fork."""
        template = os.getpid()
        if pid := os.fork():
            request.close()
            self._tell({"number": request.number, "pid": pid})
            return False
        tie_to(template)
        self._channel.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (self._ended, self._wake):
            os.close(descriptor)
        for other in self._waiting:
            other.close()
        return True

    def _refuse(self, request: Request) -> None:
        request.close()
        self._tell({"number": request.number, "pid": 0})

    def _bury(self) -> None:
        with contextlib.suppress(ChildProcessError):  # there is none at all
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._tell({"pid": ended[0], "code": os.waitstatus_to_exitcode(ended[1])})

    def _tell(self, news: dict[str, int]) -> None:
        self._channel.send(json.dumps(news).encode())


def become(request: Request) -> int:
    """Turns this fork into the service; returns its exit code."""
    with os.fdopen(request.settings, "rb") as file:
        file.seek(0)
        settings = json.load(file)
    os.setpgid(0, 0)
    for descriptor in (1, 2):
        os.dup2(request.log, descriptor)
    os.close(request.log)
    os.environ.clear()
    os.environ.update(settings)
    sys.argv[:] = [request.service]
    setproctitle(f"{sys.executable} -m {request.service}")
    setthreadtitle(request.service)
    gc.enable()
    return importlib.import_module(f"{request.service}.__main__").main()


def main(argv: Sequence[str]) -> int:
    """Serves the supervisor at the other end of a socket; returns the exit code of the template, or of a service that was forked."""
    setproctitle(f"{sys.executable} -m tocsin.stack.template")
    setthreadtitle("template")
    silence_core()
    request = ServiceTemplate(socket.socket(fileno=int(argv[0]))).serve(argv[1:])
    return 0 if request is None else become(request)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
