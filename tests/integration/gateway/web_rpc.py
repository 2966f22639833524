"""What the tests of Connect and gRPC-Web share: a client that frames by hand."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf import json_format
from google.rpc import status_pb2

from tests.integration.gateway.support import Book

SERVICE = "/shelf.v1.ShelfService/"
NAME = "shelves/1/books/1"


class Frame(NamedTuple):
    """An enveloped message."""

    flags: int
    data: bytes

    @property
    def json(self) -> Any:
        """As JSON."""
        return json.loads(self.data)


def framed(data: bytes, flags: int = 0) -> bytes:
    """A message in its envelope."""
    return struct.pack(">BI", flags, len(data)) + data


def frames(body: bytes) -> list[Frame]:
    """The messages of a body, which must end behind one."""

    def read() -> Iterator[Frame]:
        at = 0
        while at < len(body):
            flags, length = struct.unpack_from(">BI", body, at)
            assert len(body) >= at + 5 + length
            yield Frame(flags, body[at + 5 : at + 5 + length])
            at += 5 + length

    return list(read())


def trailers(frame: Frame) -> dict[str, str]:
    """The trailers of gRPC-Web."""
    assert frame.flags == 0x80
    return dict(line.split(": ", 1) for line in frame.data.decode().split("\r\n") if line)


def status(trailing: Any) -> status_pb2.Status:
    """The google.rpc.Status in trailers."""
    text = trailing["grpc-status-details-bin"]
    return status_pb2.Status.FromString(base64.b64decode(text + "=" * (-len(text) % 4)))


def message(is_json: bool, **fields: Any) -> bytes:
    """A book; also whatever else has a name alone, for these fields have the same numbers."""
    found = Book(**fields)
    return json_format.MessageToJson(found).encode() if is_json else found.SerializeToString()


def book(is_json: bool, data: bytes) -> Any:
    """The book that an answer holds."""
    return json_format.Parse(data, Book()) if is_json else Book.FromString(data)
