"""AccountMailService."""

from typing import Any

import grpc

from mailer_svc.service.account_mails import InstallationMails
from tocsin.api.mailer.v1 import account_mail_service_pb2 as pb
from tocsin.api.mailer.v1 import account_mail_service_pb2_grpc as rpc

Context = grpc.aio.ServicerContext[Any, Any]


class AccountMailHandlers(rpc.AccountMailServiceServicer):
    """Takes mails of auth_svc."""

    def __init__(self, *, mails: InstallationMails) -> None:
        self._mails = mails

    async def SendAccountMail(self, request: pb.SendAccountMailRequest, context: Context) -> pb.SendAccountMailResponse:
        """Takes a mail."""
        await self._mails.send(
            id=request.id, template=request.template, address=request.address, locale=request.locale, variables=dict(request.variables)
        )
        return pb.SendAccountMailResponse()
