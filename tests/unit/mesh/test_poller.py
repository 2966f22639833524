"""What wakes the event loop for gRPC does not wait for it."""

import subprocess
import sys

SCRIPT = """
import asyncio, gc, socket
import grpc
from grpc._cython import cygrpc
from tocsin.mesh.poller import unblock_poller

async def main():
    unblock_poller()
    unblock_poller()
    async with grpc.aio.insecure_channel("localhost:1"):
        queue = next(each for each in gc.get_objects() if isinstance(each, cygrpc.PollerCompletionQueue))
        ends = [each for each in gc.get_referents(queue) if isinstance(each, socket.socket)]
        print([end.getblocking() for end in ends], cygrpc.socket.AF_UNIX == socket.AF_UNIX)

asyncio.run(main())
"""


def test_both_ends_of_the_sockets_that_grpc_makes_do_not_block() -> None:
    """In a process of its own, for they are made once; this tells when grpcio makes them in another way."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "[False, False] True\n", done.stderr
