"""With a dead dependency, rejected calls cost nothing that stays."""

import asyncio
import gc
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.integration.mesh.support import EchoStub, Note, Rig
from tocsin.errors import CircuitOpen, Unavailable
from tocsin.mesh.breaker import BreakerRegistry, CircuitState
from tocsin.testing.clock import FakeClock

CALLS = 10_000
MEBIBYTE = 1 << 20


def held() -> dict[str, int]:
    """What this process holds: tasks, threads of Python's and of gRPC's, sockets."""
    files = [str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    return {
        "tasks": len(asyncio.all_tasks()),
        "threads": len(threading.enumerate()),
        "kernel threads": len(list(Path("/proc/self/task").iterdir())),
        "sockets": sum(file.startswith("socket:") for file in files),
    }


def resident() -> int:
    """The memory of this process, in bytes."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


async def rejected(method: Any) -> None:
    """One call that is not made."""
    with pytest.raises(CircuitOpen):
        await method(Note(number=1))


async def test_rejected_calls_leave_nothing_behind(rig: Rig, clock: FakeClock) -> None:
    """Ten thousand of them, one after the other and a hundred at a time: no task, thread, connection or memory more than before."""
    rig.targets["echo_svc"] = "127.0.0.1:1"
    breakers = BreakerRegistry(clock=clock)
    stub = EchoStub(rig.mesh(breakers=breakers).channel("echo_svc"))
    while not breakers.open_targets():
        with pytest.raises(Unavailable):
            await stub.Greet(Note())
    for _ in range(1000):  # what is made once is made: caches, the allocator's pages
        await rejected(stub.Greet)
    before, memory = held(), resident()
    for _ in range(CALLS // 2):
        await rejected(stub.Greet)
    for _ in range(CALLS // 200):
        await asyncio.gather(*(rejected(stub.Greet) for _ in range(100)))
    after = held()
    # gRPC's own threads come and go while it goes on trying to connect; they must not be as many as the calls.
    assert after["kernel threads"] <= before["kernel threads"] + 8
    assert after["sockets"] <= before["sockets"] + 1
    assert (after["tasks"], after["threads"]) == (before["tasks"], before["threads"])
    assert resident() - memory < 4 * MEBIBYTE
    (circuit,) = breakers.snapshot()
    assert circuit.state is CircuitState.OPEN
