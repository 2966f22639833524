"""Telemetry of one process: structured logs, W3C traces, Prometheus metrics.

`get_logger` may be called anywhere; `configure_logging` is called once a process by `tocsin.lifecycle.run`. `Telemetry` is a component: one
per service, with its own registry and tracer, so that five services may live in one test process.
"""

from tocsin.telemetry.component import Telemetry, TelemetryOptions
from tocsin.telemetry.logs import LogFormat, Logger, bind_tenant, configure_logging, get_logger, unbind_tenant
from tocsin.telemetry.traces import (
    BAGGAGE,
    TRACEPARENT,
    TRACESTATE,
    carried_along,
    carry,
    carry_along,
    context_header,
    current_traceparent,
    extract,
    format_traceparent,
    is_sampled,
    new_traceparent,
    parse_traceparent,
    trace_id_of,
    uncarry,
)

__all__ = [
    "BAGGAGE",
    "TRACEPARENT",
    "TRACESTATE",
    "LogFormat",
    "Logger",
    "Telemetry",
    "TelemetryOptions",
    "bind_tenant",
    "carried_along",
    "carry",
    "carry_along",
    "configure_logging",
    "context_header",
    "current_traceparent",
    "extract",
    "format_traceparent",
    "get_logger",
    "is_sampled",
    "new_traceparent",
    "parse_traceparent",
    "trace_id_of",
    "unbind_tenant",
    "uncarry",
]
