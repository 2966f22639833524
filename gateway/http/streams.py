"""Server streams over HTTP: Server-Sent Events (WHATWG HTML, 9.2) or newline-delimited JSON."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.http.exchange import Exchange
from gateway.open_streams import GatewayStopping, OpenStreams
from gateway.ports import Stream
from gateway.transcoding.problems import members
from gateway.transcoding.rendering import AnswerRenderer
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.protojson.codec import dump_json

SSE = b"text/event-stream"
NDJSON = b"application/x-ndjson"
OFFERS = (NDJSON, SSE, b"application/jsonl", b"application/json")
"""Types that a stream can be had in, the default first; the last two name NDJSON as well."""

_RECONNECT = b"retry: 1000\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRule:
    """The pace of streams.

    Attributes:
        hold_seconds: how long the head of the answer waits for the first message, so that an error before it is a plain error.
        heartbeat_seconds: silence after which a sign of life is sent.
    """

    hold_seconds: float
    heartbeat_seconds: float


async def _next(messages: AsyncIterator[bytes]) -> bytes | None:
    """The next message; None at the end."""
    try:
        return await anext(messages)
    except StopAsyncIteration:
        return None


class EventStream:
    """Shows one stream of answers to one client."""

    def __init__(
        self, *, exchange: Exchange, renderer: AnswerRenderer, media_type: bytes, clock: Clock, rule: StreamRule, open_streams: OpenStreams
    ) -> None:
        """Makes the stream.

        Args:
            exchange: whom to answer.
            renderer: turns messages into JSON.
            media_type: one of `OFFERS`.
            clock: paces the signs of life.
            rule: the pace.
            open_streams: ends the stream when the server stops; a client resumes elsewhere.
        """
        self._exchange = exchange
        self._renderer = renderer
        self._is_sse = media_type == SSE
        self._clock = clock
        self._rule = rule
        self._open = open_streams

    async def run(self, messages: Stream) -> None:
        """Sends ``messages`` until they end.

        Raises:
            TocsinError: the stream failed; once its head has been sent, the error is its last event.
        """
        through = self._open.through(messages)
        following = asyncio.ensure_future(_next(through))
        try:
            while True:
                await self._await_next(following)
                if not following.done():
                    continue
                if (message := following.result()) is None:
                    break
                await self._show(message)
                following = asyncio.ensure_future(_next(through))
        except GatewayStopping:
            pass  # a client that resumes needs no error to go elsewhere
        finally:
            following.cancel()
            messages.cancel()
            with contextlib.suppress(asyncio.CancelledError, TocsinError):
                await following
            await through.aclose()
        await self._begin()
        await self._exchange.end()

    async def _await_next(self, following: "asyncio.Task[bytes | None]") -> None:
        """Waits for a message, or for the end of silence: then the head goes out, or a sign of life."""
        pause = self._rule.heartbeat_seconds if self._exchange.sent else self._rule.hold_seconds
        silence = asyncio.ensure_future(self._clock.sleep(pause))
        try:
            await asyncio.wait((following, silence), return_when=asyncio.FIRST_COMPLETED)
        finally:
            silence.cancel()
        if silence.done() and not silence.cancelled() and not following.done():
            if self._exchange.sent:
                await self._exchange.write(b": alive\n\n" if self._is_sse else b"\n")
            else:
                await self._begin()

    async def _begin(self) -> None:
        if self._exchange.sent:
            return
        media_type = SSE if self._is_sse else NDJSON
        self._exchange.late_error = self._error
        # X-Accel-Buffering tells nginx to pass each event on at once.
        await self._exchange.begin(200, [(b"content-type", media_type), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")])
        if self._is_sse:
            await self._exchange.write(_RECONNECT)

    async def _show(self, wire: bytes) -> None:
        elements = self._renderer.elements(wire)
        await self._begin()
        if not self._is_sse:
            await self._exchange.write(b"".join([element + b"\n" for element in elements]))
            return
        token = self._renderer.resume_token(wire).replace("\n", "").replace("\r", "").replace("\0", "")
        head = f"id: {token}\n".encode() if token else b""
        for element in elements:
            await self._exchange.write(head + b"data: " + element + b"\n\n")

    def _error(self, error: TocsinError, trace_id: str) -> bytes:
        document = members(error, trace_id=trace_id)
        if self._is_sse:
            return b"event: error\ndata: " + dump_json(document) + b"\n\n"
        return dump_json({"error": document}) + b"\n"
