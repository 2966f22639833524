"""TemplateService."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict, MessageToJson

from mailer_svc.domain import Content, DeclaredVariable, MessageAction, Template, TemplateDraft, TemplatePart
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.ports import PeopleFacts
from mailer_svc.service import Templates, Trial, TrialSender
from tocsin.api.mailer.v1 import template_service_pb2 as pb
from tocsin.api.mailer.v1 import template_service_pb2_grpc as rpc
from tocsin.listing import FilterField, FilterKind, parse_filter
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page

_FILTER: Final = {"text": FilterField(operators=("=",)), "built_in": FilterField(kind=FilterKind.BOOLEAN, operators=("=",))}

Context = grpc.aio.ServicerContext[Any, Any]


class TemplateHandlers(rpc.TemplateServiceServicer):
    """Manages templates of the caller's tenant."""

    def __init__(self, *, templates: Templates, trials: TrialSender, channels: Callable[[str], Sequence[str]], people: PeopleFacts) -> None:
        self._templates = templates
        self._people = people
        self._trials = trials
        self._channels = channels

    async def CreateTemplate(self, request: pb.CreateTemplateRequest, context: Context) -> pb.Template:
        """Makes a template, version 1."""
        return _template(await self._templates.create(tenant=principal().tenant, draft=_draft(request.template)))

    async def GetTemplate(self, request: pb.GetTemplateRequest, context: Context) -> pb.Template:
        """Reads the promoted version, or the one asked for."""
        return _template(await self._templates.get(tenant=principal().tenant, code=_code(request.name), version=request.version))

    async def ListTemplates(self, request: pb.ListTemplatesRequest, context: Context) -> pb.ListTemplatesResponse:
        """Lists the promoted versions, by name."""
        tenant, shown = principal().tenant, request.show_built_in
        wanted = {condition.field: condition.value for condition in parse_filter(request.filter, fields=_FILTER)}
        text, only = str(wanted.get("text", "")), cast("bool | None", wanted.get("built_in"))

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Template], tuple[str] | None]:
            after = behind[0] if behind else ""
            if not wanted:
                return await self._templates.page(tenant=tenant, after=after, limit=most, built_in=shown), None
            found, further = await self._templates.search(tenant=tenant, after=after, limit=most, built_in=shown, text=text, only=only)
            return found, (further,) if further is not None else None

        listing = Listing(f"templates {tenant} {shown} {request.filter}", (str,))
        templates, token = await list_page(request, listing, read=read, show=_template, place=lambda item: (item.code,))
        return pb.ListTemplatesResponse(templates=templates, next_page_token=token)

    async def ListTemplateVersions(self, request: pb.ListTemplateVersionsRequest, context: Context) -> pb.ListTemplateVersionsResponse:
        """Lists the versions of a template, the newest first."""
        tenant, code = principal().tenant, _code(request.name)

        async def read(behind: tuple[int] | None, most: int) -> tuple[Sequence[Template], None]:
            before = behind[0] if behind else None
            return await self._templates.versions(tenant=tenant, code=code, before=before, limit=most), None

        listing = Listing(f"template versions {tenant} {code}", (int,))
        templates, token = await list_page(request, listing, read=read, show=_template, place=lambda item: (item.version,))
        return pb.ListTemplateVersionsResponse(templates=templates, next_page_token=token)

    async def UpdateTemplate(self, request: pb.UpdateTemplateRequest, context: Context) -> pb.Template:
        """Adds a version, and promotes it unless told otherwise."""
        promote = request.promote if request.HasField("promote") else True
        draft = _draft(request.template)
        return _template(await self._templates.update(tenant=principal().tenant, draft=draft, promote=promote, force=request.force))

    async def PromoteTemplate(self, request: pb.PromoteTemplateRequest, context: Context) -> pb.Template:
        """Makes messages of another version from now on."""
        code = _code(request.name)
        return _template(await self._templates.promote(tenant=principal().tenant, code=code, version=request.version, force=request.force))

    async def DeleteTemplate(self, request: pb.DeleteTemplateRequest, context: Context) -> Empty:
        """Removes a template with all its versions."""
        await self._templates.delete(tenant=principal().tenant, code=_code(request.name), force=request.force)
        return Empty()

    async def RenderTemplate(self, request: pb.RenderTemplateRequest, context: Context) -> pb.RenderTemplateResponse:
        """Renders a template without sending anything."""
        part, content = await self._templates.render(
            tenant=principal().tenant, code=_code(request.name), version=request.version, trial=_trial(request)
        )
        return _rendered(part, content)

    async def PreviewTemplate(self, request: pb.PreviewTemplateRequest, context: Context) -> pb.RenderTemplateResponse:
        """Renders a template that is not saved."""
        template, part, content = await self._templates.preview(
            tenant=principal().tenant, draft=_draft(request.template), trial=_trial(request)
        )
        answer = _rendered(part, content)
        answer.warnings.extend(_warnings(template))
        answer.variables.extend(template.variables.used)
        return answer

    async def SendTestMessage(self, request: pb.SendTestMessageRequest, context: Context) -> pb.SendTestMessageResponse:
        """Sends a message of a template to one address."""
        delivery = await self._trials.send(
            tenant=principal().tenant, code=_code(request.name), version=request.version, to=request.to, trial=_trial(request)
        )
        return pb.SendTestMessageResponse(delivery=f"deliveries/{delivery}")

    async def DescribeContent(self, request: pb.DescribeContentRequest, context: Context) -> pb.DescribeContentResponse:
        """Tells a scheduler which templates and channels there are, and which people and categories there are not."""
        found = await self._templates.described(tenant=request.tenant, codes={_code(name) for name in request.templates})
        missing = await self._people.missing(request.tenant, list(dict.fromkeys(request.names)))
        return pb.DescribeContentResponse(
            templates=[_described(item) for item in found], channels=self._channels(request.tenant), missing=missing
        )


def _code(name: str) -> str:
    return name.removeprefix("templates/")


def _draft(given: pb.Template) -> TemplateDraft:
    default = TemplatePart(uid="", content=_content(given), html_source=given.html)
    others = [
        TemplatePart(uid="", channel=part.channel, locale=part.locale, content=_content(part), html_source=part.html)
        for part in given.parts
    ]
    declared = tuple(
        DeclaredVariable(name=item.name, description=item.description, required=item.required, default=item.default, example=item.example)
        for item in given.declared_variables
    )
    return TemplateDraft(code=_code(given.name), parts=(default, *others), declared=declared, resend=given.resend_if_unknown)


def _content(given: pb.Template | pb.TemplatePart) -> Content:
    return Content(given.subject, given.text, given.html, tuple(MessageAction(action.label, action.url) for action in given.actions))


def _trial(request: pb.RenderTemplateRequest | pb.PreviewTemplateRequest | pb.SendTestMessageRequest) -> Trial:
    return Trial(
        variables=dict(request.variables),
        channel=request.channel,
        locale=request.locale,
        recipient=MessageToDict(request.recipient) if request.HasField("recipient") else None,
        context=MessageToJson(request.context, indent=None) if request.HasField("context") else "",
    )


def _actions(content: Content) -> Iterable[pb.TemplateAction]:
    return (pb.TemplateAction(label=action.label, url=action.url) for action in content.actions)


def _rendered(part: TemplatePart, content: Content) -> pb.RenderTemplateResponse:
    return pb.RenderTemplateResponse(
        subject=content.subject,
        text=content.text,
        html=content.html,
        actions=_actions(content),
        channel=part.channel,
        locale=part.locale,
    )


def _described(item: Template) -> pb.Template:
    return pb.Template(
        name=f"templates/{item.code}",
        version=item.version,
        variables=item.variables.used,
        required_variables=item.variables.required,
        declared_variables=[pb.TemplateVariable(name=variable.name) for variable in item.declared],
    )


def _template(item: Template) -> pb.Template:
    default = item.parts[0].source
    return pb.Template(
        name=f"templates/{item.code}",
        version=item.version,
        subject=default.subject,
        text=default.text,
        html=default.html,
        actions=_actions(default),
        parts=[_part(part.channel, part.locale, part.source) for part in item.parts[1:]],
        variables=item.variables.used,
        required_variables=item.variables.required,
        declared_variables=[_variable(variable) for variable in item.declared],
        create_time=timestamp(item.created),
        resend_if_unknown=item.resend,
        promoted=item.promoted,
        built_in=item.built_in,
        warnings=_warnings(item),
    )


def _warnings(item: Template) -> list[pb.TemplateWarning]:
    return [pb.TemplateWarning(field=field, reason=reason) for field, reason in item.warnings]


def _part(channel: str, locale: str, content: Content) -> pb.TemplatePart:
    return pb.TemplatePart(
        channel=channel, locale=locale, subject=content.subject, text=content.text, html=content.html, actions=_actions(content)
    )


def _variable(variable: DeclaredVariable) -> pb.TemplateVariable:
    return pb.TemplateVariable(
        name=variable.name,
        description=variable.description,
        required=variable.required,
        default=variable.default,
        example=variable.example,
    )
