"""Server streams over HTTP: Server-Sent Events (WHATWG HTML, 9.2) or newline-delimited JSON."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.http.exchange import Exchange
from gateway.http.headers import AS_A_PAGE, accepted
from gateway.open_streams import GatewayStopping, OpenStreams
from gateway.ports import Stream
from gateway.transcoding.options import StreamForm
from gateway.transcoding.problems import NotAcceptable, members
from gateway.transcoding.rendering import AnswerRenderer
from gateway.transcoding.routes import Route
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.protojson.codec import dump_json

SSE = b"text/event-stream"
NDJSON = b"application/x-ndjson"
JSON = b"application/json"
_JSON_LINES = b"application/jsonl"
OFFERS: Final[Mapping[StreamForm, tuple[bytes, ...]]] = {
    "lines": (NDJSON, SSE, _JSON_LINES, JSON),
    "array": (JSON, NDJSON, SSE, _JSON_LINES),
    "events": (SSE, NDJSON, _JSON_LINES, JSON),
}
"""Types that a stream can be had in, the default first; unless it is an array by default, JSON and jsonl name NDJSON as well."""

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


class Frames:
    """How the messages of a stream follow one another: newline-delimited JSON."""

    media_type = NDJSON
    opening = closing = b""
    alive = b"\n"
    """A sign of life."""
    headers: tuple[tuple[bytes, bytes], ...] = ((b"cache-control", b"no-store"),)
    tells_errors = True
    """Whether there is a place for an error once the head is out."""
    repeatable = True
    """Whether equal messages are sent as equal bytes, wherever they stand."""

    def begin(self, wire: bytes | None, renderer: AnswerRenderer) -> None:
        """Learns of the first message; None when there is none yet."""

    def message(self, wire: bytes, renderer: AnswerRenderer) -> list[bytes]:
        """What is sent for a message.

        Raises:
            UnreadableReply: it is not what the contract says.
        """
        return [b"".join([element + b"\n" for element in renderer.elements(wire)])]

    def error(self, document: Mapping[str, Any]) -> bytes:
        """What is sent for an error, as the last thing."""
        return dump_json({"error": document}) + b"\n"


class _Events(Frames):
    """Server-Sent Events."""

    media_type = SSE
    opening = _RECONNECT
    alive = b": alive\n\n"

    def message(self, wire: bytes, renderer: AnswerRenderer) -> list[bytes]:
        elements = renderer.elements(wire)
        token = renderer.resume_token(wire).replace("\n", "").replace("\r", "").replace("\0", "")
        head = f"id: {token}\n".encode() if token else b""
        return [head + b"data: " + element.replace(b"\n", b"\ndata: ") + b"\n\n" for element in elements]

    def error(self, document: Mapping[str, Any]) -> bytes:
        return b"event: error\ndata: " + dump_json(document) + b"\n\n"


class _Array(Frames):
    """One JSON array; an error is its last element, an object of a single member ``error``."""

    media_type = JSON
    opening = b"["
    closing = b"]"
    alive = b" "
    repeatable = False

    def __init__(self) -> None:
        self._separator = b""

    def message(self, wire: bytes, renderer: AnswerRenderer) -> list[bytes]:
        return [self._next(element) for element in renderer.elements(wire)]

    def error(self, document: Mapping[str, Any]) -> bytes:
        return self._next(dump_json({"error": document})) + b"]"

    def _next(self, element: bytes) -> bytes:
        text, self._separator = self._separator + element, b","
        return text


class _Raw(Frames):
    """Bytes as they come, of the type that the first message names (google.api.HttpBody); an error cuts them off."""

    media_type = b"application/octet-stream"
    alive = b""
    headers = AS_A_PAGE
    tells_errors = False
    repeatable = False

    def begin(self, wire: bytes | None, renderer: AnswerRenderer) -> None:
        if wire is not None:
            self.media_type = renderer.render(wire).content_type.encode()

    def message(self, wire: bytes, renderer: AnswerRenderer) -> list[bytes]:
        return [renderer.render(wire).data]


def frames_of(accept: bytes | None, route: Route) -> Frames:
    """The frames that a client takes.

    Raises:
        NotAcceptable: it takes none that there are.
    """
    if route.renderer.raw:
        return _Raw()
    form = route.rpc.transcoding.streams
    media_type = accepted(accept, OFFERS[form])
    if media_type is None:
        raise NotAcceptable("This stream is available as text/event-stream or application/x-ndjson.")
    if media_type == SSE:
        return _Events()
    return _Array() if form == "array" and media_type == JSON else Frames()


class LastEncoded:
    """What was sent for the last message of a route: all who follow one watch are told the same, one after the other."""

    __slots__ = ("_form", "_parts", "_renderer", "_wire")

    def __init__(self) -> None:
        self._wire: bytes | None = None
        self._renderer: AnswerRenderer | None = None
        self._form: type[Frames] = Frames
        self._parts: list[bytes] = []

    def parts(self, wire: bytes, frames: Frames, renderer: AnswerRenderer) -> list[bytes]:
        """What is sent for a message.

        Raises:
            UnreadableReply: it is not what the contract says.
        """
        if not frames.repeatable:
            return frames.message(wire, renderer)
        if wire is not self._wire or renderer is not self._renderer or type(frames) is not self._form:
            self._parts = frames.message(wire, renderer)
            self._wire, self._renderer, self._form = wire, renderer, type(frames)
        return self._parts


class EventStream:
    """Shows one stream of answers to one client."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        renderer: AnswerRenderer,
        frames: Frames,
        encoded: LastEncoded,
        clock: Clock,
        rule: StreamRule,
        open_streams: OpenStreams,
    ) -> None:
        """Makes the stream.

        Args:
            exchange: whom to answer.
            renderer: turns messages into JSON.
            frames: how they follow one another.
            encoded: of the route.
            clock: paces the signs of life.
            rule: the pace.
            open_streams: ends the stream when the server stops; a client resumes elsewhere.
        """
        self._exchange = exchange
        self._renderer = renderer
        self._frames = frames
        self._encoded = encoded
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
        if self._frames.closing:
            await self._exchange.write(self._frames.closing)
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
            if not self._exchange.sent:
                await self._begin()
            elif self._frames.alive:
                await self._exchange.write(self._frames.alive)

    async def _begin(self, first: bytes | None = None) -> None:
        if self._exchange.sent:
            return
        self._frames.begin(first, self._renderer)
        self._exchange.late_error = self._error if self._frames.tells_errors else None
        # X-Accel-Buffering tells nginx to pass each event on at once.
        headers = [(b"content-type", self._frames.media_type), *self._frames.headers, (b"x-accel-buffering", b"no")]
        await self._exchange.begin(200, headers)
        if self._frames.opening:
            await self._exchange.write(self._frames.opening)

    async def _show(self, wire: bytes) -> None:
        parts = self._encoded.parts(wire, self._frames, self._renderer)
        await self._begin(wire)
        for part in parts:
            await self._exchange.write(part)

    def _error(self, error: TocsinError, trace_id: str) -> bytes:
        return self._frames.error(members(error, trace_id=trace_id))
