"""Security alerts at auth_svc: counted by window, walled off by tenant, kept over a restart, filed, streamed, forgotten."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from auth_svc.domain import StoredAlert
from auth_svc.error_reports import ReportFolder
from auth_svc.service import AlertLog
from auth_svc.store import AuthStore
from tests.integration.auth.support import PASSWORD, Rig
from tocsin.alerts import Alert, AlertKind, Severity
from tocsin.api.auth.v1 import auth_service_pb2
from tocsin.api.auth.v1 import security_alert_service_pb2 as pb
from tocsin.api.auth.v1 import security_alert_service_pb2_grpc as rpc
from tocsin.clock import HOUR
from tocsin.database import Database
from tocsin.errors import InvalidInput, NotFound, PermissionDenied, ResourceExhausted, Unauthenticated
from tocsin.mesh.context import acting_as
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually
from tocsin.wake import Wake

WINDOW = timedelta(minutes=10)


def alert(clock: FakeClock, **values: Any) -> Alert:
    """One alert, now."""
    now = clock.micros()
    made = Alert(
        kind=AlertKind.TOKEN_INVALID,
        severity=Severity.MEDIUM,
        tenant="t1",
        subject="",
        place="GET /verify",
        latest="",
        detail="TOKEN_REFUSED",
        count=1,
        first=now,
        last=now,
    )
    return replace(made, **values)


@pytest.fixture
async def store(database_url: str, clock: FakeClock) -> AsyncGenerator[AuthStore]:
    """The tables, on each database."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    yield AuthStore(database=database)
    await database.stop()


@pytest.fixture
def log(store: AuthStore, clock: FakeClock) -> AlertLog:
    """The use case on them."""
    return AlertLog(store=store, clock=clock, window=WINDOW, written=[Wake(clock)])


async def rows(log: AlertLog, tenant: str = "t1") -> list[StoredAlert]:
    """All of a tenant."""
    return list(await log.page(tenant, conditions=(), before=None, limit=1000))


async def test_the_same_alert_in_a_window_is_one_row(log: AlertLog, clock: FakeClock) -> None:
    """Of any number of reports; its newest place is shown, and the next window is another row."""
    for number in range(5):
        await log.report([alert(clock, count=100, latest=f"place {number}")], str(uuid.uuid4()))
        await clock.advance(1)
    (row,) = await rows(log)
    assert (row.alert.count, row.alert.latest) == (500, "place 4")
    assert row.alert.last - row.alert.first == 4_000_000
    await clock.advance(WINDOW.total_seconds())
    await log.report([alert(clock)], str(uuid.uuid4()))
    assert [each.alert.count for each in await rows(log)] == [1, 500]


@pytest.mark.parametrize("change", ["tenant", "subject", "place", "detail", "kind"])
async def test_what_differs_is_another_row(log: AlertLog, clock: FakeClock, change: str) -> None:
    """By each part of its identity."""
    other = AlertKind.SCOPE_REFUSED if change == "kind" else "another"
    await log.report([alert(clock), alert(clock, **{change: other})], str(uuid.uuid4()))
    assert len(await rows(log)) + len(await rows(log, "another")) == 2


async def test_a_batch_that_comes_again_counts_once(log: AlertLog, clock: FakeClock) -> None:
    """Its answer was lost; and twice the same alert in a batch is a sum."""
    batch = str(uuid.uuid4())
    for _ in range(3):
        await log.report([alert(clock), alert(clock, count=2)], batch)
    (row,) = await rows(log)
    assert row.alert.count == 3


async def test_replicas_count_together(log: AlertLog, clock: FakeClock) -> None:
    """Reports at the same moment: none is lost."""
    batch = [alert(clock, place=place) for place in ("a", "b", "c")]
    await asyncio.gather(*(log.report(batch if number % 2 else batch[::-1], str(uuid.uuid4())) for number in range(20)))
    assert [each.alert.count for each in await rows(log)] == [20, 20, 20]


async def test_old_ones_are_forgotten(store: AuthStore, log: AlertLog, clock: FakeClock) -> None:
    """After they last happened; a batch of that time counts again, for nobody sends it any more."""
    await log.report([alert(clock, place="old")], "old")
    await clock.advance(2 * HOUR / 1_000_000)
    await log.report([alert(clock, place="new")], "new")
    assert await store.purge_alerts(clock.now() - timedelta(hours=1), limit=100) == 1
    assert [each.alert.place for each in await rows(log)] == ["new"]


async def test_a_row_of_a_later_version_costs_nobody(store: AuthStore, log: AlertLog, clock: FakeClock) -> None:
    """Its kind is not known here; it is listed, and filed."""
    odd: Any = type("Odd", (), {"value": "FROM_TOMORROW"})()
    await store.add_alerts([("1" * 32, alert(clock, kind=odd, severity=odd))], batch="b", now=clock.now())
    await log.report([alert(clock)], "c")
    assert len(await rows(log)) == 2


async def test_files_are_bounded(tmp_path: Path, store: AuthStore, log: AlertLog, clock: FakeClock) -> None:
    """The newest stay; a line that somebody put into a text does not begin one of the file."""
    folder = ReportFolder(folder=tmp_path / "error_reports", most=3)
    for number in range(5):
        await log.report([alert(clock, place=f"p{number}", latest="x\nkind: forged")], str(uuid.uuid4()))
        await clock.advance(1)
        await folder.write(await store.unfiled_alerts(limit=10))
    files = sorted((tmp_path / "error_reports").iterdir())
    assert [path.read_text().split("place: ")[1].split("\n")[0] for path in files] == ["p2", "p3", "p4"]
    assert "latest: x kind: forged\n" in files[0].read_text()
    assert files[0].stat().st_mode & 0o777 == 0o600


def stub(rig: Rig, name: str = "gateway") -> Any:
    """Calls SecurityAlertService as a service."""
    caller = rig.gateway if name == "gateway" else rig.caller(name)
    channel: Any = caller.mesh.channel("auth_svc")
    return rpc.SecurityAlertServiceStub(channel)


def reported(clock: FakeClock, **values: Any) -> pb.ReportAlertsRequest:
    """One alert as a service reports it."""
    request = pb.ReportAlertsRequest(
        alerts=[pb.ReportedAlert(kind=pb.SecurityAlert.PII_FOUND, severity=pb.SecurityAlert.HIGH, place="records", count=1, **values)]
    )
    for stamp in (request.alerts[0].first_time, request.alerts[0].last_time):
        stamp.FromMicroseconds(clock.micros())
    return request


async def test_a_tenant_sees_its_own(rig: Rig, clock: FakeClock) -> None:
    """And the operator what is nobody's; who lacks the scope sees nothing."""
    made = await rig.register()
    token = (await rig.sign_in()).access_token
    tenant = made.tenant.removeprefix("tenants/")
    await stub(rig, "mailer_svc").ReportAlerts(reported(clock, tenant=tenant, latest="records/a"))
    await stub(rig).ReportAlerts(reported(clock, latest="nobody's"))
    with acting_as(token):
        listed = await stub(rig).ListAlerts(pb.ListAlertsRequest(filter='kind="PII_FOUND" AND severity="HIGH" AND place="records"'))
        (own,) = listed.alerts
        assert (own.latest, own.count, own.kind) == ("records/a", 1, pb.SecurityAlert.PII_FOUND)
        assert await stub(rig).GetAlert(pb.GetAlertRequest(name=own.name)) == own
        assert not (await stub(rig).ListAlerts(pb.ListAlertsRequest(filter='kind="TOKEN_INVALID"'))).alerts
    operator = (await rig.exchange(rig.secret("dev-api-key"))).access_token
    with acting_as(operator):
        assert [each.latest for each in (await stub(rig).ListAlerts(pb.ListAlertsRequest())).alerts] == ["nobody's"]
        with pytest.raises(NotFound):
            await stub(rig).GetAlert(pb.GetAlertRequest(name=own.name))
    narrow = (await rig.sign_in(scope="keys:read")).access_token
    with acting_as(narrow), pytest.raises(PermissionDenied):
        await stub(rig).ListAlerts(pb.ListAlertsRequest())


async def test_what_is_stored_outlives_a_restart(rig: Rig, clock: FakeClock) -> None:
    """What was answered is there; and each has its file, whenever the process ended."""
    await stub(rig).ReportAlerts(reported(clock))
    await rig.stop()
    await rig.start()
    with acting_as((await rig.exchange(rig.secret("dev-api-key"))).access_token):
        (found,) = (await stub(rig).ListAlerts(pb.ListAlertsRequest())).alerts
    folder = rig.folder / "error_reports"
    await eventually(lambda: folder.is_dir() and len(list(folder.glob("*.txt"))) == 1)
    (report,) = folder.glob("*.txt")
    assert found.name in report.read_text()


async def test_a_watch_shows_what_happens(rig: Rig, clock: FakeClock) -> None:
    """From now on; with a token, what happened meanwhile."""
    token = (await rig.exchange(rig.secret("dev-api-key"))).access_token
    with acting_as(token):
        watch = stub(rig).WatchAlerts(pb.WatchAlertsRequest())
        await watch.initial_metadata()
    await stub(rig).ReportAlerts(reported(clock, detail="first"))
    first = await ticking(clock, watch)
    assert first.alert.detail == "first"
    watch.cancel()
    await stub(rig).ReportAlerts(reported(clock, detail="second"))
    with acting_as(token):
        again = stub(rig).WatchAlerts(pb.WatchAlertsRequest(resume_token=first.resume_token))
        seen = {(await ticking(clock, again)).alert.detail for _ in range(2)}
        assert seen == {"first", "second"}
        again.cancel()
        with pytest.raises(InvalidInput):
            await stub(rig).WatchAlerts(pb.WatchAlertsRequest(resume_token="yesterday")).read()


async def ticking(clock: FakeClock, watch: Any) -> pb.WatchAlertsResponse:
    """The next answer of a watch, while time goes by."""
    reading = asyncio.ensure_future(anext(aiter(watch)))
    while not reading.done():
        await clock.advance(1)
        await asyncio.wait([reading], timeout=0.02)
    return await reading


async def test_guessing_raises_an_alert(rig: Rig) -> None:
    """Throttled sign-ins of an account: counted, and without its address."""
    await rig.register()
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await rig.sign_in(password="wrong")
    for _ in range(4):
        with pytest.raises(ResourceExhausted):
            await rig.gateway.auth.IssueToken(auth_service_pb2.IssueTokenRequest(email="ann@example.com", password=PASSWORD))
    token = (await rig.exchange(rig.secret("dev-api-key"))).access_token

    found: list[Any] = []

    async def listed() -> bool:
        await rig.clock.advance(1)
        with acting_as(token):
            found[:] = (await stub(rig).ListAlerts(pb.ListAlertsRequest(filter='kind="SIGN_IN_THROTTLED"'))).alerts
        return bool(found)

    await eventually(listed)
    (one,) = found
    assert one.severity == pb.SecurityAlert.HIGH
    assert one.latest.startswith("account ")
    assert "ann@example.com" not in str(one)


async def test_bad_reports_are_refused(rig: Rig, clock: FakeClock) -> None:
    """And a user cannot report."""
    for bad in (pb.ReportAlertsRequest(), reported(clock, latest="x" * 201), reported(clock, tenant="x" * 201)):
        with pytest.raises(InvalidInput):
            await stub(rig).ReportAlerts(bad)
