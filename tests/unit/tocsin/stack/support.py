"""Stacks of fake services for the tests of the supervisor."""

import asyncio
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from tocsin.clock import SystemClock
from tocsin.stack.commands import Stack, up
from tocsin.stack.stack_file import StackStatus, read_stack_file
from tocsin.stack.view import LineView

REPOSITORY = Path(__file__).parents[4]
CLOCK = SystemClock()

# A service reduced to what its supervisor sees: a readiness page on its metrics port, a log, an answer to SIGTERM.
FAKE = """
    import os, signal, socket, sys
    name = sys.argv[1]
    mode = os.environ.get("FAKE_" + name.upper(), "")
    if mode == "refuse":
        sys.exit(print(name + ": TOCSIN_NONSENSE: there is no such setting", flush=True) or 78)
    if mode == "die":
        sys.exit(3)

    def end(number, frame):
        if mode == "deaf":
            return
        with open(os.environ["FAKE_TRACE"], "a") as trace:
            trace.write(name + "\\n")
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    if name == "auth_svc":
        with open(os.path.join(os.environ["TOCSIN_STATE_DIR"], "dev-api-key"), "w") as file:
            file.write("tk_secret\\n")
    port = int(os.environ["TOCSIN_" + name.removesuffix("_svc").upper() + "_METRICS_PORT"])
    status = b"503 Service Unavailable" if mode == "never ready" else b"200 OK"
    page = socket.create_server(("127.0.0.1", port))
    while True:
        asking, _ = page.accept()
        asking.recv(65536)
        asking.sendall(b"HTTP/1.1 " + status + b"\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
        asking.close()
"""


class Running:
    """`up` in a task, with what it printed."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.output = io.StringIO()
        self.view = LineView(console=Console(file=self.output, width=200), layout=stack.layout)
        self.task = asyncio.create_task(up(stack, view=self.view, clock=CLOCK, show_key=True))

    async def until(self, condition: Callable[[StackStatus], bool]) -> StackStatus:
        """The picture once ``condition`` holds; the error of `up` if it ends before."""
        while True:
            picture = read_stack_file(self.stack.layout.state)
            if picture is not None and condition(picture):
                return picture
            if self.task.done():
                pytest.fail(f"up ended with {self.task.result()}: {self.output.getvalue()}")
            await asyncio.sleep(0.02)

    async def healthy(self) -> StackStatus:
        """The picture once everything is healthy."""
        return await self.until(lambda picture: picture.healthy)

    async def end(self) -> int:
        """Stops it as a person would."""
        if not self.task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        return await self.task


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in {"Z", "X"}


def kill_and_reap(pid: int) -> None:
    """Kills a child of this process and waits until it is gone."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
