"""DeliveryService."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from mailer_svc.domain import Delivery, DeliveryNotFound, DeliveryState, GateReason, ReportKind, StatusReport, TimelineEntry, person_name
from mailer_svc.handlers.deliver import DeliverStreams
from mailer_svc.handlers.resources import resource
from mailer_svc.ports import DeliveryQuery
from mailer_svc.ports.reporting import StatusReports
from mailer_svc.service import Deliveries
from mailer_svc.service.queries import resume_token
from tocsin.api.mailer.v1 import delivery_service_pb2 as pb
from tocsin.api.mailer.v1 import delivery_service_pb2_grpc as rpc
from tocsin.channels import CHANNELS
from tocsin.errors import InvalidInput
from tocsin.listing import Condition, FilterField, FilterKind, parse_filter
from tocsin.mesh.context import principal
from tocsin.pages import BatchSizer, Listing, list_page
from tocsin.stored import clamped, int32, row_reader

Context = grpc.aio.ServicerContext[Any, Any]

_RETRIED = (DeliveryState.DEAD.name, DeliveryState.OUTCOME_UNKNOWN.name)
_RETRIES = 100
_FILTERS = {
    "firing": FilterField(),
    "alarm": FilterField(),
    "state": FilterField(kind=FilterKind.CHOICE, choices=tuple(state.name for state in DeliveryState)),
    "to": FilterField(),
    "channel": FilterField(kind=FilterKind.CHOICE, choices=tuple(CHANNELS)),
    "recipient": FilterField(),
    "category": FilterField(),
    "notification": FilterField(),
    "reason": FilterField(kind=FilterKind.CHOICE, choices=tuple(reason.value for reason in GateReason)),
}
_COLLECTIONS = {"firing": "firings/", "recipient": "recipients/", "category": "categories/", "notification": "notifications/"}
_REPORTS = {
    "delivered": ReportKind.DELIVERED,
    "bounced": ReportKind.BOUNCED,
    "complained": ReportKind.COMPLAINED,
    "unsubscribed": ReportKind.UNSUBSCRIBED,
    "failed": ReportKind.DROPPED,
    "pending": ReportKind.NOTED,
}
_OF_THE_MESSAGE = ("failed",)
"""What callers say of a message and not of its address."""
_REPORTED = 1000


class DeliveryHandlers(rpc.DeliveryServiceServicer):
    """Takes messages, and shows what became of them."""

    def __init__(self, *, streams: DeliverStreams, deliveries: Deliveries, reports: StatusReports) -> None:
        self._streams = streams
        self._deliveries = deliveries
        self._reports = reports

    async def Deliver(self, request_iterator: AsyncIterator[pb.DeliverRequest], context: Context) -> AsyncIterator[pb.DeliverResponse]:
        """Takes batches of messages."""
        async for response in self._streams.serve(request_iterator):
            yield response

    async def GetDelivery(self, request: pb.GetDeliveryRequest, context: Context) -> pb.Delivery:
        """Reads one delivery with its timeline."""
        return delivery_message(await self._deliveries.get(tenant=principal().tenant, id=request.name.removeprefix("deliveries/")))

    async def CountMessages(self, request: pb.CountMessagesRequest, context: Context) -> pb.CountMessagesResponse:
        """How many messages a tenant has sent today."""
        return pb.CountMessagesResponse(messages=await self._deliveries.sent_today(request.tenant))

    async def ListDeliveries(self, request: pb.ListDeliveriesRequest, context: Context) -> pb.ListDeliveriesResponse:
        """Lists deliveries, the newest first."""
        tenant = principal().tenant
        wanted = _query(tenant, parse_filter(request.filter, fields=_FILTERS))

        async def read(behind: tuple[int, str] | None, most: int) -> tuple[Sequence[Delivery], None]:
            return await self._deliveries.page(wanted, before=behind, limit=most), None

        listing = Listing(f"deliveries {tenant} {request.filter}", (int, str))
        deliveries, token = await list_page(request, listing, read=read, show=delivery_message, place=lambda item: (item.created, item.id))
        return pb.ListDeliveriesResponse(deliveries=deliveries, next_page_token=token)

    async def SummarizeDeliveries(self, request: pb.SummarizeDeliveriesRequest, context: Context) -> pb.SummarizeDeliveriesResponse:
        """Counts what was accepted lately."""
        found = await self._deliveries.summary(principal().tenant, minutes=request.minutes)
        start, end = timestamp(found.since), timestamp(found.until)
        message = pb.SummarizeDeliveriesResponse(start_time=start, compute_time=end, partial=found.partial)
        for each in found.counts:
            state = pb.Delivery.State.ValueType(int32(each.state))
            message.counts.add(state=state, channel=each.channel, deliveries=each.deliveries)
        return message

    async def RetryDelivery(self, request: pb.RetryDeliveryRequest, context: Context) -> pb.Delivery:
        """Sends a delivery again."""
        return delivery_message(await self._deliveries.retry_one(tenant=principal().tenant, id=request.name.removeprefix("deliveries/")))

    async def RetryDeliveries(self, request: pb.RetryDeliveriesRequest, context: Context) -> pb.RetryDeliveriesResponse:
        """Sends deliveries again that meet a filter."""
        conditions = parse_filter(request.filter, fields=_FILTERS)
        states = [condition for condition in conditions if condition.field == "state"]
        if any(condition.operator != "=" or condition.value not in _RETRIED for condition in states):
            raise InvalidInput.at("filter", f"state must be {' or '.join(_RETRIED)}")
        wanted = _query(principal().tenant, conditions)
        if not states:
            wanted = replace(wanted, equal=(*wanted.equal, ("state", int(DeliveryState.DEAD))))
        limit = request.limit or _RETRIES
        ids = await self._deliveries.retry(wanted, limit=limit)
        return pb.RetryDeliveriesResponse(deliveries=[f"deliveries/{identity}" for identity in ids], more=len(ids) == limit)

    async def ReportStatus(self, request: pb.ReportStatusRequest, context: Context) -> pb.ReportStatusResponse:
        """Tells what became of a message after it was sent."""
        tenant = principal().tenant
        ids = await self._named(tenant, request)
        when = f"at {request.timestamp.ToJsonString()}" if request.HasField("timestamp") else ""
        reports = [
            StatusReport(
                kind=_REPORTS[request.status],
                delivery=identity,
                provider="report",
                detail=" ".join(words for words in (request.error, when) if words),
                soft=request.status in _OF_THE_MESSAGE,
                event=f"{tenant}/{request.report_id}/{identity}" if request.report_id else "",
            )
            for identity in ids
        ]
        await self._reports.report(reports, tenant=tenant)
        return pb.ReportStatusResponse(deliveries=[f"deliveries/{identity}" for identity in ids])

    async def _named(self, tenant: str, request: pb.ReportStatusRequest) -> list[str]:
        """The ids of the deliveries that a report is of; raises an error if there is none."""
        if request.delivery:
            return [(await self._deliveries.get(tenant=tenant, id=request.delivery.removeprefix("deliveries/"))).id]
        equal: list[tuple[str, str | int]] = [("notification", request.notification.removeprefix("notifications/"))]
        if request.channel:
            equal.append(("channel", request.channel))
        found = await self._deliveries.page(DeliveryQuery(tenant=tenant, equal=tuple(equal)), before=None, limit=_REPORTED)
        if not found:
            raise DeliveryNotFound(f"There is no delivery of {request.notification}")
        return [delivery.id for delivery in found]

    async def WatchDeliveries(self, request: pb.WatchDeliveriesRequest, context: Context) -> AsyncIterator[pb.WatchDeliveriesResponse]:
        """Streams every change of a delivery."""
        step = BatchSizer()
        changes = self._deliveries.watch(
            tenant=principal().tenant,
            firing=request.firing.removeprefix("firings/"),
            token=request.resume_token,
            most=step.take,
        )
        async for change in changes:
            message = delivery_message(change.delivery)
            step.saw(message.ByteSize())
            yield pb.WatchDeliveriesResponse(delivery=message, resume_token=resume_token(change.position))


def _query(tenant: str, conditions: tuple[Condition, ...]) -> DeliveryQuery:
    equal: list[tuple[str, str | int]] = []
    unequal: list[tuple[str, str | int]] = []
    for condition in conditions:
        value = str(condition.value)
        pair: tuple[str, str | int] = (condition.field, value)
        if condition.field in _COLLECTIONS:
            pair = (condition.field, value.removeprefix(_COLLECTIONS[condition.field]))
        elif condition.field == "state":
            pair = ("state", int(DeliveryState[value]))
        (equal if condition.operator == "=" else unequal).append(pair)
    return DeliveryQuery(tenant=tenant, equal=tuple(equal), unequal=tuple(unequal))


@row_reader(lambda item: f"deliveries/{item.id}")
def delivery_message(item: Delivery) -> pb.Delivery:
    """The delivery as clients see it."""
    delivery = pb.Delivery(
        name=f"deliveries/{item.id}",
        firing=resource("firings", item.firing),
        alarm=item.alarm,
        channel=item.channel,
        to=item.to,
        subject=item.subject,
        state=pb.Delivery.State.ValueType(int32(item.state)),
        attempts=int32(item.attempts),
        message_id=item.message_id,
        create_time=timestamp(item.created),
        update_time=timestamp(item.updated),
        timeline=[_event(entry) for entry in item.timeline],
        recipient=person_name(item.recipient_id),
        category=resource("categories", item.category),
        notification=resource("notifications", item.notification),
        reason=item.reason,
        digest=resource("deliveries", item.digest) if item.state is DeliveryState.DIGESTED else "",
    )
    if item.hold_until is not None:
        delivery.hold_time.CopyFrom(timestamp(item.hold_until))
    if item.next_attempt is not None:
        delivery.next_attempt_time.CopyFrom(timestamp(item.next_attempt))
    return delivery


def _event(entry: TimelineEntry) -> pb.DeliveryEvent:
    return pb.DeliveryEvent(
        time=timestamp(entry.at),
        state=pb.Delivery.State.ValueType(int32(entry.state)),
        provider=entry.provider,
        code=entry.code,
        detail=entry.detail,
    )


def timestamp(micros: int) -> Timestamp:
    """Microseconds since the epoch as the contract's Timestamp; the nearest that it can say."""
    found = Timestamp()
    found.FromMicroseconds(clamped(micros))
    return found
