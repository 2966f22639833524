"""What an endpoint for traces may be: OTLP over gRPC, which is what OpenTelemetry's exporter speaks here."""

from typing import Final
from urllib.parse import urlsplit

_WRONG: Final = "must be an OTLP/gRPC endpoint such as http://collector:4317, without a path"


def endpoint_problem(endpoint: str) -> str:
    """Why spans cannot be exported to ``endpoint``; empty if they can.

    A URL of OTLP/HTTP has a path, which gRPC would leave out. What is no URL is a target of gRPC's own, such as ``collector:4317``.
    """
    try:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https"):
            return ""
        whole = parts.hostname and parts.port != 0 and parts.path in ("", "/") and not parts.query and not parts.fragment
    except ValueError:  # the port is no number, or the host no address
        return _WRONG
    return "" if whole else _WRONG
