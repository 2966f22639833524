"""DispatchService."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, Final

import grpc
from google.protobuf.duration_pb2 import Duration

from scheduler_svc import domain
from scheduler_svc.dispatch import CancelJobs, Confirmed, Dispatcher, Drain, Jobs, Message, ProcessorSession, Question
from scheduler_svc.domain import DeliveryEnd, DeliveryReport, Failed, Finding, Released, Report, Succeeded
from scheduler_svc.handlers.caller import caller
from scheduler_svc.handlers.convert import action_of, firing_id, firing_message, output_bytes, priority_of, retry_of
from scheduler_svc.handlers.firings import firing_page
from scheduler_svc.handlers.jobs import batches
from scheduler_svc.handlers.stored import show
from scheduler_svc.handlers.times import length_of, set_length
from scheduler_svc.service import Firings
from scheduler_svc.service.reports import DeliveryReports
from scheduler_svc.tracing import FiringTraces
from tocsin.api.scheduler.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc, firing_service_pb2
from tocsin.clock import DAY, SECOND
from tocsin.errors import InvalidInput
from tocsin.mesh.context import detached

_MAX_WAIT: Final = DAY
_MOST_REASON: Final = 500
_MOST_PROBLEMS: Final = 20
_DONE: Final = Succeeded()

Context = grpc.aio.ServicerContext[Any, Any]
Requests = AsyncIterator[dispatch_service_pb2.WorkRequest]


class DispatchHandlers(dispatch_service_pb2_grpc.DispatchServiceServicer):
    """Hands firings to processors."""

    def __init__(self, *, dispatcher: Dispatcher, firings: Firings, reports: DeliveryReports, traces: FiringTraces) -> None:
        self._dispatcher = dispatcher
        self._traces = traces
        self._firings = firings
        self._reports = reports
        self._lease = Duration()
        set_length(self._lease, round(dispatcher.options.lease_seconds * SECOND))

    async def Work(self, request_iterator: Requests, context: Context) -> AsyncGenerator[dispatch_service_pb2.WorkResponse]:
        """Pulls work: credit and results come in, jobs and confirmations go out."""
        hello = await anext(aiter(request_iterator), None)
        if hello is None or hello.WhichOneof("kind") != "hello":
            raise InvalidInput.at("hello", "must be the first message of the stream")
        session = self._dispatcher.connect(hello.hello.worker, reserve=hello.hello.reserve, kinds=hello.hello.kinds)
        with detached():
            reader = asyncio.create_task(self._read(request_iterator, session), name=f"work-{session.number}")
        reader.add_done_callback(lambda _: session.finish())
        try:
            yield dispatch_service_pb2.WorkResponse(welcome=dispatch_service_pb2.WorkResponse.Welcome())
            while (message := await session.next()) is not None:
                for response in self._responses(message, session):
                    yield response
            await _outcome(reader)
        finally:
            reader.cancel()
            self._dispatcher.disconnect(session)

    async def _read(self, requests: Requests, session: ProcessorSession) -> None:
        async for request in requests:
            match request.WhichOneof("kind"):
                case "credit":
                    self._dispatcher.grant(session, request.credit)
                case "results":
                    await self._dispatcher.report(session, _reports(request.results))
                case "extend":
                    self._dispatcher.extend(session, [_lease(lease) for lease in request.extend.leases])
                case "checked":
                    session.answer(request.checked.number, [_findings(verdict) for verdict in request.checked.verdicts])
                case "hello":
                    raise InvalidInput.at("hello", "must be sent once, in the first message of the stream")
                case _:
                    pass  # something that a newer processor says

    def _responses(self, message: Message, session: ProcessorSession) -> Iterator[dispatch_service_pb2.WorkResponse]:
        match message:
            case Jobs(deliveries, suspect):
                for response, refused in batches(deliveries, self._lease, dispatched=self._traces.dispatched, suspect=suspect):
                    for lease, failure in refused:
                        self._dispatcher.fail(session, lease, failure)
                    if response.jobs.jobs:
                        yield response
            case Confirmed(leases):
                response = dispatch_service_pb2.WorkResponse()
                add = response.confirmations.leases.add
                for firing, token in leases:
                    lease = add()
                    lease.firing, lease.token = firing, token
                yield response
            case Question(number, bodies, tenant):
                response = dispatch_service_pb2.WorkResponse()
                response.check.number, response.check.tenant = number, tenant
                for body in bodies:
                    response.check.actions.add().ParseFromString(body)
                yield response
            case CancelJobs(leases):
                response = dispatch_service_pb2.WorkResponse()
                for firing, token in leases:
                    response.cancel.leases.add(firing=firing, token=token)
                yield response
            case Drain():
                yield dispatch_service_pb2.WorkResponse(drain=dispatch_service_pb2.WorkResponse.Drain())

    async def ReportDeliveries(
        self, request: dispatch_service_pb2.ReportDeliveriesRequest, context: Context
    ) -> dispatch_service_pb2.ReportDeliveriesResponse:
        """Takes what became of messages."""
        await self._reports.report([_delivery_report(report) for report in request.reports])
        return dispatch_service_pb2.ReportDeliveriesResponse()

    async def Enqueue(self, request: dispatch_service_pb2.EnqueueRequest, context: Context) -> firing_service_pb2.Firing:
        """Makes a firing that is due now."""
        firing = await self._firings.enqueue(
            caller(),
            action_of(request.action),
            priority=priority_of(request.priority),
            retry=retry_of(request.retry) if request.HasField("retry") else None,
            request_id=request.request_id,
        )
        return firing_message(firing)

    async def GetEnqueued(self, request: dispatch_service_pb2.GetEnqueuedRequest, context: Context) -> dispatch_service_pb2.EnqueuedFiring:
        """Reads an ad-hoc task by its name, or by the ``request_id`` that it was enqueued with."""
        if not request.request_id:
            return _enqueued(await self._firings.get_enqueued(caller(), firing_id(request.name)))
        known = await self._firings.requested(caller(), "", request_id=request.request_id)
        if known is None:
            raise domain.FiringNotFound
        return _enqueued(known)

    async def CancelEnqueued(
        self, request: dispatch_service_pb2.CancelEnqueuedRequest, context: Context
    ) -> dispatch_service_pb2.EnqueuedFiring:
        """Cancels an ad-hoc task."""
        return _enqueued(await self._firings.cancel(caller(), firing_id(request.name)))

    async def ListEnqueued(
        self, request: dispatch_service_pb2.ListEnqueuedRequest, context: Context
    ) -> dispatch_service_pb2.ListEnqueuedResponse:
        """Lists enqueued firings, the newest first."""
        found, more = await firing_page(request, self._firings, caller(), show=_enqueued, adhoc=True)
        return dispatch_service_pb2.ListEnqueuedResponse(firings=found, next_page_token=more)


async def _outcome(reader: "asyncio.Task[None]") -> None:
    """Raises what went wrong while reading, if anything did."""
    if reader.done() and not reader.cancelled():
        await reader


def _enqueued(firing: domain.Firing) -> dispatch_service_pb2.EnqueuedFiring:
    message = dispatch_service_pb2.EnqueuedFiring(firing=firing_message(firing))
    if not show(message.action, firing.action.body):
        message.ClearField("action")
        message.firing.damaged.append("action")
    return message


def _lease(lease: dispatch_service_pb2.Lease) -> domain.Lease:
    return domain.Lease(lease.firing, lease.token)


def _reports(results: dispatch_service_pb2.WorkRequest.Results) -> list[Report]:
    reports = [Report(domain.Lease(lease.firing, lease.token), _DONE) for lease in results.done]
    reports += [Report(_lease(result.lease), _end(result)) for result in results.results]
    return reports


def _end(result: dispatch_service_pb2.Result) -> domain.End:
    match result.WhichOneof("end"):
        case "output":
            return Succeeded(output_bytes(result.output))
        case "failure":
            failure = result.failure
            wait = _wait(failure.retry_after) if failure.HasField("retry_after") else None
            return Failed(
                reason=failure.reason.replace("\0", "") or "FAILED", message=failure.message, retryable=failure.retryable, retry_after=wait
            )
        case "released" | None:
            return Released(message=result.released.message, wait=_wait(result.released.retry_after))


def _findings(verdict: dispatch_service_pb2.WorkRequest.Verdict) -> tuple[Finding, ...]:
    return tuple(Finding(each.field, each.reason[:_MOST_REASON], each.tentative) for each in verdict.problems[:_MOST_PROBLEMS])


def _wait(duration: Duration) -> int:
    return min(max(0, length_of(duration)), _MAX_WAIT)


def _delivery_report(message: dispatch_service_pb2.DeliveryReport) -> DeliveryReport:
    return DeliveryReport(
        tenant=message.tenant,
        firing=message.firing,
        delivery=message.delivery,
        state=DeliveryEnd(message.state or DeliveryEnd.ACCEPTED),
        attempts=message.attempts,
        channel=message.channel,
        to=message.to,
        reason=message.reason,
    )
