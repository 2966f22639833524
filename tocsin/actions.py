"""The kinds of action that the contract knows. Whoever needs a list of them reads it here, so that a new kind is in every list."""

from collections.abc import Mapping
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tocsin.api.scheduler.v1 import alarm_pb2


def action_kinds(action: Descriptor = alarm_pb2.Action.DESCRIPTOR) -> Mapping[str, FieldDescriptor]:
    """The fields of the oneof ``kind`` of ``tocsin.api.scheduler.v1.Action``, by name, in the order of the contract."""
    return {field.name: field for field in action.oneofs_by_name["kind"].fields}


class ActionNotice(NamedTuple):
    """A message to people that an action may send, and its path in the action."""

    path: str
    notify: alarm_pb2.Notify


def notice_of(action: alarm_pb2.Action) -> ActionNotice | None:
    """The message that an action sends, or sends when something changes; None if it sends none."""
    kind = action.WhichOneof("kind")
    if kind == "notify":
        return ActionNotice("notify", action.notify)
    if kind == "check" and action.check.HasField("notify"):
        return ActionNotice("check.notify", action.check.notify)
    return None
