"""A real server as a private child process, on a free port, that a test may kill."""

import contextlib
import fcntl
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import deque
from importlib.util import find_spec
from pathlib import Path
from typing import Final

FIRST_PORT, _LAST_PORT = 20_000, 31_999
"""Whence `free_port` draws: below the ephemeral ports, which any outgoing connection may take."""
_POLL_SECONDS = 0.02
_RESERVATIONS: Final = Path(tempfile.gettempdir()) / f"tocsin-ports-{os.getuid()}"
"""A file for each port that was given away, locked by the process that it was given to."""
_RESERVED: Final = deque[int]()
_MOST_RESERVED: Final = 300


class MissingServer(Exception):
    """A program that the tests need is not installed; the message names the command that installs it."""


class ServerProcess(ABC):
    """Starts, stops and kills one server; its data stays in ``folder`` until `close`."""

    def __init__(self, *, prefix: str, start_seconds: float = 120.0) -> None:
        """Reserves a port and makes the folder.

        Args:
            prefix: begins the folder's name.
            start_seconds: how long to wait for the server to answer.
        """
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"tocsin-{prefix}-"))
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The command line that runs the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server is ready for clients."""

    def user(self) -> str | None:
        """The user to run as, when it is not the current one."""
        return None

    @property
    def stop_signal(self) -> signal.Signals:
        """The signal that asks the server to end in good order."""
        return signal.SIGTERM

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the server on its port and returns when it answers; nothing happens if it runs.

        Raises:
            RuntimeError: it did not come up; the message holds the end of its log.
        """
        if self.running:
            return
        end = time.monotonic() + self._start_seconds
        self._spawn()
        while not self.answers():
            if time.monotonic() > end:
                raise RuntimeError(self._report("did not answer"))
            if not self.running:  # what a killed predecessor held may take a moment to be let go
                self._spawn()
            time.sleep(_POLL_SECONDS)

    def _spawn(self) -> None:
        user = self.user()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop their servers
                user=user,
                group=group_of(user),
                extra_groups=None if user is None else [],
            )

    def stop(self) -> None:
        """Ends the server in good order; nothing happens if it does not run."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """Ends the server by SIGKILL."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(self._start_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def pause(self) -> None:
        """Freezes the server's main process (SIGSTOP): connections stay open, nothing answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a paused server go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Ends the server for good and removes its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _report(self, what: str) -> str:
        log = (self.folder / "log").read_text(errors="replace")[-2000:]
        return f"{self.command()[0]} {what} within {self._start_seconds} s; its log ends with:\n{log}"


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on now, below the ephemeral range, and that nobody else is given before it is used."""
    while True:
        port = random.randint(FIRST_PORT, _LAST_PORT)  # noqa: S311  no secret: it only spreads parallel runs
        if is_free(port) and reserve(port):
            return port


def is_free(port: int) -> bool:
    """Whether 127.0.0.1:``port`` can be bound."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def reserve(*ports: int) -> bool:
    """Keeps other test processes of this machine from being given ``ports``; False, and nothing is kept, if one of them is another's.

    A reservation holds while this process lives, or until it has made a few hundred more: by then a server listens there.
    """
    _RESERVATIONS.mkdir(exist_ok=True)
    with contextlib.ExitStack() as undo:
        files: list[int] = []
        for port in ports:
            try:
                files.append(file := os.open(_RESERVATIONS / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC))
                undo.callback(os.close, file)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
        undo.pop_all()
    _RESERVED.extend(files)
    while len(_RESERVED) > _MOST_RESERVED:
        os.close(_RESERVED.popleft())
    return True


def accepts(port: int, greeting: bytes = b"", answer: bytes = b"") -> bool:
    """Whether 127.0.0.1:``port`` accepts a connection and replies to ``greeting`` with something that begins with ``answer``."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(greeting)
            return not answer or connection.recv(len(answer)) == answer
    except OSError:
        return False


def packaged(package: str, pattern: str) -> list[Path]:
    """The files of an installed package that match ``pattern``, sorted; empty when it is not installed."""
    spec = find_spec(package)
    if spec is None:
        return []
    return sorted(path for location in spec.submodule_search_locations or () for path in Path(location).glob(pattern))


def missing(program: str, wheel: str) -> MissingServer:
    """The error for a program that is neither in its wheel nor on PATH."""
    install = f"`make setup`, or `{sys.executable} -m pip install {wheel}`"
    return MissingServer(f"these tests need {program}: run {install}, or put {program} on PATH")


def unprivileged() -> str | None:
    """A user without rights, when we are root; None when we are not."""
    return "nobody" if os.geteuid() == 0 else None


def group_of(user: str | None) -> int | None:
    """The id of the user's group; None for the current user."""
    return None if user is None else pwd.getpwnam(user).pw_gid


def memory_of(pid: int) -> bytes:
    """All that a process can write to."""
    found: list[bytes] = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights, *_ = line.split()
            start, end = (int(each, 16) for each in place.split("-"))
            if rights.startswith("rw"):
                with contextlib.suppress(OSError):  # given back since the list was made
                    memory.seek(start)
                    found.append(memory.read(end - start))
    return b"".join(found)
