"""An attempt at a unary call that rides on a carrier, if there is one that takes it; else it goes by itself."""

import asyncio
from collections.abc import Generator
from typing import Any, ClassVar, Final, TypeAlias

import grpc

from tocsin.api.mesh.v1 import carrier_pb2 as pb
from tocsin.mesh.carried import MOST_REQUEST_BYTES, Pairs, riding_headers, unflattened
from tocsin.mesh.client.carrier import Carriage, Carrier
from tocsin.mesh.client.direct_call import LOCALLY, readable
from tocsin.mesh.status import UnsentCall

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_OK: Final = grpc.StatusCode.OK
_LATE: Final = "Deadline Exceeded"  # as gRPC says it


class CarriedMethod:
    """Makes attempts at one method on one connection: a callable like `DirectMethod`."""

    __slots__ = ("_carriage", "_deserialize", "_plain", "_serialize", "most_bytes", "path")

    def __init__(self, carriage: Carriage, path: str, plain: Any, serialize: Any, deserialize: Any, *, most_bytes: int) -> None:
        """Takes the ways.

        Args:
            carriage: the connection's.
            path: of the method.
            plain: gives what makes attempts that go by themselves, on the connection that stands now; it takes bytes, and gives what
                ``deserialize`` gives.
            serialize: of requests; None where they are bytes.
            deserialize: of answers, likewise.
            most_bytes: of an answer.
        """
        self._carriage = carriage
        self.path = path
        self._plain = plain
        self._serialize = serialize
        self._deserialize = deserialize
        self.most_bytes = most_bytes

    def __call__(self, request: Any, *, timeout: float, metadata: tuple[tuple[str, str | bytes], ...], **options: Any) -> Any:
        """One attempt, which begins as it is awaited."""
        data = request if self._serialize is None else self._serialize(request)
        count = self._carriage.count
        if options:
            count.options += 1
        elif len(data) > MOST_REQUEST_BYTES:
            count.large += 1
        elif (carrier := self._carriage.carrier()) is not None:
            headers = riding_headers(metadata)
            if headers is not None and timeout > 0:
                return CarriedCall(carrier, self, data, timeout, metadata, headers)
            count.metadata += 1
        return self.by_itself(data, timeout, metadata, options)

    def left(self) -> None:
        """Counts an attempt that a carrier gave back."""
        self._carriage.count.left += 1

    def by_itself(self, data: bytes, timeout: float, metadata: Any, options: Any) -> Any:
        """One attempt that does not ride."""
        return self._plain()(data, timeout=timeout, metadata=metadata, **options)

    def ends_with(self, carrier: Carrier) -> bool:
        """See `Carriage.ends`."""
        return self._carriage.ends(carrier)

    def read(self, answer: bytes) -> Any:
        """The message that an answer is.

        Raises:
            grpc.aio.AioRpcError: INTERNAL: it is none.
        """
        return answer if self._deserialize is None else readable(self._deserialize, answer)

    def rides(self, call: "CarriedCall", carrier: Carrier, headers: list[str], timeout: float, data: bytes) -> int:
        """Lets an attempt begin; returns its number."""
        return carrier.begin(call, method=self.path, headers=headers, timeout=timeout, request=data)


class CarriedCall:
    """One attempt: what a caller may ask of a call of grpc.aio. Awaiting it, once, makes the attempt.

    Attributes:
        sent: bytes of the request.
        received: bytes of the answer, as soon as there is one.
    """

    __slots__ = (
        *("__weakref__", "_carrier", "_code", "_data", "_details", "_future", "_headers", "_initial", "_locally", "_metadata"),
        *("_method", "_number", "_other", "_parts", "_size", "_timeout", "_trailing", "_unseen", "received", "sent"),
    )

    sized: ClassVar[bool] = True
    """Whether the bytes are known."""

    def __init__(
        self, carrier: Carrier, method: CarriedMethod, data: bytes, timeout: float, metadata: Metadata, headers: list[str]
    ) -> None:
        self._carrier = carrier
        self._method = method
        self._data = data
        self._timeout = timeout
        self._metadata = metadata
        self._headers = headers
        self._future: asyncio.Future[None] = carrier.loop.create_future()
        self._number = 0
        self._other: Any = None
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._initial: Pairs = ()
        self._trailing: Pairs = ()
        self._parts: list[bytes] = []
        self._size = 0
        self._locally = self._unseen = False
        self.sent = len(data)
        self.received = 0

    @property
    def carried(self) -> bool:
        """Whether it rode, and was not made by itself after all."""
        return self._number > 0 and self._other is None

    def __await__(self) -> Generator[Any, None, Any]:
        """The answer.

        Raises:
            grpc.aio.AioRpcError: the attempt failed.
            asyncio.CancelledError: it was cancelled here.
        """
        carrier, future = self._carrier, self._future
        deadline = carrier.loop.time() + self._timeout
        if carrier.has_room and not future.done():
            timer = carrier.loop.call_at(deadline, self._expire)
            self._number = self._method.rides(self, carrier, self._headers, self._timeout, self._data)
            try:
                yield from future
            except asyncio.CancelledError:
                self.cancel()
                raise
            finally:
                timer.cancel()
        else:
            self._unseen = True
        if self._locally:
            raise asyncio.CancelledError
        if self._unseen and (remaining := deadline - carrier.loop.time()) > 0:
            if self._method.ends_with(carrier):
                raise self._as_unsent()
            self._other = other = self._method.by_itself(self._data, remaining, self._metadata, {})
            return (yield from self._awaited(other))
        return self._result()

    def _as_unsent(self) -> UnsentCall:
        error = UnsentCall()
        self._code, self._details = error.code(), error.details() or ""
        return error

    def _awaited(self, other: Any) -> Generator[Any, None, Any]:
        made: Generator[Any, None, Any] = other.__await__()
        answer = yield from made
        self.received = other.received
        return answer

    def _result(self) -> Any:
        if self._code is not _OK:
            if self._code is None:
                self._code, self._details = grpc.StatusCode.DEADLINE_EXCEEDED, _LATE
            code = self._code
            debug = f"{code.name}: {self._details}"
            initial, trailing = grpc.aio.Metadata.from_tuple(self._initial), grpc.aio.Metadata.from_tuple(self._trailing)
            raise grpc.aio.AioRpcError(code, initial, trailing, details=self._details, debug_error_string=debug)
        answer = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self.received = len(answer)
        return self._method.read(answer)

    def answered(self, answer: pb.CarriedAnswer) -> None:
        """See `Rider`."""
        if answer.refused:
            self.left()
            return
        part = answer.response
        self._size += len(part)
        self._parts.append(part)
        if self._size > self._method.most_bytes:
            self._carrier.forget(self._number)
            words = f"CLIENT: Received message larger than max ({self._size} vs. {self._method.most_bytes})"
            self._finish(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
        elif not answer.continued:
            self._initial = unflattened(answer.initial_metadata)
            self._trailing = unflattened(answer.trailing_metadata)
            self._finish(_CODES.get(answer.code, grpc.StatusCode.UNKNOWN), answer.details)

    def left(self) -> None:
        """See `Rider`."""
        if self._parts:
            self.lost("The carrier left a call that it had begun to answer.")
            return
        self._unseen = True
        self._method.left()
        self._wake()

    def lost(self, details: str) -> None:
        """See `Rider`."""
        self._finish(grpc.StatusCode.UNAVAILABLE, details)

    def dropped(self) -> None:
        """See `Rider`."""
        self._locally = True
        self._finish(grpc.StatusCode.CANCELLED, LOCALLY)

    def _expire(self) -> None:
        self._carrier.forget(self._number)
        self._finish(grpc.StatusCode.DEADLINE_EXCEEDED, _LATE)

    def _finish(self, code: grpc.StatusCode, details: str) -> None:
        if self._code is None:
            self._code, self._details = code, details
            self._wake()

    def _wake(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def cancel(self) -> bool:
        """Ends the attempt. Returns False if it was over."""
        if self._other is not None:
            return bool(self._other.cancel())
        if self._code is not None:
            return False
        self._carrier.forget(self._number)
        self.dropped()
        return True

    def cancelled(self) -> bool:
        """Whether it was cancelled on this side."""
        return self._locally if self._other is None else bool(self._other.cancelled())

    def done(self) -> bool:
        """Whether it is over."""
        return self._code is not None if self._other is None else bool(self._other.done())

    async def initial_metadata(self) -> grpc.aio.Metadata:
        """What the server sent before its answer."""
        await self._until_end()
        return grpc.aio.Metadata.from_tuple(self._initial) if self._other is None else await self._other.initial_metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        """What it sent with its status."""
        await self._until_end()
        return grpc.aio.Metadata.from_tuple(self._trailing) if self._other is None else await self._other.trailing_metadata()

    async def code(self) -> grpc.StatusCode:
        """How it ended."""
        await self._until_end()
        return self._code or grpc.StatusCode.UNKNOWN if self._other is None else await self._other.code()

    async def details(self) -> str:
        """What was said with the code."""
        await self._until_end()
        return self._details if self._other is None else await self._other.details()

    async def debug_error_string(self) -> str:
        """What is known of a failure."""
        await self._until_end()
        return self._details if self._other is None else await self._other.debug_error_string()

    async def _until_end(self) -> None:
        if not self._future.done():
            await asyncio.shield(self._future)
