"""What the processor needs from its store and from other services."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from processor_svc.domain import (
    ActionProblem,
    DeliveryAck,
    IncidentAnswer,
    IncidentTrigger,
    JobLease,
    JobResult,
    Json,
    Message,
    MetricReading,
    Record,
    SourceEvent,
    StoredPolicy,
    Task,
    TaskProgress,
    WorkEvent,
)


class RecordStore(Protocol):
    """Stores records by tenant and key."""

    async def set_record(self, *, tenant: str, key: str, value: str, now: datetime) -> Record:
        """Stores ``value`` under ``key`` and returns the record once it is committed."""
        ...

    async def get_record(self, *, tenant: str, key: str) -> Record:
        """Reads a record.

        Raises:
            RecordNotFound: the tenant has none under ``key``.
        """
        ...

    async def list_records(self, *, tenant: str, after: str, limit: int) -> Sequence[Record]:
        """At most ``limit`` records whose keys follow ``after``, by key."""
        ...

    async def delete_record(self, *, tenant: str, key: str) -> None:
        """Removes a record.

        Raises:
            RecordNotFound: the tenant has none under ``key``.
        """
        ...


class PolicyStore(Protocol):
    """Stores policies on personal data by tenant and id. Each change makes the version of them all greater."""

    async def set_policy(self, policy: StoredPolicy, *, most: int) -> None:
        """Stores a policy, or replaces it.

        Raises:
            TooManyPolicies: the tenant has ``most`` others.
        """
        ...

    async def get_policy(self, *, tenant: str, id: str) -> StoredPolicy:  # noqa: A002  the word of the contract
        """Reads a policy.

        Raises:
            PolicyNotFound: the tenant has none of this id.
        """
        ...

    async def list_policies(self, *, tenant: str, after: str, limit: int) -> Sequence[StoredPolicy]:
        """At most ``limit`` policies whose ids follow ``after``, by id."""
        ...

    async def delete_policy(self, *, tenant: str, id: str) -> None:  # noqa: A002  as above
        """Removes a policy.

        Raises:
            PolicyNotFound: the tenant has none of this id.
        """
        ...

    async def version(self) -> int:
        """The version of all policies; at least 1."""
        ...

    async def every_policy(self, *, after: tuple[str, str], limit: int) -> tuple[int, Sequence[StoredPolicy]]:
        """The version, and at most ``limit`` policies of all tenants that follow ``after`` (tenant, id), in that order."""
        ...


class TaskQueue(Protocol):
    """The queue of tasks: the scheduler's ledger. The tenant is that of the user's token."""

    async def enqueue(self, *, handler: str, arguments: Mapping[str, Json], request_id: str) -> Task:
        """Stores a task that is due now; the same ``request_id`` gives the same task."""
        ...

    async def get_task(self, *, task_id: str) -> Task:
        """Reads a task.

        Raises:
            TaskNotFound: the tenant has no such task.
        """
        ...

    async def cancel_task(self, *, task_id: str) -> Task:
        """Cancels a task; one that is over stays as it is.

        Raises:
            TaskNotFound: the tenant has no such task.
        """
        ...

    async def find_task(self, *, request_id: str) -> Task | None:
        """The task that an earlier request with this id has created; None if there is none."""
        ...

    async def list_tasks(self, *, page_size: int, page_token: str) -> tuple[Sequence[Task], str]:
        """A page of tasks, newest first, and the token of the next page."""
        ...


class ProgressFeed(Protocol):
    """Reports of progress, live: those of other replicas arrive as long as Redis is there."""

    def report(self, task_id: str, progress: TaskProgress) -> None:
        """Tells everybody who follows the task; never waits, and never fails."""
        ...

    def follow(self, task_id: str) -> AbstractAsyncContextManager[AsyncIterator[TaskProgress | None]]:
        """Reports of a task from now on; None now and then, to look whether the task has changed."""
        ...


class TaskChecks(Protocol):
    """Validates tasks."""

    async def problems(self, *, handler: str, arguments: Mapping[str, Json]) -> Sequence[ActionProblem]:
        """What is wrong with a task before it is queued: with its "handler", or below "input"."""
        ...


class Mailer(Protocol):
    """The mailer."""

    async def deliver(self, messages: Sequence[Message]) -> Sequence[DeliveryAck]:
        """Sends messages to the mailer; returns an acknowledgement for each, in order, once they are stored.

        Raises:
            Unavailable: no mailer acknowledged all of them. Sending them again is safe.
        """
        ...


class IncidentTriggers(Protocol):
    """The incidents, which the scheduler has."""

    async def trigger(self, trigger: IncidentTrigger) -> IncidentAnswer:
        """Opens an incident, counts one more trigger of it, or resolves it; the same firing does so once.

        Raises:
            Unavailable: the scheduler cannot be reached. Asking again is safe.
        """
        ...


class Readings(Protocol):
    """Readings of metrics, which the scheduler keeps; they raise and resolve the alarms that watch them."""

    async def latest(self, tenant: str, metric: str) -> MetricReading | None:
        """The reading with the latest time; None without one.

        Raises:
            Unavailable: no scheduler answered.
        """
        ...

    async def record(self, tenant: str, values: Mapping[str, float], *, id: str, source: str) -> None:  # noqa: A002  the word of the contract
        """Records a value of each metric, measured now.

        Args:
            tenant: whose they are.
            values: by metric.
            id: makes the call idempotent.
            source: who measured.

        Raises:
            Unavailable: no scheduler recorded all of them. Saying it again is safe.
        """
        ...


class EventSink(Protocol):
    """The scheduler's events."""

    async def publish(self, tenant: str, event: SourceEvent) -> bool:
        """Publishes an event for a tenant; whether one of its id was published before, and nothing happened.

        Raises:
            InvalidInput: it cannot be an event.
            Unavailable: no scheduler took it. Saying it again is safe.
        """
        ...


class ServiceHealth(Protocol):
    """The services of this installation."""

    async def of(self, service: str) -> str:
        """The health of a service: "healthy", "degraded" or "unavailable"."""
        ...


class WorkSession(Protocol):
    """One open Work stream to one scheduler."""

    def grant(self, credit: int) -> None:
        """Allows the scheduler to send ``credit`` more jobs."""
        ...

    def finish(self, lease: JobLease, end: JobResult) -> None:
        """Queues the result of a job for the next batch."""
        ...

    def extend(self, leases: Sequence[JobLease]) -> None:
        """Queues the extension of leases of running jobs."""
        ...

    async def receive(self) -> WorkEvent:
        """The next event.

        Raises:
            Unavailable: the stream broke or ended.
        """
        ...

    def end(self) -> None:
        """Sends what is queued and closes this side; the scheduler confirms and ends the stream."""
        ...

    def close(self) -> None:
        """Cancels the stream."""
        ...


class WorkSource(Protocol):
    """The schedulers."""

    async def endpoints(self) -> Sequence[str]:
        """Address of every scheduler replica."""
        ...

    def connected(self, endpoint: str) -> bool:
        """Whether that scheduler is connected; starts to connect if not."""
        ...

    async def open(self, endpoint: str) -> WorkSession:
        """Opens a Work stream.

        Raises:
            Unavailable: that scheduler cannot be reached.
        """
        ...
