"""TenantService and TenantAdminService."""

from collections.abc import Sequence
from typing import Any

import grpc

from auth_svc.domain import QUOTA_NAMES, ServicePurge, SettledTenant, Tenant, TenantDeletion
from auth_svc.handlers.convert import caller, timestamp, timestamp_or_none
from auth_svc.service import TenantDeletions, TenantMaker, TenantOffice, Users
from tocsin.api.auth.v1 import tenant_admin_service_pb2, tenant_admin_service_pb2_grpc, user_service_pb2, user_service_pb2_grpc
from tocsin.listing import FilterField, FilterKind, PageToken, parse_filter
from tocsin.masks import check_left, fields_to_change
from tocsin.mesh.context import current
from tocsin.pages import Listing, list_page
from tocsin.stored import shown
from tocsin.tenants import Quotas, TenantState
from tocsin.tenants.feed import quota_changes

_Context = grpc.aio.ServicerContext[Any, Any]
_BOOK = "tenants of the platform"
_CHANGEABLE = ("display_name", "time_zone", "password_off", "require_second_factor")
_AMENDABLE = ("display_name", "time_zone", "require_second_factor")
_LEFT = {"password_off": "is the tenant's own to change: PATCH /v1/tenant"}
_TENANT_FILTER = {"state": FilterField(kind=FilterKind.CHOICE, choices=tuple(state.value for state in TenantState))}


class TenantHandlers(user_service_pb2_grpc.TenantServiceServicer):
    """TenantService."""

    def __init__(self, *, users: Users, office: TenantOffice, deletions: TenantDeletions) -> None:
        self._people = users
        self._office = office
        self._deletions = deletions

    async def GetTenant(self, request: user_service_pb2.GetTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Reads the tenant."""
        return tenant_message(await self._people.tenant(caller()), self._office.defaults)

    async def UpdateTenant(self, request: user_service_pb2.UpdateTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Changes the tenant."""
        tenant = await self._people.change_tenant(
            caller(),
            display_name=request.tenant.display_name,
            time_zone=request.tenant.time_zone,
            password_off=request.tenant.password_off,
            require_second_factor=_required(request.tenant),
            fields=fields_to_change(request.update_mask, request.tenant, _CHANGEABLE),
        )
        return tenant_message(tenant, self._office.defaults)

    async def GetTenantBook(
        self, request: user_service_pb2.GetTenantBookRequest, context: _Context
    ) -> user_service_pb2.GetTenantBookResponse:
        """Gives the tenants that differ from the rule to a service."""
        return await book_answer(self._office, version=request.version, page_token=request.page_token)

    async def ReportTenantPurge(
        self, request: user_service_pb2.ReportTenantPurgeRequest, context: _Context
    ) -> user_service_pb2.ReportTenantPurgeResponse:
        """Takes what a service has removed of a tenant."""
        call = current()
        service = call.find_peer() if call is not None else None
        removed = {row.kind: row.count for row in request.rows}
        await self._deletions.told(request.tenant, removed, service=service or "", place=request.place)
        return user_service_pb2.ReportTenantPurgeResponse()


class TenantAdminHandlers(tenant_admin_service_pb2_grpc.TenantAdminServiceServicer):
    """TenantAdminService."""

    def __init__(self, *, office: TenantOffice, maker: TenantMaker, deletions: TenantDeletions) -> None:
        self._office = office
        self._maker = maker
        self._deletions = deletions

    async def CreateTenant(
        self, request: tenant_admin_service_pb2.CreateTenantRequest, context: _Context
    ) -> tenant_admin_service_pb2.CreateTenantResponse:
        """Makes a tenant."""
        made = await self._maker.make(
            caller(),
            display_name=request.display_name,
            time_zone=request.time_zone,
            owner_email=request.owner_email,
            locale=request.locale,
            quotas=quota_changes(request.quotas),
            by_link=request.invitation == tenant_admin_service_pb2.CreateTenantRequest.LINK,
        )
        return tenant_admin_service_pb2.CreateTenantResponse(
            tenant=self._shown(made.tenant), link=made.link, expire_time=timestamp(made.expires)
        )

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
        identity = _id(request.tenant.name)
        stored = self._shown(await self._office.tenant(identity))
        check_left(request.update_mask, request.tenant, stored, _LEFT, at="tenant")
        tenant = await self._office.amend(
            caller(),
            identity,
            display_name=request.tenant.display_name,
            time_zone=request.tenant.time_zone,
            require_second_factor=_required(request.tenant),
            fields=fields_to_change(request.update_mask, request.tenant, _AMENDABLE),
        )
        return self._shown(tenant)

    async def SuspendTenant(self, request: tenant_admin_service_pb2.SuspendTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Suspends a tenant."""
        return self._shown(await self._office.suspend(caller(), _id(request.name), reason=request.reason))

    async def ResumeTenant(self, request: tenant_admin_service_pb2.ResumeTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Lets a tenant work again."""
        return self._shown(await self._office.resume(caller(), _id(request.name)))

    async def DeleteTenant(self, request: tenant_admin_service_pb2.DeleteTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Deletes a tenant."""
        tenant = await self._deletions.order(
            caller(), _id(request.name), at_once=request.at_once, confirm=request.confirm, export_sha256=request.export_sha256
        )
        return self._shown(tenant)

    async def UndeleteTenant(self, request: tenant_admin_service_pb2.UndeleteTenantRequest, context: _Context) -> user_service_pb2.Tenant:
        """Takes a deletion back."""
        return self._shown(await self._deletions.take_back(caller(), _id(request.name)))

    async def GetTenantDeletion(
        self, request: tenant_admin_service_pb2.GetTenantDeletionRequest, context: _Context
    ) -> tenant_admin_service_pb2.TenantDeletion:
        """Shows a deletion."""
        return deletion_message(await self._deletions.show(_id(request.name).removesuffix("/deletion")))

    async def SetTenantQuotas(self, request: tenant_admin_service_pb2.SetTenantQuotasRequest, context: _Context) -> user_service_pb2.Tenant:
        """Sets quotas."""
        quotas = {**dict.fromkeys(QUOTA_NAMES), **quota_changes(request.quotas)}
        return self._shown(await self._office.set_quotas(caller(), _id(request.name), quotas))

    def _shown(self, tenant: Tenant) -> user_service_pb2.Tenant:
        return tenant_message(tenant, self._office.defaults)


def _required(tenant: user_service_pb2.Tenant) -> bool | None:
    """Whether a second factor shall be required; None if that is not said."""
    return tenant.require_second_factor if tenant.HasField("require_second_factor") else None


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
        purging=tenant.purging,
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
        delete_time=timestamp_or_none(tenant.deleted),
        purge_time=timestamp_or_none(tenant.purge),
        password_off=tenant.password_off,
        require_second_factor=tenant.require_second_factor,
    )


def deletion_message(deletion: TenantDeletion) -> tenant_admin_service_pb2.TenantDeletion:
    """The deletion on the wire."""
    states = tenant_admin_service_pb2.TenantDeletion.State
    return tenant_admin_service_pb2.TenantDeletion(
        name=f"tenants/{deletion.tenant}/deletion",
        state=states.DONE if deletion.ended else states.PURGING if deletion.began else states.WAITING,
        delete_time=timestamp(deletion.deleted),
        deleted_by=deletion.deleted_by,
        purge_time=timestamp(deletion.purge),
        begin_time=timestamp_or_none(deletion.began),
        end_time=timestamp_or_none(deletion.ended),
        export_sha256=deletion.export_sha256,
        services=map(_purge_message, deletion.services),
        missing_services=deletion.missing,
        audit_log_count=deletion.audit_entries,
        audit_log_hash=deletion.audit_hash,
    )


def _purge_message(purge: ServicePurge) -> tenant_admin_service_pb2.ServicePurge:
    rows = [user_service_pb2.PurgedRows(kind=kind, count=count) for kind, count in purge.removed.items()]
    return tenant_admin_service_pb2.ServicePurge(service=purge.service, report_time=timestamp(purge.told), rows=rows)


def _quotas(quotas: Quotas) -> user_service_pb2.TenantQuotas:
    return user_service_pb2.TenantQuotas(**{name: getattr(quotas, name) for name in QUOTA_NAMES})


def _state(state: object) -> "user_service_pb2.Tenant.State.ValueType":
    """The state on the wire; of what a later version has stored, none."""
    states = user_service_pb2.Tenant.State
    return dict(states.items()).get(shown(state), states.STATE_UNSPECIFIED)
