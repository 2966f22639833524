"""Entities of the processor: jobs and their results, tasks, records. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

from tocsin.errors import InvalidInput, NotFound, ResourceExhausted, TocsinError
from tocsin.pii import PiiPolicy
from tocsin.priority import Priority

Json: TypeAlias = Any  # a value that JSON can express


class RecordNotFound(NotFound):
    """There is no record with this key."""


class PolicyNotFound(NotFound):
    """There is no such policy."""


class TooManyPolicies(ResourceExhausted):
    """The tenant has as many policies as it may have."""


class TaskNotFound(NotFound):
    """There is no such task."""


class HandlerNotFound(InvalidInput):
    """There is no handler with this name."""


class TaskFailed(TocsinError):
    """The task failed.

    A handler raises it to say whether another attempt may help; any other exception counts as one that may.
    """

    def __init__(self, message: str | None = None, *, retryable: bool = True, retry_after: float | None = None) -> None:
        """Makes the error; ``retry_after`` in seconds overrides the retry policy's wait."""
        super().__init__(message, retry_after=retry_after)
        self.retryable = retryable


class TaskState(StrEnum):
    """State of a task."""

    QUEUED = "QUEUED"
    RETRYING = "RETRYING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


ENDED = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED)
"""States in which a task is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A value under a key."""

    key: str
    value: str
    update_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """A policy on personal data, with its id among those of its tenant, and when it was last set."""

    id: str
    policy: PiiPolicy
    update_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A run of a handler. ``id`` is the id of its firing."""

    id: str
    handler: str
    input: Mapping[str, Json]
    state: TaskState
    result: Mapping[str, Json] | None
    error: str
    attempts: int
    create_time: datetime | None
    complete_time: datetime | None


class JobAction(Protocol):
    """What a job does. Each kind has a class of its own, in its file in `processor_svc.actions`."""

    kind: ClassVar[str]
    """The field of ``tocsin.api.scheduler.v1.Action`` that holds it; empty for a kind that is not known here."""


@dataclass(frozen=True, slots=True)
class UnknownAction:
    """An action of a kind that this processor does not know: a newer scheduler sent it."""

    kind: ClassVar[str] = ""


class JobLease(NamedTuple):
    """The lease on one delivery of a firing; ``token`` is its fencing token."""

    firing: str
    token: int


class Job(NamedTuple):
    """One firing to run.

    Attributes:
        lease: its lease.
        lease_seconds: duration of the lease, from its arrival.
        tenant: id of the tenant.
        alarm: resource name of the alarm; empty for an ad-hoc task.
        attempt: from 1.
        priority: of the firing.
        action: what it runs.
        traceparent: of the firing; empty without a trace.
        origin: of the firing, as the contract names it: "SCHEDULE", "EVENT", "RAISED", "RESOLVED"...
        context: what triggered it, such as ``{"event": {"topic": …}}``; may be empty.
        cause: traceparent of the request that made the alarm, when the trace of the firing begins with it; otherwise empty.
        suspect: processors fell silent while they ran it, and it may be the cause.
        due: when it was due, in seconds since the epoch.
    """

    lease: JobLease
    lease_seconds: float
    tenant: str
    alarm: str
    attempt: int
    priority: Priority
    action: JobAction
    traceparent: str = ""
    origin: str = "SCHEDULE"
    context: Mapping[str, Json] = MappingProxyType({})
    cause: str = ""
    suspect: bool = False
    due: int = 0


@dataclass(frozen=True, slots=True)
class JobSucceeded:
    """The job succeeded; ``output`` is stored with the firing."""

    name: ClassVar[str] = "succeeded"

    output: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed:
    """The job failed. ``retry_after`` (seconds) overrides the wait of the retry policy."""

    name: ClassVar[str] = "failed"

    reason: str
    message: str
    retryable: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReleased:
    """The job could not be run now; this costs no attempt. ``retry_after`` is in seconds."""

    name: ClassVar[str] = "released"

    message: str
    retry_after: float


JobResult: TypeAlias = JobSucceeded | JobFailed | JobReleased


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkEvent:
    """A message of a scheduler: new jobs, leases whose results are committed, or the end of new jobs on this stream.

    ``refused``: jobs that could not be decoded, each with its result. ``cancelled``: leases of jobs that shall end.
    """

    jobs: Sequence[Job] = ()
    refused: Sequence[tuple[JobLease, JobResult]] = ()
    confirmed: Sequence[JobLease] = ()
    cancelled: Sequence[JobLease] = ()
    drain: bool = False


class TaskProgress(NamedTuple):
    """How far a run is, as its handler says: a share from 0 to 1, and what it does."""

    fraction: float
    message: str


class ActionProblem(NamedTuple):
    """What is wrong with a field of an action; ``tentative``: it may be right later, or in another processor."""

    field: str
    reason: str
    tentative: bool = False


class MetricReading(NamedTuple):
    """The latest reading of a metric; ``measured`` in seconds since the epoch."""

    value: float
    measured: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEvent:
    """An event that a message of a source becomes; ``happened`` in seconds since the epoch, None for now."""

    id: str
    topic: str
    source: str
    data: Mapping[str, Json]
    happened: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one address by one channel, or to ``recipients`` by ``channels``; an empty channel means the mailer's default.

    ``variables`` are the template's; ``context``, a JSON object or empty, is available to it as well. ``urgent`` is an incident's.
    """

    tenant: str
    firing: str
    alarm: str
    to: str
    channel: str
    priority: Priority
    subject: str
    text: str
    html: str
    template: str
    variables: Mapping[str, str]
    context: str
    traceparent: str
    category: str = ""
    incident: str = ""
    dedup_key: str = ""
    event: str = ""
    urgent: bool = False
    recipients: Sequence[str] = ()
    channels: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentTrigger:
    """What a firing says of an incident: that it begins, goes on, or, with ``resolved``, is over."""

    tenant: str
    firing: str
    alarm: str
    priority: int
    policy: str
    title: str
    description: str
    resolved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentAnswer:
    """What became of it: the incident, or the reason why there is none; neither when nothing was open that could be resolved."""

    incident: str = ""
    reason: str = ""
    message: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAck:
    """The mailer's acknowledgement of one message: the stored delivery or notification, or why it was refused."""

    delivery: str
    notification: str = ""
    reason: str = ""
    message: str = ""
    retryable: bool = False
