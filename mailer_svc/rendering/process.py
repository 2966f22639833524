"""One rendering process, seen from the mailer.

It is started by vfork and exec, never by a fork that goes on as a copy of a process in which gRPC runs. It gets a socket and nothing else:
no descriptor, and no setting that could be a secret.
"""

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
from typing import Final

from mailer_svc.language.requests import LENGTH
from tocsin.errors import TocsinError

_PASSED_ON: Final = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "VIRTUAL_ENV")
_MODULE: Final = "mailer_svc.language.worker"


class ProcessDied(TocsinError):
    """The rendering process has ended."""

    def __init__(self, code: int) -> None:
        """Takes the return code; minus the number of the signal that ended it."""
        super().__init__(f"The rendering process ended with {code}")
        self.out_of_time = code == -signal.SIGXCPU


class RenderProcess:
    """A process that answers one request at a time."""

    def __init__(self, child: "subprocess.Popen[bytes]", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._child = child
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, *, megabytes: int, cpu_seconds: float) -> "RenderProcess":
        """A process that is ready.

        Raises:
            OSError: the system has no process, or no memory, for it.
            ProcessDied: it ended before it was ready.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                child = await asyncio.to_thread(_spawn, theirs.fileno(), megabytes, cpu_seconds)
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        process = cls(child, reader, writer)
        try:
            await process._answer()
        except BaseException:
            await process.kill()
            raise
        return process

    @property
    def id(self) -> int:
        """Its number in the system."""
        return self._child.pid

    async def ask(self, frame: bytes) -> object:
        """The answer to a pickled request.

        Raises:
            ProcessDied: it ended before it had answered.
        """
        try:
            self._writer.write(LENGTH.pack(len(frame)) + frame)
            await self._writer.drain()
        except OSError:
            raise ProcessDied(await self._ended()) from None
        return await self._answer()

    async def kill(self) -> None:
        """Ends it, whatever it does."""
        self._writer.close()
        self._child.kill()
        await self._ended()

    async def _answer(self) -> object:
        try:
            (size,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            return pickle.loads(await self._reader.readexactly(size))  # noqa: S301 - made by the process that we started
        except (OSError, asyncio.IncompleteReadError):
            raise ProcessDied(await self._ended()) from None

    async def _ended(self) -> int:
        """Its return code, once it has ended: its socket is closed, so it is about to."""
        return await asyncio.to_thread(self._child.wait)


def _spawn(descriptor: int, megabytes: int, cpu_seconds: float) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", _MODULE, str(descriptor), str(megabytes), str(cpu_seconds)],
        pass_fds=(descriptor,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={name: value for name in _PASSED_ON if (value := os.environ.get(name)) is not None},
    )
