"""CategoryService."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty

from mailer_svc.domain import Category, CategoryKind
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.service import Categories
from tocsin.api.mailer.v1 import category_service_pb2 as pb
from tocsin.api.mailer.v1 import category_service_pb2_grpc as rpc
from tocsin.masks import fields_to_change
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page
from tocsin.stored import clamped, int32

Context = grpc.aio.ServicerContext[Any, Any]

_COLLECTION = "categories/"
_WRITABLE = ("display_name", "kind", "channels", "digest_window")


class CategoryHandlers(rpc.CategoryServiceServicer):
    """Manages categories of the caller's tenant."""

    def __init__(self, *, categories: Categories) -> None:
        self._categories = categories

    async def CreateCategory(self, request: pb.CreateCategoryRequest, context: Context) -> pb.Category:
        """Makes a category."""
        return _message(await self._categories.create(_category(principal().tenant, request.category)))

    async def GetCategory(self, request: pb.GetCategoryRequest, context: Context) -> pb.Category:
        """Reads a category."""
        return _message(await self._categories.get(tenant=principal().tenant, id=request.name.removeprefix(_COLLECTION)))

    async def ListCategories(self, request: pb.ListCategoriesRequest, context: Context) -> pb.ListCategoriesResponse:
        """Lists categories, by name."""
        tenant = principal().tenant

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Category], None]:
            return await self._categories.page(tenant=tenant, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"categories {tenant}", (str,))
        found, token = await list_page(request, listing, read=read, show=_message, place=lambda item: (item.id,))
        return pb.ListCategoriesResponse(categories=found, next_page_token=token)

    async def UpdateCategory(self, request: pb.UpdateCategoryRequest, context: Context) -> pb.Category:
        """Changes fields of a category."""
        given = _category(principal().tenant, request.category)
        changes: dict[str, Any] = {
            name: getattr(given, name) for name in fields_to_change(request.update_mask, request.category, _WRITABLE)
        }
        found = await self._categories.update(tenant=given.tenant, id=given.id, change=lambda stored: replace(stored, **changes))
        return _message(found)

    async def DeleteCategory(self, request: pb.DeleteCategoryRequest, context: Context) -> Empty:
        """Removes a category."""
        await self._categories.delete(tenant=principal().tenant, id=request.name.removeprefix(_COLLECTION))
        return Empty()


def _category(tenant: str, given: pb.Category) -> Category:
    return Category(
        tenant=tenant,
        id=given.name.removeprefix(_COLLECTION),
        display_name=given.display_name,
        kind=CategoryKind(given.kind) if given.kind else CategoryKind.TRANSACTIONAL,
        channels=tuple(given.channels),
        digest_window=given.digest_window.ToMicroseconds(),
    )


def _message(item: Category) -> pb.Category:
    message = pb.Category(
        name=f"categories/{item.id}",
        display_name=item.display_name,
        kind=pb.Category.Kind.ValueType(int32(item.kind)),
        channels=item.channels,
        create_time=timestamp(item.created),
        update_time=timestamp(item.updated),
    )
    if item.digest_window:
        message.digest_window.CopyFrom(duration(item.digest_window))
    return message


def duration(micros: int) -> Duration:
    """Microseconds as the contract's Duration; the nearest that it can say."""
    found = Duration()
    found.FromMicroseconds(clamped(micros))
    return found
