"""The Connect protocol (https://connectrpc.com/docs/protocol): unary RPCs as plain HTTP, streams as enveloped messages."""

import base64
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from google.protobuf import json_format
from google.rpc import error_details_pb2

from gateway.http.base64_text import from_base64
from gateway.http.compression import GZIP, OFFERED
from gateway.http.envelopes import COMPRESSED, enveloped
from gateway.http.exchange import HeaderList
from gateway.http.headers import Headers, takes_gzip
from gateway.transcoding.problems import ProblemDetails, code_status, headers_of
from tocsin.errors import InvalidInput, TocsinError
from tocsin.mesh.status import code_of, to_status
from tocsin.protojson.codec import dump_json

_END: Final = 0x02
"""Flag of the last envelope of a stream, which holds no message."""
_VERSION: Final = b"1"
_JSON: Final = (b"content-type", b"application/json")
_NO_STORE: Final = (b"cache-control", b"no-store")
_MOST_PARAMETERS: Final = 20
_DETAILS: Final = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.QuotaFailure, error_details_pb2.RetryInfo)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectUnary:
    """A unary RPC: the body is the message.

    Attributes:
        media_type: of the messages.
        is_json: whether they are JSON.
    """

    media_type: bytes
    is_json: bool

    def problem(self, error: TocsinError, trace_id: str) -> ProblemDetails:
        """An error as its whole answer."""
        headers = (_JSON, _NO_STORE, (b"accept-encoding", OFFERED), *headers_of(error))
        return ProblemDetails(status=code_status(error), headers=headers, body=dump_json(error_document(error, trace_id)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectStream:
    """An RPC that streams, either way or both: messages in envelopes, of which the last one tells how it ended.

    Attributes:
        media_type: of the body.
        is_json: whether the messages are JSON.
    """

    media_type: bytes
    is_json: bool
    coding_header: bytes = b"connect-content-encoding"
    is_text: bool = False

    def takes_gzip(self, headers: Headers) -> bool:
        """Whether the client takes compressed messages."""
        return takes_gzip(headers, b"connect-accept-encoding")

    def head(self, *, gzip: bool) -> HeaderList:
        """The head of the answer."""
        coding = ((self.coding_header, GZIP),) if gzip else ()
        return ((b"content-type", self.media_type), _NO_STORE, (b"connect-accept-encoding", OFFERED), *coding)

    def message(self, data: bytes, *, compressed: bool) -> bytes:
        """A message as it stands in the body."""
        return enveloped(data, flags=COMPRESSED if compressed else 0)

    def end(self, error: TocsinError | None = None, trace_id: str = "") -> bytes:
        """The end of the body (EndStreamResponse)."""
        if error is None:
            return enveloped(b"{}", flags=_END)
        document: dict[str, Any] = {"error": error_document(error, trace_id)}
        if headers := headers_of(error):
            document["metadata"] = {name.decode(): [value.decode()] for name, value in headers}
        return enveloped(dump_json(document), flags=_END)

    def problem(self, error: TocsinError, trace_id: str) -> ProblemDetails:
        """An error before the first message: a stream always begins well, and its end tells."""
        return ProblemDetails(status=200, headers=tuple(self.head(gzip=False)), body=self.end(error, trace_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryMessage:
    """The request of a GET.

    Attributes:
        data: the message, as it was sent.
        is_json: whether it is JSON; else protobuf.
        coding: how it is compressed; None if it is not.
    """

    data: bytes
    is_json: bool
    coding: bytes | None


def query_message(query: bytes) -> QueryMessage:
    """The request that a query holds.

    Raises:
        InvalidInput: it holds none, or not as the protocol says it.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError as error:
        raise InvalidInput("The query has too many parameters.") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidInput("A parameter of the query is given twice.")
    if found.get(b"connect", b"v1") != b"v1":
        raise InvalidInput.at("connect", 'must be "v1"')
    encoding, data = found.get(b"encoding"), found.get(b"message")
    if encoding not in (b"json", b"proto"):
        raise InvalidInput.at("encoding", 'must be "json" or "proto"')
    if data is None:
        raise InvalidInput.at("message", "is missing")
    if found.get(b"base64") == b"1":
        data = from_base64(data)
    return QueryMessage(data=data, is_json=encoding == b"json", coding=found.get(b"compression"))


def check_version(headers: Headers) -> None:
    """Returns if a request names no version of the protocol, or the only one there is.

    Raises:
        InvalidInput: it names another.
    """
    if headers.get(b"connect-protocol-version", _VERSION) != _VERSION:
        raise InvalidInput.at("connect-protocol-version", 'must be "1"')


def error_document(error: TocsinError, trace_id: str) -> dict[str, Any]:
    """An error in JSON, with its details."""
    code = code_of(error).name.lower()
    found: dict[str, Any] = {"code": "canceled" if code == "cancelled" else code, "message": error.message}
    details: list[dict[str, Any]] = []
    for item in to_status(error, trace_id=trace_id or None).details:
        name = item.TypeName()
        message = _DETAILS[name].FromString(item.value)
        value = base64.b64encode(item.value).rstrip(b"=").decode()
        details.append({"type": name, "value": value, "debug": json_format.MessageToDict(message)})
    return found | {"details": details}
