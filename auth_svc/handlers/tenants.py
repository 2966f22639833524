"""TenantService and TenantAdminService."""

from collections.abc import Sequence
from typing import Any

import grpc

from auth_svc.domain import QUOTA_NAMES, SettledTenant, Tenant
from auth_svc.handlers.convert import caller, timestamp
from auth_svc.service import TenantOffice, Users
from tocsin.api.auth.v1 import tenant_admin_service_pb2, tenant_admin_service_pb2_grpc, user_service_pb2, user_service_pb2_grpc
from tocsin.listing import FilterField, FilterKind, PageToken, parse_filter, snake_case
from tocsin.pages import Listing, list_page
from tocsin.stored import shown
from tocsin.tenants import Quotas, TenantState
from tocsin.tenants.feed import quota_changes

_Context = grpc.aio.ServicerContext[Any, Any]
_BOOK = "tenants of the platform"
_TENANT_FILTER = {"state": FilterField(kind=FilterKind.CHOICE, choices=tuple(state.value for state in TenantState))}


class TenantHandlers(user_service_pb2_grpc.TenantServiceServicer):
    """TenantService."""

    def __init__(self, *, users: Users, office: TenantOffice) -> None:
        self._people = users
        self._office = office

    async def GetTenant(self, request: user_service_pb2.GetTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Reads the tenant."""
        return tenant_message(await self._people.tenant(caller()), self._office.defaults)

    async def UpdateTenant(self, request: user_service_pb2.UpdateTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Changes the tenant."""
        tenant = await self._people.change_tenant(
            caller(),
            display_name=request.tenant.display_name,
            time_zone=request.tenant.time_zone,
            mask=[snake_case(path) for path in request.update_mask.paths],
        )
        return tenant_message(tenant, self._office.defaults)

    async def GetTenantBook(
        self, request: user_service_pb2.GetTenantBookRequest, context: _Context
    ) -> user_service_pb2.GetTenantBookResponse:
        """Gives the tenants that differ from the rule to a service."""
        return await book_answer(self._office, version=request.version, page_token=request.page_token)


class TenantAdminHandlers(tenant_admin_service_pb2_grpc.TenantAdminServiceServicer):
    """TenantAdminService."""

    def __init__(self, *, office: TenantOffice) -> None:
        self._office = office

    async def InspectTenant(self, request: tenant_admin_service_pb2.InspectTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Reads a tenant."""
        return self._shown(await self._office.tenant(_id(request.name)))

    async def ListTenants(
        self, request: tenant_admin_service_pb2.ListTenantsRequest, context: _Context
    ) -> tenant_admin_service_pb2.ListTenantsResponse:
        """Lists tenants."""
        conditions = parse_filter(request.filter, fields=_TENANT_FILTER)

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Tenant], None]:
            return await self._office.tenants(conditions=conditions, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"tenants {request.filter}", (str,))
        tenants, token = await list_page(request, listing, read=read, show=self._shown, place=lambda tenant: (tenant.id,))
        return tenant_admin_service_pb2.ListTenantsResponse(tenants=tenants, next_page_token=token)

    async def AmendTenant(self, request: tenant_admin_service_pb2.AmendTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Changes a tenant."""
        tenant = await self._office.amend(
            caller(),
            _id(request.tenant.name),
            display_name=request.tenant.display_name,
            time_zone=request.tenant.time_zone,
            mask=[snake_case(path) for path in request.update_mask.paths if path != "name"],
        )
        return self._shown(tenant)

    async def SuspendTenant(self, request: tenant_admin_service_pb2.SuspendTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Suspends a tenant."""
        return self._shown(await self._office.suspend(caller(), _id(request.name), reason=request.reason))

    async def ResumeTenant(self, request: tenant_admin_service_pb2.ResumeTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Lets a tenant work again."""
        return self._shown(await self._office.resume(caller(), _id(request.name)))

    async def SetTenantQuotas(self, request: tenant_admin_service_pb2.SetTenantQuotasRequest, context: _Context) -> user_service_pb2.Tenant:
        """Sets quotas."""
        quotas = {**dict.fromkeys(QUOTA_NAMES), **quota_changes(request.quotas)}
        return self._shown(await self._office.set_quotas(caller(), _id(request.name), quotas))

    def _shown(self, tenant: Tenant) -> user_service_pb2.Tenant:
        return tenant_message(tenant, self._office.defaults)


def _id(name: str) -> str:
    return name.removeprefix("tenants/")


async def book_answer(office: TenantOffice, *, version: int, page_token: str) -> user_service_pb2.GetTenantBookResponse:
    """What GetTenantBook answers."""
    response = user_service_pb2.GetTenantBookResponse(defaults=_quotas(office.defaults))
    behind = PageToken.decode(page_token, query=_BOOK, shape=(str,))
    if behind is None:
        response.version = await office.book_version()
        if response.version == version:
            return response
    response.version, page, more = await office.book_page(behind[0] if behind else "")
    response.tenants.extend(map(_booked, page))
    if more:
        response.next_page_token = PageToken.encode((page[-1].id,), query=_BOOK)
    return response


def _booked(tenant: SettledTenant) -> user_service_pb2.BookedTenant:
    terms = tenant.terms
    return user_service_pb2.BookedTenant(
        tenant=tenant.id,
        state=_state(terms.state),
        suspend_reason=terms.reason,
        quotas=user_service_pb2.TenantQuotas(**terms.quotas),
    )


def tenant_message(tenant: Tenant, defaults: Quotas) -> user_service_pb2.Tenant:
    """The tenant on the wire; ``defaults`` are the quotas of the installation."""
    return user_service_pb2.Tenant(
        name=f"tenants/{tenant.id}",
        display_name=tenant.display_name,
        time_zone=tenant.time_zone,
        create_time=timestamp(tenant.created),
        state=_state(tenant.terms.state),
        suspend_reason=tenant.terms.reason,
        quotas=_quotas(defaults.with_changes(tenant.terms.quotas)),
        own_quotas=user_service_pb2.TenantQuotas(**tenant.terms.quotas),
        operator=tenant.operator,
    )


def _quotas(quotas: Quotas) -> user_service_pb2.TenantQuotas:
    return user_service_pb2.TenantQuotas(**{name: getattr(quotas, name) for name in QUOTA_NAMES})


def _state(state: object) -> "user_service_pb2.Tenant.State.ValueType":
    """The state on the wire; of what a later version has stored, none."""
    states = user_service_pb2.Tenant.State
    return dict(states.items()).get(shown(state), states.STATE_UNSPECIFIED)
