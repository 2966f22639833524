"""Errors of the token endpoint of OAuth 2.0 (RFC 6749, section 5.2)."""

import re
from collections.abc import Mapping
from typing import Final

import grpc

from gateway.transcoding.problems import ProblemDetails, headers_of, http_status
from gateway.transcoding.rendering import JSON_TYPE
from tocsin.errors import TocsinError
from tocsin.mesh.status import code_of
from tocsin.protojson.codec import dump_json

CODES: Final = ("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope")
"""Errors that a client has to handle; all of them are 400, as no client authenticates here."""

_SECOND_FACTOR: Final = "SECOND_FACTOR_REQUIRED"
"""Of auth_svc. What answers it is an extension grant, whose errors are its own (RFC 6749, 8.5); others call this one mfa_required, too."""
_AWAY: Final = "temporarily_unavailable"
_BY_CODE: Final[Mapping[grpc.StatusCode, str]] = {
    grpc.StatusCode.INVALID_ARGUMENT: "invalid_request",
    grpc.StatusCode.UNAUTHENTICATED: "invalid_grant",
    grpc.StatusCode.PERMISSION_DENIED: "unauthorized_client",
    grpc.StatusCode.RESOURCE_EXHAUSTED: _AWAY,
    grpc.StatusCode.UNAVAILABLE: _AWAY,
    grpc.StatusCode.DEADLINE_EXCEEDED: _AWAY,
}
# What may not stand in error_description.
_UNSAYABLE: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


def token_problem(error: TocsinError, trace_id: str = "") -> ProblemDetails:
    """The answer for an error: ``error`` and ``error_description``.

    What the client can mend is 400, whatever else it would be; what it cannot keeps its status, and says when to try again.
    """
    del trace_id  # it is in a header
    reason = error.error_reason.lower()
    name = reason if reason in CODES else _BY_CODE.get(code_of(error), "server_error")
    status = http_status(error)
    mendable = name in CODES and status in (400, 401, 403)
    body = {"error": name, "error_description": _UNSAYABLE.sub("'", error.message)}
    if error.error_reason == _SECOND_FACTOR:
        body |= {"error": "mfa_required", **{name: error.metadata[name] for name in ("challenge", "methods") if name in error.metadata}}
    headers = [item for item in headers_of(error) if item[0] != b"www-authenticate"]
    fixed = ((b"content-type", JSON_TYPE.encode()), (b"cache-control", b"no-store"), (b"pragma", b"no-cache"))
    return ProblemDetails(status=400 if mendable else status, headers=(*fixed, *headers), body=dump_json(body))
