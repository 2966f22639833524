"""A gateway as one writes it by hand: FastAPI, pydantic, a stub of grpc.aio. Runs in the environment of the peers."""

import json
import socket
import sys
from pathlib import Path
from typing import Any

import grpc
import uvicorn
from fastapi import FastAPI
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from pydantic import BaseModel


class ItemBody(BaseModel):
    """An item in JSON."""

    name: str = ""
    count: int = 0
    text: str = ""


def item(file: Path) -> Any:
    """The class of an item, from the descriptor set in a file."""
    pool = descriptor_pool.DescriptorPool()
    for each in descriptor_pb2.FileDescriptorSet.FromString(file.read_bytes()).file:
        pool.Add(each)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("bench.v1.Item"))


def main() -> None:
    """Serves until it is told to end."""
    kind, app = item(Path(sys.argv[1])), FastAPI()
    calls: dict[str, Any] = {}

    def call(method: str) -> Any:
        if method not in calls:
            channel = calls.setdefault("channel", grpc.aio.insecure_channel(sys.argv[2]))
            calls[method] = channel.unary_unary(
                f"/bench.v1.Echo/{method}", request_serializer=kind.SerializeToString, response_deserializer=kind.FromString
            )
        return calls[method]

    def shown(found: Any) -> ItemBody:
        return ItemBody(name=found.name, count=found.count, text=found.text)

    @app.get("/v1/items/{name}")
    async def get(name: str, count: int = 0, text: str = "") -> ItemBody:
        return shown(await call("GetItem")(kind(name=name, count=count, text=text)))

    @app.post("/v1/items")
    async def create(body: ItemBody) -> ItemBody:
        return shown(await call("CreateItem")(kind(**body.model_dump())))

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    sys.stdout.write(json.dumps({"address": f"127.0.0.1:{listener.getsockname()[1]}"}) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(app, log_level="error", access_log=False, loop="uvloop", http="httptools")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
