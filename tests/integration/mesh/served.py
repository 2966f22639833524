"""The test service as a process: ``python -m tests.integration.mesh.served FOLDER`` prints its address and serves until SIGTERM."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop

from tests.integration.mesh.support import Echo, Rig
from tocsin.clock import SystemClock


async def answer(request: Any, _: Any) -> Any:
    """Says the same, at once; to "wait" never."""
    if request.text == "wait":
        await asyncio.Event().wait()
    return request


async def serve(folder: Path) -> None:
    """Serves with the certificates in ``folder``/pki, which it makes."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    rig = Rig(folder, SystemClock())
    server = await rig.serve(Echo(answer))
    sys.stdout.write(f"{server.address}\n")
    sys.stdout.flush()
    await told.wait()
    await rig.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1])))
