"""How a supervisor starts a process: as a new interpreter, or, on Linux, as a fork of the template of the services."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tocsin.stack import launcher

CAN_FORK: Final = sys.platform == "linux"
"""Elsewhere libraries of the system do not survive a fork, and nothing ties a process to its parent."""

_FORK_SECONDS: Final = 180.0
"""A template that imports answers late on a busy machine; one that is frozen, never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What to run and how to look after it."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path


class Process(Protocol):
    """A process that was started."""

    @property
    def pid(self) -> int:
        """Its id."""
        ...

    async def wait(self) -> int:
        """Returns its exit code, negative for a signal, once it has ended."""
        ...

    def send_signal(self, signal: int) -> None:  # the name is asyncio's
        """Sends a signal; nothing happens when it has ended."""
        ...


class Spawner(Protocol):
    """Starts processes that do not outlive this one."""

    async def spawn(self, spec: ChildSpec, log: int) -> Process:
        """Starts one, in a process group of its own: Ctrl-C in the terminal reaches the supervisor alone. It writes to descriptor ``log``.

        Raises:
            OSError: it cannot be started.
        """
        ...

    async def prepare(self, log: int) -> None:
        """Begins what the first start would wait for; nothing is lost without it. What goes wrong is written to descriptor ``log``."""
        ...

    async def stop(self) -> None:
        """Releases what starting processes needs, when all have ended."""
        ...


class Interpreters:
    """Runs the program of a process."""

    async def spawn(self, spec: ChildSpec, log: int) -> Process:
        """Starts one; it writes to descriptor ``log``."""
        return await _run(*spec.argv, log=log, env=spec.env)

    async def prepare(self, log: int) -> None:
        """There is nothing to begin."""

    async def stop(self) -> None:
        """There is nothing to release."""


async def _run(*argv: str, log: int, env: Mapping[str, str], descriptors: Collection[int] = ()) -> asyncio.subprocess.Process:
    line = (sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), *argv)
    return await asyncio.create_subprocess_exec(
        *line, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=dict(env), process_group=0, pass_fds=descriptors
    )


class Fork:
    """A service that the template has forked."""

    def __init__(self, pid: int) -> None:
        """Knows it by its id."""
        self._pid = pid
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        """Its id."""
        return self._pid

    async def wait(self) -> int:
        """Returns its exit code, negative for a signal, once it has ended."""
        return await asyncio.shield(self._code)

    def send_signal(self, signal: int) -> None:
        """Sends a signal; nothing happens when it has ended."""
        if not self._code.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal)

    def ended(self, code: int) -> None:
        """Says with which code it has ended."""
        if not self._code.done():
            self._code.set_result(code)


class Forks:
    """Forks services from a template (`tocsin.stack.template`), which it starts when the first one is wanted, and again when it was lost.

    A service whose fork fails is run as a program of its own: the template makes starts cheap, and nothing depends on it.
    """

    def __init__(self, *, services: tuple[str, ...], env: Mapping[str, str], patience: float = _FORK_SECONDS) -> None:
        """Starts nothing yet.

        Args:
            services: what the template imports, in this order.
            env: of the template; without secrets, for every fork can read its memory.
            patience: seconds to wait for a fork.
        """
        self.patience = patience
        self._services = services
        self._env = env
        self._otherwise = Interpreters()
        self._process: asyncio.subprocess.Process | None = None
        self._channel: socket.socket | None = None
        self._starting = asyncio.Lock()
        self._wanted: dict[int, asyncio.Future[Fork]] = {}
        self._forks: dict[int, Fork] = {}
        self._last = 0

    async def spawn(self, spec: ChildSpec, log: int) -> Process:
        """Forks one, or runs it; it writes to descriptor ``log``."""
        try:
            return await self._fork(spec, log)
        except (OSError, TimeoutError):
            return await self._otherwise.spawn(spec, log)

    async def prepare(self, log: int) -> None:
        """Starts the template: it imports while others have something else to do. Without one, the first fork tries again."""
        with contextlib.suppress(OSError):
            await self._template(log)

    async def stop(self) -> None:
        """Ends the template, by closing what it listens to."""
        process, self._process = self._process, None
        self._lost()
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            await process.wait()

    async def _fork(self, spec: ChildSpec, log: int) -> Fork:
        channel = await self._template(log)
        self._last += 1
        number, wanted = self._last, asyncio.get_running_loop().create_future()
        settings = os.memfd_create("settings")
        try:
            os.pwrite(settings, json.dumps(dict(spec.env)).encode(), 0)
            self._wanted[number] = wanted
            socket.send_fds(channel, [f"{number} {spec.name}".encode()], [settings, log])
            async with asyncio.timeout(self.patience):
                return await wanted
        finally:
            self._wanted.pop(number, None)
            os.close(settings)

    async def _template(self, log: int) -> socket.socket:
        async with self._starting:
            if self._channel is not None:
                return self._channel
            if self._process is not None:
                await self._process.wait()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                words = (sys.executable, "-m", "tocsin.stack.template", str(theirs.fileno()), *self._services)
                self._process = await _run(*words, log=log, env=self._env, descriptors=(theirs.fileno(),))
            ours.setblocking(False)
            self._channel = ours
            asyncio.get_running_loop().add_reader(ours, self._hear)
            return ours

    def _hear(self) -> None:
        """Takes what the template tells."""
        try:
            text = self._channel.recv(1024) if self._channel is not None else b""
        except BlockingIOError:
            return
        except OSError:
            text = b""
        if not text:
            self._lost()
            return
        news: dict[str, int] = json.loads(text)
        if "code" in news:
            self._forks.pop(news["pid"]).ended(news["code"])
        else:
            self._answered(news["number"], news["pid"])

    def _answered(self, number: int, pid: int) -> None:
        """A request was answered by a fork, or, with 0, by none: the service cannot be imported."""
        wanted = self._wanted.get(number)
        if wanted is not None and wanted.done():
            wanted = None
        if not pid:
            if wanted is not None:
                wanted.set_exception(ChildProcessError("the service cannot be imported"))
            return
        self._forks[pid] = fork = Fork(pid)
        if wanted is not None:
            wanted.set_result(fork)
        else:
            fork.send_signal(signal.SIGKILL)  # it comes too late: another has been started in its place

    def _lost(self) -> None:
        """The template has ended, and the kernel has killed its forks."""
        channel, self._channel = self._channel, None
        if channel is not None:
            asyncio.get_running_loop().remove_reader(channel)
            channel.close()
        for wanted in self._wanted.values():
            if not wanted.done():
                wanted.set_exception(ConnectionResetError("the template of the services has ended"))
        for fork in self._forks.values():
            fork.ended(-signal.SIGKILL)
        self._forks.clear()
