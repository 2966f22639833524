"""The requests of a call, on their way to gRPC."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, cast


class Requests:
    """Passes the requests of an iterator on, and keeps the error that it raises: gRPC would turn it into a cancellation.

    gRPC takes the first request before it knows whether it has a connection: another iteration begins with that one again.
    """

    __slots__ = ("_error", "_first", "_passed", "_rest", "_source", "sent", "serialize")

    def __init__(self, source: Any) -> None:
        self._source = source
        self._rest: AsyncIterator[Any] | None = None
        self._first: Any = None
        self._passed = 0
        self._error: Exception | None = None
        self.sent = 0
        """Bytes that were passed on."""
        self.serialize: Callable[[Any], bytes] | None = None
        """Serializes them; None when gRPC does, or they are bytes."""

    @property
    def repeatable(self) -> bool:
        """Whether another iteration passes the same requests on: gRPC has taken the first one, and waits for no other."""
        return self._passed == 1

    async def __aiter__(self) -> AsyncIterator[Any]:
        self.sent = 0
        try:
            if self._passed:
                yield self._outgoing(self._first)
            if self._rest is None:
                self._rest = _asynchronous(self._source)
            async for request in self._rest:
                self._first = None if self._passed else request
                self._passed += 1
                yield self._outgoing(request)
        except Exception as error:
            self._error = error
            raise

    def _outgoing(self, request: Any) -> Any:
        message = request if self.serialize is None else self.serialize(request)
        if message.__class__ is bytes:
            self.sent += len(message)
        return message

    def reraise(self) -> None:
        """Raises the iterator's error, if it had one."""
        if self._error is not None:
            raise self._error


async def _asynchronous(source: Any) -> AsyncIterator[Any]:
    if isinstance(source, AsyncIterable):
        async for request in cast("AsyncIterable[Any]", source):
            yield request
    else:
        for request in source:
            yield request


class RequestPipe:
    """Requests that are written one by one, for a call that takes them from an iterator. Each write waits until its request is taken."""

    __slots__ = ("_closed", "_ended", "_moved", "_request")

    def __init__(self) -> None:
        self._request: list[Any] = []
        self._closed = self._ended = False
        self._moved: asyncio.Future[None] | None = None

    async def put(self, request: Any) -> bool:
        """Returns True when ``request`` was taken, False when the call is over.

        Raises:
            asyncio.InvalidStateError: `close` was called.
        """
        if self._closed:
            raise asyncio.InvalidStateError("RPC is half closed after calling done_writing.")
        while self._request and not self._ended:
            await self._change()
        if not self._ended:
            self._request.append(request)
            self._change_now()
            while self._request and self._request[0] is request and not self._ended:
                await self._change()
        return not self._ended

    def close(self) -> None:
        """No more requests come."""
        self._closed = True
        self._change_now()

    def end(self) -> None:
        """The call is over; nothing takes requests any more."""
        self._ended = True
        self._change_now()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while not self._ended:
            if self._request:
                yield self._request[0]
                # Asked for the next one: gRPC has sent this one.
                self._request.pop()
                self._change_now()
            elif self._closed:
                return
            else:
                await self._change()

    async def _change(self) -> None:
        if self._moved is None:
            self._moved = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._moved)

    def _change_now(self) -> None:
        moved, self._moved = self._moved, None
        if moved is not None:
            moved.set_result(None)
