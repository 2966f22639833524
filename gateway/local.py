"""RPCs that the gateway answers itself, behind the same door as those it forwards."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.message import DecodeError, Message

from gateway.clients import MeshBackend
from gateway.operations import Operations
from gateway.ports import ServerStream, Stream, Unary
from tocsin.api.mesh.v1 import mesh_admin_service_pb2
from tocsin.errors import InvalidInput
from tocsin.mesh.validation import RequestValidator

_SERVICE: Final = mesh_admin_service_pb2.DESCRIPTOR.services_by_name["MeshAdminService"]
_PREFIX: Final = f"/{_SERVICE.full_name}/"


class LocalBackend(MeshBackend):
    """Answers MeshAdminService here and forwards everything else."""

    def __init__(self, *, operations: Operations, mesh: Any) -> None:
        """Makes the backend of ``mesh``; ``operations`` answers the local RPCs."""
        super().__init__(mesh=mesh)
        self._operations = operations
        self._validator = RequestValidator()

    def unary(self, path: str) -> Unary:
        """See `MeshBackend`."""
        if not path.startswith(_PREFIX):
            return super().unary(path)
        name = path.removeprefix(_PREFIX)
        method = getattr(self._operations, name)

        async def call(raw: bytes) -> bytes:
            answer: Message = await method(self._request(name, raw))
            return answer.SerializeToString()

        return call

    def server_stream(self, path: str) -> ServerStream:
        """See `MeshBackend`."""
        if not path.startswith(_PREFIX):
            return super().server_stream(path)
        name = path.removeprefix(_PREFIX)
        method = getattr(self._operations, name)

        def call(raw: bytes) -> Stream:
            return _LocalStream(method(self._request(name, raw)))

        return call

    def _request(self, method: str, raw: bytes) -> Any:
        try:
            request = message_factory.GetMessageClass(_SERVICE.methods_by_name[method].input_type).FromString(raw)
        except DecodeError as error:
            raise InvalidInput("The request is not a message of the expected type.") from error
        self._validator.check(request)
        return request


class _LocalStream:
    """What a generator of messages yields, as bytes."""

    def __init__(self, messages: AsyncGenerator[Message]) -> None:
        self._messages = messages
        self._reading: asyncio.Task[Message] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self._reading = asyncio.ensure_future(anext(self._messages))
        return (await self._reading).SerializeToString()

    def cancel(self) -> bool:
        """Ends the stream; a read under way raises CancelledError."""
        return self._reading is not None and self._reading.cancel()
