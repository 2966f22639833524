"""Alarms and firings between protobuf and the domain."""

from datetime import time

from google.protobuf.struct_pb2 import Struct

from scheduler_svc import domain
from scheduler_svc.domain import Priority, RetryPolicy
from scheduler_svc.handlers.times import length_of, micros_of, set_instant, set_length
from scheduler_svc.planning import upcoming
from scheduler_svc.recurrence import At, CatchUp, CatchUpMode, Daily, DstPolicy, Every, Gap, Overlap, Spec, Trigger
from scheduler_svc.service import Draft
from tocsin.api.scheduler.v1 import alarm_pb2, firing_service_pb2
from tocsin.errors import InvalidInput
from tocsin.telemetry import trace_id_of

_ALARMS = "alarms/"
_FIRINGS = "firings/"
_GAPS = {alarm_pb2.DstPolicy.SHIFT: Gap.SHIFT, alarm_pb2.DstPolicy.SKIP: Gap.SKIP}
_OVERLAPS = {alarm_pb2.DstPolicy.FIRST: Overlap.FIRST, alarm_pb2.DstPolicy.BOTH: Overlap.BOTH}
_GAP_NUMBERS = {gap: number for number, gap in _GAPS.items()}
_OVERLAP_NUMBERS = {overlap: number for number, overlap in _OVERLAPS.items()}


def alarm_id(name: str) -> str:
    """The id in a resource name that the contract has checked."""
    return name.removeprefix(_ALARMS)


def firing_id(name: str) -> str:
    """The id in a resource name that the contract has checked."""
    return name.removeprefix(_FIRINGS)


def draft_of(message: alarm_pb2.Alarm) -> Draft:
    """What a client says about an alarm.

    Raises:
        InvalidInput: a time cannot be used.
    """
    return Draft(
        display_name=message.display_name,
        labels=dict(message.labels),
        priority=priority_of(message.priority),
        trigger=trigger_of(message.trigger),
        action=action_of(message.action),
        retry=retry_of(message.retry) if message.HasField("retry") else None,
        key=message.key,
        auto_pause_after=message.auto_pause_after,
    )


def action_of(message: alarm_pb2.Action) -> domain.Action:
    """The action as bytes that are the same for equal actions."""
    return domain.Action(message.WhichOneof("kind") or "", message.SerializeToString(deterministic=True))


def priority_of(value: int) -> Priority:
    """The lane; NORMAL when none is given."""
    return Priority(value) if value else Priority.NORMAL


def retry_of(message: alarm_pb2.RetryPolicy) -> RetryPolicy:
    """The retry policy.

    Raises:
        InvalidInput: the longest wait is shorter than the first.
    """
    initial = length_of(message.initial_backoff) if message.HasField("initial_backoff") else None
    longest = length_of(message.max_backoff) if message.HasField("max_backoff") else None
    if initial is not None and longest is not None and longest < initial:
        raise InvalidInput.at("retry.maxBackoff", "must not be less than initialBackoff")
    return RetryPolicy(max_attempts=message.max_attempts, initial_backoff=initial, max_backoff=longest)


def trigger_of(message: alarm_pb2.Trigger) -> Trigger:
    """The trigger.

    Raises:
        InvalidInput: a time cannot be used.
    """
    return Trigger(
        spec=_spec_of(message),
        time_zone=message.time_zone,
        start=micros_of(message.start_time, field="trigger.startTime") if message.HasField("start_time") else None,
        end=micros_of(message.end_time, field="trigger.endTime") if message.HasField("end_time") else None,
        count=message.count,
        dst=_dst_of(message.dst) if message.HasField("dst") else None,
        catch_up=_catch_up_of(message.catch_up) if message.HasField("catch_up") else None,
    )


def _spec_of(message: alarm_pb2.Trigger) -> Spec:
    match message.WhichOneof("rule"):
        case "at":
            return At(micros_of(message.at, field="trigger.at"))
        case "every":
            return Every(length_of(message.every))
        case "daily":
            daily = message.daily
            return Daily(time.fromisoformat(daily.time), daily.recurring if daily.HasField("recurring") else True)
        case None:
            raise InvalidInput.at("trigger", "needs a rule: at, daily or every")


def _dst_of(message: alarm_pb2.DstPolicy) -> DstPolicy:
    return DstPolicy(gap=_GAPS.get(message.gap), overlap=_OVERLAPS.get(message.overlap))


def _catch_up_of(message: alarm_pb2.CatchUp) -> CatchUp:
    window = length_of(message.window) if message.HasField("window") else None
    return CatchUp(mode=CatchUpMode(message.mode), limit=message.limit, window=window)


def alarm_message(alarm: domain.Alarm) -> alarm_pb2.Alarm:
    """The alarm as clients see it."""
    message = alarm_pb2.Alarm(
        name=f"{_ALARMS}{alarm.id}",
        display_name=alarm.display_name,
        labels=alarm.labels,
        priority=alarm_pb2.Priority.ValueType(alarm.priority),
        state=alarm_pb2.Alarm.State.ValueType(alarm.state),
        etag=alarm.etag,
        key=alarm.key,
        auto_pause_after=alarm.auto_pause_after,
        pause_reason=alarm.pause_reason,
    )
    _set_trigger(message.trigger, alarm.trigger)
    message.action.ParseFromString(alarm.action.body)
    if alarm.retry is not None:
        _set_retry(message.retry, alarm.retry)
    set_instant(message.create_time, alarm.created)
    set_instant(message.update_time, alarm.updated)
    if alarm.state is domain.AlarmState.ACTIVE:
        set_instant(message.next_fire_time, upcoming(alarm))
    return message


def _set_retry(message: alarm_pb2.RetryPolicy, retry: RetryPolicy) -> None:
    message.SetInParent()
    message.max_attempts = retry.max_attempts
    if retry.initial_backoff is not None:
        set_length(message.initial_backoff, retry.initial_backoff)
    if retry.max_backoff is not None:
        set_length(message.max_backoff, retry.max_backoff)


def _set_trigger(message: alarm_pb2.Trigger, trigger: Trigger) -> None:
    message.time_zone = trigger.time_zone
    message.count = trigger.count
    set_instant(message.start_time, trigger.start)
    set_instant(message.end_time, trigger.end)
    match trigger.spec:
        case At(instant):
            set_instant(message.at, instant)
        case Every(interval):
            set_length(message.every, interval)
        case Daily(at, recurring):
            message.daily.time = at.isoformat()
            message.daily.recurring = recurring
    if trigger.dst is not None:
        message.dst.SetInParent()
        message.dst.gap = _GAP_NUMBERS[trigger.dst.gap] if trigger.dst.gap else alarm_pb2.DstPolicy.GAP_UNSPECIFIED
        message.dst.overlap = _OVERLAP_NUMBERS[trigger.dst.overlap] if trigger.dst.overlap else alarm_pb2.DstPolicy.OVERLAP_UNSPECIFIED
    if trigger.catch_up is not None:
        message.catch_up.SetInParent()
        message.catch_up.mode = alarm_pb2.CatchUp.Mode.ValueType(trigger.catch_up.mode)
        message.catch_up.limit = trigger.catch_up.limit
        if trigger.catch_up.window is not None:
            set_length(message.catch_up.window, trigger.catch_up.window)


def firing_message(firing: domain.Firing) -> firing_service_pb2.Firing:
    """The firing as clients see it."""
    message = firing_service_pb2.Firing(
        name=f"{_FIRINGS}{firing.id}",
        alarm=f"{_ALARMS}{firing.alarm}" if firing.alarm else "",
        outcome=firing_service_pb2.Firing.Outcome.ValueType(firing.outcome),
        reason=firing.reason,
        state=firing_service_pb2.Firing.State.ValueType(firing.state),
        attempts=firing.attempts,
        error=firing.error,
        priority=alarm_pb2.Priority.ValueType(firing.priority),
        trace_id=(trace_id_of(firing.traceparent) or "") if firing.traceparent else "",
        origin=firing_service_pb2.Firing.Origin.ValueType(firing.origin + 1),
    )
    if firing.context:
        message.context.ParseFromString(firing.context)
    set_instant(message.due_time, firing.due)
    set_instant(message.fire_time, firing.fired)
    set_instant(message.complete_time, firing.completed)
    if firing.state is domain.FiringState.RETRYING:
        set_instant(message.next_attempt_time, firing.ready)
    if firing.result:
        message.result.ParseFromString(firing.result)
    return message


def output_bytes(output: Struct) -> bytes:
    """A worker's answer as it is stored: what is too large is replaced by a note of its size."""
    if not output.fields:
        return b""
    body = output.SerializeToString(deterministic=True)
    if len(body) <= domain.MAX_RESULT:
        return body
    note = Struct()
    note.update({"truncated": True, "bytes": len(body)})
    return note.SerializeToString(deterministic=True)
