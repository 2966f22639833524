"""gRPC-Web (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md): enveloped messages, of which the last one holds the trailers.

Browsers that cannot read binary answers as they come ask for base64 ("-text").
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from gateway.http.compression import GZIP
from gateway.http.envelopes import COMPRESSED, enveloped
from gateway.http.exchange import HeaderList
from gateway.http.headers import Headers, takes_gzip
from gateway.transcoding.problems import ProblemDetails, headers_of
from tocsin.errors import TocsinError
from tocsin.mesh.status import DETAILS_KEY, number_of, to_status

_TRAILERS: Final = 0x80
"""Flag of the envelope that holds the trailers."""
_NO_STORE: Final = (b"cache-control", b"no-store")
_OK: Final = ((b"grpc-status", b"0"),)
# What needs no percent-encoding in grpc-message: printable ASCII but "%" (doc/PROTOCOL-HTTP2.md).
_PLAIN: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcWeb:
    """An RPC of any kind.

    Attributes:
        media_type: of the body.
        is_json: whether the messages are JSON.
        is_text: whether the bodies are base64.
    """

    media_type: bytes
    is_json: bool = False
    is_text: bool = False
    coding_header: bytes = b"grpc-encoding"

    def takes_gzip(self, headers: Headers) -> bool:
        """Whether the client takes compressed messages."""
        return takes_gzip(headers, b"grpc-accept-encoding")

    def head(self, *, gzip: bool) -> HeaderList:
        """The head of the answer."""
        coding = ((self.coding_header, GZIP),) if gzip else ()
        return ((b"content-type", self.media_type), _NO_STORE, (b"grpc-accept-encoding", b"identity,gzip"), *coding)

    def message(self, data: bytes, *, compressed: bool) -> bytes:
        """A message as it stands in the body."""
        return self._said(enveloped(data, flags=COMPRESSED if compressed else 0))

    def end(self, error: TocsinError | None = None, trace_id: str = "") -> bytes:
        """The end of the body: the trailers."""
        trailers = _OK if error is None else _trailers(error, trace_id)
        return self._said(enveloped(b"".join(b"%b: %b\r\n" % pair for pair in trailers), flags=_TRAILERS))

    def problem(self, error: TocsinError, trace_id: str) -> ProblemDetails:
        """An error before the first message: the trailers stand in the head (Trailers-Only)."""
        return ProblemDetails(status=200, headers=(*self.head(gzip=False), *_trailers(error, trace_id)), body=b"")

    def _said(self, data: bytes) -> bytes:
        return base64.b64encode(data) if self.is_text else data


def _trailers(error: TocsinError, trace_id: str) -> Sequence[tuple[bytes, bytes]]:
    details = base64.b64encode(to_status(error, trace_id=trace_id or None).SerializeToString()).rstrip(b"=")
    return (
        (b"grpc-status", str(number_of(error)).encode()),
        (b"grpc-message", quote(error.message, safe=_PLAIN).encode()),
        (DETAILS_KEY.encode(), details),
        *headers_of(error),
    )
