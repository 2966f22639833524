"""Where etags stand: in the requests that make a change only of what was read, and in the answers that show what it is now (AIP-154)."""

import re
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tocsin.mesh.request_id import text_of

_NAME: Final = "etag"
_TAG: Final = re.compile(r"[\x21\x23-\x7e]{1,64}\Z")


def etag_place(request: Descriptor, body: str) -> tuple[FieldDescriptor, ...]:
    """The way to the etag of a request: of the resource that is its body (the field ``body``), or its own; empty if it has none."""
    resource = request.fields_by_name.get(body)
    message = resource.message_type if resource is not None and not resource.is_repeated else None
    inner = message.fields_by_name.get(_NAME) if message is not None else None
    if resource is not None and inner is not None:
        return resource, inner
    own = request.fields_by_name.get(_NAME)
    return () if own is None else (own,)


def etag_number(reply: Descriptor) -> int:
    """The number of the field in which an answer shows its etag; 0 if it has none."""
    field = reply.fields_by_name.get(_NAME)
    single = field is not None and not field.is_repeated and field.type == FieldDescriptor.TYPE_STRING
    return field.number if field is not None and single else 0


def etag_of(answer: bytes, number: int) -> str:
    """The entity tag of an answer as a header has it (RFC 9110, 8.8.3); empty if it has none.

    It stands for the resource as its clients write it: a change by somebody else changes it. What Tocsin itself finds out, such as the next
    due time of an alarm, does not, so that it says nothing to If-None-Match.
    """
    tag = text_of(answer, number) if number else ""
    return f'"{tag}"' if _TAG.match(tag) else ""
