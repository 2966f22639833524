"""The requests of a call, on their way to gRPC."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, cast


class Requests:
    """Passes the requests of an iterator on, and keeps the error that it raises: gRPC would turn it into a cancellation.

    gRPC takes the first request before it knows whether it has a connection: another iteration begins with that one again.
    """

    __slots__ = ("_error", "_first", "_passed", "_rest", "_source")

    def __init__(self, source: Any) -> None:
        self._source = source
        self._rest: AsyncIterator[Any] | None = None
        self._first: Any = None
        self._passed = 0
        self._error: Exception | None = None

    @property
    def repeatable(self) -> bool:
        """Whether another iteration passes the same requests on: gRPC has taken the first one, and waits for no other."""
        return self._passed == 1

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            if self._passed:
                yield self._first
            if self._rest is None:
                self._rest = _asynchronous(self._source)
            async for request in self._rest:
                self._first = None if self._passed else request
                self._passed += 1
                yield request
        except Exception as error:
            self._error = error
            raise

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
