"""Firings as jobs on the wire.

A stored row may hold anything: an older version wrote it, or nobody checked it. What cannot be told to a processor is told apart firing by
firing, so that it fails by itself; a message that a processor cannot read would end its stream, and the work of everybody with it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from scheduler_svc.domain import Failed, Lease, QueuedFiring
from scheduler_svc.handlers.stored import ACTIONS, JOB_CONTEXT, JOBS, LARGEST_ACTION, LARGEST_STRUCT, check_readable
from scheduler_svc.handlers.times import set_instant
from scheduler_svc.tracing import JobTrace
from tocsin.api.scheduler.v1 import alarm_pb2, dispatch_service_pb2, firing_service_pb2

_MOST_BYTES: Final = 1024 * 1024  # of actions and contexts in one message


class Undeliverable(NamedTuple):
    """A delivery that cannot be told to a processor, and why."""

    lease: Lease
    failure: Failed


Batch = tuple[dispatch_service_pb2.WorkResponse, Sequence[Undeliverable]]


Dispatched = Callable[[QueuedFiring], JobTrace]
"""Leaves the span of a delivery, and says what its job carries."""


def batches(
    deliveries: Sequence[tuple[QueuedFiring, int]], lease: Duration, *, dispatched: Dispatched, suspect: bool = False
) -> Iterator[Batch]:
    """Messages with the jobs of ``deliveries``, in order, each with those that had to be left out; ``suspect``: what they all are."""
    done = 0
    while done < len(deliveries):
        response = dispatch_service_pb2.WorkResponse()
        response.jobs.lease_duration.CopyFrom(lease)
        batch = _Batch(response.jobs, dispatched)
        while done < len(deliveries) and batch.takes(deliveries[done][0]):
            batch.add(*deliveries[done])
            done += 1
        for job in response.jobs.jobs if suspect else ():
            job.suspect = True
        yield response, batch.refused


class _Batch:
    """One message. What several jobs do is told once."""

    def __init__(self, jobs: dispatch_service_pb2.WorkResponse.Jobs, dispatched: Dispatched) -> None:
        self._dispatched = dispatched
        self.refused: list[Undeliverable] = []
        self._jobs = jobs
        self._numbers: dict[bytes, int | Failed] = {}
        self._room = _MOST_BYTES
        self._empty = True

    def takes(self, queued: QueuedFiring) -> bool:
        """Whether there is room; one delivery always has."""
        body = queued.action.body
        self._room -= len(queued.context) + (0 if body in self._numbers else len(body))
        fits, self._empty = self._room >= 0 or self._empty, False
        return fits

    def add(self, queued: QueuedFiring, token: int) -> None:
        """Puts a delivery in, or among those that are refused."""
        number = self._numbers.get(queued.action.body)
        if number is None:
            number = self._numbers[queued.action.body] = self._add_action(queued.action.body)
        failure = number if isinstance(number, Failed) else self._add_job(queued, token, number)
        if failure is not None:
            self.refused.append(Undeliverable(Lease(queued.id, token), failure))

    def _add_action(self, body: bytes) -> int | Failed:
        actions = self._jobs.actions
        before = len(actions)
        try:
            _check(body, within=(ACTIONS,), most=LARGEST_ACTION)
            actions.add().ParseFromString(body)
        except (DecodeError, ValueError) as error:
            del actions[before:]
            return Failed(reason="ACTION_UNREADABLE", message=f"the stored action cannot be read: {error}", retryable=False)
        return len(actions)

    def _add_job(self, queued: QueuedFiring, token: int, action: int) -> Failed | None:
        jobs = self._jobs.jobs
        before = len(jobs)
        try:
            if queued.context:
                _check(queued.context, within=(JOBS, JOB_CONTEXT), most=LARGEST_STRUCT)
            _fill_job(jobs.add(), queued, token, action)
            jobs[-1].traceparent, jobs[-1].cause_traceparent = self._dispatched(queued)
        except (DecodeError, ValueError, TypeError) as error:
            del jobs[before:]
            return Failed(reason="CONTEXT_UNREADABLE", message=f"the stored firing cannot be read: {error}", retryable=False)
        return None


def _check(body: bytes, *, within: tuple[int, ...], most: int) -> None:
    if len(body) > most:
        raise ValueError(f"it has {len(body)} bytes, but a processor accepts at most {most}")
    check_readable(body, within=within)


def _fill_job(job: dispatch_service_pb2.Job, queued: QueuedFiring, token: int, action: int) -> None:
    lease = job.lease
    lease.firing, lease.token = queued.id, token
    job.tenant = queued.tenant
    job.attempt = queued.attempts + 1
    job.priority = alarm_pb2.Priority.ValueType(queued.priority)
    job.action_number = action
    job.origin = firing_service_pb2.Firing.Origin.ValueType(queued.origin + 1)
    set_instant(job.due_time, queued.due)
    if queued.alarm:
        job.alarm = f"alarms/{queued.alarm}"
    if queued.context:
        job.context.ParseFromString(queued.context)
