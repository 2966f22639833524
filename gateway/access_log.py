"""One line for each request.

The structured logger takes a tenth of a millisecond a line, a good part of what the whole request costs here. These lines hold nothing that
has to be masked or rendered: they are made directly, and written in one go a few times a second.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import TextIO

from tocsin.clock import Clock
from tocsin.mesh.tokens import Principal
from tocsin.telemetry import current_traceparent, trace_id_of

_FLUSH_SECONDS = 0.1
_FLUSH_LINES = 500


class AccessLog:
    """Collects lines and writes them soon; a component, so that the last ones are written too."""

    def __init__(self, *, service: str, clock: Clock, enabled: bool, as_json: bool, stream: TextIO | None = None) -> None:
        """Makes the log.

        Args:
            service: stands on every line.
            clock: gives the time on every line.
            enabled: False writes nothing.
            as_json: JSON for machines, otherwise a plain line for people.
            stream: where to; stderr, as at the time of writing, unless given.
        """
        self._service = service
        self._clock = clock
        self._enabled = enabled
        self._as_json = as_json
        self._stream = stream
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Nothing to do: the first line starts the writing."""

    async def stop(self) -> None:
        """Writes what is left."""
        self._flush()

    def write(
        self, event: str, *, method: str, route: str, status: int | str, seconds: float, principal: Principal | None, address: str
    ) -> None:
        """Adds a line about a request of the current task's trace.

        Args:
            event: "request" over HTTP, "rpc" over gRPC.
            method: HTTP method or RPC.
            route: path template; never the path, which names resources.
            status: HTTP status or gRPC code.
            seconds: how long it took.
            principal: the caller, if known.
            address: of the client; empty when there is none.
        """
        if not self._enabled:
            return
        trace = current_traceparent()
        fields = {
            "event": event,
            "time": _time(self._clock.now()),
            "level": "info",
            "logger": "gateway.access",
            "service": self._service,
            "trace_id": trace_id_of(trace) if trace else None,
            "tenant": principal.tenant if principal else None,
            "subject": principal.subject if principal else None,
            "client_address": address or None,
            "method": method,
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
        }
        self._lines.append(json.dumps(fields) if self._as_json else _plain(fields))
        if len(self._lines) >= _FLUSH_LINES:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            stream = self._stream or sys.stderr
            stream.write("\n".join([*lines, ""]))
            stream.flush()


def _time(instant: datetime) -> str:
    return f"{instant.isoformat(timespec='microseconds')[:26]}Z"


def _plain(fields: Mapping[str, object]) -> str:
    return f"{fields['time']} [info] {fields['method']} {fields['route']} -> {fields['status']} in {fields['duration_ms']} ms"
