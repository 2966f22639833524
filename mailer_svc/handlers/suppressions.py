"""SuppressionService."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from mailer_svc.domain import Suppression, SuppressionReason
from mailer_svc.handlers.people_imports import PeopleCodecs, exported, exported_suppression, imported, suppression_lines
from mailer_svc.handlers.people_messages import suppression_message, suppression_of
from mailer_svc.ports import SuppressionQuery
from mailer_svc.service import PeopleImports, SuppressionList
from tocsin.api.mailer.v1 import suppression_service_pb2 as pb
from tocsin.api.mailer.v1 import suppression_service_pb2_grpc as rpc
from tocsin.api.mailer.v1.import_pb2 import ImportOptions
from tocsin.channels import CHANNELS
from tocsin.clock import Clock
from tocsin.listing import Condition, FilterField, FilterKind, parse_filter
from tocsin.mesh.context import principal
from tocsin.mesh.tokens import Principal
from tocsin.pages import Listing, list_page
from tocsin.resource_names import check_unnamed

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

    def __init__(
        self,
        *,
        suppressions: SuppressionList,
        clock: Clock,
        new_id: Callable[[], str],
        imports: PeopleImports,
        codecs: PeopleCodecs,
    ) -> None:
        self._imports = imports
        self._codecs = codecs
        self._suppressions = suppressions
        self._clock = clock
        self._new_id = new_id

    async def CreateSuppression(self, request: pb.CreateSuppressionRequest, context: Context) -> pb.Suppression:
        """Suppresses an address."""
        check_unnamed(request.suppression.name, field="suppression.name")
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

    async def ImportSuppressions(
        self, request_iterator: AsyncIterator[pb.ImportSuppressionsRequest], context: Context
    ) -> AsyncGenerator[pb.ImportSuppressionsResponse]:
        """Makes and changes many suppressions."""

        def begin(who: Principal, options: ImportOptions) -> tuple[Any, Any]:
            source = suppression_lines(self._codecs, who, skip=options.skip_lines, now=self._clock.micros, new_id=self._new_id)
            return self._imports.of_suppressions(who.tenant, dry=options.validate_only), source

        async with aclosing(imported(self._imports, request_iterator, begin)) as found:
            async for progress in found:
                yield pb.ImportSuppressionsResponse(progress=progress)

    async def ExportSuppressions(
        self, request: pb.ExportSuppressionsRequest, context: Context
    ) -> AsyncGenerator[pb.ExportSuppressionsResponse]:
        """Sends every suppression that meets the filter."""
        query = suppression_query(principal().tenant, parse_filter(request.filter, fields=SUPPRESSION_FILTER))

        async def read(after: str, most: int) -> Sequence[Suppression]:
            return await self._suppressions.page(query, after=after, limit=most)

        async for items in exported(read, show=exported_suppression, place=lambda item: item.id):
            yield pb.ExportSuppressionsResponse(suppressions=items)


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
