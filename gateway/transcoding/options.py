"""The options of google.api on descriptors.

The published stubs type an extension as a plain descriptor, which the stubs of protobuf do not take as a key; the casts stand here once.
"""

from typing import Any, cast

from google.api import annotations_pb2, field_behavior_pb2, field_info_pb2, http_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

_HTTP = cast("Any", annotations_pb2.http)
_BEHAVIOR = cast("Any", field_behavior_pb2.field_behavior)
_INFO = cast("Any", field_info_pb2.field_info)


def http_rule(method: MethodDescriptor) -> http_pb2.HttpRule | None:
    """The google.api.http rule of a method, if it has one."""
    options = method.GetOptions()
    return cast("http_pb2.HttpRule", options.Extensions[_HTTP]) if options.HasExtension(_HTTP) else None


def behavior(field: FieldDescriptor) -> frozenset[int]:
    """The google.api.field_behavior values of a field (AIP-203)."""
    return frozenset(cast("list[int]", field.GetOptions().Extensions[_BEHAVIOR]))


def is_uuid(field: FieldDescriptor) -> bool:
    """Whether the field's google.api.field_info says UUID4: then the gateway may fill it (AIP-4235)."""
    return cast("field_info_pb2.FieldInfo", field.GetOptions().Extensions[_INFO]).format == field_info_pb2.FieldInfo.UUID4
