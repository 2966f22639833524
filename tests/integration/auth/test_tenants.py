"""Tenants as their operator sees them: suspended, resumed, bounded; and what that means for their own calls."""

import asyncio
from typing import Any

import pytest

from tests.integration.auth.support import Rig, fields
from tocsin.api.auth.v1 import security_alert_service_pb2 as alerts_pb2
from tocsin.api.auth.v1 import security_alert_service_pb2_grpc as alerts_rpc
from tocsin.api.auth.v1 import tenant_admin_service_pb2 as admin_pb2
from tocsin.api.auth.v1 import tenant_admin_service_pb2_grpc as admin_rpc
from tocsin.api.auth.v1 import user_service_pb2 as pb
from tocsin.errors import FailedPrecondition, InvalidInput, NotFound, PermissionDenied
from tocsin.mesh.context import acting_as
from tocsin.tenants import Quotas
from tocsin.tenants.feed import TenantFeed, over_mesh
from tocsin.testing.waiting import eventually

BOOK_SECONDS = 2.0


class Operator:
    """The operator's calls."""

    def __init__(self, rig: Rig, token: str) -> None:
        self._rig = rig
        self._token = token
        self._stub: Any = admin_rpc.TenantAdminServiceStub(rig.gateway.mesh.channel("auth_svc"))

    async def __call__(self, method: str, **request: Any) -> Any:
        """Calls ``method``."""
        with acting_as(self._token):
            return await getattr(self._stub, method)(getattr(admin_pb2, f"{method}Request")(**request))


@pytest.fixture
async def operator(rig: Rig) -> Operator:
    """The operator, by the key of the first start."""
    return Operator(rig, (await rig.exchange(rig.secret("dev-api-key"))).access_token)


async def add_user(rig: Rig, email: str) -> Any:
    """Something that writes."""
    return await rig.gateway.users.CreateUser(pb.CreateUserRequest(email=email, password="correct horse battery staple"))


async def may_write(rig: Rig, token: str) -> bool:
    """Whether a tenant may, a book later."""
    await rig.clock.advance(BOOK_SECONDS)
    with acting_as(token):
        try:
            await rig.gateway.tenant.UpdateTenant(pb.UpdateTenantRequest(tenant=pb.Tenant(display_name="Acme")))
        except PermissionDenied:
            return False
    return True


async def may_not_write(rig: Rig, token: str) -> bool:
    """The opposite."""
    return not await may_write(rig, token)


async def test_a_suspended_tenant_signs_in_and_reads_and_is_told_why(rig: Rig, operator: Operator) -> None:
    """What writes is refused with the operator's reason, until it is resumed; nobody else notices."""
    tenant, other = (await rig.register()).tenant, await rig.registered("eve@example.com")
    shown = await operator("SuspendTenant", name=tenant, reason=" unpaid <b>bill</b> ")
    assert (shown.state, shown.suspend_reason) == (pb.Tenant.SUSPENDED, "unpaid <b>bill</b>")
    token = (await rig.sign_in()).access_token
    await eventually(lambda: may_not_write(rig, token), what="the book of tenants")
    with acting_as(token):
        own = await rig.gateway.tenant.GetTenant(pb.GetTenantRequest())
        assert (own.state, own.suspend_reason) == (pb.Tenant.SUSPENDED, "unpaid <b>bill</b>")
        assert len((await rig.gateway.users.ListUsers(pb.ListUsersRequest())).users) == 1
        with pytest.raises(PermissionDenied) as refused:
            await add_user(rig, "bob@example.com")
    assert (refused.value.error_reason, refused.value.metadata["suspendReason"]) == ("TENANT_SUSPENDED", "unpaid <b>bill</b>")
    with acting_as(other):
        await add_user(rig, "carl@example.com")
    assert [each.name for each in (await operator("ListTenants", filter='state="SUSPENDED"')).tenants] == [tenant]
    assert (await operator("ResumeTenant", name=tenant)).state == pb.Tenant.ACTIVE
    await eventually(lambda: may_write(rig, token), what="the book of tenants")
    with acting_as(token):
        await add_user(rig, "bob@example.com")
        assert not (await rig.gateway.tenant.GetTenant(pb.GetTenantRequest())).suspend_reason


async def _to_the_end(stream: Any) -> None:
    """Reads on, past the alert that tells of the suspension."""
    async for _ in stream:
        pass


async def test_a_stream_ends_when_its_tenant_is_suspended(rig: Rig, operator: Operator) -> None:
    """With the reason; a neighbour's goes on, and a new one is refused."""
    tenant, other = (await rig.register()).tenant, await rig.registered("eve@example.com")
    token = (await rig.sign_in()).access_token
    stub: Any = alerts_rpc.SecurityAlertServiceStub(rig.gateway.mesh.channel("auth_svc"))

    async def watch(token: str) -> Any:
        with acting_as(token):
            stream = stub.WatchAlerts(alerts_pb2.WatchAlertsRequest())
            await stream.initial_metadata()
            return asyncio.ensure_future(_to_the_end(stream))

    mine, theirs = await watch(token), await watch(other)
    await operator("SuspendTenant", name=tenant, reason="abuse")
    await eventually(lambda: may_not_write(rig, token), what="the book of tenants")
    with pytest.raises(PermissionDenied) as ended:
        await mine
    assert (ended.value.error_reason, ended.value.message) == ("TENANT_SUSPENDED", "The tenant is suspended: abuse")
    assert not theirs.done()
    theirs.cancel()
    with acting_as(token), pytest.raises(PermissionDenied):
        await stub.WatchAlerts(alerts_pb2.WatchAlertsRequest()).read()


async def test_the_operators_tenant_is_never_suspended(rig: Rig, operator: Operator) -> None:
    """Whoever would do it could not end it; and strangers administer no tenants."""
    own = next(each for each in (await operator("ListTenants")).tenants if each.operator)
    with pytest.raises(FailedPrecondition) as refused:
        await operator("SuspendTenant", name=own.name, reason="oops")
    assert refused.value.error_reason == "TENANT_STATE_REFUSED"
    stranger = Operator(rig, await rig.registered())
    for method, request in (("ListTenants", {}), ("InspectTenant", {"name": own.name}), ("ResumeTenant", {"name": own.name})):
        with pytest.raises(PermissionDenied):
            await stranger(method, **request)


async def test_quotas_are_the_operators_word(rig: Rig, operator: Operator) -> None:
    """Set, shown to the tenant, told to the services, and taken back."""
    tenant, gateway = (await rig.register()).tenant, rig.gateway
    first = await gateway.tenant.GetTenantBook(pb.GetTenantBookRequest())
    assert (list(first.tenants), first.defaults.alarms) == ([], 0)
    shown = await operator("SetTenantQuotas", name=tenant, quotas=pb.TenantQuotas(alarms=10, messages_per_day=0))
    assert (shown.quotas.alarms, shown.own_quotas.HasField("messages_per_day"), shown.own_quotas.HasField("storage_bytes")) == (
        10,
        True,
        False,
    )
    book = await gateway.tenant.GetTenantBook(pb.GetTenantBookRequest(version=first.version))
    assert [(each.tenant, each.quotas.alarms) for each in book.tenants] == [(tenant.removeprefix("tenants/"), 10)]
    feed = TenantFeed(fetch=over_mesh(gateway.mesh), clock=rig.clock, file=None)
    await feed.refresh()
    assert feed.book().of(tenant.removeprefix("tenants/")).quotas == Quotas(alarms=10)
    same = await gateway.tenant.GetTenantBook(pb.GetTenantBookRequest(version=book.version))
    assert (same.version, list(same.tenants)) == (book.version, [])
    with acting_as((await rig.sign_in()).access_token):
        assert (await gateway.tenant.GetTenant(pb.GetTenantRequest())).quotas.alarms == 10
    await operator("SetTenantQuotas", name=tenant, quotas=pb.TenantQuotas())
    assert not (await gateway.tenant.GetTenantBook(pb.GetTenantBookRequest())).tenants


@pytest.mark.parametrize("bad", [{"alarms": -1}, {"fires_per_minute": 2**62}, {"storage_bytes": -(2**63)}])
async def test_quotas_are_sane(rig: Rig, operator: Operator, bad: dict[str, int]) -> None:
    """Neither negative nor beyond what anybody can have."""
    tenant = (await rig.register()).tenant
    with pytest.raises(InvalidInput) as refused:
        await operator("SetTenantQuotas", name=tenant, quotas=pb.TenantQuotas(**bad))
    assert len(fields(refused.value)) == 1


async def test_bad_words_about_tenants_are_refused(operator: Operator, rig: Rig) -> None:
    """By field, or as not found; nothing changes."""
    tenant = (await rig.register()).tenant
    for reason in ("", "   ", "x" * 501, "a\x00b", "a\x1bb"):
        with pytest.raises(InvalidInput) as refused:
            await operator("SuspendTenant", name=tenant, reason=reason)
        assert fields(refused.value) == {"reason"}
    for method, more in (
        ("SuspendTenant", {"reason": "why"}),
        ("ResumeTenant", {}),
        ("InspectTenant", {}),
        ("SetTenantQuotas", {"quotas": {}}),
    ):
        with pytest.raises(NotFound):
            await operator(method, name="tenants/01ARZ3NDEKTSV4RRFFQ69G5FAV", **more)
    with pytest.raises(InvalidInput):
        await operator("ListTenants", filter='state="GONE"')
    with pytest.raises(InvalidInput):
        await operator("AmendTenant", tenant=pb.Tenant(name=tenant, display_name="x" * 101))
    assert (await operator("AmendTenant", tenant=pb.Tenant(name=tenant, display_name="Acme"))).display_name == "Acme"
    with pytest.raises(InvalidInput) as refused:
        await operator("AmendTenant", tenant=pb.Tenant(name=tenant, display_name="Other", password_off=True))
    assert fields(refused.value) == {"tenant.passwordOff"}
    found = await operator("InspectTenant", name=tenant)
    assert (found.state, found.display_name) == (pb.Tenant.ACTIVE, "Acme")
