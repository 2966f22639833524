"""What is kept of pings, runs of jobs, and how what is watched stands, on each database."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from msgspec import structs

from scheduler_svc.domain import Action, AlarmNotFound
from scheduler_svc.domain.standings import PingKeyTaken, StatusSlugTaken
from scheduler_svc.ports import NewAlarm
from scheduler_svc.ports.status import PingKey, StatusPage
from scheduler_svc.store import SqlHousekeepingStore, SqlPingKeyStore, SqlPingLog, SqlStandingStore, SqlStatusPageStore
from scheduler_svc.store.ping_log import PINGS_KEPT
from scheduler_svc.triggers import HeartbeatKeyTaken, HeartbeatNotFound, PingAnswer, Pinged, PingKind, Status
from tests.integration.scheduler.outside import Outside, above, beating, ping, reading, waiting
from tests.integration.scheduler.stores import NOW, SECOND, Stores, alarm
from tocsin.recurrence import Cron, Heartbeat, Overlapping, Trigger

RUN, OTHER = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))


@pytest.fixture
def outside(stores: Stores) -> Outside:
    """Whoever takes pings."""
    return Outside(stores)


def said(key: str, kind: PingKind, at: float, **fields: Any) -> Pinged:
    """A ping that says something."""
    return replace(ping(key, at=at), kind=kind, **fields)


async def test_two_runs_at_once_are_measured_each(stores: Stores, outside: Outside) -> None:
    """Each by its own id, in one transaction or in several; what came is kept with the newest first."""
    job = beating(seconds=60)
    await stores.add(job)
    key = job.signal.secret if job.signal else ""
    await outside.ping(said(key, PingKind.START, 1, run=RUN), said(key, PingKind.START, 2, run=OTHER))
    await outside.ping(
        said(key, PingKind.SUCCESS, 5, run=RUN, exit_status=0, body=b"a\0\xff", method="POST", agent="curl\0", address="::1", size=9)
    )
    await outside.ping(said(key, PingKind.START, 6), said(key, PingKind.SUCCESS, 7), said(key, PingKind.FAIL, 8, run=OTHER))
    log = SqlPingLog(stores.database)
    kept = await log.page("t1", job.id, before="", size=10)
    assert [(each.kind.name, each.duration and each.duration / SECOND) for each in kept] == [
        ("FAIL", 6.0), ("SUCCESS", 1.0), ("START", None), ("SUCCESS", 4.0), ("START", None), ("START", None),
    ]  # fmt: skip
    first = kept[3]
    assert (first.exit_status, first.body, first.size, first.method, first.agent, first.address) == (
        0,
        b"a\0\xff",
        9,
        "POST",
        "curl\ufffd",
        "::1",
    )
    assert await log.page("t1", job.id, before=kept[3].log, size=1) == [kept[4]]
    assert await log.get("t1", job.id, first.log) == first
    assert await log.get("t2", job.id, first.log) is None
    assert await log.page("t2", job.id, before="", size=10) == []


async def test_a_failure_fires_at_once_and_says_why(stores: Stores, outside: Outside) -> None:
    """Once, however often it fails, with its exit status and what it said; a start that has no end is said, too."""
    failing, hanging = beating(seconds=60), waiting(Heartbeat(every=600 * SECOND, grace=30 * SECOND))
    await stores.add(failing, hanging)
    key, other = (each.signal.secret if each.signal else "" for each in (failing, hanging))
    await outside.ping(said(key, PingKind.FAIL, 1, exit_status=3, body=b"disk\0full"), said(key, PingKind.FAIL, 2))
    await outside.ping(said(other, PingKind.START, 10))
    due = NOW + 40 * SECOND
    missed = await stores.fire((hanging.id, due), now=due)
    fired = [*outside.offered, *missed.queued_firings]
    assert [MessageToDict(Struct.FromString(firing.context))["heartbeat"] for firing in fired] == [
        {"raisedTime": "2026-01-01T00:00:01Z", "reason": "FAILED", "exitStatus": 3.0, "text": "disk\ufffdfull"},
        {"raisedTime": "2026-01-01T00:00:40Z", "reason": "NOT_FINISHED"},
    ]
    answers = await outside.ping(said(key, PingKind.SUCCESS, 50), said(other, PingKind.SUCCESS, 50))
    assert [answer.resolved for answer in answers] == [True, True]
    stored = await stores.alarms.get("t1", hanging.id)
    assert stored.signal is not None
    assert (stored.signal.status, stored.signal.started, stored.signal.duration) == (Status.OK, None, 40 * SECOND)


async def test_a_failure_does_not_run_beside_the_one_before(stores: Stores, outside: Outside) -> None:
    """With overlap SKIP a firing that still runs keeps the next one from running."""
    job = waiting(Heartbeat(every=60 * SECOND), overlap=Overlapping.SKIP)
    await stores.add(job)
    key = job.signal.secret if job.signal else ""
    await outside.ping(said(key, PingKind.FAIL, 1), said(key, PingKind.SUCCESS, 2))
    await outside.ping(said(key, PingKind.FAIL, 3))
    assert [(firing.origin.name, firing.outcome.name) for firing in outside.offered] == [
        ("RAISED", "FIRED"), ("RESOLVED", "FIRED"), ("RAISED", "SKIPPED"),
    ]  # fmt: skip


async def test_slugs_and_secret_keys_are_found_and_taken(stores: Stores, outside: Outside) -> None:
    """A slug is its tenant's, a UUID anybody's who knows it; neither twice."""
    key = str(uuid.uuid4())
    job = waiting(Heartbeat(every=60 * SECOND, key=key, slug="nightly"))
    await stores.add(job)
    by_slug = [replace(ping(""), key="", slug=slug, tenant=tenant) for slug, tenant in (("nightly", "t1"), ("nightly", "t2"), ("x", "t1"))]
    answers = await outside.ping(ping(key), *by_slug)
    assert [getattr(answer, "alarm", type(answer)) for answer in answers] == [job.id, job.id, HeartbeatNotFound, HeartbeatNotFound]
    for spec in (Heartbeat(every=60 * SECOND, slug="nightly"), Heartbeat(every=60 * SECOND, key=key)):
        (refused,) = await stores.alarms.create([NewAlarm(alarm=waiting(spec), request_id="", digest="")])
        assert isinstance(refused, HeartbeatKeyTaken)


async def test_the_last_pings_are_kept(stores: Stores, outside: Outside) -> None:
    """A hundred of each, none of what is older, and none of an alarm that is gone."""
    job, other = beating(seconds=60), beating(seconds=60)
    await stores.add(job, other)
    log = SqlPingLog(stores.database)
    for each in (job, other):
        key = each.signal.secret if each.signal else ""
        await outside.ping(*(ping(key, at=number) for number in range(PINGS_KEPT + 20)))
        await outside.ping(ping(key, at=1000))
    kept = await log.page("t1", job.id, before="", size=1000)
    assert (len(kept), kept[0].received) == (PINGS_KEPT, NOW + 1000 * SECOND)
    assert await stores.alarms.delete("t1", job.id, version=None, now=NOW)
    with pytest.raises(AlarmNotFound):
        await stores.alarms.get("t1", job.id)
    assert await log.page("t1", job.id, before="", size=1000) == []
    keeping = SqlHousekeepingStore(stores.database)
    assert await keeping.forget_pings(before=NOW + 1000 * SECOND, most=50) == 50
    assert await keeping.forget_pings(before=NOW + 1000 * SECOND, most=50) == 49
    assert len(await log.page("t1", other.id, before="", size=1000)) == 1


async def test_what_is_watched_is_listed(stores: Stores, outside: Outside) -> None:
    """Heartbeats, thresholds and checks of the tenant, in the order of their ids; other alarms are not watched."""
    beat, hot = waiting(Heartbeat(every=60 * SECOND, slug="nightly")), above(10)
    check = replace_action(alarm(trigger=Trigger(spec=Cron("* * * * *"))))
    plain = alarm(trigger=Trigger(spec=Cron("* * * * *")))
    await stores.add(beat, hot, check, plain)
    await outside.record(reading(11, at=1))
    store = SqlStandingStore(stores.database)
    expected = sorted([beat.id, hot.id, check.id])
    assert [each.alarm.id for each in await store.watched("t1", after="", size=10)] == expected
    assert [each.alarm.id for each in await store.watched("t1", after=expected[0], size=1)] == [expected[1]]
    assert await store.watched("t2", after="", size=10) == []
    assert {each.alarm.id for each in await store.named("t1", [plain.id, hot.id, "none"])} == {hot.id}
    assert await store.named("t2", [hot.id]) == []
    assert [await store.by_name("t1", name) for name in (beat.id, "nightly", "none", "")] == [beat.id, beat.id, "", ""]
    assert await store.readings("t1", ["m", "none"]) == {"m": (11.0, NOW + SECOND)}


def replace_action(made: Any) -> Any:
    """The alarm with the action ``check``."""
    return structs.replace(made, action=Action("check", b""))


async def test_keys_and_pages_are_one_tenants(stores: Stores) -> None:
    """A ping key, a name of a page: whoever comes second is refused, and one's own is replaced."""
    keys, pages = SqlPingKeyStore(stores.database), SqlStatusPageStore(stores.database)
    assert await keys.key_of("t1") is None
    await keys.put_key(PingKey("t1", "a" * 20, ""))
    await keys.put_key(PingKey("t1", "b" * 20, "nights"))
    assert await keys.find_key("a" * 20) is None
    assert await keys.find_key("b" * 20) == await keys.key_of("t1") == PingKey("t1", "b" * 20, "nights")
    with pytest.raises(PingKeyTaken):
        await keys.put_key(PingKey("t2", "b" * 20, ""))
    page = StatusPage(tenant="t1", enabled=True, slug="acme", title="Ü", alarms=("a",), labels={"team": "web"}, badge_secret="s1")
    await pages.put_page(page)
    assert await pages.page_at("acme") == await pages.page_of("t1") == await pages.page_with_badges("s1") == page
    with pytest.raises(StatusSlugTaken):
        await pages.put_page(replace(page, tenant="t2", badge_secret="s2"))
    await pages.put_page(replace(page, tenant="t2", slug="", badge_secret="s2"))
    await pages.put_page(replace(page, tenant="t3", slug="", badge_secret="s3"))
    assert await pages.page_at("") is None


async def test_a_deleted_tenants_heartbeats_are_not_there(stores: Stores, outside: Outside) -> None:
    """Their pings change nothing, and are not kept; those of others in the same batch are taken."""
    mine, theirs = beating(seconds=60), beating(seconds=60, tenant="t2")
    await stores.add(mine, theirs)
    keys = [each.signal.secret if each.signal else "" for each in (mine, theirs)]
    here: dict[str, Any] = {"owner": outside.owner, "held": outside.held, "now": NOW + SECOND}
    caused = await outside.store.ping([ping(key, at=1) for key in keys], **here, serves=lambda tenant: tenant != "t1")
    assert [type(answer) for answer in caused.answers] == [HeartbeatNotFound, PingAnswer]
    assert [moved.alarm for moved in caused.moved] == [theirs.id]
