"""What the processor needs of others, named by intent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from processor_svc.domain import ActionProblem, DeliveryAck, JobLease, JobResult, Json, Message, Record, Task, WorkEvent


class RecordStore(Protocol):
    """Keeps records; every call names the tenant."""

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


class TaskQueue(Protocol):
    """Where tasks wait: the scheduler's ledger. The tenant is the one of the user's token."""

    async def enqueue(self, *, handler: str, arguments: Mapping[str, Json], request_id: str) -> Task:
        """Makes a task durable and due now; the same ``request_id`` gives the same task."""
        ...

    async def get_task(self, *, task_id: str) -> Task:
        """Reads a task.

        Raises:
            TaskNotFound: the tenant has no such task.
        """
        ...

    async def find_task(self, *, request_id: str) -> Task | None:
        """The task that a request has made before; None when it has made none."""
        ...

    async def list_tasks(self, *, page_size: int, page_token: str) -> tuple[Sequence[Task], str]:
        """A page of tasks, the newest first, and the token of the next page."""
        ...


class TaskChecks(Protocol):
    """Knows the handlers."""

    async def problems(self, *, handler: str, arguments: Mapping[str, Json]) -> Sequence[ActionProblem]:
        """What is wrong with a task before it is queued: with its "handler", or below "input"."""
        ...


class Mailer(Protocol):
    """Takes messages."""

    async def deliver(self, messages: Sequence[Message]) -> Sequence[DeliveryAck]:
        """Hands messages over; returns one answer for each, in order, once they are stored.

        Raises:
            Unavailable: no mailer answered for all of them. Handing them over again is safe.
        """
        ...


class WorkSession(Protocol):
    """One open Work stream to one scheduler."""

    def grant(self, credit: int) -> None:
        """Lets the scheduler send ``credit`` more jobs."""
        ...

    def finish(self, lease: JobLease, end: JobResult) -> None:
        """Queues the end of a job for the next batch."""
        ...

    def extend(self, leases: Sequence[JobLease]) -> None:
        """Queues a longer lease for jobs that still run."""
        ...

    async def receive(self) -> WorkEvent:
        """The next event.

        Raises:
            Unavailable: the stream is broken, or at its end.
        """
        ...

    def end(self) -> None:
        """Sends what is queued and then nothing more; the scheduler confirms and ends the stream."""
        ...

    def close(self) -> None:
        """Breaks the stream off."""
        ...


class WorkSource(Protocol):
    """The schedulers that have work."""

    async def endpoints(self) -> Sequence[str]:
        """Address of every scheduler replica."""
        ...

    def connected(self, endpoint: str) -> bool:
        """Whether the connection to that scheduler stands; asks for one if not."""
        ...

    async def open(self, endpoint: str) -> WorkSession:
        """Opens a Work stream.

        Raises:
            Unavailable: that scheduler cannot be reached.
        """
        ...
