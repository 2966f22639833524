"""AccountMailService."""

from typing import Any

import grpc

from mailer_svc.service.account_mails import InstallationMails
from mailer_svc.service.alert_readers import AlertReaders
from tocsin.api.mailer.v1 import account_mail_service_pb2 as pb
from tocsin.api.mailer.v1 import account_mail_service_pb2_grpc as rpc

Context = grpc.aio.ServicerContext[Any, Any]


class AccountMailHandlers(rpc.AccountMailServiceServicer):
    """Takes mails of auth_svc."""

    def __init__(self, *, mails: InstallationMails, readers: AlertReaders) -> None:
        self._mails = mails
        self._readers = readers

    async def SendAccountMail(self, request: pb.SendAccountMailRequest, context: Context) -> pb.SendAccountMailResponse:
        """Takes a mail."""
        await self._mails.send(
            id=request.id, template=request.template, address=request.address, locale=request.locale, variables=dict(request.variables)
        )
        return pb.SendAccountMailResponse()

    async def CheckAlertReaders(self, request: pb.CheckAlertReadersRequest, context: Context) -> pb.CheckAlertReadersResponse:
        """Says whom names lead to."""
        found = await self._readers.check(request.tenant, request.names)
        readers = [pb.CheckAlertReadersResponse.CheckedReader(name=each.name, exists=each.exists, reached=each.reached) for each in found]
        return pb.CheckAlertReadersResponse(readers=readers)

    async def TellAlertReaders(self, request: pb.TellAlertReadersRequest, context: Context) -> pb.TellAlertReadersResponse:
        """Tells people of a tenant."""
        await self._readers.tell(
            request.tenant,
            request.reader,
            id=request.id,
            template=request.template,
            urgent=request.urgent,
            variables=dict(request.variables),
        )
        return pb.TellAlertReadersResponse()
