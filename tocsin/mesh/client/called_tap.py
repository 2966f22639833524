"""Tells of calls to services outside of the mesh, as they end: nobody looks at them there, so who calls them says how it went.

What is told is what a service of the mesh tells of the calls that it serves: never a message, a token, a header, or a word of the far end
but the reason of its error, if that is one.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import grpc

from tocsin.errors import TocsinError
from tocsin.mesh.context import Call, current
from tocsin.mesh.tap import EndedCall, Tap
from tocsin.telemetry import current_traceparent, trace_id_of

_REASON: Final = re.compile(r"[A-Z][A-Z0-9_]{0,62}\Z")  # AIP-193; what a stranger writes there instead may be anything


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledTap:
    """The calls to one service outside of the mesh.

    Attributes:
        tap: whom they are told.
        caller: the name of this process's service.
        target: that of the called one.
    """

    tap: Tap
    caller: str
    target: str


class MethodTap:
    """The calls to one method, all attempts together."""

    __slots__ = ("_path", "_target")

    def __init__(self, target: CalledTap, path: str) -> None:
        self._target = target
        self._path = path

    @property
    def listened(self) -> bool:
        """Whether anybody wants to know."""
        return self._target.tap.listened

    def unary(self, code: grpc.StatusCode, seconds: float, error: BaseException | None, request: Any, answer: Any) -> None:
        """Tells of a call with one answer, in the context that it was made in."""
        self.tell(code, seconds, error, of=current(), traceparent=current_traceparent(), sent=_size(request), received=_size(answer))

    def tell(
        self,
        code: grpc.StatusCode,
        seconds: float,
        error: BaseException | None,
        *,
        of: Call | None,
        traceparent: str | None,
        sent: int,
        received: int,
    ) -> None:
        """Tells of a call that was made while ``of`` was served."""
        target = self._target
        reason = error.error_reason if isinstance(error, TocsinError) else ""
        ended = EndedCall(
            ended=target.tap.now(),
            method=self._path,
            caller=target.caller,
            tenant=of.principal.tenant if of is not None and of.principal is not None else "",
            code=code.name,
            reason=reason if _REASON.match(reason) else "",
            seconds=seconds,
            request_bytes=sent,
            response_bytes=received,
            trace=trace_id_of(traceparent) or "" if traceparent else "",
            target=target.target,
        )
        target.tap.put(ended)


class StreamTap:
    """One call whose answers are a stream; it may end in another context than the one that it was made in."""

    __slots__ = ("_method", "_of", "_one", "_traceparent")

    def __init__(self, method: MethodTap, traceparent: str | None, *, one: bool) -> None:
        """A call begins.

        Args:
            method: of which it is.
            traceparent: of its trace.
            one: it has one request.
        """
        self._method = method
        self._of = current()
        self._one = one
        self._traceparent = traceparent

    def ended(self, code: grpc.StatusCode, seconds: float, error: BaseException | None, sent: int) -> None:
        """Tells of its end, after ``sent`` bytes of requests."""
        if self._method.listened:
            size = sent if self._one else 0
            self._method.tell(code, seconds, error, of=self._of, traceparent=self._traceparent, sent=size, received=0)


def _size(message: Any) -> int:
    return len(message) if isinstance(message, bytes) else 0
