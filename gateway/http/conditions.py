"""If-Match: a change is made only of what its client has read (RFC 9110, section 13.1.1; AIP-154)."""

import re
from collections.abc import Mapping
from typing import Final

from google.protobuf.descriptor import Descriptor

from gateway.transcoding.etags import etag_place
from gateway.transcoding.problems import IdempotencyKeyInUse, PreconditionFailed
from tocsin.errors import Aborted
from tocsin.mesh.request_id import text_field

_IF_MATCH: Final = b"if-match"
_STRONG: Final = re.compile(rb'"([\x21\x23-\x7e]{1,64})"')


class EtagCondition:
    """The place of the etag in the request of one RPC: a field of it, or of the resource that is its body."""

    __slots__ = ("_place",)

    def __init__(self, request: Descriptor, body: str) -> None:
        """Looks for it; ``body`` is the field of ``request`` that is the body, if it is one."""
        self._place = etag_place(request, body)

    def wire(self, headers: Mapping[bytes, bytes]) -> bytes:
        """What follows the request's bytes so that its etag is that of the header; empty without one, and for any (``*``).

        Raises:
            PreconditionFailed: the header is no single strong tag, or the resource has none that could match.
        """
        given = headers.get(_IF_MATCH)
        if given is None or given == b"*":
            return b""
        tag = _STRONG.fullmatch(given)
        if tag is None:
            raise PreconditionFailed('If-Match must be * or the etag of the resource in quotes, such as "3".')
        if not self._place:
            raise PreconditionFailed("If-Match cannot hold: what this method changes has no etag.")
        return text_field(tuple(field.number for field in self._place), tag[1].decode("ascii"))


def as_condition(error: Aborted, headers: Mapping[bytes, bytes]) -> Aborted:
    """The error as it is told: a conflict is 412 where the client asked for it by If-Match."""
    if _IF_MATCH not in headers or isinstance(error, IdempotencyKeyInUse):
        return error
    return PreconditionFailed(error.message, reason=error.error_reason, metadata=error.metadata)
