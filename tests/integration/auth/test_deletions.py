"""Tenants that are made with their first owners; tenants that are deleted: at once or after a time, taken back, removed, and reported."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from auth_svc.store import metadata
from tests.integration.auth.support import PASSWORD, Rig, fields
from tests.integration.auth.test_tenants import BOOK_SECONDS, Operator, may_not_write, may_write, operator
from tocsin.api.auth.v1 import invitation_service_pb2 as invitations_pb2
from tocsin.api.auth.v1 import invitation_service_pb2_grpc as invitations_rpc
from tocsin.api.auth.v1 import tenant_admin_service_pb2 as admin_pb2
from tocsin.api.auth.v1 import user_service_pb2 as pb
from tocsin.api.auth.v1 import user_service_pb2_grpc as rpc
from tocsin.database import Database
from tocsin.errors import FailedPrecondition, InvalidInput, NotFound, PermissionDenied, TocsinError
from tocsin.mesh.context import acting_as
from tocsin.testing.waiting import eventually

__all__ = ["operator"]

SHA = "0" * 63 + "a"
OTHERS = ("gateway", "mailer_svc", "processor_svc", "scheduler_svc")
STATES = admin_pb2.TenantDeletion.State


async def tell(rig: Rig, service: str, tenant: str, rows: Mapping[str, int], place: str = "") -> None:
    """A service says what it has removed."""
    stub: Any = rpc.TenantServiceStub(rig.caller(service).mesh.channel("auth_svc"))
    told = [pb.PurgedRows(kind=kind, count=count) for kind, count in rows.items()]
    await stub.ReportTenantPurge(pb.ReportTenantPurgeRequest(tenant=tenant.removeprefix("tenants/"), place=place, rows=told))


async def rows_of(rig: Rig, tenant: str) -> dict[str, int]:
    """Rows that name the tenant, by table."""
    database = Database(url=f"sqlite:///{rig.folder}/auth_svc.db", clock=rig.clock)
    await database.start()
    found: dict[str, int] = {}
    async with database.read() as connection:
        for table in metadata.sorted_tables:
            rows = (await connection.execute(select(table))).all()
            if count := sum(tenant.removeprefix("tenants/") in map(str, row) for row in rows):
                found[table.name] = count
    await database.stop()
    return found


async def test_a_tenant_is_made_with_a_link_for_its_owner(rig: Rig, operator: Operator) -> None:
    """Which the operator hands over: its first owner chooses name and password by it, once; quotas count from the beginning."""
    more = {"owner_email": "olga@example.com", "time_zone": "Europe/Berlin", "quotas": pb.TenantQuotas(alarms=7)}
    made = await operator("CreateTenant", display_name="Acme", invitation=admin_pb2.CreateTenantRequest.LINK, **more)
    assert (made.tenant.display_name, made.tenant.time_zone, made.tenant.own_quotas.alarms) == ("Acme", "Europe/Berlin", 7)
    assert made.expire_time.ToDatetime() - made.tenant.create_time.ToDatetime() == timedelta(days=7)
    token = made.link.rpartition("/account/invitation/")[2]
    stub: Any = invitations_rpc.InvitationServiceStub(rig.gateway.mesh.channel("auth_svc"))
    accept = invitations_pb2.AcceptInvitationRequest(token=token, display_name="Olga", password=PASSWORD)
    await stub.AcceptInvitation(accept)
    signed_in = await rig.sign_in("olga@example.com")
    with acting_as(signed_in.access_token):
        assert (await rig.gateway.tenant.GetTenant(pb.GetTenantRequest())).name == made.tenant.name
        assert [user.role_name for user in (await rig.gateway.users.ListUsers(pb.ListUsersRequest())).users] == ["roles/owner"]
    with pytest.raises(TocsinError):
        await stub.AcceptInvitation(accept)


async def test_a_tenant_is_made_with_a_mail_to_its_owner(rig: Rig, operator: Operator) -> None:
    """Unless the operator wants the link: then the answer has none; the same address may own several that are not accepted yet."""
    for _ in range(2):
        made = await operator("CreateTenant", display_name="Acme", owner_email="olga@example.com")
        assert (made.link, made.tenant.time_zone, made.tenant.state) == ("", "UTC", pb.Tenant.ACTIVE)
        assert (await rows_of(rig, made.tenant.name)).items() >= {"account_mails": 1, "invitations": 1, "tenants": 1}.items()


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"display_name": " "}, "displayName"),
        ({"display_name": "x" * 101}, "displayName"),
        ({"display_name": "a\x1bb"}, "displayName"),
        ({"owner_email": "nobody"}, "ownerEmail"),
        ({"time_zone": "Mars/Base"}, "timeZone"),
        ({"locale": "no language"}, "locale"),
        ({"quotas": pb.TenantQuotas(alarms=-1)}, "quotas.alarms"),
        ({"invitation": 9}, "invitation"),
    ],
    ids=["empty", "long", "control", "address", "zone", "language", "quota", "way"],
)
async def test_bad_words_make_no_tenant(rig: Rig, operator: Operator, more: dict[str, Any], field: str) -> None:
    """The field is named; and strangers make none at all."""
    with pytest.raises(InvalidInput) as refused:
        await operator("CreateTenant", **{"display_name": "Acme", "owner_email": "olga@example.com", **more})
    assert fields(refused.value) == {field}
    assert len((await operator("ListTenants")).tenants) == 1
    stranger = Operator(rig, await rig.registered())
    with pytest.raises(PermissionDenied):
        await stranger("CreateTenant", display_name="Acme", owner_email="olga@example.com")


async def test_a_deletion_can_be_taken_back_until_it_begins(rig: Rig, operator: Operator) -> None:
    """Until then the tenant reads and writes nothing; afterwards it is what it was, suspended in this case."""
    tenant = (await rig.register()).tenant
    token = (await rig.sign_in()).access_token
    await operator("SuspendTenant", name=tenant, reason="unpaid")
    shown = await operator("DeleteTenant", name=tenant, export_sha256=SHA)
    assert shown.state == pb.Tenant.DELETING
    assert shown.purge_time.ToDatetime() - shown.delete_time.ToDatetime() == timedelta(days=7)
    await eventually(lambda: may_not_write(rig, token), what="the book of tenants")
    with acting_as(token):
        assert (await rig.gateway.tenant.GetTenant(pb.GetTenantRequest())).purge_time == shown.purge_time
    waiting = await operator("GetTenantDeletion", name=f"{tenant}/deletion")
    assert (waiting.state, waiting.export_sha256, len(waiting.missing_services)) == (STATES.WAITING, SHA, 5)
    with pytest.raises(FailedPrecondition):
        await operator("ResumeTenant", name=tenant)
    restored = await operator("UndeleteTenant", name=tenant)
    assert (restored.state, restored.suspend_reason, restored.HasField("purge_time")) == (pb.Tenant.SUSPENDED, "unpaid", False)
    await operator("ResumeTenant", name=tenant)
    assert (await operator("UndeleteTenant", name=tenant)).state == pb.Tenant.ACTIVE
    await eventually(lambda: may_write(rig, token), what="the book of tenants")
    with pytest.raises(NotFound) as gone:
        await operator("GetTenantDeletion", name=f"{tenant}/deletion")
    assert gone.value.error_reason == "DELETION_NOT_FOUND"


async def gone_here(rig: Rig, operator: Operator, tenant: str) -> bool:
    """Whether auth_svc has told that nothing is left, some seconds later."""
    await rig.clock.advance(BOOK_SECONDS)
    deletion = await operator("GetTenantDeletion", name=f"{tenant}/deletion")
    return [each.service for each in deletion.services] == ["auth_svc"]


async def test_what_is_deleted_at_once_is_gone_but_for_its_report(rig: Rig, operator: Operator) -> None:
    """Users, sessions, keys, tokens, mails, alerts and the audit log; the neighbour signs in as before; all five services have to tell."""
    tenant, neighbour = (await rig.register()).tenant, (await rig.register("eve@example.com")).tenant
    await rig.sign_in()
    token = (await rig.sign_in()).access_token
    await rig.sign_in("eve@example.com")
    theirs = await rows_of(rig, neighbour)
    name = (await operator("InspectTenant", name=tenant)).display_name
    await operator("DeleteTenant", name=tenant, at_once=True, confirm=name)
    await eventually(lambda: gone_here(rig, operator, tenant), what="the purge here")
    with acting_as(token), pytest.raises(PermissionDenied) as refused:
        await rig.gateway.tenant.GetTenant(pb.GetTenantRequest())
    assert refused.value.error_reason == "TENANT_DELETED"
    with pytest.raises(TocsinError):
        await rig.sign_in()
    with pytest.raises(NotFound):
        await operator("UndeleteTenant", name=tenant)
    assert set(await rows_of(rig, tenant)) <= {"tenant_terms", "tenant_deletions", "tenant_purge_reports", "tenant_purges", "audit_chains"}
    assert (await rows_of(rig, neighbour)).items() >= theirs.items()
    await rig.sign_in("eve@example.com")
    for service in OTHERS:
        assert (await operator("GetTenantDeletion", name=f"{tenant}/deletion")).state == STATES.PURGING
        await tell(rig, service, tenant, {"things": 3}, place="here")
    await tell(rig, "gateway", tenant, {"things": 4, "calls": 1}, place="there")
    over = await operator("GetTenantDeletion", name=f"{tenant}/deletion")
    assert (over.state, list(over.missing_services), over.HasField("end_time")) == (STATES.DONE, [], True)
    removed = {each.service: {row.kind: row.count for row in each.rows} for each in over.services}
    assert removed["gateway"] == {"calls": 1, "things": 7}
    assert removed["auth_svc"].items() >= {"tenants": 1, "users": 1, "sessions": 2, "refresh_tokens": 2}.items()
    assert over.audit_log_count == removed["auth_svc"]["audit_logs"] > 0
    assert len(over.audit_log_hash) == 64


async def test_deletions_are_the_operators_and_never_of_its_own_tenant(rig: Rig, operator: Operator) -> None:
    """Strangers delete nobody; the platform does not delete itself; a service may not tell of a tenant that is not being deleted."""
    tenant = (await rig.register()).tenant
    own = next(each for each in (await operator("ListTenants")).tenants if each.operator)
    with pytest.raises(FailedPrecondition) as refused:
        await operator("DeleteTenant", name=own.name, at_once=True, confirm=own.display_name)
    assert refused.value.error_reason == "TENANT_STATE_REFUSED"
    stranger = Operator(rig, (await rig.sign_in()).access_token)
    for method in ("DeleteTenant", "UndeleteTenant"):
        with pytest.raises(PermissionDenied):
            await stranger(method, name=tenant)
    with pytest.raises(PermissionDenied):
        await stranger("GetTenantDeletion", name=f"{tenant}/deletion")
    await operator("DeleteTenant", name=tenant)
    with pytest.raises(NotFound):
        await tell(rig, "mailer_svc", tenant, {})


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"at_once": True}, "confirm"),
        ({"at_once": True, "confirm": "Somebody else"}, "confirm"),
        ({"confirm": "Somebody else"}, "confirm"),
        ({"export_sha256": "A" * 64}, "exportSha256"),
        ({"export_sha256": "abc"}, "exportSha256"),
        ({"confirm": "x" * 101}, "confirm"),
    ],
    ids=["not confirmed", "confirmed wrongly", "another name", "upper case", "short", "long"],
)
async def test_bad_words_delete_nothing(rig: Rig, operator: Operator, more: dict[str, Any], field: str) -> None:
    """The field is named, and the tenant works on."""
    tenant = (await rig.register()).tenant
    with pytest.raises(InvalidInput) as refused:
        await operator("DeleteTenant", name=tenant, **more)
    assert fields(refused.value) == {field}
    assert (await operator("InspectTenant", name=tenant)).state == pb.Tenant.ACTIVE
    for method, name in (("DeleteTenant", "tenants/01ARZ3NDEKTSV4RRFFQ69G5FAV"), ("GetTenantDeletion", f"{tenant}/deletion")):
        with pytest.raises(NotFound):
            await operator(method, name=name)


async def test_asked_for_again_it_comes_sooner_and_never_later(rig: Rig, operator: Operator) -> None:
    """A second order keeps the first one's time unless it is at once."""
    tenant = (await rig.register()).tenant
    first = await operator("DeleteTenant", name=tenant)
    await rig.clock.advance(60)
    again = await operator("DeleteTenant", name=tenant, export_sha256=SHA)
    assert (again.purge_time, again.delete_time) == (first.purge_time, first.delete_time)
    assert (await operator("GetTenantDeletion", name=f"{tenant}/deletion")).export_sha256 == SHA
    now = await operator("DeleteTenant", name=tenant, at_once=True, confirm=first.display_name)
    assert now.purge_time.ToDatetime() - first.delete_time.ToDatetime() < timedelta(minutes=2)
