"""Which calls may be taken on, and what they get first: an identity and a time, so that forwarding one twice is the same as once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import Message
from ulid import ULID

from tocsin.api.scheduler.v1 import trigger_service_pb2 as pb
from tocsin.clock import Clock
from tocsin.mesh.validation import RequestValidator, shared_validator
from tocsin.readings import check_reading

M = TypeVar("M", bound=Message)

_SERVICE: Final = "/tocsin.api.scheduler.v1.TriggerService"

REQUESTS: Final[Mapping[str, type[Message]]] = {
    f"{_SERVICE}/PublishEvent": pb.PublishEventRequest,
    f"{_SERVICE}/RecordReading": pb.RecordReadingRequest,
    f"{_SERVICE}/Ping": pb.PingRequest,
    f"{_SERVICE}/ReceivePing": pb.ReceivePingRequest,
}
"""The request types of the RPCs that may be taken on, by path."""

_RECEIVED: Final = pb.ReceivePingResponse(text=HttpBody(content_type="text/plain; charset=utf-8", data=b"OK"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolableMethod:
    """How a call of one RPC is made ready.

    Attributes:
        mark: the request with its identity and time.
        check: refuses a request that its service would refuse for its form or its size.
        taken: the answer when it was taken on.
    """

    mark: Callable[[bytes], bytes]
    check: Callable[[bytes], None]
    taken: Callable[[bytes], bytes]


def spoolable_methods(clock: Clock) -> Mapping[str, SpoolableMethod]:
    """The spoolable_methods of every RPC that may be taken on, by path."""
    validator = shared_validator()

    def mark_event(request: pb.PublishEventRequest) -> None:
        _identify(request.event, clock)

    def mark_reading(request: pb.RecordReadingRequest) -> None:
        _identify(request.reading, clock)

    def mark_ping(request: pb.PingRequest | pb.ReceivePingRequest) -> None:
        if not request.HasField("time"):
            request.time.FromMicroseconds(clock.micros())

    def check_time(request: pb.RecordReadingRequest) -> None:
        check_reading(request.reading, now=clock.micros())

    def published(request: pb.PublishEventRequest) -> Message:
        return pb.PublishEventResponse(id=request.event.id)

    return {
        f"{_SERVICE}/PublishEvent": _method(validator, pb.PublishEventRequest, mark=mark_event, check=_nothing, taken=published),
        f"{_SERVICE}/RecordReading": _method(
            validator, pb.RecordReadingRequest, mark=mark_reading, check=check_time, taken=lambda _: pb.RecordReadingResponse()
        ),
        f"{_SERVICE}/Ping": _method(validator, pb.PingRequest, mark=mark_ping, check=_nothing, taken=lambda _: pb.PingResponse()),
        f"{_SERVICE}/ReceivePing": _method(validator, pb.ReceivePingRequest, mark=mark_ping, check=_nothing, taken=lambda _: _RECEIVED),
    }


def _method(
    validator: RequestValidator,
    kind: type[M],
    *,
    mark: Callable[[M], None],
    check: Callable[[M], None],
    taken: Callable[[M], Message],
) -> SpoolableMethod:
    def marked(raw: bytes) -> bytes:
        request = kind.FromString(raw)
        mark(request)
        return request.SerializeToString()

    def checked(raw: bytes) -> None:
        request = kind.FromString(raw)
        validator.check(request)
        check(request)

    return SpoolableMethod(mark=marked, check=checked, taken=lambda raw: taken(kind.FromString(raw)).SerializeToString())


def _identify(said: pb.PublishedEvent | pb.Reading, clock: Clock) -> None:
    if not said.id:
        said.id = str(ULID())
    if not said.HasField("time"):
        said.time.FromMicroseconds(clock.micros())


def _nothing(request: Message) -> None:
    """There is no more to mark, or to check, than the contract says."""
    del request
