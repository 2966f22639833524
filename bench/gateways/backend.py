"""The service behind the gateways, as a process: grpc.aio, plaintext, nothing else."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import uvloop

from bench.gateways.contract import SERVICE, item


class Echo:
    """Answers what it is asked; a creation is told to all who watch."""

    def __init__(self) -> None:
        self._watchers: set[asyncio.Queue[Any]] = set()

    async def get(self, request: Any, _: Any) -> Any:
        """The request."""
        return request

    async def create(self, request: Any, _: Any) -> Any:
        """The request, which watchers see."""
        for queue in self._watchers:
            queue.put_nowait(request)
        return request

    async def watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """What is created from now on."""
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            await context.send_initial_metadata(())
            yield request  # the first event says that the watcher is there
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)


async def main() -> None:
    """Serves until it is told to end."""
    kind, echo = item(Path(sys.argv[1])), Echo()
    how: dict[str, Any] = {"request_deserializer": kind.FromString, "response_serializer": kind.SerializeToString}
    server = grpc.aio.server(options=[("grpc.max_concurrent_streams", 100_000)])
    methods = {
        "GetItem": grpc.unary_unary_rpc_method_handler(echo.get, **how),
        "CreateItem": grpc.unary_unary_rpc_method_handler(echo.create, **how),
        "WatchItems": grpc.unary_stream_rpc_method_handler(echo.watch, **how),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(json.dumps({"address": f"127.0.0.1:{port}"}) + "\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main())
