"""Conversion of jobs and their results between protobuf and the domain."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Final

from google.protobuf import json_format, struct_pb2

from processor_svc.actions.kinds import Actions
from processor_svc.domain import Job, JobAction, JobFailed, JobLease, JobResult, JobSucceeded, Json, WorkEvent
from processor_svc.results import bounded_result, error_text
from tocsin.api.scheduler.v1 import alarm_pb2, dispatch_service_pb2, firing_service_pb2
from tocsin.pages import PAGE_BYTES
from tocsin.priority import Priority
from tocsin.telemetry import get_logger

_MAX_BATCH: Final = 500
_PRIORITIES: Final = {int(each): each for each in Priority}
_NOTHING: Final[Mapping[str, Json]] = {}
_log = get_logger(__name__)

WireResult = dispatch_service_pb2.Result | None
"""A result on the wire; None for a success without output."""


def to_result(lease: JobLease, end: JobResult) -> WireResult:
    """The result of a job on the wire. One that cannot be serialized, although it was checked, becomes a failure with the reason."""
    if isinstance(end, JobSucceeded) and not end.output:
        return None
    try:
        return _to_result(lease, end)
    except Exception as error:  # noqa: BLE001  an exception here would end the stream of every job
        _log.error("result not serializable", firing=lease.firing, exc_info=error)
        return _to_result(lease, bounded_result(JobFailed(reason="RESULT_INVALID", message=error_text(error), retryable=False)))


def _to_result(lease: JobLease, end: JobResult) -> dispatch_service_pb2.Result:
    result = dispatch_service_pb2.Result()
    result.lease.firing, result.lease.token = lease
    if isinstance(end, JobSucceeded):
        result.output.CopyFrom(to_struct(end.output))
    elif isinstance(end, JobFailed):
        result.failure.reason, result.failure.message, result.failure.retryable = end.reason, end.message, end.retryable
        if end.retry_after is not None:
            result.failure.retry_after.FromTimedelta(timedelta(seconds=end.retry_after))
    else:
        result.released.message = end.message
        result.released.retry_after.FromTimedelta(timedelta(seconds=end.retry_after))
    return result


def result_batches(ends: Sequence[tuple[JobLease, WireResult]]) -> Iterator[dispatch_service_pb2.WorkRequest]:
    """Messages with all results, each within the size limit."""
    request, count, size = dispatch_service_pb2.WorkRequest(), 0, 0
    for lease, result in ends:
        if count == _MAX_BATCH or size > PAGE_BYTES:
            yield request
            request, count, size = dispatch_service_pb2.WorkRequest(), 0, 0
        count += 1
        if result is None:
            done = request.results.done.add()
            done.firing, done.token = lease
        else:
            size += result.ByteSize()
            request.results.results.append(result)
    if count:
        yield request


def to_lease(lease: JobLease) -> dispatch_service_pb2.Lease:
    """The lease on the wire."""
    return dispatch_service_pb2.Lease(firing=lease.firing, token=lease.token)


def to_jobs(batch: dispatch_service_pb2.WorkResponse.Jobs, actions: Actions) -> WorkEvent:
    """The jobs of a batch, and failures for those that cannot be decoded; an action that jobs share is decoded once."""
    reader = _Reader(batch, actions)
    jobs: list[Job] = []
    refused: list[tuple[JobLease, JobResult]] = []
    for job in batch.jobs:
        read = reader.job(job)
        if isinstance(read, Job):
            jobs.append(read)
        else:
            refused.append((JobLease(job.lease.firing, job.lease.token), read))
    return WorkEvent(jobs=jobs, refused=refused)


class _Reader:
    """Decodes the jobs of one batch; an error fails only its job."""

    def __init__(self, batch: dispatch_service_pb2.WorkResponse.Jobs, actions: Actions) -> None:
        self._kinds = actions
        self._actions = [self._action(action) for action in batch.actions]
        self._seconds = batch.lease_duration.ToTimedelta().total_seconds()

    def job(self, job: dispatch_service_pb2.Job) -> Job | JobFailed:
        number = job.action_number
        action = self._actions[number - 1] if 0 < number <= len(self._actions) else self._action(job.action)
        if isinstance(action, JobFailed):
            return action
        try:
            context = from_struct(job.context) if job.HasField("context") else _NOTHING
        except Exception as error:  # noqa: BLE001  any error fails this firing only
            return _unreadable("CONTEXT_UNREADABLE", "the context of the firing cannot be decoded", error)
        return Job(
            JobLease(job.lease.firing, job.lease.token),
            self._seconds or job.lease_duration.ToTimedelta().total_seconds(),
            job.tenant,
            job.alarm,
            job.attempt,
            _PRIORITIES.get(job.priority, Priority.NORMAL),
            action,
            job.traceparent,
            _origin(job.origin),
            context,
            job.cause_traceparent,
            job.suspect,
            job.due_time.seconds,
        )

    def _action(self, message: alarm_pb2.Action) -> JobAction | JobFailed:
        try:
            return self._kinds.decode(message)
        except Exception as error:  # noqa: BLE001  any error fails the firings with this action only
            return _unreadable("ACTION_UNREADABLE", "the action cannot be decoded", error)


def _unreadable(reason: str, what: str, error: Exception) -> JobFailed:
    return JobFailed(reason=reason, message=f"{what}: {error_text(error)}", retryable=False)


@cache
def _origin(number: "firing_service_pb2.Firing.Origin.ValueType") -> str:
    names = firing_service_pb2.Firing.Origin
    return names.Name(number) if number in names.values() else str(number)  # one of a newer scheduler


def to_struct(value: Mapping[str, Json]) -> struct_pb2.Struct:
    """The JSON object on the wire."""
    return json_format.ParseDict(dict(value), struct_pb2.Struct()) if value else struct_pb2.Struct()


def from_struct(struct: struct_pb2.Struct) -> dict[str, Json]:
    """The JSON object.

    Raises:
        ValueError: a number in it is not finite.
    """
    return json_format.MessageToDict(struct) if struct.fields else {}
