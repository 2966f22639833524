"""Trace context across processes: the W3C ``traceparent``, with or without an exporter.

The context of the current task is one string in a contextvar: that of the current span where spans are recorded, else the ``traceparent``
that came in and is carried on as it is. That is cheap enough for every call even when nothing is exported.

``tracestate`` and ``baggage`` go along, unread, between the services of the mesh.

Source: W3C Trace Context, https://www.w3.org/TR/trace-context/ (version 00); W3C Baggage, https://www.w3.org/TR/baggage/.
"""

import os
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Final, TypeAlias

from opentelemetry.trace import SpanContext, TraceFlags

TRACEPARENT: Final = "traceparent"

TRACESTATE: Final = "tracestate"
BAGGAGE: Final = "baggage"
_LONGEST: Final = {TRACESTATE: 512, BAGGAGE: 8192}
"""Characters that the recommendations want carried on; what is longer is left out."""

Pairs: TypeAlias = tuple[tuple[str, str], ...]

_along: ContextVar[Pairs] = ContextVar("tocsin_context_headers", default=())
_carried: ContextVar[str | None] = ContextVar("tocsin_traceparent", default=None)
_wanted: ContextVar[str] = ContextVar("tocsin_trace_id", default="")
_wanted_span: ContextVar[str] = ContextVar("tocsin_span_id", default="")

# Version ff is forbidden; a version above 00 may have more fields behind the flags (section 4.3 of the recommendation).
_VALID: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:\Z|(?<!\A00.{53})-)", re.ASCII)
_LENGTH: Final = 55
_ODD: Final = frozenset("13579bdf")
# All zeroes is the one forbidden id of either kind.
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16


def carry(traceparent: str | None) -> Token[str | None]:
    """Makes ``traceparent`` the context of the current task, for its logs and its outgoing calls; undone by `uncarry`."""
    return _carried.set(traceparent)


def carry_along(pairs: Pairs) -> None:
    """Makes ``tracestate`` and ``baggage`` go with the outgoing calls of the current task."""
    _along.set(pairs)


def carried_along() -> Pairs:
    """Those headers of the current task."""
    return _along.get()


def context_header(name: str, value: str | bytes) -> Pairs:
    """A header to carry along; nothing when it is too long, or has characters that a header must not have."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    fits = 0 < len(text) <= _LONGEST.get(name, 0) and text.isascii() and text.isprintable()
    return ((name, text),) if fits else ()


def uncarry(token: Token[str | None]) -> None:
    """Undoes `carry`."""
    _carried.reset(token)


@contextmanager
def beginning(trace_id: str, span_id: str = "") -> Generator[None]:
    """The first root span that starts inside of this block has this trace id, the first span this id; random ones when they are empty."""
    restore, restore_span = _wanted.set(trace_id), _wanted_span.set(span_id)
    try:
        yield
    finally:
        _wanted.reset(restore)
        _wanted_span.reset(restore_span)


def wanted_trace_id() -> str:
    """The trace id that a root span is to have that starts now, told once; empty for any."""
    found = _wanted.get()
    if found:
        _wanted.set("")
    return found


def wanted_span_id() -> str:
    """The id that a span is to have that starts now, told once; empty for any."""
    found = _wanted_span.get()
    if found:
        _wanted_span.set("")
    return found


def current_traceparent() -> str | None:
    """The header for an outgoing call of the current task; None when nothing is carried."""
    return _carried.get()


def extract(metadata: Iterable[tuple[str, str | bytes]] | None) -> str | None:
    """The ``traceparent`` in the headers of a call (lower-case names); None when there is none or it is malformed."""
    for key, value in metadata or ():
        if key == TRACEPARENT:
            text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
            return text[:_LENGTH] if _is_valid(text) else None
    return None


def new_traceparent(*, sampled: bool = False) -> str:
    """A fresh root context with random ids."""
    while True:
        ids = os.urandom(24).hex()
        trace, span = ids[:32], ids[32:]
        if trace != _NO_TRACE and span != _NO_SPAN:
            return f"00-{trace}-{span}-{'01' if sampled else '00'}"


def is_sampled(traceparent: str) -> bool:
    """Whether the spans of a well-formed ``traceparent`` are recorded."""
    return traceparent[54] in _ODD  # the flags are hexadecimal, and the last bit is the one


def parse_traceparent(value: str | None) -> SpanContext | None:
    """The span context that ``value`` names; None when there is none or it is malformed."""
    if value is None or not _is_valid(value):
        return None
    flags = TraceFlags(int(value[53:55], 16) & TraceFlags.SAMPLED)
    return SpanContext(trace_id=int(value[3:35], 16), span_id=int(value[36:52], 16), is_remote=True, trace_flags=flags)


def format_traceparent(context: SpanContext) -> str:
    """The header of ``context``, version 00."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & TraceFlags.SAMPLED:02x}"


def trace_id_of(traceparent: str) -> str:
    """The trace id, 32 hexadecimal digits, of a well-formed ``traceparent``."""
    return traceparent[3:35]


def _is_valid(value: str) -> bool:
    return _VALID.match(value) is not None
