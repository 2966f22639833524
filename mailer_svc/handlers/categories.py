"""CategoryService."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from mailer_svc.domain import Category
from mailer_svc.handlers.people_imports import PeopleCodecs, category_lines, exported, exported_category, imported
from mailer_svc.handlers.people_messages import category_message, category_of
from mailer_svc.service import Categories, PeopleImports
from tocsin.api.mailer.v1 import category_service_pb2 as pb
from tocsin.api.mailer.v1 import category_service_pb2_grpc as rpc
from tocsin.api.mailer.v1.import_pb2 import ImportOptions
from tocsin.masks import fields_to_change
from tocsin.mesh.context import principal
from tocsin.mesh.tokens import Principal
from tocsin.pages import Listing, list_page

Context = grpc.aio.ServicerContext[Any, Any]

_COLLECTION = "categories/"
_WRITABLE = ("display_name", "kind", "channels", "digest_window")


class CategoryHandlers(rpc.CategoryServiceServicer):
    """Manages categories of the caller's tenant."""

    def __init__(self, *, categories: Categories, imports: PeopleImports, codecs: PeopleCodecs) -> None:
        self._categories = categories
        self._imports = imports
        self._codecs = codecs

    async def CreateCategory(self, request: pb.CreateCategoryRequest, context: Context) -> pb.Category:
        """Makes a category."""
        return category_message(await self._categories.create(category_of(request.category, tenant=principal().tenant)))

    async def GetCategory(self, request: pb.GetCategoryRequest, context: Context) -> pb.Category:
        """Reads a category."""
        return category_message(await self._categories.get(tenant=principal().tenant, id=request.name.removeprefix(_COLLECTION)))

    async def ListCategories(self, request: pb.ListCategoriesRequest, context: Context) -> pb.ListCategoriesResponse:
        """Lists categories, by name."""
        tenant = principal().tenant

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Category], None]:
            return await self._categories.page(tenant=tenant, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"categories {tenant}", (str,))
        found, token = await list_page(request, listing, read=read, show=category_message, place=lambda item: (item.id,))
        return pb.ListCategoriesResponse(categories=found, next_page_token=token)

    async def UpdateCategory(self, request: pb.UpdateCategoryRequest, context: Context) -> pb.Category:
        """Changes fields of a category."""
        given = category_of(request.category, tenant=principal().tenant)
        changes: dict[str, Any] = {
            name: getattr(given, name) for name in fields_to_change(request.update_mask, request.category, _WRITABLE)
        }
        found = await self._categories.update(tenant=given.tenant, id=given.id, change=lambda stored: replace(stored, **changes))
        return category_message(found)

    async def DeleteCategory(self, request: pb.DeleteCategoryRequest, context: Context) -> Empty:
        """Removes a category."""
        await self._categories.delete(tenant=principal().tenant, id=request.name.removeprefix(_COLLECTION))
        return Empty()

    async def ImportCategories(
        self, request_iterator: AsyncIterator[pb.ImportCategoriesRequest], context: Context
    ) -> AsyncGenerator[pb.ImportCategoriesResponse]:
        """Makes and changes many categories."""

        def begin(who: Principal, options: ImportOptions) -> tuple[Any, Any]:
            source = category_lines(self._codecs, who, skip=options.skip_lines)
            return self._imports.of_categories(who.tenant, dry=options.validate_only), source

        async with aclosing(imported(self._imports, request_iterator, begin)) as found:
            async for progress in found:
                yield pb.ImportCategoriesResponse(progress=progress)

    async def ExportCategories(self, request: pb.ExportCategoriesRequest, context: Context) -> AsyncGenerator[pb.ExportCategoriesResponse]:
        """Sends every category."""
        tenant = principal().tenant

        async def read(after: str, most: int) -> Sequence[Category]:
            return await self._categories.page(tenant=tenant, after=after, limit=most)

        async for items in exported(read, show=exported_category, place=lambda item: item.id):
            yield pb.ExportCategoriesResponse(categories=items)
