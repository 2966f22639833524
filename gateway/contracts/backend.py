"""The way to services outside of the mesh, beside the one to the mesh's own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from google.protobuf import message_factory
from google.protobuf.message import DecodeError

from gateway.contracts.mounts import Mount
from gateway.local_rpcs import LocalBackend
from gateway.passage import received
from gateway.ports import BothStreams, ClientStream, ServerStream, Unary
from tocsin.errors import InvalidInput, TocsinError
from tocsin.mesh.client import Mesh, StreamCall


class MountedBackend:
    """Forwards calls to the services of mounted contracts, and all others to the backend of Tocsin's own."""

    def __init__(self, *, own: LocalBackend, mesh: Mesh, mounts: Mapping[str, Mount]) -> None:
        """Makes the backend.

        Args:
            own: where calls of Tocsin's own contract go.
            mesh: the way to the services.
            mounts: by the paths of their methods.
        """
        self._own = own
        self._mesh = mesh
        self._mounts = mounts

    def unary(self, path: str) -> Unary:
        """The caller of a unary RPC."""
        if (mount := self._mounts.get(path)) is None:
            return self._own.unary(path)
        check = _Check(mount, path)
        call = _one(mount, self._mesh.channel(mount.name).unary_unary(path))
        return lambda request: call(check(request))

    def server_stream(self, path: str) -> ServerStream:
        """The caller of an RPC whose answers stream."""
        if (mount := self._mounts.get(path)) is None:
            return self._own.server_stream(path)
        check, method = _Check(mount, path), self._mesh.channel(mount.name).unary_stream(path)
        return lambda request: _MountedStream(mount, method(check(request)))

    def client_stream(self, path: str) -> ClientStream:
        """The caller of an RPC whose requests stream."""
        if (mount := self._mounts.get(path)) is None:
            return self._own.client_stream(path)
        check = _Check(mount, path)
        call = _one(mount, self._mesh.channel(mount.name).stream_unary(path))
        return lambda requests: call(check.each(requests))

    def both_streams(self, path: str) -> BothStreams:
        """The caller of an RPC that streams both ways."""
        if (mount := self._mounts.get(path)) is None:
            return self._own.both_streams(path)
        check, method = _Check(mount, path), self._mesh.channel(mount.name).stream_stream(path)
        return lambda requests: _MountedStream(mount, method(check.each(requests)))


class _Check:
    """Lets through what is a message of the type that a method takes.

    A server that cannot read a request says INTERNAL or UNKNOWN, which counts at its breaker: a client's mistake must not.
    """

    def __init__(self, mount: Mount, path: str) -> None:
        service, _, method = path.removeprefix("/").partition("/")
        request = mount.contract.service(service).methods_by_name[method].input_type
        self._parse = message_factory.GetMessageClass(request).FromString

    def __call__(self, request: bytes) -> bytes:
        """``request``.

        Raises:
            InvalidInput: it is no message of this type.
        """
        try:
            self._parse(request)
        except DecodeError as error:
            raise InvalidInput("The request is not a message of the expected type.") from error
        return request

    async def each(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same of a stream of them."""
        async for request in requests:
            yield self(request)


def _one(mount: Mount, method: Any) -> Callable[[Any], Awaitable[bytes]]:
    async def call(request: Any) -> bytes:
        try:
            result = await method.with_call(request)
        except TocsinError as error:
            raise _explained(mount, error) from error
        received((*result.initial_metadata, *result.trailing_metadata), mount.response_headers)
        answer: bytes = result.value
        return answer

    return call


class _MountedStream:
    """The answers of one call."""

    def __init__(self, mount: Mount, call: StreamCall) -> None:
        self._mount = mount
        self._call = call
        self._began = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            message: bytes = await anext(self._call)
        except TocsinError as error:
            raise _explained(self._mount, error) from error
        if not self._began:
            self._began = True
            received(await self._call.initial_metadata(), self._mount.response_headers)
        return message

    def cancel(self) -> bool:
        """Ends the call."""
        return self._call.cancel()


def _explained(mount: Mount, error: TocsinError) -> TocsinError:
    """``error`` with the details that the service gave, which only its contract can read."""
    if error.foreign_status:
        error.foreign_details = mount.contract.details(error.foreign_status)
    return error
