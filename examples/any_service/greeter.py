"""A gRPC service that knows nothing of Tocsin: python greeter.py [HOST:PORT]."""

import asyncio
import sys
from typing import Any

import grpc

messages, services = grpc.protos_and_services("greeter.proto")


class Greeter:
    """Greets whom it is told, and says who asked."""

    async def Greet(self, request: Any, context: Any) -> Any:
        """Answers one call."""
        caller = dict(context.invocation_metadata()).get("x-tocsin-subject", "nobody")
        return messages.GreetResponse(text=f"Hello {request.name}, says {caller}.")


async def main(address: str) -> None:
    """Serves until it is stopped."""
    server = grpc.aio.server()
    services.add_GreeterServicer_to_server(Greeter(), server)
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"))
