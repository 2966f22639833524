"""A disk that fails on demand, without root and without touching the disk: the kernel asks us before each write or flush.

``python -m tocsin.testing.disk FOLDER USER PROGRAM ARGUMENT...`` becomes the program, under a seccomp filter that it and its children keep
(seccomp(2), SECCOMP_RET_USER_NOTIF; Linux 5.5 or newer). USER is whom root shall run it as, or ``-``. Every pwrite, fallocate, fsync and
fdatasync of theirs is put before a small process beside them, which lets it pass or fails it as `FaultyDisk` in the test says then. Plain
write(2), which sockets and logs use, is left alone; SQLite and PostgreSQL write their files by the other calls.
"""

import ctypes
import errno
import fcntl
import json
import os
import platform
import pwd
import select
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _NEW_LISTENER, _WAIT_KILLABLE = 1, 1 << 3, 1 << 5
_RECEIVE, _SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV and _SEND: linux/seccomp.h
_CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF: load a word, jump if equal, return a constant
_NOTICE, _ANSWER = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
_TOLD, _COUNT = "fault.json", "failed"


@dataclass(frozen=True, slots=True)
class _Machine:
    """Numbers of one kind of processor: linux/audit.h and its table of system calls."""

    audit: int
    seccomp: int
    writes: frozenset[int]
    flushes: frozenset[int]


_MACHINES: Final = {
    # pwrite64, pwritev, pwritev2, fallocate; fsync, fdatasync
    "x86_64": _Machine(0xC000003E, 317, frozenset({18, 296, 328, 285}), frozenset({74, 75})),
    "aarch64": _Machine(0xC00000B7, 277, frozenset({68, 70, 287, 47}), frozenset({82, 83})),
}


class _FaultOrder(NamedTuple):
    """What shall fail."""

    part: str
    what: str
    error: int


class FaultyDisk:
    """The test's end: makes writes or flushes of matching files fail until `heal`.

    Attributes:
        wrapper: begins the command line of what shall have this disk.
    """

    def __init__(self, *, folder: Path) -> None:
        """Prepares a disk that works.

        Args:
            folder: where the orders and the count are kept; made when it is missing.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._orders: list[_FaultOrder] = []
        self.wrapper = self.wrapper_as(None)
        self.heal()

    def wrapper_as(self, user: str | None) -> tuple[str, ...]:
        """The wrapper of a program that shall run as ``user``; None: as we do."""
        return (sys.executable, "-m", "tocsin.testing.disk", str(self._folder), user or "-")

    def fill(self, part: str) -> None:
        """From now on there is no room for files whose path contains ``part``: ENOSPC."""
        self._tell(_FaultOrder(part, "writes", errno.ENOSPC))

    def break_flush(self, part: str) -> None:
        """From now on what is written to such files cannot be flushed: EIO of fsync(2)."""
        self._tell(_FaultOrder(part, "flushes", errno.EIO))

    def heal(self) -> None:
        """From now on everything works."""
        self._orders.clear()
        self._tell()

    @property
    def failed(self) -> int:
        """How many calls have failed by our hand so far."""
        try:
            return int((self._folder / _COUNT).read_text() or "0")
        except FileNotFoundError:
            return 0

    def _tell(self, *orders: "_FaultOrder") -> None:
        self._orders += orders
        fresh = self._folder / f"{_TOLD}.new"
        fresh.write_text(json.dumps(self._orders))
        fresh.replace(self._folder / _TOLD)


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _instruction(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _filter(machine: _Machine) -> bytes:
    """Notifies about the calls of interest, and lets every other pass."""
    calls = sorted(machine.writes | machine.flushes)
    parts = [
        _instruction(_LOAD, 4),  # seccomp_data.arch
        _instruction(_EQUAL, machine.audit, if_false=len(calls) + 1),
        _instruction(_LOAD, 0),  # seccomp_data.nr
        *(_instruction(_EQUAL, call, if_true=len(calls) - index) for index, call in enumerate(calls)),
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _NOTIFY),
    ]
    return b"".join(parts)


def _install(machine: _Machine) -> int:
    """Puts this process under the filter. Returns the descriptor at which the calls are announced."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = _filter(machine)
    program = _Program(len(code) // 8, code)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):  # the former since Linux 5.19: signals do not interrupt the waiting
        found = int(libc.syscall(machine.seccomp, _SET_MODE_FILTER, flags, ctypes.byref(program)))
        if found >= 0:
            return found
    number = ctypes.get_errno()
    raise OSError(number, f"this kernel has no seccomp user notification: {os.strerror(number)}")


class _Enforcer:
    """The process beside them: decides about each call."""

    def __init__(self, *, machine: _Machine, folder: Path, notices: int) -> None:
        self._machine = machine
        self._told = folder / _TOLD
        self._count = os.open(folder / _COUNT, os.O_RDWR | os.O_CREAT, 0o600)
        self._failed = int(os.pread(self._count, 20, 0) or b"0")
        self._notices = notices

    def run(self) -> None:
        """Returns when nobody is left under the filter."""
        waiting = select.poll()
        waiting.register(self._notices, select.POLLIN)
        while any(event & select.POLLIN for _, event in waiting.poll()):
            notice = bytearray(_NOTICE.size)
            try:
                fcntl.ioctl(self._notices, _RECEIVE, notice)
                number, pid, _, call, _, _, descriptor, *_ = _NOTICE.unpack(notice)
                error = self._error(call, pid, descriptor)
                if error:
                    self._failed += 1
                    os.pwrite(self._count, str(self._failed).encode(), 0)
                answer = _ANSWER.pack(number, 0, -error, 0 if error else _CONTINUE)
                fcntl.ioctl(self._notices, _SEND, bytearray(answer))
            except (FileNotFoundError, InterruptedError):  # it was killed meanwhile
                continue

    def _error(self, call: int, pid: int, descriptor: int) -> int:
        """What the call fails with; 0: it passes."""
        try:
            orders = [_FaultOrder(*order) for order in json.loads(self._told.read_bytes())]
            path = str(Path(f"/proc/{pid}/fd/{descriptor}").readlink()) if orders else ""
        except FileNotFoundError:  # the test is over, or the file was closed: the kernel knows better what to say
            return 0
        kind = "writes" if call in self._machine.writes else "flushes"
        return next((order.error for order in orders if order.what == kind and order.part in path), 0)


def _judge(link: socket.socket, folder: Path, machine: _Machine) -> None:
    """Leaves terminal and parent behind, takes the descriptor, and judges until the end."""
    os.setsid()
    if os.fork():
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    _, (notices, *_), _, _ = socket.recv_fds(link, 1, 1)
    link.send(b"!")
    link.close()
    _Enforcer(machine=machine, folder=folder, notices=notices).run()


def _become(user: str) -> None:
    """Gives root's rights up for those of ``user``."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def main(argv: Sequence[str]) -> None:
    """Starts the judge, and becomes the program."""
    folder, user, program = Path(argv[0]), argv[1], list(argv[2:])
    machine = _MACHINES.get(platform.machine()) if sys.platform == "linux" else None
    if machine is None:
        sys.exit(f"a disk that fails on demand needs Linux on one of {', '.join(_MACHINES)}")
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        ours.close()
        try:
            _judge(theirs, folder, machine)
        finally:
            os._exit(0)
    theirs.close()
    os.waitpid(child, 0)
    notices = _install(machine)
    socket.send_fds(ours, [b"!"], [notices])
    ours.recv(1)
    os.close(notices)
    ours.close()
    if user != "-":
        _become(user)
    os.execvp(program[0], program)  # noqa: S606  there is no shell to want


if __name__ == "__main__":
    main(sys.argv[1:])
