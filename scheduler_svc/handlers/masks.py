"""Which fields an update changes (AIP-134, AIP-161)."""

from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from scheduler_svc.domain import SPEC_FIELDS
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.errors import InvalidInput
from tocsin.masks import ALL_FIELDS, paths_of

WRITABLE: Final = (*SPEC_FIELDS, "state")
"""The fields of an alarm that a client can write."""


def effective_mask(mask: FieldMask, given: alarm_pb2.Alarm) -> FieldMask:
    """The fields to change: those of the mask; without one those that are set; with ``*`` all, but for a state that is not given.

    Raises:
        InvalidInput: the mask names a field that an alarm does not have, or one that cannot be cleared and is not given.
    """
    mask = FieldMask(paths=paths_of(mask))
    if ALL_FIELDS in mask.paths:
        return FieldMask(paths=[name for name in WRITABLE if name != "state" or given.state])
    if "state" in mask.paths and not given.state:
        raise InvalidInput.at("alarm.state", "cannot be cleared: an alarm is ACTIVE or PAUSED")
    if not mask.paths:
        return FieldMask(paths=[field.name for field, _ in given.ListFields() if field.name in WRITABLE])
    for path in mask.paths:
        if not FieldMask(paths=[path]).IsValidForDescriptor(alarm_pb2.Alarm.DESCRIPTOR):
            raise InvalidInput.at("updateMask", f"an alarm has no field {path!r}; known are {', '.join(WRITABLE)}")
    # A client that sends back what it has read sends the fields of the server, too (AIP-203: ignored on input).
    return FieldMask(paths=[path for path in mask.paths if path.partition(".")[0] in WRITABLE])


def merged(stored: alarm_pb2.Alarm, given: alarm_pb2.Alarm, mask: FieldMask) -> alarm_pb2.Alarm:
    """``stored`` with the fields of ``mask`` taken from ``given``; a field that is in the mask but not given is cleared."""
    result = alarm_pb2.Alarm()
    result.CopyFrom(stored)
    mask.MergeMessage(given, result, replace_message_field=True, replace_repeated_field=True)
    for path in mask.paths:
        _clear_left_out(path, given, result)
    return result


def _clear_left_out(path: str, given: Message, result: Message) -> None:
    """Clears the field at ``path`` if ``given`` lacks a message on the way to it, where MergeMessage would leave it as it was."""
    *parents, last = path.split(".")
    for name in parents:
        if not result.HasField(name):
            return
        if not given.HasField(name):
            given = type(given)()
        given, result = getattr(given, name), getattr(result, name)
    if not any(field.name == last for field, _ in given.ListFields()):
        result.ClearField(last)
