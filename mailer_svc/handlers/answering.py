"""AnswerService."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import grpc
from google.api import httpbody_pb2

from mailer_svc.domain.errors import AnswerLinkExpired, AnswerLinkInvalid
from mailer_svc.handlers.answer_pages import AnswerView, answer_page
from mailer_svc.ports.incidents import IncidentFacts, IncidentStanding, LinkAnswer
from mailer_svc.service.answering import Answering
from tocsin.api.mailer.v1 import answer_service_pb2 as pb
from tocsin.api.mailer.v1 import answer_service_pb2_grpc as rpc
from tocsin.errors import NotFound
from tocsin.html_page import preferred_language
from tocsin.mesh.context import note

Context = grpc.aio.ServicerContext[Any, Any]

_ANSWERS: Final = {"": LinkAnswer.ACKNOWLEDGE, "acknowledge": LinkAnswer.ACKNOWLEDGE, "resolve": LinkAnswer.RESOLVE}
_VIEWS: Final = {IncidentStanding.ACKNOWLEDGED: AnswerView.ACKNOWLEDGED, IncidentStanding.RESOLVED: AnswerView.RESOLVED}


class AnswerHandlers(rpc.AnswerServiceServicer):
    """Shows pages to people who have a link, and takes their answers."""

    def __init__(self, *, answering: Answering) -> None:
        self._answering = answering

    async def ShowAnswerPage(self, request: pb.ShowAnswerPageRequest, context: Context) -> pb.AnswerPage:
        """Shows how the incident stands; changes nothing."""
        return await self._page(request.token, LinkAnswer.ASK, request.headers)

    async def AnswerByLink(self, request: pb.AnswerByLinkRequest, context: Context) -> pb.AnswerPage:
        """Takes the answer."""
        return await self._page(request.token, _said(request.form), request.headers)

    async def _page(self, token: str, answer: LinkAnswer | None, headers: Mapping[str, str]) -> pb.AnswerPage:
        try:
            link = self._answering.read(token)
            if (told := note()) is not None:
                told.tenant, told.subject, told.resource = link.tenant, f"recipients/{link.recipient_id}", f"incidents/{link.incident}"
            if answer is None:
                return _answer(AnswerView.NO_FORM, headers)
            who, facts = await self._answering.answer(link, answer)
        except AnswerLinkExpired:
            return _answer(AnswerView.EXPIRED, headers)
        except (AnswerLinkInvalid, NotFound):  # of an incident that is forgotten as well
            return _answer(AnswerView.NO_LINK, headers)
        return _answer(_VIEWS.get(facts.standing, AnswerView.ASK), headers, title=facts.title, who=who, whose=_person(facts))


def _said(form: httpbody_pb2.HttpBody) -> LinkAnswer | None:
    """What a form says; None if that is nothing that we know."""
    if form.content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return _ANSWERS[""] if not form.data.strip() else None
    try:
        fields = parse_qs(form.data.decode(), max_num_fields=10)
    except (ValueError, UnicodeDecodeError):
        return None
    return _ANSWERS.get(fields.get("answer", [""])[0])


def _person(facts: IncidentFacts) -> str:
    """The last word of who has it, or who ended it."""
    return facts.actor.rpartition("/")[2]


def _answer(view: AnswerView, headers: Mapping[str, str], **words: str) -> pb.AnswerPage:
    html = answer_page(view, language=preferred_language(headers.get("accept-language", "")), **words)
    body = httpbody_pb2.HttpBody(content_type="text/html; charset=utf-8", data=html.encode())
    return pb.AnswerPage(page=body, status=view.status)
