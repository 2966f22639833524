"""Knows what people like to be called: python names.py [PORT].

OTLP_ENDPOINT names a collector of spans, DELAY the seconds that it takes to remember.
"""

import asyncio
import os
import sys
from typing import Any

import grpc

from tocsin.mesh.library import ServiceProcess

messages, services = grpc.protos_and_services("names.proto")
NAMES = {"ann": "Ann", "bo": "Captain Bo"}


class Names:
    """Answers from memory."""

    async def FindName(self, request: Any, context: Any) -> Any:
        """The name of somebody; NOT_FOUND for a stranger."""
        if request.id not in NAMES:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is nobody called {request.id}")
        await asyncio.sleep(float(os.environ.get("DELAY", "0")))  # as a database that is slow
        return messages.FindNameResponse(name=NAMES[request.id])


async def main(port: int) -> None:
    """Serves until SIGTERM."""
    spans = os.environ.get("OTLP_ENDPOINT")
    async with ServiceProcess("names", contract=[messages.DESCRIPTOR], otlp_endpoint=spans, drain_seconds=0.5) as process:
        server = await process.serve((services.add_NamesServicer_to_server, Names()), port=port)
        print(f"names at {server.address}", flush=True)
        await process.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50052))
