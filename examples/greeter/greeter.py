"""Greets people by the names that another service knows: python greeter.py [PORT] [TARGET OF NAMES].

POLICIES names a file of rules that change its policies while it runs, OTLP_ENDPOINT a collector of spans.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import grpc

from tocsin.mesh.library import ServiceProcess

names, name_services = grpc.protos_and_services("names.proto")
messages, services = grpc.protos_and_services("greeter.proto")


class Greeter:
    """Greets; it has no words for retries, breakers and deadlines: the contract of Names has."""

    def __init__(self, names_stub: Any) -> None:
        self._names = names_stub

    async def Greet(self, request: Any, context: Any) -> Any:
        """Greets one person."""
        del context
        found = await self._names.FindName(names.FindNameRequest(id=request.id))
        return messages.GreetResponse(text=f"Hello {found.name}.")


async def main(port: int, target: str) -> None:
    """Serves until SIGTERM."""
    contract = [messages.DESCRIPTOR, names.DESCRIPTOR]
    rules = Path(os.environ["POLICIES"]) if "POLICIES" in os.environ else None
    async with ServiceProcess(
        "greeter",
        contract=contract,
        targets={"names": target},
        policy_file=rules,
        otlp_endpoint=os.environ.get("OTLP_ENDPOINT"),
        drain_seconds=0.5,
    ) as process:
        greeter = Greeter(name_services.NamesStub(process.channel("names")))
        server = await process.serve((services.add_GreeterServicer_to_server, greeter), port=port)
        print(f"greeter at {server.address}, metrics at {process.metrics_url}", flush=True)
        await process.wait()


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    asyncio.run(main(int(given.get(1, 50051)), given.get(2, "127.0.0.1:50052")))
