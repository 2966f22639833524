"""RPCs that the gateway answers itself, behind the same door as those it forwards."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.message import DecodeError, Message

from gateway.changes import ChangeFeed
from gateway.clients import MeshBackend
from gateway.mesh_admin import MeshAdmin
from gateway.ports import ServerStream, Stream, Unary
from gateway.shared_watches import SharedWatches
from gateway.transcoding.contract import Contract
from tocsin.api.gateway.v1 import change_service_pb2
from tocsin.api.mesh.v1 import mesh_admin_service_pb2, spool_admin_service_pb2
from tocsin.audit_log.journal import AuditJournal
from tocsin.clock import Clock
from tocsin.errors import InvalidInput, TocsinError
from tocsin.mesh.context import CallNote, current
from tocsin.mesh.policy import policies
from tocsin.mesh.server.call_notes import resource_of
from tocsin.mesh.status import code_of
from tocsin.mesh.validation import shared_validator

_METHODS: Final = {
    f"/{service.full_name}/{method.name}": method
    for service in (
        mesh_admin_service_pb2.DESCRIPTOR.services_by_name["MeshAdminService"],
        spool_admin_service_pb2.DESCRIPTOR.services_by_name["SpoolAdminService"],
        change_service_pb2.DESCRIPTOR.services_by_name["ChangeService"],
    )
    for method in service.methods
}


class LocalBackend(MeshBackend):
    """Answers MeshAdminService, SpoolAdminService and ChangeService here, and forwards everything else: equal watches once."""

    def __init__(self, *, operations: MeshAdmin, admin: object, mesh: Any, contract: Contract, journal: AuditJournal, clock: Clock) -> None:
        """Makes the backend of ``mesh``.

        Args:
            operations: has local RPCs as methods of their names.
            admin: as well.
            mesh: the way to the services.
            contract: says which watches are shared.
            journal: told of local RPCs that write.
            clock: source of time.
        """
        super().__init__(mesh=mesh)
        self._journal = journal
        self._watches = SharedWatches(contract=contract, call=super().server_stream, clock=clock, timeout=mesh.timeout)
        changes = ChangeFeed(follow=self.server_stream, admin=operations, clock=clock)
        self._local: dict[str, Any] = {"MeshAdminService": operations, "SpoolAdminService": admin, "ChangeService": changes}
        self._validator = shared_validator()

    def unary(self, path: str) -> Unary:
        """The caller of a unary RPC, local or forwarded."""
        if path not in _METHODS:
            return super().unary(path)
        method = self._method(path)

        async def call(raw: bytes) -> bytes:
            answer: Message = await method(self._request(path, raw))
            return answer.SerializeToString()

        return self._recorded(path, call) if policies()[path].audited else call

    def _recorded(self, path: str, call: Unary) -> Unary:
        """Journals each call, as the chain of a service does."""
        name = f"{_METHODS[path].containing_service.name}/{_METHODS[path].name}"

        async def run(raw: bytes) -> bytes:
            served, outcome = current(), "OK"
            try:
                return await call(raw)
            except BaseException as error:
                outcome = code_of(error).name if isinstance(error, TocsinError) else "INTERNAL"
                raise
            finally:
                if served is not None:
                    served.note = CallNote(resource=resource_of(policies()[path])(self._request(path, raw)) if outcome == "OK" else "")
                    self._journal.record(name, served, outcome)

        return run

    def server_stream(self, path: str) -> ServerStream:
        """The caller of an RPC whose responses stream, local or forwarded."""
        if path not in _METHODS:
            return self._watches.caller(path) or super().server_stream(path)
        method = self._method(path)

        def call(raw: bytes) -> Stream:
            return _LocalStream(method(self._request(path, raw)))

        return call

    def _method(self, path: str) -> Any:
        method = _METHODS[path]
        return getattr(self._local[method.containing_service.name], method.name)

    def _request(self, path: str, raw: bytes) -> Any:
        try:
            request = message_factory.GetMessageClass(_METHODS[path].input_type).FromString(raw)
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
