"""ServiceAccountService."""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import empty_pb2

from auth_svc.domain import ServiceAccount
from auth_svc.handlers.convert import caller, timestamp, timestamp_or_none
from auth_svc.service import ServiceAccounts
from tocsin.api.auth.v1 import service_account_service_pb2 as pb
from tocsin.api.auth.v1 import service_account_service_pb2_grpc as rpc
from tocsin.masks import fields_to_change
from tocsin.pages import Listing, list_page
from tocsin.resource_names import check_unnamed

_Context = grpc.aio.ServicerContext[Any, Any]
_CHANGEABLE = ("display_name", "description", "role")


class ServiceAccountHandlers(rpc.ServiceAccountServiceServicer):
    """ServiceAccountService."""

    def __init__(self, *, accounts: ServiceAccounts) -> None:
        self._accounts = accounts

    async def CreateServiceAccount(self, request: pb.CreateServiceAccountRequest, context: _Context) -> pb.ServiceAccount:
        """Makes a service account."""
        given = request.service_account
        check_unnamed(given.name, field="serviceAccount.name")
        account = await self._accounts.create(caller(), display_name=given.display_name, description=given.description, role=given.role)
        return _account(account)

    async def GetServiceAccount(self, request: pb.GetServiceAccountRequest, context: _Context) -> pb.ServiceAccount:
        """Reads a service account."""
        return _account(await self._accounts.account(caller(), _id(request.name)))

    async def ListServiceAccounts(self, request: pb.ListServiceAccountsRequest, context: _Context) -> pb.ListServiceAccountsResponse:
        """Lists service accounts."""
        who = caller()

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[ServiceAccount], None]:
            return await self._accounts.accounts(who, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"serviceAccounts of {who.tenant}", (str,))
        accounts, token = await list_page(request, listing, read=read, show=_account, place=lambda account: (account.id,))
        return pb.ListServiceAccountsResponse(service_accounts=accounts, next_page_token=token)

    async def UpdateServiceAccount(self, request: pb.UpdateServiceAccountRequest, context: _Context) -> pb.ServiceAccount:
        """Changes a service account."""
        given = request.service_account
        fields = fields_to_change(request.update_mask, given, _CHANGEABLE)
        account = await self._accounts.change(
            caller(),
            _id(given.name),
            display_name=given.display_name if "display_name" in fields else None,
            description=given.description if "description" in fields else None,
            role=given.role if "role" in fields else None,
        )
        return _account(account)

    async def DeactivateServiceAccount(self, request: pb.DeactivateServiceAccountRequest, context: _Context) -> pb.ServiceAccount:
        """Deactivates a service account."""
        return _account(await self._accounts.deactivate(caller(), _id(request.name)))

    async def ReactivateServiceAccount(self, request: pb.ReactivateServiceAccountRequest, context: _Context) -> pb.ServiceAccount:
        """Activates a service account again."""
        return _account(await self._accounts.reactivate(caller(), _id(request.name)))

    async def DeleteServiceAccount(self, request: pb.DeleteServiceAccountRequest, context: _Context) -> empty_pb2.Empty:
        """Removes a service account."""
        await self._accounts.remove(caller(), _id(request.name))
        return empty_pb2.Empty()


def _id(name: str) -> str:
    return name.removeprefix("serviceAccounts/")


def _account(account: ServiceAccount) -> pb.ServiceAccount:
    return pb.ServiceAccount(
        name=account.name,
        display_name=account.display_name,
        description=account.description,
        role=account.role.name,
        creator=account.maker,
        create_time=timestamp(account.created),
        deactivate_time=timestamp_or_none(account.deactivated),
    )
