"""TemplateService."""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from mailer_svc.domain import Content, Template
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.service import Templates
from tocsin.api.mailer.v1 import template_service_pb2 as pb
from tocsin.api.mailer.v1 import template_service_pb2_grpc as rpc
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page

Context = grpc.aio.ServicerContext[Any, Any]


class TemplateHandlers(rpc.TemplateServiceServicer):
    """Manages templates of the caller's tenant."""

    def __init__(self, *, templates: Templates, channels: Sequence[str]) -> None:
        self._templates = templates
        self._channels = channels

    async def CreateTemplate(self, request: pb.CreateTemplateRequest, context: Context) -> pb.Template:
        """Makes a template, version 1."""
        given = request.template
        return _template(
            await self._templates.create(
                tenant=principal().tenant, code=_code(given.name), content=_content(given), resend=given.resend_if_unknown
            )
        )

    async def GetTemplate(self, request: pb.GetTemplateRequest, context: Context) -> pb.Template:
        """Reads the current version, or the one asked for."""
        return _template(await self._templates.get(tenant=principal().tenant, code=_code(request.name), version=request.version))

    async def ListTemplates(self, request: pb.ListTemplatesRequest, context: Context) -> pb.ListTemplatesResponse:
        """Lists the current versions, by name."""
        tenant = principal().tenant

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Template], None]:
            return await self._templates.page(tenant=tenant, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"templates {tenant}", (str,))
        templates, token = await list_page(request, listing, read=read, show=_template, place=lambda item: (item.code,))
        return pb.ListTemplatesResponse(templates=templates, next_page_token=token)

    async def UpdateTemplate(self, request: pb.UpdateTemplateRequest, context: Context) -> pb.Template:
        """Adds a version and makes it the current one."""
        given = request.template
        return _template(
            await self._templates.update(
                tenant=principal().tenant,
                code=_code(given.name),
                content=_content(given),
                resend=given.resend_if_unknown,
                force=request.force,
            )
        )

    async def DeleteTemplate(self, request: pb.DeleteTemplateRequest, context: Context) -> Empty:
        """Removes a template with all its versions."""
        await self._templates.delete(tenant=principal().tenant, code=_code(request.name), force=request.force)
        return Empty()

    async def RenderTemplate(self, request: pb.RenderTemplateRequest, context: Context) -> pb.RenderTemplateResponse:
        """Renders a template without sending anything."""
        content = await self._templates.render(tenant=principal().tenant, code=_code(request.name), variables=dict(request.variables))
        return pb.RenderTemplateResponse(subject=content.subject, text=content.text, html=content.html)

    async def DescribeContent(self, request: pb.DescribeContentRequest, context: Context) -> pb.DescribeContentResponse:
        """Tells a scheduler which templates and channels there are."""
        found = await self._templates.described(tenant=request.tenant, codes={_code(name) for name in request.templates})
        return pb.DescribeContentResponse(templates=[_described(item) for item in found], channels=self._channels)


def _code(name: str) -> str:
    return name.removeprefix("templates/")


def _content(given: pb.Template) -> Content:
    return Content(given.subject, given.text, given.html)


def _described(item: Template) -> pb.Template:
    return pb.Template(
        name=f"templates/{item.code}", version=item.version, variables=item.variables.used, required_variables=item.variables.required
    )


def _template(item: Template) -> pb.Template:
    return pb.Template(
        name=f"templates/{item.code}",
        version=item.version,
        subject=item.content.subject,
        text=item.content.text,
        html=item.content.html,
        variables=item.variables.used,
        required_variables=item.variables.required,
        create_time=timestamp(item.created),
        resend_if_unknown=item.resend,
    )
