"""Which calls may be taken on, and what they get first: an identity and a time, so that forwarding one twice is the same as once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message
from ulid import ULID

from tocsin.api.scheduler.v1 import trigger_service_pb2 as pb
from tocsin.clock import Clock
from tocsin.mesh.validation import RequestValidator

_SERVICE: Final = "/tocsin.api.scheduler.v1.TriggerService"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """How a call of one RPC is made ready.

    Attributes:
        mark: the request with its identity and time.
        check: refuses a request that its service would refuse for its form alone.
        taken: the answer when it was taken on.
    """

    mark: Callable[[bytes], bytes]
    check: Callable[[bytes], None]
    taken: Callable[[bytes], bytes]


def stamps(clock: Clock) -> Mapping[str, Stamp]:
    """The stamps of every RPC that may be taken on, by path."""
    validator = RequestValidator()

    def event(raw: bytes) -> bytes:
        request = pb.PublishEventRequest.FromString(raw)
        if not request.event.id:
            request.event.id = str(ULID())
        _set_time(request.event)
        return request.SerializeToString()

    def reading(raw: bytes) -> bytes:
        request = pb.RecordReadingRequest.FromString(raw)
        _set_time(request.reading)
        return request.SerializeToString()

    def _set_time(message: Any) -> None:
        if not message.HasField("time"):
            message.time.FromMicroseconds(clock.micros())

    def published(raw: bytes) -> bytes:
        return pb.PublishEventResponse(id=pb.PublishEventRequest.FromString(raw).event.id).SerializeToString()

    def nothing(raw: bytes) -> bytes:
        del raw
        return b""

    def same(raw: bytes) -> bytes:
        return raw

    def checks(kind: type[Message]) -> Callable[[bytes], None]:
        return lambda raw: validator.check(kind.FromString(raw))

    return {
        f"{_SERVICE}/PublishEvent": Stamp(mark=event, check=checks(pb.PublishEventRequest), taken=published),
        f"{_SERVICE}/RecordReading": Stamp(mark=reading, check=checks(pb.RecordReadingRequest), taken=nothing),
        f"{_SERVICE}/Ping": Stamp(mark=same, check=checks(pb.PingRequest), taken=nothing),
    }
