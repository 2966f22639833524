"""What a trigger would do, between protobuf and the domain."""

from collections.abc import Iterable
from typing import Final

from scheduler_svc.handlers.convert import action_of
from scheduler_svc.handlers.convert_trigger import trigger_of
from scheduler_svc.handlers.times import micros_of, set_instant
from scheduler_svc.service import Caller, Previews
from scheduler_svc.service.checks import ActionChecks, path_of
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.errors import InvalidInput
from tocsin.mesh.validation import RequestValidator
from tocsin.recurrence import Shown

_FIELD: Final = "trigger"


async def previewed(
    request: alarm_service_pb2.PreviewAlarmRequest, caller: Caller, previews: Previews
) -> alarm_service_pb2.PreviewAlarmResponse:
    """The next due times of a trigger.

    Raises:
        InvalidInput: the trigger is not valid.
    """
    start = getattr(request, "from")  # a keyword of Python
    since = micros_of(start, field="from") if request.HasField("from") else None
    shown = await previews.preview(caller, trigger_of(request.trigger), start=since, count=request.count)
    return alarm_service_pb2.PreviewAlarmResponse(occurrences=_occurrences(shown))


async def validated(
    request: alarm_service_pb2.ValidateAlarmRequest,
    caller: Caller,
    *,
    previews: Previews,
    checks: ActionChecks,
    validator: RequestValidator,
) -> alarm_service_pb2.ValidateAlarmResponse:
    """What is thought of a trigger, and of an action if one is given; whatever is wrong with them is answered, not refused."""
    response = await _judged(request, caller, previews, validator)
    if request.HasField("action"):
        await _judge_action(request.action, caller, response, checks, validator)
    return response


async def _judged(
    request: alarm_service_pb2.ValidateAlarmRequest, caller: Caller, previews: Previews, validator: RequestValidator
) -> alarm_service_pb2.ValidateAlarmResponse:
    try:
        validator.check(request.trigger)
    except InvalidInput as error:
        return _refused(error, within=_FIELD)
    try:
        verdict = await previews.validate(caller, trigger_of(request.trigger))
    except InvalidInput as error:
        return _refused(error)
    if verdict.refusal is not None:
        return _refused(verdict.refusal)
    return alarm_service_pb2.ValidateAlarmResponse(
        valid=True, description=verdict.description, occurrences=_occurrences(verdict.occurrences)
    )


async def _judge_action(
    action: alarm_pb2.Action,
    caller: Caller,
    response: alarm_service_pb2.ValidateAlarmResponse,
    checks: ActionChecks,
    validator: RequestValidator,
) -> None:
    try:
        validator.check(action)
    except InvalidInput as error:
        response.problems.extend(_refused(error, within="action").problems)
    else:
        (findings,) = await checks.check(caller.tenant, [action_of(action)])
        for finding in findings:
            (response.warnings if finding.tentative else response.problems).add(field=path_of(finding), reason=finding.reason)
    response.valid = response.valid and not response.problems


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
