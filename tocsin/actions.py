"""The kinds of action that the contract knows. Whoever needs a list of them reads it here, so that a new kind is in every list."""

from collections.abc import Mapping

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tocsin.api.scheduler.v1 import alarm_pb2


def action_kinds(action: Descriptor = alarm_pb2.Action.DESCRIPTOR) -> Mapping[str, FieldDescriptor]:
    """The fields of the oneof ``kind`` of ``tocsin.api.scheduler.v1.Action``, by name, in the order of the contract."""
    return {field.name: field for field in action.oneofs_by_name["kind"].fields}
