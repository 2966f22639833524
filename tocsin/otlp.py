"""What an endpoint for traces may be: OTLP over gRPC, or over HTTP where OpenTelemetry's own variable says so.

Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import math
import os
from typing import Final
from urllib.parse import urlsplit

GRPC: Final = "grpc"
HTTP: Final = "http/protobuf"
_GRPC_WRONG: Final = (
    "must be an OTLP/gRPC endpoint such as http://collector:4317, without a path (OTEL_EXPORTER_OTLP_PROTOCOL chooses OTLP/HTTP)"
)
_HTTP_WRONG: Final = "must be an OTLP/HTTP endpoint such as http://collector:4318"
_PATH: Final = "/v1/traces"


def variable(name: str, default: str = "") -> str:
    """What ``OTEL_EXPORTER_OTLP_TRACES_`` with ``name`` says, or the variable for all signals."""
    return (os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or os.environ.get(f"OTEL_EXPORTER_OTLP_{name}") or default).strip()


def protocol() -> str:
    """How spans are exported: `GRPC` unless the environment says something else."""
    return variable("PROTOCOL", GRPC).lower()


def traces_url(endpoint: str) -> str:
    """Where spans are posted to: the path of the signal is put behind that of the endpoint, unless it stands there."""
    whole = endpoint.rstrip("/")
    return whole if whole.endswith(_PATH) else whole + _PATH


def endpoint_problem(endpoint: str) -> str:
    """Why spans cannot be exported to ``endpoint``; empty if they can.

    A URL of OTLP/HTTP may have a path, which gRPC would leave out. What is no URL is a target of gRPC's own, such as ``collector:4317``.
    """
    chosen = protocol()
    if chosen not in (GRPC, HTTP):
        return f"OTEL_EXPORTER_OTLP_PROTOCOL must be {GRPC} or {HTTP}, not {chosen!r}"
    try:
        parts = urlsplit(endpoint)
        if chosen == HTTP:
            plain = parts.hostname and parts.port != 0 and not (parts.query or parts.fragment or parts.username or parts.password)
            return (_variables_problem() if plain else _HTTP_WRONG) if parts.scheme in ("http", "https") else _HTTP_WRONG
        if parts.scheme not in ("http", "https"):
            return ""
        whole = parts.hostname and parts.port != 0 and parts.path in ("", "/") and not parts.query and not parts.fragment
    except ValueError:  # the port is no number, or the host no address
        return _HTTP_WRONG if chosen == HTTP else _GRPC_WRONG
    return "" if whole else _GRPC_WRONG


def timeout() -> float:
    """Seconds that one batch may take, with all attempts.

    Raises:
        ValueError: the variable is no number above 0.
    """
    seconds = float(variable("TIMEOUT", "10"))
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError("it must be a number of seconds above 0")
    return seconds


def _variables_problem() -> str:
    compression = variable("COMPRESSION", "none").lower()
    if compression not in ("none", "gzip"):
        return f"OTEL_EXPORTER_OTLP_COMPRESSION must be none or gzip, not {compression!r}"
    try:
        timeout()
    except ValueError:
        return f"OTEL_EXPORTER_OTLP_TIMEOUT must be a number of seconds above 0, not {variable('TIMEOUT')!r}"
    return ""
