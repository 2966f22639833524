"""Policies on personal data: stored, walled off, enforced on records and tasks, and known to the services that ask."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

from processor_svc.domain import PolicyNotFound, StoredPolicy, TooManyPolicies
from processor_svc.service import PolicyKeeper
from processor_svc.store import SqlPolicyStore, pii_policies
from tests.integration.processor.support import Neighbours
from tocsin.api.processor.v1 import pii_service_pb2 as pb
from tocsin.api.processor.v1 import pii_service_pb2_grpc as rpc
from tocsin.api.processor.v1 import record_service_pb2, record_service_pb2_grpc, task_service_pb2, task_service_pb2_grpc
from tocsin.api.scheduler.v1 import trigger_service_pb2, trigger_service_pb2_grpc
from tocsin.database import Database
from tocsin.errors import InvalidInput, NotFound, PermissionDenied
from tocsin.mesh.context import acting_as
from tocsin.pii import DEFAULT_MEASURES, Measure, PiiArea, PiiKind, PiiPolicy
from tocsin.pii.feed import PolicyFeed
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

CARD = "4111111111111111"
SCOPES = ("pii:read", "pii:write", "records:read", "records:write", "tasks:read", "tasks:write", "events:write", "events:read")


@pytest.fixture
async def database(database_url: str, clock: FakeClock) -> AsyncGenerator[Database]:
    """The tables, on each database."""
    opened = Database(url=database_url, clock=clock, schema="processor_svc", migrations="processor_svc")
    await opened.start()
    yield opened
    await opened.stop()


def stored(clock: FakeClock, name: str, *, tenant: str = "t", **values: Any) -> StoredPolicy:
    """A policy."""
    made: dict[str, Any] = {"measure": Measure.REDACT, "area": PiiArea.EVENTS, "subject": "orders.*", **values}
    return StoredPolicy(id=name, policy=PiiPolicy(tenant=tenant, **made), update_time=clock.now())


async def test_a_policy_is_kept_as_it_is(database: Database, clock: FakeClock) -> None:
    """Replaced by its id, listed by it, walled off by its tenant; each change is a new version."""
    store = SqlPolicyStore(database=database)
    first = await store.version()
    a = stored(clock, "a", kinds=frozenset({PiiKind.CARD, PiiKind.EMAIL}))
    await store.set_policy(stored(clock, "a", measure=Measure.ALLOW), most=5)
    await store.set_policy(a, most=5)
    await store.set_policy(stored(clock, "b", area=None, subject="*"), most=5)
    await store.set_policy(stored(clock, "a", tenant="u"), most=5)
    assert await store.get_policy(tenant="t", id="a") == a
    assert [each.id for each in await store.list_policies(tenant="t", after="", limit=10)] == ["a", "b"]
    assert [each.id for each in await store.list_policies(tenant="t", after="a", limit=10)] == ["b"]
    version, every = await store.every_policy(after=("", ""), limit=10)
    assert [(each.policy.tenant, each.id) for each in every] == [("t", "a"), ("t", "b"), ("u", "a")]
    assert version == first + 4
    with pytest.raises(PolicyNotFound):
        await store.delete_policy(tenant="v", id="a")
    await store.delete_policy(tenant="t", id="a")
    assert await store.version() == first + 5
    with pytest.raises(PolicyNotFound):
        await store.get_policy(tenant="t", id="a")


async def test_a_tenant_has_so_many(database: Database, clock: FakeClock) -> None:
    """One more is refused, also when two come at once; one that is there may change."""
    store = SqlPolicyStore(database=database)
    ended = await asyncio.gather(*(store.set_policy(stored(clock, f"p{n}"), most=2) for n in range(6)), return_exceptions=True)
    assert sum(isinstance(each, TooManyPolicies) for each in ended) == 4
    (known, *_) = await store.list_policies(tenant="t", after="", limit=10)
    await store.set_policy(known, most=2)


async def test_an_odd_row_costs_nobody_else(database: Database, clock: FakeClock) -> None:
    """One of a later version: it is listed, the book is made, and the others hold."""
    keeper = PolicyKeeper(store=SqlPolicyStore(database=database), defaults=DEFAULT_MEASURES, clock=clock)
    await keeper.start()
    await keeper.set(stored(clock, "good", measure=Measure.BLOCK))
    row = {"tenant": "t", "id": "odd", "measure": "SHRED", "area": "DREAMS", "subject": "\t*", "kinds": "FACE GAIT", "updated_at": 2**62}
    async with database.transaction() as connection:
        await connection.execute(pii_policies.insert(), row)
    await keeper.set(stored(clock, "third"))
    assert len(await keeper.page(tenant="t", after="", limit=10)) == 3
    assert keeper.book().rules("t", PiiArea.EVENTS, "orders.paid").of([PiiKind.CARD]) is Measure.BLOCK
    assert keeper.book().rules("t", PiiArea.RECORDS, "x").of([PiiKind.CARD]) is Measure.FLAG
    await keeper.stop()


@pytest.fixture
async def three(neighbours: Neighbours) -> Neighbours:
    """Scheduler, mailer and processor; there is no auth_svc to take alerts, and nobody minds."""
    await neighbours.start("scheduler_svc", "mailer_svc", "processor_svc")
    return neighbours


def caller(three: Neighbours, tenant: str = "t", *scopes: str) -> Any:
    """Acts as somebody of a tenant."""
    return acting_as(three.mint.mint(tenant=tenant, scopes=scopes or SCOPES))


def stubs(three: Neighbours) -> tuple[Any, Any, Any, Any]:
    """Policies, records, tasks, events."""
    processor: Any = three.caller.mesh.channel("processor_svc")
    scheduler: Any = three.caller.mesh.channel("scheduler_svc")
    return (
        rpc.PiiServiceStub(processor),
        record_service_pb2_grpc.RecordServiceStub(processor),
        task_service_pb2_grpc.TaskServiceStub(processor),
        trigger_service_pb2_grpc.TriggerServiceStub(scheduler),
    )


def request(name: str, measure: str, area: str = "AREA_UNSPECIFIED", **values: Any) -> pb.SetPiiPolicyRequest:
    """Sets a policy."""
    policy = pb.PiiPolicy(
        name=f"pii/policies/{name}", measure=pb.PiiPolicy.Measure.Value(measure), area=pb.PiiPolicy.Area.Value(area), **values
    )
    return pb.SetPiiPolicyRequest(policy=policy)


async def test_a_policy_holds_at_once_for_records_and_tasks(three: Neighbours) -> None:
    """Flagged by default, redacted, refused: with the field and the kind, never the value; other tenants are not concerned."""
    policies, records, tasks, _ = stubs(three)
    with caller(three):
        record = await records.SetRecord(record_service_pb2.SetRecordRequest(key="a", value=CARD))
        assert record.value == CARD
        made = await policies.SetPiiPolicy(request("cards", "REDACT", kinds=[pb.PiiPolicy.CARD]))
        assert made.subject == "*"
        assert made.HasField("update_time")
        await records.SetRecord(record_service_pb2.SetRecordRequest(key="a", value=f"pan {CARD}"))
        assert (await records.GetRecord(record_service_pb2.GetRecordRequest(key="a"))).value == "pan [card]"
        submit = task_service_pb2.SubmitTaskRequest(handler="uppercase", request_id="6f1c1e5e-2c5c-4b0e-9f4e-2a1c3d4e5f60")
        submit.input.update({"text": f"pan {CARD}"})
        task = await tasks.SubmitTask(submit)
        assert dict(task.input)["text"] == "pan [card]"
        assert (await tasks.SubmitTask(submit)).name == task.name
        await policies.SetPiiPolicy(request("block", "BLOCK", "RECORDS"))
        with pytest.raises(InvalidInput) as refused:
            await records.SetRecord(record_service_pb2.SetRecordRequest(key="b", value=CARD))
        assert [(each.field, each.description) for each in refused.value.violations] == [("value", "holds personal data: card")]
        assert CARD not in str(refused.value)
        with pytest.raises(InvalidInput):
            await records.SetRecord(record_service_pb2.SetRecordRequest(key="ann@example.com", value="x"))
        await policies.DeletePiiPolicy(pb.DeletePiiPolicyRequest(name="pii/policies/block"))
        await records.SetRecord(record_service_pb2.SetRecordRequest(key="b", value=CARD))
        assert [each.name for each in (await policies.ListPiiPolicies(pb.ListPiiPoliciesRequest())).policies] == ["pii/policies/cards"]
    with caller(three, "u"):
        assert not (await policies.ListPiiPolicies(pb.ListPiiPoliciesRequest())).policies
        with pytest.raises(NotFound):
            await policies.GetPiiPolicy(pb.GetPiiPolicyRequest(name="pii/policies/cards"))
        assert (await records.SetRecord(record_service_pb2.SetRecordRequest(key="a", value=CARD))).value == CARD
    with caller(three, "t", "records:write"), pytest.raises(PermissionDenied):
        await policies.SetPiiPolicy(request("mine", "ALLOW"))


async def test_events_follow_within_seconds(three: Neighbours) -> None:
    """The scheduler learns of a policy, redacts data and refuses an id; what it knows outlives the processor."""
    policies, _, _, events = stubs(three)

    def event(topic: str, **values: Any) -> trigger_service_pb2.PublishEventRequest:
        made = trigger_service_pb2.PublishEventRequest(event=trigger_service_pb2.PublishedEvent(topic=topic, **values))
        made.event.data.update({"pan": CARD, "list": [CARD, "x"]})
        return made

    async def blocked(topic: str) -> bool:
        (answer,) = await asyncio.gather(events.PublishEvent(event(topic)), return_exceptions=True)
        if not isinstance(answer, InvalidInput):
            return False
        assert CARD not in str(answer)
        assert {each.field for each in answer.violations} == {"event.data.pan", "event.data.list[0]"}
        return True

    with caller(three):
        assert not await blocked("orders.paid")
        await policies.SetPiiPolicy(request("orders", "BLOCK", "EVENTS", subject="orders.*"))
        await policies.SetPiiPolicy(request("marks", "REDACT", "EVENTS", subject="marked"))
        await eventually(lambda: blocked("orders.paid"))
        assert not await blocked("other")
        await events.PublishEvent(event("marked", source="ann@example.com"))
        with pytest.raises(InvalidInput):
            await events.PublishEvent(event("marked", id="ann@example.com"))
        await three.stop("processor_svc")
        await three.stop("scheduler_svc")
        await three.start("scheduler_svc")

        async def reached() -> bool:
            (answer,) = await asyncio.gather(events.ListTriggerLogs(trigger_service_pb2.ListTriggerLogsRequest()), return_exceptions=True)
            return not isinstance(answer, Exception)

        await eventually(reached)
        assert await blocked("orders.paid")
        logs = (await events.ListTriggerLogs(trigger_service_pb2.ListTriggerLogsRequest(filter='topic="marked"'))).logs
        assert [(each.source, each.data["pan"], list(each.data["list"])) for each in logs] == [("[email]", "[card]", ["[card]", "x"])]


async def test_a_text_is_scanned(three: Neighbours) -> None:
    """Where what stands, counted in characters; only what is asked for."""
    policies = stubs(three)[0]
    with caller(three):
        answer = await policies.ScanText(pb.ScanTextRequest(text=f"\U0001f600 {CARD} ann@example.com"))
        assert answer.redacted == "\U0001f600 [card] [email]"
        assert [(each.kind, each.start, each.end) for each in answer.findings] == [(pb.PiiPolicy.CARD, 2, 18), (pb.PiiPolicy.EMAIL, 19, 34)]
        only = await policies.ScanText(pb.ScanTextRequest(text=CARD, kinds=[pb.PiiPolicy.EMAIL]))
        assert not only.findings
        assert len((await policies.ScanText(pb.ScanTextRequest(text="4111 " * 26_000))).findings) > 1000


def bad() -> Iterator[pb.SetPiiPolicyRequest]:
    """Policies that are none."""
    yield request("a/b", "BLOCK")
    yield request("", "BLOCK")
    yield request("a", "MEASURE_UNSPECIFIED")
    yield request("a", "BLOCK", subject="x" * 201)
    yield request("a", "BLOCK", subject="a*b")
    yield request("a", "BLOCK", subject="a\nb")
    yield request("a", "BLOCK", kinds=[pb.PiiPolicy.UNSCANNED])
    yield request("a", "BLOCK", kinds=[pb.PiiPolicy.CARD] * 2)
    yield pb.SetPiiPolicyRequest()


async def test_bad_policies_are_refused(three: Neighbours) -> None:
    """Each by its field."""
    policies = stubs(three)[0]
    with caller(three):
        for each in bad():
            with pytest.raises(InvalidInput) as refused:
                await policies.SetPiiPolicy(each)
            assert refused.value.violations
        with pytest.raises(InvalidInput):
            await policies.ScanText(pb.ScanTextRequest(text="x" * 131_073))


async def test_a_damaged_file_is_no_policy(three: Neighbours, tmp_path: Path) -> None:
    """The feed says so, and asks."""
    file = tmp_path / "feed.bin"
    file.write_bytes(b"\xff\xff\xff")
    feed = PolicyFeed(mesh=three.caller.mesh, clock=three.clock, file=file)
    await feed.start()
    assert feed.book().version == 0
    await feed.stop()
