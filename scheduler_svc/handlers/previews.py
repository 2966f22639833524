"""What a trigger would do, between protobuf and the domain."""

from collections.abc import Iterable
from typing import Final

from scheduler_svc.handlers.convert_trigger import trigger_of
from scheduler_svc.handlers.times import micros_of, set_instant
from scheduler_svc.service import Caller, Previews, Shown
from tocsin.api.scheduler.v1 import alarm_service_pb2
from tocsin.errors import InvalidInput
from tocsin.mesh.validation import RequestValidator

_FIELD: Final = "trigger"


def previewed(request: alarm_service_pb2.PreviewAlarmRequest, caller: Caller, previews: Previews) -> alarm_service_pb2.PreviewAlarmResponse:
    """The next due times of a trigger.

    Raises:
        InvalidInput: the trigger is not valid.
    """
    start = getattr(request, "from")  # a keyword of Python
    since = micros_of(start, field="from") if request.HasField("from") else None
    shown = previews.preview(caller, trigger_of(request.trigger), start=since, count=request.count)
    return alarm_service_pb2.PreviewAlarmResponse(occurrences=_occurrences(shown))


def validated(
    request: alarm_service_pb2.ValidateAlarmRequest, caller: Caller, previews: Previews, validator: RequestValidator
) -> alarm_service_pb2.ValidateAlarmResponse:
    """What is thought of a trigger; whatever is wrong with it is answered, not refused."""
    try:
        validator.check(request.trigger)
    except InvalidInput as error:
        return _refused(error, within=_FIELD)
    try:
        verdict = previews.validate(caller, trigger_of(request.trigger))
    except InvalidInput as error:
        return _refused(error)
    if verdict.refusal is not None:
        return _refused(verdict.refusal)
    return alarm_service_pb2.ValidateAlarmResponse(
        valid=True, description=verdict.description, occurrences=_occurrences(verdict.occurrences)
    )


def _refused(error: InvalidInput, *, within: str = "") -> alarm_service_pb2.ValidateAlarmResponse:
    response = alarm_service_pb2.ValidateAlarmResponse()
    for violation in error.violations:
        path = [part for part in (within, violation.field) if part]
        problem = response.problems.add(field=".".join(path), reason=violation.description)
        if "position" in error.metadata:
            problem.position = int(error.metadata["position"])
    return response


def _occurrences(shown: Iterable[Shown]) -> list[alarm_service_pb2.Occurrence]:
    return [_occurrence(item) for item in shown]


def _occurrence(shown: Shown) -> alarm_service_pb2.Occurrence:
    label = alarm_service_pb2.Occurrence.Label.Value(shown.label.value)
    message = alarm_service_pb2.Occurrence(local_time=shown.local, label=label)
    set_instant(message.time, shown.due)
    return message
