"""SuppressionService."""

from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from mailer_svc.domain import Suppression, SuppressionReason
from mailer_svc.handlers.deliveries import resource, timestamp
from mailer_svc.ports import SuppressionQuery
from mailer_svc.service import SuppressionList
from tocsin.api.mailer.v1 import suppression_service_pb2 as pb
from tocsin.api.mailer.v1 import suppression_service_pb2_grpc as rpc
from tocsin.channels import CHANNELS
from tocsin.clock import Clock
from tocsin.listing import Condition, FilterField, FilterKind, parse_filter
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page
from tocsin.stored import int32

Context = grpc.aio.ServicerContext[Any, Any]

SUPPRESSION_FILTER = {
    "channel": FilterField(kind=FilterKind.CHOICE, choices=tuple(CHANNELS)),
    "address": FilterField(),
    "category": FilterField(),
    "reason": FilterField(kind=FilterKind.CHOICE, choices=tuple(reason.name for reason in SuppressionReason)),
}
_COLLECTION = "suppressions/"


class SuppressionHandlers(rpc.SuppressionServiceServicer):
    """Manages addresses that get nothing, of the caller's tenant."""

    def __init__(self, *, suppressions: SuppressionList, clock: Clock, new_id: Callable[[], str]) -> None:
        self._suppressions = suppressions
        self._clock = clock
        self._new_id = new_id

    async def CreateSuppression(self, request: pb.CreateSuppressionRequest, context: Context) -> pb.Suppression:
        """Suppresses an address."""
        who = principal()
        given = suppression_of(request.suppression, tenant=who.tenant, id=self._new_id(), source=who.subject, now=self._clock.micros())
        return suppression_message(await self._suppressions.put(given))

    async def GetSuppression(self, request: pb.GetSuppressionRequest, context: Context) -> pb.Suppression:
        """Reads a suppression."""
        found = await self._suppressions.get(tenant=principal().tenant, id=request.name.removeprefix(_COLLECTION))
        return suppression_message(found)

    async def ListSuppressions(self, request: pb.ListSuppressionsRequest, context: Context) -> pb.ListSuppressionsResponse:
        """Lists suppressions, by name."""
        tenant = principal().tenant
        query = suppression_query(tenant, parse_filter(request.filter, fields=SUPPRESSION_FILTER))

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Suppression], None]:
            return await self._suppressions.page(query, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"suppressions {tenant} {request.filter}", (str,))
        found, token = await list_page(request, listing, read=read, show=suppression_message, place=lambda item: (item.id,))
        return pb.ListSuppressionsResponse(suppressions=found, next_page_token=token)

    async def DeleteSuppression(self, request: pb.DeleteSuppressionRequest, context: Context) -> Empty:
        """Ends a suppression."""
        await self._suppressions.delete(tenant=principal().tenant, id=request.name.removeprefix(_COLLECTION))
        return Empty()


def suppression_query(tenant: str, conditions: Sequence[Condition]) -> SuppressionQuery:
    """What a filter asks for."""
    equal: list[tuple[str, str | int]] = []
    unequal: list[tuple[str, str | int]] = []
    for condition in conditions:
        value = str(condition.value)
        pair: tuple[str, str | int] = (condition.field, value)
        if condition.field == "reason":
            pair = ("reason", int(SuppressionReason[value]))
        elif condition.field == "category":
            pair = ("category", value.removeprefix("categories/"))
        (equal if condition.operator == "=" else unequal).append(pair)
    return SuppressionQuery(tenant=tenant, equal=tuple(equal), unequal=tuple(unequal))


def suppression_of(given: pb.Suppression, *, tenant: str, id: str, source: str, now: int) -> Suppression:  # noqa: A002
    """A suppression as a client wrote it; ``source`` is taken unless it names one."""
    return Suppression(
        tenant=tenant,
        id=id,
        channel=given.channel,
        address=given.address,
        category=given.category.removeprefix("categories/"),
        reason=SuppressionReason(given.reason) if given.reason else SuppressionReason.MANUAL,
        source=given.source or source,
        detail=given.detail,
        until=given.end_time.ToMicroseconds() if given.HasField("end_time") else None,
        created=now,
    )


def suppression_message(item: Suppression) -> pb.Suppression:
    """The suppression as clients see it."""
    message = pb.Suppression(
        name=f"suppressions/{item.id}",
        channel=item.channel,
        address=item.address,
        category=resource("categories", item.category),
        reason=pb.Suppression.Reason.ValueType(int32(item.reason)),
        source=item.source,
        detail=item.detail,
        create_time=timestamp(item.created),
    )
    if item.until is not None:
        message.end_time.CopyFrom(timestamp(item.until))
    return message
