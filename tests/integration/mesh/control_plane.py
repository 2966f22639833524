"""A control plane that speaks as much of xDS as a client of gRPC asks for: a listener, its routes, a cluster, its endpoints.

Messages are written field by field, by the numbers of Envoy's protos: the packages that have them generated install modules named
`google`, `opentelemetry` and `validate`, which are others' names.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol (aggregated, state of the world); gRFC A27.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import grpc

_TYPE = "type.googleapis.com/envoy."
LISTENER = f"{_TYPE}config.listener.v3.Listener"
CLUSTER = f"{_TYPE}config.cluster.v3.Cluster"
ENDPOINTS = f"{_TYPE}config.endpoint.v3.ClusterLoadAssignment"
_MANAGER = f"{_TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = f"{_TYPE}extensions.filters.http.router.v3.Router"
_EDS = 3
_METHOD = "StreamAggregatedResources"


def field(number: int, value: int | str | bytes) -> bytes:
    """One field of a message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def message(*fields: tuple[int, int | str | bytes]) -> bytes:
    """A message."""
    return b"".join(field(number, value) for number, value in fields)


def any_of(url: str, data: bytes) -> bytes:
    """A google.protobuf.Any."""
    return message((1, url), (2, data))


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes((*digits, number))


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message whose values have a length; others are passed over."""
    place = 0

    def varint() -> int:
        nonlocal place
        found = shift = 0
        while True:
            byte = data[place]
            place += 1
            found |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return found

    while place < len(data):
        key = varint()
        if key & 7 == 2:
            length = varint()
            yield key >> 3, data[place : place + length]
            place += length
        else:
            varint()


class ControlPlane:
    """Tells clients where the service ``name`` is."""

    def __init__(self, name: str, endpoints: Sequence[str]) -> None:
        self.name = name
        self.refused: list[bytes] = []
        self.port = 0
        self._endpoints = tuple(endpoints)
        self._version = 1
        self._changed = asyncio.Event()
        self._server: grpc.aio.Server | None = None

    def move(self, endpoints: Sequence[str]) -> None:
        """From now on the service is there."""
        self._endpoints, self._version = tuple(endpoints), self._version + 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Listens, in plaintext."""
        server = self._server = grpc.aio.server()
        service = "envoy.service.discovery.v3.AggregatedDiscoveryService"
        server.add_registered_method_handlers(service, {_METHOD: grpc.stream_stream_rpc_method_handler(self._stream)})
        self.port = server.add_insecure_port("127.0.0.1:0")
        await server.start()

    async def stop(self) -> None:
        """Ends."""
        if self._server is not None:
            await self._server.stop(0)

    async def _stream(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> None:
        told: dict[str, int] = {}
        asked: set[str] = set()
        turn = asyncio.Lock()

        async def read() -> None:
            async for request in requests:
                found = dict(fields(request))
                asked.add(found.get(4, b"").decode())
                self.refused.extend([found[6]] if 6 in found else [])
                await tell()

        async def tell() -> None:
            async with turn:  # a stream takes one message at a time
                for url in (LISTENER, CLUSTER, ENDPOINTS):
                    if url in asked and told.get(url) != self._version:
                        told[url] = self._version
                        resource = any_of(url, self._resource(url))
                        await context.write(message((1, str(self._version)), (2, resource), (4, url), (5, str(self._version))))

        async def follow() -> None:
            while True:
                await self._changed.wait()
                await tell()

        following = asyncio.create_task(follow())
        try:
            await read()
        finally:
            following.cancel()

    def _resource(self, url: str) -> bytes:
        if url == LISTENER:
            route = message((1, message((1, ""))), (2, message((1, self.name))))
            routes = message((1, "routes"), (2, message((1, "all"), (2, "*"), (3, route))))
            last = message((1, "router"), (4, any_of(_ROUTER, b"")))
            manager = any_of(_MANAGER, message((4, routes), (5, last)))
            return message((1, self.name), (19, message((1, manager))))
        if url == CLUSTER:
            source = message((3, b""))  # the same stream
            return message((1, self.name), (2, _EDS), (3, message((1, source))))
        return message((1, self.name), (2, message((1, message((1, "here"))), *self._places(), (3, message((1, 1))))))

    def _places(self) -> list[tuple[int, Any]]:
        found: list[tuple[int, Any]] = []
        for endpoint in self._endpoints:
            host, _, port = endpoint.rpartition(":")
            socket_address = message((2, host), (3, int(port)))
            found.append((2, message((1, message((1, message((1, socket_address))))))))
        return found
