"""What auth_svc asks of other services."""

from collections.abc import Sequence

from auth_svc.domain import AccountLetter, AlertReaderUnreached, is_mailer_reader
from auth_svc.ports import CheckedAlertReader
from tocsin.api.mailer.v1 import account_mail_service_pb2, account_mail_service_pb2_grpc
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import detached


class MailerPostman:
    """The mailer as the one who sends mails about accounts, and knows people.

    Implements `auth_svc.ports.account_mails.Postman` and `AlertReaderDirectory`.
    """

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub = account_mail_service_pb2_grpc.AccountMailServiceStub(mesh.channel("mailer_svc"))

    async def send(self, letter: AccountLetter) -> None:
        """Hands a mail over."""
        if is_mailer_reader(letter.address):
            await self._tell(letter)
            return
        request = account_mail_service_pb2.SendAccountMailRequest(
            id=letter.id, template=letter.template, address=letter.address, locale=letter.locale, variables=letter.variables
        )
        with detached():
            await self._stub.SendAccountMail(request)

    async def _tell(self, letter: AccountLetter) -> None:
        (found,) = await self.check(letter.tenant, [letter.address])
        if not found.reached:
            raise AlertReaderUnreached
        request = account_mail_service_pb2.TellAlertReadersRequest(
            id=letter.id,
            tenant=letter.tenant,
            reader=letter.address,
            template=letter.template,
            urgent=letter.urgent,
            variables=letter.variables,
        )
        with detached():
            await self._stub.TellAlertReaders(request)

    async def check(self, tenant: str, names: Sequence[str]) -> Sequence[CheckedAlertReader]:
        """Whom recipients, groups and rotations lead to now."""
        request = account_mail_service_pb2.CheckAlertReadersRequest(tenant=tenant, names=names)
        with detached():
            answer = await self._stub.CheckAlertReaders(request)
        return [CheckedAlertReader(each.name, each.exists, each.reached) for each in answer.readers]
