"""One HTTP request and its answer."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

from gateway.http.headers import Headers, check_host, read_headers
from gateway.transcoding.problems import BodyTooSlow, HeadersInvalid
from tocsin.errors import MessageTooLarge, TocsinError
from tocsin.mesh.tokens import Principal

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
HeaderList: TypeAlias = Sequence[tuple[bytes, bytes]]

# An answer that takes longer than this is worth watching whether anybody still waits for it; the quick ones pay nothing.
_WATCH_AFTER = 0.1


_HSTS = ((b"strict-transport-security", b"max-age=31536000"),)
"""Whoever came by TLS once comes by TLS for a year (RFC 6797)."""


def _too_large(most: int) -> MessageTooLarge:
    return MessageTooLarge(f"The body is larger than {most:,} bytes.", metadata={"most_bytes": str(most)})


class Disconnected(Exception):
    """The client is gone."""


class Exchange:
    """One request, read as far as needed, and the one answer to it."""

    __slots__ = (
        "_common", "_gone", "_head", "_http_version", "_max_body", "_receive", "_send", "_watch", "_watched", "address",
        "headers", "hurried", "is_tls", "late_error", "method", "path", "peer", "principal",
        "query_string", "raw_headers", "sent", "status", "variables",
    )  # fmt: skip

    def __init__(self, *, scope: Scope, receive: Receive, send: Send, max_body: int, address: str) -> None:
        """Makes the exchange of an ASGI request.

        Args:
            scope: of ASGI, type "http".
            receive: of ASGI.
            send: of ASGI.
            max_body: most bytes of a request body.
            address: of the client; empty if it has none.
        """
        self._receive = receive
        self._send = send
        self._max_body = max_body
        self._head = scope["method"] == "HEAD"
        self._http_version: str = scope["http_version"]
        self._common: list[tuple[bytes, bytes]] = [
            (b"x-content-type-options", b"nosniff"),
            *(_HSTS if scope.get("scheme") == "https" else ()),
        ]
        self._watch: asyncio.TimerHandle | None = None
        self._watched: asyncio.Task[None] | None = None
        self._gone = False
        self.address = address
        self.peer: str = (scope.get("client") or ("",))[0]
        """The address of the connection."""
        self.is_tls = scope.get("scheme") in ("https", "wss")
        self.method: str = "GET" if self._head else scope["method"]
        self.path: str = scope["raw_path"].decode("latin-1")
        self.query_string: bytes = scope["query_string"]
        self.headers: Headers = {}
        self.raw_headers: HeaderList = scope["headers"]
        self.variables: dict[str, str] = {}
        self.principal: Principal | None = None
        self.hurried = False
        """Whether the client gives the call less time than its policy."""
        self.late_error: Callable[[TocsinError, str], bytes] | None = None
        """The end of the body that tells of an error after its head was sent, and of its trace; None where nothing can."""
        self.sent = False
        self.status = 0
        """Of the answer; of a stream that failed, the one that its error would have had."""

    def read_headers(self, raw: HeaderList) -> None:
        """Reads the headers.

        Raises:
            HeadersInvalid: one that must be single is given twice, or the host is missing.
        """
        self.headers = read_headers(raw)
        check_host(self.headers, self._http_version)

    @property
    def is_head(self) -> bool:
        """Whether only the headers of the answer are wanted."""
        return self._head

    def add_header(self, name: bytes, value: bytes) -> None:
        """Adds a header to whatever the answer will be."""
        self._common.append((name, value))

    async def body(self, *, timeout: float, most: int, whole: bool = True) -> bytes:
        """The body, counted as it comes.

        Args:
            timeout: seconds that it may take.
            most: bytes that it may have; the server's own limit stands as well.
            whole: whether it may have no more than that; else what follows is left to the server, which passes over it.

        Raises:
            MessageTooLarge: it is larger than the limit.
            BodyTooSlow: it did not arrive within ``timeout`` seconds.
            Disconnected: the client left.
        """
        length = self.headers.get(b"content-length")
        if length is None and b"transfer-encoding" not in self.headers:
            return b""
        most = min(most, self._max_body)
        if length is not None:
            if not length.isdigit():
                raise HeadersInvalid.at("content-length", "must be a number")
            if int(length) > most and whole:
                raise _too_large(most)
        try:
            async with asyncio.timeout(timeout):
                return await self._read(most, whole=whole)
        except TimeoutError as error:
            raise BodyTooSlow from error

    async def _read(self, most: int, *, whole: bool) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > most and whole:
                raise _too_large(most)
            if size > most:
                return b"".join((*chunks, chunk))[:most]
            if not message.get("more_body", False):
                return b"".join((*chunks, chunk)) if chunks else chunk
            chunks.append(chunk)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it comes, as fast as it is taken.

        Raises:
            Disconnected: the client left.
        """
        if b"content-length" not in self.headers and b"transfer-encoding" not in self.headers:
            return
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                raise Disconnected
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk

    def watch(self, task: "asyncio.Task[Any] | None" = None) -> None:
        """Cancels a task when the client leaves, from a moment later until `unwatch`; the body must have been read.

        Args:
            task: which; the current one unless given.
        """
        task = task or asyncio.current_task()
        if task is not None and self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(_WATCH_AFTER, self._begin_watch, task)

    def _begin_watch(self, task: "asyncio.Task[Any]") -> None:
        self._watched = asyncio.create_task(self._await_disconnect(task))

    async def _await_disconnect(self, task: "asyncio.Task[Any]") -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        task.cancel()

    def unwatch(self) -> None:
        """Ends `watch`."""
        if self._watch is not None:
            self._watch.cancel()
        if self._watched is not None:
            self._watched.cancel()

    def is_gone(self) -> bool:
        """Whether a cancellation of the current task is due to the client having left; takes it back if so."""
        task = asyncio.current_task()
        if self._gone and task is not None:
            task.uncancel()
        return self._gone

    async def send(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Sends the whole answer."""
        bodiless = status in (204, 304)
        length = [] if bodiless else [(b"content-length", str(len(body)).encode())]
        await self.begin(status, [*headers, *length])
        await self._send({"type": "http.response.body", "body": b"" if self._head or bodiless else body})

    async def begin(self, status: int, headers: HeaderList) -> None:
        """Sends the head of an answer whose body follows by `write`."""
        self.sent = True
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self._common]})

    async def write(self, chunk: bytes) -> None:
        """Sends a part of the body; waits while the client does not take it."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self) -> None:
        """Ends the body."""
        await self._send({"type": "http.response.body", "body": b""})
