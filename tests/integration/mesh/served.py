"""The test service as a process, which prints its address and serves until SIGTERM.

``python -m tests.integration.mesh.served FOLDER [PORT DRAIN_SECONDS]``
"""

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from tests.integration.mesh.support import CARRIED, Echo, Note, Rig
from tocsin.clock import SystemClock
from tocsin.mesh.server.carried_context import CarriedContext


async def answer(folder: Path, request: Any, context: Any) -> Any:
    """Says the same, at once; to "wait" never; to "who" after a moment which process it is. "keep" is written down first."""
    if request.text == "keep":
        rides = isinstance(context, CarriedContext)
        with (folder / "kept").open("ab", buffering=0) as kept:
            kept.write(f"{request.number} {rides:d}\n".encode())
    if request.text == "wait":
        await asyncio.Event().wait()
    if request.text == "who":
        await asyncio.sleep(0.005)
        return Note(number=os.getpid())
    return request


async def serve(folder: Path, port: int, drain_seconds: float) -> None:
    """Serves with the certificates in ``folder``/pki, which it makes."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    rig = Rig(folder, SystemClock())
    server = await rig.serve(Echo(partial(answer, folder)), methods=CARRIED, port=port, drain_seconds=drain_seconds)
    sys.stdout.write(f"{server.address}\n")
    sys.stdout.flush()
    await told.wait()
    await rig.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        folder, port, drain_seconds = (*sys.argv[1:], "0", "0")[:3]
        runner.run(serve(Path(folder), int(port), float(drain_seconds)))
