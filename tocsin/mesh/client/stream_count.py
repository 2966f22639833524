"""Counts a stream that is called, attempt by attempt and as a whole, once each, however it ends."""

from collections.abc import Callable

import grpc
from opentelemetry.trace import Span

from tocsin.mesh.client.called_tap import StreamTap
from tocsin.mesh.client.direct_call import NO_SIZES
from tocsin.mesh.client.method import Method
from tocsin.telemetry import format_traceparent

_CANCELLED = grpc.StatusCode.CANCELLED


class StreamCount:
    """What is known of one call whose answers are a stream; a call that is let go was cancelled.

    Attributes:
        sent: bytes of the messages that the attempt sent.
        received: likewise.
    """

    __slots__ = (
        *("_call_open", "_clock", "_known", "_method", "_previous", "_since", "_span", "_started", "_tap", "_whole", "received", "sent"),
    )

    def __init__(
        self, *, whole: Callable[[grpc.StatusCode, float], None], clock: Callable[[], float], tap: StreamTap | None = None
    ) -> None:
        """The call begins.

        Args:
            whole: is told of its end: the code, and seconds.
            clock: the event loop's.
            tap: likewise, where somebody may look at the calls from here.
        """
        self._tap = tap
        self._whole = whole
        self._clock = clock
        self._since = self._started = clock()
        self._call_open = True
        self._method: Method | None = None
        self._known = False
        self._span: Span | None = None
        self._previous = 0
        self.sent = self.received = 0

    def __del__(self) -> None:
        if self._method is not None:
            self._tap = None  # this may be any thread, and a tap is of one event loop
            self.call_ended(_CANCELLED)

    def attempt(self, method: Method, trace: str | None, *, sizes_known: bool) -> str | None:
        """An attempt begins, on a trace; returns the ``traceparent`` that it sends."""
        self._method = method
        self._known = sizes_known
        self._started = self._clock()
        self._span = method.stream_span(trace, self._previous)
        self._previous += 1
        return trace if self._span is None else format_traceparent(self._span.get_span_context())

    def attempt_ended(self, code: grpc.StatusCode, error: BaseException | None = None) -> None:
        """The attempt has ended; said again, nothing."""
        method, self._method = self._method, None
        if method is None:
            return
        seconds = self._clock() - self._started
        method.stream_ended(code, seconds, (self.sent, self.received) if self._known else NO_SIZES)
        span, self._span = self._span, None
        if span is not None:
            method.end_stream_span(span, code, seconds, error)

    def call_ended(self, code: grpc.StatusCode, error: BaseException | None = None) -> None:
        """The whole call has ended; said again, nothing."""
        self.attempt_ended(code, error)
        if self._call_open:
            self._call_open = False
            seconds = self._clock() - self._since
            self._whole(code, seconds)
            if self._tap is not None:
                self._tap.ended(code, seconds, error, self.sent)
