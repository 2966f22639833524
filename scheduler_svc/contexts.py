"""Structures (google.protobuf.Struct) between their bytes and plain values, and the contexts that firings carry."""

from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct, Value

from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.clock import from_micros
from tocsin.recurrence import Micros


def plain(message: Struct) -> dict[str, Any]:
    """The structure as decoded JSON; every number is a float."""
    return {name: _plain_value(value) for name, value in message.fields.items()}


def _plain_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            return value.number_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return plain(value.struct_value)
        case "list_value":
            return [_plain_value(item) for item in value.list_value.values]
        case _:
            return None


def packed(values: Mapping[str, Any]) -> bytes:
    """The bytes of a structure of texts, numbers, truth values and further structures: the same for equal ones."""
    message = Struct()
    _fill(message.fields, values)
    return message.SerializeToString(deterministic=True)


def _fill(fields: MutableMapping[str, Value], values: Mapping[str, Any]) -> None:
    """As `Struct.update`, in half of the time."""
    for name, value in values.items():
        if type(value) is str:
            fields[name].string_value = value
        elif type(value) is dict:
            nested = fields[name].struct_value
            nested.SetInParent()
            _fill(nested.fields, value)  # pyright: ignore[reportUnknownArgumentType]  of whatever it holds
        elif type(value) is bool:
            fields[name].bool_value = value
        else:
            fields[name].number_value = value


def event_context(*, identity: str, topic: str, source: str, happened: Micros, body: bytes) -> bytes:
    """What the firings of an event carry: {"event": {...}}, with the event's data in it."""
    message = Struct()
    event = message.fields["event"].struct_value
    event.update({"id": identity, "topic": topic, "time": rfc3339(happened)})
    if source:
        event["source"] = source
    if body:
        event.fields["data"].struct_value.ParseFromString(body)
    return message.SerializeToString(deterministic=True)


def event_topic(context: bytes) -> str:
    """The topic of the event that a firing's context tells of; empty if it tells of none, or cannot be read."""
    message = Struct()
    try:
        message.ParseFromString(context)
    except DecodeError:
        return ""
    return message.fields["event"].struct_value.fields["topic"].string_value if "event" in message.fields else ""


def reading_context(signal: str, metric: str, value: float, measured: Micros, source: str = "") -> bytes:
    """What the firing of a threshold carries: {"signal": "RAISED", "reading": {...}}; the reading is the one that decided."""
    about: dict[str, Any] = {"metric": metric, "value": value, "time": rfc3339(measured)}
    return packed({"signal": signal, "reading": about | ({"source": source} if source else {})})


def heartbeat_context(
    signal: str, *, raised: Micros, ping: Micros | None, reason: str = "", exit_status: int | None = None, text: str = ""
) -> bytes:
    """What the firing of a heartbeat carries: {"signal": "RAISED", "heartbeat": {...}}; since when it is raised, and the last ping.

    ``reason`` is LATE, NOT_FINISHED (a job that began has not ended), or FAILED, of a job with its ``exit_status`` and what it said.
    """
    about: dict[str, Any] = {"raisedTime": rfc3339(raised)}
    if ping is not None:
        about["pingTime"] = rfc3339(ping)
    if reason:
        about["reason"] = reason
    if exit_status is not None:
        about["exitStatus"] = exit_status
    if text:
        about["text"] = text
    return packed({"signal": signal, "heartbeat": about})


def check_metric(alarm: str, action: bytes) -> str:
    """The metric of the readings of an alarm's action ``check``; one that nobody can read is that of an action without a name for it."""
    message = alarm_pb2.Action()
    try:
        message.ParseFromString(action)
    except DecodeError:
        message.Clear()
    return message.check.metric or f"check.{alarm}"


@lru_cache(maxsize=256)
def rfc3339(instant: Micros) -> str:
    """The instant in RFC 3339, in UTC."""
    return from_micros(instant).isoformat().replace("+00:00", "Z")
