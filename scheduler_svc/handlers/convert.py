"""Alarms and firings between protobuf and the domain."""

from itertools import islice
from typing import Any, Final

from google.protobuf.struct_pb2 import Struct

from scheduler_svc import domain
from scheduler_svc.domain import PLAIN_FIELDS, Priority, RetryPolicy
from scheduler_svc.domain.planning import upcoming
from scheduler_svc.handlers.convert_trigger import set_trigger, trigger_of
from scheduler_svc.handlers.stored import show
from scheduler_svc.handlers.times import length_of, set_instant, set_length, set_measured
from scheduler_svc.service import Draft
from scheduler_svc.service.checks import path_of
from scheduler_svc.triggers import Signal
from tocsin.actions import notice_of
from tocsin.api.scheduler.v1 import alarm_pb2, firing_service_pb2
from tocsin.channels import normal_address
from tocsin.errors import InvalidInput
from tocsin.recurrence import Event
from tocsin.stored import int32, row_reader
from tocsin.telemetry import trace_id_of

_MOST_FAILED = 20
_ALARMS = "alarms/"
_FIRINGS = "firings/"
_PRIORITIES = {0: Priority.NORMAL, **{int(priority): priority for priority in Priority}}


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
        trigger_of(message.trigger),
        action_of(message.action),
        dict(message.labels),
        priority_of(message.priority),
        retry_of(message.retry) if message.HasField("retry") else None,
        *domain.plain_values(message),
        state=domain.AlarmState(message.state) if message.state else None,
        pause_reason=pause_reason_of(message.pause_reason),
    )


_OF_THE_SERVER: Final = (domain.RULE_TOO_COSTLY, domain.TENANT_SUSPENDED, domain.FIRE_QUOTA)
"""Reasons that are found anew where it is imported."""
_LONGEST_REASON: Final = 100


def pause_reason_of(text: str) -> str:
    """The reason of a pause; empty when it is none that an import can bring."""
    return "" if text in _OF_THE_SERVER or len(text) > _LONGEST_REASON or not text.isprintable() else text


def action_of(message: alarm_pb2.Action) -> domain.Action:
    """The action as bytes that are the same for equal actions.

    Raises:
        AddressInvalid: nothing can be delivered to one of its addresses.
        InvalidInput: it is so large that no list or stream could show it.
    """
    if (notice := notice_of(message)) is not None:
        for place, address in enumerate(notice.notify.to):
            normal_address(address, notice.notify.channels, field=f"action.{notice.path}.to[{place}]")
    body = message.SerializeToString(deterministic=True)
    if len(body) > domain.MAX_ACTION:
        raise InvalidInput.at("action", f"has {len(body)} bytes; at most {domain.MAX_ACTION} are allowed")
    return domain.Action(message.WhichOneof("kind") or "", body)


def priority_of(value: int) -> Priority:
    """The priority; NORMAL when none is given."""
    return _PRIORITIES[value]


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


@row_reader(lambda alarm: f"{_ALARMS}{alarm.id}")
def alarm_message(alarm: domain.Alarm) -> alarm_pb2.Alarm:
    """The alarm as clients see it."""
    message = alarm_pb2.Alarm(
        name=f"{_ALARMS}{alarm.id}",
        labels=alarm.labels,
        priority=alarm_pb2.Priority.ValueType(int32(alarm.priority)),
        state=alarm_pb2.Alarm.State.ValueType(int32(alarm.state)),
        etag=alarm.etag,
        pause_reason=alarm.pause_reason if alarm.state is domain.AlarmState.PAUSED else "",
        **_plain(alarm),
    )
    message.damaged.extend(alarm.damaged)
    for finding in alarm.warnings:
        message.warnings.add(field=path_of(finding), reason=finding.reason)
    if "trigger" not in alarm.damaged:
        _set_trigger(message, alarm)
    if not show(message.action, alarm.action.body):
        message.ClearField("action")
        message.damaged.append("action")
    if alarm.retry is not None:
        _set_retry(message.retry, alarm.retry)
    set_instant(message.create_time, alarm.created)
    set_instant(message.update_time, alarm.updated)
    if alarm.state is domain.AlarmState.ACTIVE:
        set_instant(message.next_fire_time, alarm.due if alarm.damaged else upcoming(alarm))
    if alarm.signal is not None and not isinstance(alarm.trigger.spec, Event):
        _set_signal(message.signal, alarm.signal)
    return message


def _plain(alarm: domain.Alarm) -> dict[str, Any]:
    values = zip(PLAIN_FIELDS.items(), domain.plain_values(alarm), strict=True)
    return {name: int32(value) if kind is int else value for (name, kind), value in values}


def _set_trigger(message: alarm_pb2.Alarm, alarm: domain.Alarm) -> None:
    try:
        set_trigger(message.trigger, alarm.trigger)
    except (ValueError, TypeError, ArithmeticError):  # it was read, and yet holds what no trigger can
        message.ClearField("trigger")
        message.damaged.append("trigger")


def _set_signal(message: alarm_pb2.Signal, signal: Signal) -> None:
    message.status = alarm_pb2.Signal.Status.ValueType(int32(signal.status))
    set_instant(message.since, signal.since)
    set_instant(message.seen_time, signal.seen)
    set_instant(message.started_time, signal.started)
    if signal.value is not None:
        message.value = signal.value
    set_measured(message.last_duration, signal.duration)


def _set_retry(message: alarm_pb2.RetryPolicy, retry: RetryPolicy) -> None:
    message.SetInParent()
    message.max_attempts = int32(retry.max_attempts)
    if retry.initial_backoff is not None:
        set_length(message.initial_backoff, retry.initial_backoff)
    if retry.max_backoff is not None:
        set_length(message.max_backoff, retry.max_backoff)


@row_reader(lambda firing: f"firings/{firing.id}")
def firing_message(firing: domain.Firing) -> firing_service_pb2.Firing:
    """The firing as clients see it."""
    message = firing_service_pb2.Firing(
        name=f"{_FIRINGS}{firing.id}",
        alarm=f"{_ALARMS}{firing.alarm}" if firing.alarm else "",
        outcome=firing_service_pb2.Firing.Outcome.ValueType(int32(firing.outcome)),
        reason=firing.reason,
        state=firing_service_pb2.Firing.State.ValueType(int32(firing.state)),
        attempts=int32(firing.attempts),
        error=firing.error,
        priority=alarm_pb2.Priority.ValueType(int32(firing.priority)),
        trace_id=_trace_id(firing),
        origin=firing_service_pb2.Firing.Origin.ValueType(int32(firing.origin + 1)),
    )
    if firing.context and not show(message.context, firing.context):
        message.ClearField("context")
        message.damaged.append("context")
    set_instant(message.due_time, firing.due)
    set_instant(message.fire_time, firing.fired)
    set_instant(message.complete_time, firing.completed)
    if firing.state is domain.FiringState.RETRYING:
        set_instant(message.next_attempt_time, firing.ready)
    if firing.result and not show(message.result, firing.result):
        message.ClearField("result")
        message.damaged.append("result")
    _set_deliveries(message, firing)
    return message


def _set_deliveries(message: firing_service_pb2.Firing, firing: domain.Firing) -> None:
    """What became of its messages: how many there are stands in the answer of its work."""
    names = message.result.fields["deliveries"].list_value.values if "deliveries" in message.result.fields else ()
    if not (names or firing.failed):
        return
    states = [item.state for item in firing.failed.values()]
    summary = message.deliveries
    summary.accepted = max(len(names), len(states))
    end = domain.DeliveryEnd
    summary.dead, summary.unknown = states.count(end.DEAD), states.count(end.OUTCOME_UNKNOWN)
    summary.suppressed, summary.bounced, summary.complained = (states.count(it) for it in (end.SUPPRESSED, end.BOUNCED, end.COMPLAINED))
    worst = max(states, key=lambda state: state.severity, default=end.ACCEPTED)
    summary.worst = firing_service_pb2.DeliverySummary.State.ValueType(worst)
    for name, item in islice(firing.failed.items(), _MOST_FAILED):
        summary.failed.add(name=name, state=firing_service_pb2.DeliverySummary.State.ValueType(item.state), reason=item.reason)


def _trace_id(firing: domain.Firing) -> str:
    traceparent = domain.own_traceparent(firing.id) if firing.flags & domain.OWN_TRACE else firing.traceparent
    return trace_id_of(traceparent) if traceparent else ""


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
