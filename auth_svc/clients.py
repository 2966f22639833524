"""What auth_svc asks of other services."""

from auth_svc.domain import AccountLetter
from tocsin.api.mailer.v1 import account_mail_service_pb2, account_mail_service_pb2_grpc
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import detached


class MailerPostman:
    """The mailer as the one who sends mails about accounts; see `auth_svc.ports.account_mails.Postman`."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub = account_mail_service_pb2_grpc.AccountMailServiceStub(mesh.channel("mailer_svc"))

    async def send(self, letter: AccountLetter) -> None:
        """Hands a mail over."""
        request = account_mail_service_pb2.SendAccountMailRequest(
            id=letter.id, template=letter.template, address=letter.address, locale=letter.locale, variables=letter.variables
        )
        with detached():
            await self._stub.SendAccountMail(request)
