"""The client of the schedulers' work: one Work stream to each replica."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

from processor_svc.actions.kinds import Actions
from processor_svc.clients.wire import WireResult, result_batches, to_jobs, to_lease, to_result
from processor_svc.domain import JobLease, JobResult, WorkEvent
from processor_svc.results import bounded_text
from tocsin.api.scheduler.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc
from tocsin.background import Background
from tocsin.clock import SystemClock
from tocsin.errors import Unavailable
from tocsin.mesh.client import Mesh

SCHEDULER: Final = "scheduler_svc"


class SchedulerWork:
    """Opens Work streams to schedulers."""

    def __init__(self, *, mesh: Mesh, worker: str, reserve: int, actions: Actions) -> None:
        """Opens nothing yet.

        Args:
            mesh: channels to other services.
            worker: id of this start of the process.
            reserve: number of critical jobs that are taken beyond the credit.
            actions: the kinds of action that this processor runs.
        """
        self._mesh = mesh
        self._actions = actions
        self._hello = dispatch_service_pb2.WorkRequest.Hello(worker=worker, reserve=reserve, kinds=actions.names)

    async def endpoints(self) -> Sequence[str]:
        """Address of every scheduler replica."""
        return await self._mesh.endpoints(SCHEDULER)

    def connected(self, endpoint: str) -> bool:
        """Whether that scheduler is connected; starts to connect if not."""
        return self._mesh.channel(SCHEDULER, endpoint=endpoint).connected()

    async def open(self, endpoint: str) -> "SchedulerSession":
        """Opens a Work stream."""
        stub = dispatch_service_pb2_grpc.DispatchServiceStub(self._mesh.channel(SCHEDULER, endpoint=endpoint))
        return SchedulerSession(stub=stub, hello=self._hello, actions=self._actions)


class SchedulerSession:
    """One Work stream. Requests are batched: everything queued while the previous message was sent."""

    def __init__(
        self,
        *,
        stub: "dispatch_service_pb2_grpc.DispatchServiceAsyncStub",
        hello: dispatch_service_pb2.WorkRequest.Hello,
        actions: Actions,
    ) -> None:
        self._hello = hello
        self._actions = actions
        self._credit = 0
        self._ends: dict[JobLease, WireResult] = {}
        self._extensions: list[JobLease] = []
        self._answers: list[dispatch_service_pb2.WorkRequest] = []
        self._background = Background(SystemClock())
        self._checks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._ending = False
        self._call = stub.Work(self._requests())
        self._responses = aiter(self._call)

    def grant(self, credit: int) -> None:
        """Allows the scheduler to send ``credit`` more jobs."""
        if credit:
            self._credit += credit
            self._wake.set()

    def finish(self, lease: JobLease, end: JobResult) -> None:
        """Queues the result of a job for the next batch, serialized here: an exception while requests are sent would end the stream."""
        self._ends[lease] = to_result(lease, end)
        self._wake.set()

    def extend(self, leases: Sequence[JobLease]) -> None:
        """Queues the extension of leases of running jobs."""
        self._extensions.extend(leases)
        self._wake.set()

    async def receive(self) -> WorkEvent:
        """The next event.

        Raises:
            Unavailable: the stream broke or ended.
        """
        try:
            response = await anext(self._responses)
        except StopAsyncIteration:
            raise Unavailable("The scheduler ended the stream.") from None
        match response.WhichOneof("kind"):
            case "jobs":
                return to_jobs(response.jobs, self._actions)
            case "confirmations":
                return WorkEvent(confirmed=[JobLease(lease.firing, lease.token) for lease in response.confirmations.leases])
            case "drain":
                return WorkEvent(drain=True)
            case "cancel":
                return WorkEvent(cancelled=[JobLease(lease.firing, lease.token) for lease in response.cancel.leases])
            case "check":
                self._answer(response.check)
                return WorkEvent()
            case _:  # a kind of a newer scheduler
                return WorkEvent()

    def _answer(self, check: dispatch_service_pb2.WorkResponse.Check) -> None:
        task = self._background.once("check", partial(self._check, check))
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def _check(self, check: dispatch_service_pb2.WorkResponse.Check) -> None:
        checked = dispatch_service_pb2.WorkRequest.Checked(number=check.number)
        for action in check.actions:
            verdict = checked.verdicts.add()
            for field, reason, tentative in await self._actions.validate(action, check.tenant):
                verdict.problems.add(field=field, reason=bounded_text(reason), tentative=tentative)
        self._answers.append(dispatch_service_pb2.WorkRequest(checked=checked))
        self._wake.set()

    def end(self) -> None:
        """Sends what is queued and closes this side; the scheduler confirms and ends the stream."""
        self._ending = True
        self._wake.set()

    def close(self) -> None:
        """Cancels the stream."""
        for task in self._checks:
            task.cancel()
        self._call.cancel()

    async def _requests(self) -> AsyncIterator[dispatch_service_pb2.WorkRequest]:
        yield dispatch_service_pb2.WorkRequest(hello=self._hello)
        while self._ends or not self._ending:
            await self._wake.wait()
            self._wake.clear()
            ends, self._ends = list(self._ends.items()), {}
            for request in result_batches(ends):
                yield request
            while self._answers:
                yield self._answers.pop()
            if self._extensions:
                leases, self._extensions = self._extensions, []
                extend = dispatch_service_pb2.WorkRequest.Extend(leases=[to_lease(lease) for lease in leases])
                yield dispatch_service_pb2.WorkRequest(extend=extend)
            if self._credit:
                credit, self._credit = self._credit, 0
                yield dispatch_service_pb2.WorkRequest(credit=credit)
