"""Odd values of headers and metadata, by name: what clients, proxies and people who mean harm put there."""

from collections.abc import Mapping, Sequence
from typing import Final

ODD: Final[Sequence[bytes]] = (
    b"", b"x", b"\x80\xff", b"a" * 8000, b"0", b"-1", b"1e999", b"9" * 400, b",", b";", b'"', b"=", b"*", b"\t x \t", b"%00", b"nan",
    b"\xe2\x80\xae", b"a\x00b", b"a\rb", b"a\nb", "\u0660".encode(), b" " * 100, b"\x7f",
)  # fmt: skip
"""Anywhere."""

_TRACE: Final = b"a" * 32 + b"-" + b"b" * 16
COMMON: Final[Mapping[bytes, Sequence[bytes]]] = {
    b"traceparent": (b"00-%b-01" % _TRACE, b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00", b"ff-%b-01" % _TRACE, b"01-%b-01-x" % _TRACE),
    b"tracestate": (b"a=b", b"a=b," * 600, b"=,=", b"a=" + b"x" * 600),
    b"baggage": (b"a=b;c=d", b"a=%ff", b"a=b," * 2000, b"a=%"),
    b"authorization": (
        b"Bearer ", b"Bearer x", b"Bearer a.b.c", b"Basic YTpi", b"Basic \xff", b"Bearer eyJhbGciOiJub25lIn0.e30.",
        b"Bearer " + b"a" * 7000, b"bearer\tx", b"Bearer  x y",
    ),
    b"user-agent": (b"a" * 5000, b"\xff", b""),
    b"x-forwarded-for": (b"1.2.3.4", b"::1", b"1.2.3.4," * 900, b"[::1]:99", b"unknown"),
    b"forwarded": (b"for=1.2.3.4", b'for="[::1'),
    b"idempotency-key": (b"a", b'"a"', b'"', b"a" * 300, b'"\\""', b"\xff"),
    b"grpc-timeout": (b"1u", b"99999999H", b"999999999H", b"1s", b"S", b"-1S"),
    b"grpc-encoding": (b"identity", b"gzip", b"deflate", b"br", b"gzip,gzip", b"GZIP"),
    b"grpc-accept-encoding": (b"gzip", b"x," * 500, b"identity"),
    b"cookie": (b"a=b;" * 1500, b"__Host-tocsin=x", b"=;=;"),
}  # fmt: skip
"""At either door."""

HTTP: Final[Mapping[bytes, Sequence[bytes]]] = {
    **COMMON,
    b"Accept": (b"text/event-stream", b"application/x-ndjson", b"*/*;q=x", b"text/*" * 500),
    b"Accept-Encoding": (b"gzip;q=nan", b"gzip;q=1e400", b"gzip;q=-1", b"*;q=0", b"gzip, " * 900, b"br, zstd"),
    b"Connection": (b"upgrade", b"keep-alive, Upgrade", b"close", b"Upgrade, HTTP2-Settings", b"te", b"content-length"),
    b"Content-Encoding": (b"gzip", b"br", b"deflate", b"zstd", b"gzip, gzip", b"identity"),
    b"Content-Type": (
        b"application/json", b"application/json; charset=utf-16", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x",
        b"multipart/form-data", b"application/grpc", b"application/grpc-web", b"application/grpc-web-text", b"application/connect+json",
        b"application/proto", b"text/plain", b"application/x-ndjson",
    ),
    b"Connect-Timeout-Ms": (b"9999999999", b"99999999999"),
    b"Expect": (b"100-continue", b"100-continue, x", b"200-ok"),
    b"Host": (b"", b"a b", b"evil", b"[::1]", b"x@y", b"\xff"),
    b"If-Match": (b"*", b"W/", b'"', b'"a", "b"'),
    b"If-None-Match": (b"*", b'W/"a"', b","),
    b"Last-Event-Id": (b"1", b"a" * 5000, b"\xff", b"-1", b"AAAA"),
    b"Origin": (b"null", b"http://evil", b"x://[", b"http://evil:99999"),
    b"Range": (b"bytes=0-0", b"bytes=-1", b"bytes=9-1", b"bytes=0-0," * 900, b"bytes=99999999999999999999-"),
    b"Sec-WebSocket-Extensions": (b"permessage-deflate", b"permessage-deflate; server_max_window_bits=99", b";", b"x," * 500),
    b"Sec-WebSocket-Key": (b"dGhlIHNhbXBsZSBub25jZQ==", b"x", b"a" * 4000),
    b"Sec-WebSocket-Protocol": (b"tocsin.v1", b"tocsin.v1, bearer.x", b"bearer.", b", ,", b"a b"),
    b"Sec-WebSocket-Version": (b"13", b"8", b"99"),
    b"TE": (b"trailers", b"gzip", b"chunked"),
    b"Upgrade": (b"websocket", b"h2c", b"TLS/1.0", b"websocket, h2c", b"WebSocket"),
    b"X-Request-Timeout": (b"999999s", b"nan"),
    b"x y": (b"z",),
    b"x\x80": (b"z",),
    b"": (b"z",),
}  # fmt: skip
"""At the HTTP door."""

GRPC: Final[Mapping[bytes, Sequence[bytes]]] = {
    **COMMON,
    b":authority": (b"", b"a b", b"\xff", b"evil"),
    b":method": (b"GET", b"PUT", b"CONNECT", b"", b"\xff"),
    b":path": (b"*", b"/", b"//", b"/\x80", b"/a b", b"http://x/y"),
    b":scheme": (b"ftp", b"", b"\xff"),
    b":status": (b"200",),
    b"content-length": (b"5", b"-1", b"99999999999999999999"),
    b"content-type": (b"application/grpc+proto", b"application/grpc+json", b"application/json", b"text/html", b"application/grpc-web"),
    b"grpc-previous-rpc-attempts": (b"1", b"-1", b"999999999999"),
    b"grpc-retry-pushback-ms": (b"-1", b"x"),
    b"grpc-status": (b"0", b"13"),
    b"grpc-status-details-bin": (b"AAAA", b"=", b"\xff"),
    b"grpc-trace-bin": (b"AAA", b"\xff", b"A" * 4000),
    b"te": (b"trailers", b"gzip", b""),
    b"x-bin": (b"", b"====", b"AA,AA", b"AAAA"),
    b"x-tocsin-carrier": ODD,
    b"x-tocsin-client-address": ODD,
    b"x-tocsin-scopes": (b"alarms:write", b"mesh:admin", b"\xff"),
    b"x-tocsin-subject": ODD,
    b"x-tocsin-tenant": (b"acme", *ODD),
    b"X-Upper": (b"z",),
    b"x y": (b"z",),
    b"x\x80": (b"z",),
    b"": (b"z",),
}
"""At the gRPC door; `x-tocsin-` is what the mesh says between its services."""
