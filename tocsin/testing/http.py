"""A far end that speaks HTTP/1.1 and does what it is told: for tests of whatever sends requests."""

import asyncio
import contextlib
import json
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

_HEAD_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """A request as it came; names of headers in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer. With ``raw`` the bytes go out as they are, and the connection is closed."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    raw: bytes | None = None

    @classmethod
    def of_json(cls, content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> "Reply":
        """An answer in JSON."""
        return cls(status=status, body=json.dumps(content).encode(), headers={"content-type": "application/json", **(headers or {})})

    def encoded(self) -> bytes:
        """What goes over the wire."""
        if self.raw is not None:
            return self.raw
        headers = {"content-length": str(len(self.body)), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Scripted\r\n{lines}\r\n".encode() + self.body


Behaviour = Callable[[SeenRequest, asyncio.StreamWriter], Awaitable[None]]
"""Answers by itself, as slowly or as wrongly as it likes; the connection is closed then."""


class HttpSink:
    """A server on 127.0.0.1 that keeps every request, and answers each with the next of its replies, the last one again and again."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[SeenRequest] = []
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._replies: deque[Reply | Behaviour] = deque([Reply()])
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """How many connections it has now."""
        return len(self._open)

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def script(self, *replies: Reply | Behaviour) -> None:
        """Answers with these from now on, and forgets what it has seen."""
        self._replies = deque(replies)
        self.requests.clear()

    async def start(self) -> Self:
        """Begins to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls, limit=_HEAD_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Ends every connection."""
        if self._server is not None:
            self._server.close()
        await self.end_connections()

    async def end_connections(self) -> None:
        """Ends those that it has now."""
        ending = list(self._open)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        self.connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; False when the connection is to end."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = SeenRequest(method=method, target=target, headers=headers, body=body)
        self.requests.append(request)
        reply = self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
        if not isinstance(reply, Reply):
            await reply(request, writer)
            return False
        writer.write(reply.encoded())
        await writer.drain()
        return reply.raw is None and headers.get("connection") != "close"
