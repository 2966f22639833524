"""UnsubscribeService."""

from collections.abc import Mapping
from typing import Any, Final

import grpc
from google.api import httpbody_pb2

from mailer_svc.domain import UnsubscribeTokenInvalid
from mailer_svc.handlers.unsubscribe_pages import UnsubscribeView, unsubscribe_page
from mailer_svc.service import Unsubscribing
from tocsin.api.mailer.v1 import unsubscribe_service_pb2 as pb
from tocsin.api.mailer.v1 import unsubscribe_service_pb2_grpc as rpc
from tocsin.html_page import preferred_language
from tocsin.mesh.context import note

Context = grpc.aio.ServicerContext[Any, Any]
_ONE_CLICK: Final = (b"List-Unsubscribe", b"One-Click")
"""What both forms of a form have, the encoded one and the one in parts (RFC 8058, 3.2)."""


class UnsubscribeHandlers(rpc.UnsubscribeServiceServicer):
    """Shows pages to people who have a link, and takes what they and their mail readers send."""

    def __init__(self, *, unsubscribing: Unsubscribing) -> None:
        self._unsubscribing = unsubscribing

    async def ShowUnsubscribePage(self, request: pb.ShowUnsubscribePageRequest, context: Context) -> pb.UnsubscribePage:
        """Shows the page with the button; changes nothing."""
        return await self._page(request.token, UnsubscribeView.ASK, request.headers)

    async def Unsubscribe(self, request: pb.UnsubscribeRequest, context: Context) -> pb.UnsubscribePage:
        """Leaves at once."""
        if not all(part in request.form.data for part in _ONE_CLICK):
            return await self._page(request.token, UnsubscribeView.NO_FORM, request.headers)
        try:
            left = await self._unsubscribing.leave(request.token)
        except UnsubscribeTokenInvalid:
            return _answer(UnsubscribeView.NO_LINK, request.headers)
        if (told := note()) is not None:
            told.tenant, told.resource = left.tenant, f"categories/{left.category}"
            told.subject = f"recipients/{left.recipient_id}" if left.recipient_id else ""
        return await self._page(request.token, UnsubscribeView.DONE, request.headers)

    async def _page(self, token: str, view: UnsubscribeView, headers: Mapping[str, str]) -> pb.UnsubscribePage:
        try:
            target = await self._unsubscribing.describe(token)
        except UnsubscribeTokenInvalid:
            return _answer(UnsubscribeView.NO_LINK, headers)
        return _answer(view, headers, category=target.category, address=target.address)


def _answer(view: UnsubscribeView, headers: Mapping[str, str], **words: str) -> pb.UnsubscribePage:
    html = unsubscribe_page(view, language=preferred_language(headers.get("accept-language", "")), **words)
    body = httpbody_pb2.HttpBody(content_type="text/html; charset=utf-8", data=html.encode())
    return pb.UnsubscribePage(page=body, status=view.status)
