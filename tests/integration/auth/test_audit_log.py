"""The audit log at auth_svc: chained on each database, kept from changes by it, signed, cut, shown."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from jwt import PyJWK
from sqlalchemy import text

from auth_svc.service import AuditLog
from auth_svc.store import AuthStore
from tests.integration.auth.support import PASSWORD, Rig
from tocsin.alerts import AlertKind
from tocsin.api.auth.v1 import api_key_service_pb2, auth_service_pb2
from tocsin.api.auth.v1 import audit_log_service_pb2 as pb
from tocsin.api.auth.v1 import audit_log_service_pb2_grpc as rpc
from tocsin.audit_log import AuditEntry, chained
from tocsin.audit_log.verification import ExportVerifier
from tocsin.clock import SECOND
from tocsin.database import Database
from tocsin.errors import InvalidInput, NotFound, PermissionDenied, Unauthenticated
from tocsin.mesh.context import Call, CallOrigin, acting_as, enter
from tocsin.testing.alerts import RecordedAlerts
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

HOSTILE = '\N{SNOWMAN} "\\\u2028 ' + "a" * 150


@pytest.fixture
async def store(database_url: str, clock: FakeClock) -> AsyncGenerator[AuthStore]:
    """The tables, on each database."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    yield AuthStore(database=database)
    await database.stop()


class Signer:
    """Signs nothing that anybody could check."""

    def sign_head(self, *, tenant: str, number: int, entry_hash: str, time: int) -> str:
        """A signature."""
        return f"{tenant} {number} {entry_hash} {time}"


def entry(number: int, *, tenant: str = "t1", time: int = 0) -> AuditEntry:
    """An entry."""
    return AuditEntry(
        tenant=tenant, id=f"e{number}", time=time, service="s", method="A/B", outcome="OK", resource=f"alarms/{number}", detail=HOSTILE
    )


def log_of(store: AuthStore, clock: FakeClock, alerts: RecordedAlerts | None = None) -> AuditLog:
    """The use case."""
    return AuditLog(store=store, signer=Signer(), alerts=alerts or RecordedAlerts(), clock=clock)


async def whole(store: AuthStore, tenant: str = "t1") -> list[int]:
    """The numbers of the log of a tenant; each entry is in its place of the chain."""
    found = await store.entries_after(tenant, 0, limit=10_000)
    last = (await store.get_chain(tenant)).anchor.hash
    for each in found:
        last = chained(last, each.number, each.entry)
        assert each.hash == last
    chain = await store.get_chain(tenant)
    assert not found or (chain.number, chain.hash) == (found[-1].number, last)
    return [each.number for each in found]


async def test_appends_that_come_together_are_one_chain(store: AuthStore, clock: FakeClock) -> None:
    """From several replicas; what comes again is there once."""
    log = log_of(store, clock)
    batches = [[entry(number) for number in range(start, start + 7)] for start in range(0, 70, 5)]
    await asyncio.gather(*(log.append(batch) for batch in batches))
    assert await whole(store) == list(range(1, 73))
    await log.append([entry(3), replace(entry(3), resource="another"), entry(100), entry(100)])
    assert await whole(store) == list(range(1, 74))


async def test_each_tenant_has_a_chain(store: AuthStore, clock: FakeClock) -> None:
    """Nobody waits for another tenant, and nobody sees its entries."""
    log = log_of(store, clock)
    await log.append([entry(1), entry(2, tenant="t2"), entry(3), entry(4, tenant="")])
    assert (await whole(store), await whole(store, "t2"), await whole(store, "")) == ([1, 2], [1], [1])
    with pytest.raises(NotFound):
        await log.get("t2", 2)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {}audit_logs SET outcome = 'OK' WHERE number = 1",
        "DELETE FROM {}audit_logs WHERE number = 2",
        "DELETE FROM {}audit_logs",
        "DELETE FROM {}audit_chains",
        "UPDATE {}audit_chains SET number = 1",
        "TRUNCATE {}audit_logs",
    ],
)
async def test_the_database_refuses_to_change_it(store: AuthStore, clock: FakeClock, statement: str) -> None:
    """An accident, or somebody with no more than the service's own rights to data."""
    await log_of(store, clock).append([entry(1), entry(2)])
    with pytest.raises(Exception):  # noqa: B017, PT011 - each driver has its own
        async with store._database.transaction() as connection:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            await connection.execute(text(statement.format("")))
    assert await whole(store) == [1, 2]


async def test_retention_cuts_the_oldest_and_the_chain_goes_on(store: AuthStore, clock: FakeClock) -> None:
    """A signed anchor stands for what is gone; an entry that is young keeps all behind it."""
    log = log_of(store, clock)
    now = clock.micros()
    old, young = now - 3 * 86400 * SECOND, now - SECOND
    await log.append([entry(1, time=old), entry(2, time=old), entry(3, time=young), entry(4, time=old), entry(5, time=now)])
    await log.cut(timedelta(days=2))
    assert await whole(store) == [3, 4, 5]
    anchor = (await store.get_chain("t1")).anchor
    assert anchor.signature == f"t1 2 {anchor.hash} {now}"
    await log.cut(timedelta(days=2))
    await log.append([entry(6, time=now)])
    assert await whole(store) == [3, 4, 5, 6]


async def test_a_chain_that_was_changed_behind_the_service_is_an_alert(store: AuthStore, clock: FakeClock) -> None:
    """It is not signed again: what was signed before tells on it."""
    alerts = RecordedAlerts()
    log = log_of(store, clock, alerts)
    await log.append([entry(1), entry(2)])
    await log.sign_all()
    assert (await store.get_chain("t1")).signed.number == 2
    async with store._database.transaction() as connection:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        dialect = connection.dialect.name
        off = "DROP TRIGGER audit_logs_unchanged" + ("" if dialect == "sqlite" else " ON audit_logs")
        await connection.execute(text(off))
        await connection.execute(text("UPDATE audit_logs SET hash = '0' WHERE number = 2"))
    await log.append([entry(3)])
    await log.sign_all()
    assert [(alert.kind, alert.tenant) for alert in alerts.all] == [(AlertKind.AUDIT_CHAIN_BROKEN, "t1")]
    assert (await store.get_chain("t1")).signed.number == 2


# -- through the service --------------------------------------------------------------------------------------------------------


def logs(rig: Rig) -> Any:
    """A stub of AuditLogService, as the gateway has it."""
    return rpc.AuditLogServiceStub(rig.gateway.mesh.channel("auth_svc"))


async def entries(rig: Rig, token: str, least: int) -> list[pb.AuditLog]:
    """The log of a tenant, once it has so many entries; the oldest first."""
    found: list[pb.AuditLog] = []

    async def there() -> bool:
        await rig.clock.advance(1.5)
        with acting_as(token):
            found[:] = (await logs(rig).ListAuditLogs(pb.ListAuditLogsRequest(page_size=1000))).audit_logs
        return len(found) >= least

    await eventually(there)
    return found[::-1]


async def test_each_write_and_each_sign_in_leaves_one_entry(rig: Rig) -> None:
    """Who, from where, what, and how it ended; what only reads leaves none."""
    enter(Call(forwarded=CallOrigin("203.0.113.9", "curl/8")))
    await rig.register()
    token = (await rig.sign_in()).access_token
    enter(Call(authorization=f"Bearer {token}", forwarded=CallOrigin("203.0.113.9", "curl/8")))
    key = await rig.gateway.keys.CreateApiKey(api_key_service_pb2.CreateApiKeyRequest(display_name="k", scopes=["profile:read"]))
    await rig.gateway.keys.ListApiKeys(api_key_service_pb2.ListApiKeysRequest())
    await rig.gateway.keys.DeleteApiKey(api_key_service_pb2.DeleteApiKeyRequest(name=key.api_key.name))
    with pytest.raises(NotFound):
        await rig.gateway.keys.DeleteApiKey(api_key_service_pb2.DeleteApiKeyRequest(name=key.api_key.name))
    found = await entries(rig, token, 5)
    assert [(each.method, each.outcome, each.detail) for each in found] == [
        ("AuthService/Register", "OK", "auth.registered"),
        ("AuthService/IssueToken", "OK", "auth.login.succeeded"),
        ("ApiKeyService/CreateApiKey", "OK", "auth.key.created"),
        ("ApiKeyService/DeleteApiKey", "OK", "auth.key.revoked"),
        ("ApiKeyService/DeleteApiKey", "NOT_FOUND", ""),
    ]
    assert {each.subject.partition("/")[0] for each in found} == {"users"}
    assert {(each.client_address, each.user_agent) for each in found} == {("203.0.113.9", "curl/8")}
    assert [each.resource for each in found[2:]] == [key.api_key.name] * 3
    assert found[1].session
    assert key.secret not in repr(found)


async def test_refused_sign_ins_are_the_operators_and_show_no_address(rig: Rig) -> None:
    """Nobody knows whose they are; a flood from one place is one entry with a count."""
    enter(Call(forwarded=CallOrigin("203.0.113.9", "curl/8")))
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await rig.sign_in("nobody@example.com", "wrong password")
    operator = (await rig.exchange(rig.secret("dev-api-key").strip())).access_token

    async def told() -> bool:
        await rig.clock.advance(11)
        with acting_as(operator):
            page = await logs(rig).ListAuditLogs(pb.ListAuditLogsRequest(filter='outcome="UNAUTHENTICATED"'))
        return sum(each.count for each in page.audit_logs) == 3 and "nobody@" not in repr(page)

    await eventually(told)


async def test_an_export_verifies_with_the_published_keys(rig: Rig) -> None:
    """And another tenant sees nothing of it."""
    token = await rig.registered()
    other = await rig.registered("bob@example.com")
    await entries(rig, token, 2)
    keys = MessageToDict(await rig.gateway.auth.GetJwks(auth_service_pb2.GetJwksRequest()))["keys"]
    verifier = ExportVerifier(tenant="", keys={key["kid"]: PyJWK.from_dict(key) for key in keys})
    with acting_as(token):
        lines = [MessageToDict(line) async for line in logs(rig).ExportAuditLogs(pb.ExportAuditLogsRequest())]
    for number, line in enumerate(lines, 1):
        verifier.read(number, line)
    report = verifier.finish()
    assert (report.entries, report.first, report.last, report.signed, report.problems) == (2, 1, 2, 2, [])
    with acting_as(other):
        theirs = [line async for line in logs(rig).ExportAuditLogs(pb.ExportAuditLogsRequest())]
    assert not {line.audit_log.tenant for line in theirs} & {lines[0]["auditLog"]["tenant"]}
    assert PASSWORD not in repr(lines)


async def test_a_watch_goes_on_where_it_stopped(rig: Rig) -> None:
    """The token is that of the last entry seen."""
    token = await rig.registered()
    await entries(rig, token, 2)
    with acting_as(token):
        watch = logs(rig).WatchAuditLogs(pb.WatchAuditLogsRequest(resume_token="1"))
        first = await anext(watch)
        watch.cancel()
        assert (first.audit_log.name, first.resume_token) == ("auditLogs/2", "2")
        for bad in ("x", "-1", "9" * 40, "\u0661", "1000"):  # the last one is of an entry that a restore has taken back
            with pytest.raises(InvalidInput):
                await anext(logs(rig).WatchAuditLogs(pb.WatchAuditLogsRequest(resume_token=bad)))


async def test_the_log_takes_a_scope_and_a_service(rig: Rig) -> None:
    """A key without it does not read; nobody but a service appends."""
    await rig.register()
    profile = (await rig.sign_in(scope="profile:read")).access_token
    with acting_as(profile), pytest.raises(PermissionDenied):
        await logs(rig).ListAuditLogs(pb.ListAuditLogsRequest())
    with pytest.raises(InvalidInput):
        await logs(rig).AppendAuditLogs(pb.AppendAuditLogsRequest(audit_logs=[pb.ReportedAuditLog(entry_id="", count=0)]))
