import json

import pytest

from gateway.transcoding.problems import BodyTooSlow, CredentialMissing, UnsupportedMediaType, problem
from gateway.transcoding.router import MethodNotAllowed, RouteNotFound
from tocsin import errors
from tocsin.mesh.tokens import ScopeMissing


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.InvalidInput(), 400, "INVALID_ARGUMENT"),
        (errors.FailedPrecondition(), 400, "FAILED_PRECONDITION"),
        (errors.OutOfRange(), 400, "OUT_OF_RANGE"),
        (errors.Unauthenticated(), 401, "UNAUTHENTICATED"),
        (errors.PermissionDenied(), 403, "PERMISSION_DENIED"),
        (errors.NotFound(), 404, "NOT_FOUND"),
        (RouteNotFound(), 404, "NOT_FOUND"),
        (MethodNotAllowed(["GET"]), 405, "INVALID_ARGUMENT"),
        (BodyTooSlow(), 408, "DEADLINE_EXCEEDED"),
        (errors.AlreadyExists(), 409, "ALREADY_EXISTS"),
        (errors.Aborted(), 409, "ABORTED"),
        (errors.MessageTooLarge(), 413, "INVALID_ARGUMENT"),
        (UnsupportedMediaType(), 415, "INVALID_ARGUMENT"),
        (errors.ResourceExhausted(), 429, "RESOURCE_EXHAUSTED"),
        (errors.Cancelled(), 499, "CANCELLED"),
        (errors.Internal(), 500, "INTERNAL"),
        (errors.DataLoss(), 500, "DATA_LOSS"),
        (errors.Unimplemented(), 501, "UNIMPLEMENTED"),
        (errors.Unavailable(), 503, "UNAVAILABLE"),
        (errors.CircuitOpen(), 503, "UNAVAILABLE"),
        (errors.DeadlineExceeded(), 504, "DEADLINE_EXCEEDED"),
        (errors.TocsinError(), 500, "INTERNAL"),
    ],
)
def test_every_error_has_its_status(error: errors.TocsinError, status: int, code: str) -> None:
    """The map is that of google/rpc/code.proto, and the document says so too."""
    made = problem(error)
    document = json.loads(made.body)
    assert (made.status, document["status"], document["code"]) == (status, status, code)
    assert dict(made.headers)[b"content-type"] == b"application/problem+json"
    assert {"type", "title", "detail", "message", "details"} <= document.keys()


def test_the_document_carries_the_details_in_proto_json() -> None:
    """ErrorInfo always, field violations and the time to come back when there are any."""
    error = errors.InvalidInput("no", violations=[errors.FieldViolation("a.b", "bad")], retry_after=1.5, metadata={"k": "v"})
    assert json.loads(problem(error, trace_id="ab").body) == {
        "type": "urn:tocsin:error:INVALID_INPUT",
        "title": "Bad Request",
        "status": 400,
        "detail": "no",
        "instance": "urn:tocsin:trace:ab",
        "code": "INVALID_ARGUMENT",
        "message": "no",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "INVALID_INPUT", "domain": "tocsin", "metadata": {"k": "v"}},
            {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "a.b", "description": "bad"}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"},
        ],
    }


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (errors.Unavailable(), b"retry-after", b"1"),
        (errors.Unavailable(retry_after=4.2), b"retry-after", b"5"),
        (errors.ResourceExhausted(retry_after=0.1), b"retry-after", b"1"),
        (MethodNotAllowed(["POST", "GET"]), b"allow", b"GET, POST"),
        (CredentialMissing(), b"www-authenticate", b'Bearer realm="tocsin"'),
        (errors.Unauthenticated(), b"www-authenticate", b'Bearer realm="tocsin", error="invalid_token"'),
        (ScopeMissing.of("a:b"), b"www-authenticate", b'Bearer realm="tocsin", error="insufficient_scope", scope="a:b"'),
    ],
)
def test_headers_tell_what_to_do(error: errors.TocsinError, header: bytes, value: bytes) -> None:
    """Retry-After on 503 and 429, Allow on 405, WWW-Authenticate on 401 and 403 (RFC 6750, section 3)."""
    assert dict(problem(error).headers)[header] == value
