"""What the mailer says of messages: it shows in the firing, and a death makes an event, once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from tests.integration.scheduler.support import LATEST, Rig, State, Worker, at, noop
from tests.integration.scheduler.triggers import Outside
from tocsin import errors
from tocsin.api.scheduler.v1 import alarm_pb2, dispatch_service_pb2, dispatch_service_pb2_grpc, firing_service_pb2

Summary = firing_service_pb2.DeliverySummary


@pytest.fixture
async def rig(tmp_path: Path, database_url: str) -> AsyncIterator[Rig]:
    """A scheduler on each kind of database."""
    made = Rig(folder=tmp_path, database_url=database_url)
    await made.start()
    yield made
    await made.stop()


class Mailer:
    """The mailer's side."""

    def __init__(self, rig: Rig) -> None:
        channel: Any = rig.mesh("mailer_svc").channel("scheduler_svc")
        self._stub: Any = dispatch_service_pb2_grpc.DispatchServiceStub(channel)

    async def report(self, firing: str, *, state: int = Summary.DEAD, number: int = 1, **fields: Any) -> None:
        """Says what became of one message."""
        values: dict[str, Any] = {
            "tenant": "t1",
            "firing": firing.removeprefix("firings/"),
            "delivery": f"deliveries/d{number}",
            "attempts": 1,
        }
        values |= {"state": state, "reason": "550 no such user", "to": "a@b.de", **fields}
        report = dispatch_service_pb2.DeliveryReport(**values)
        await self._stub.ReportDeliveries(dispatch_service_pb2.ReportDeliveriesRequest(reports=[report]))


def listening(topic: str) -> alarm_pb2.Trigger:
    """When an event comes."""
    return alarm_pb2.Trigger(event=alarm_pb2.Event(topic=topic))


async def fired(rig: Rig, worker: Worker, deliveries: int) -> str:
    """A firing that sent so many messages."""
    made = await rig.create(trigger=at(datetime(2025, 1, 1, tzinfo=UTC), catch_up=LATEST), action=noop())
    job = await worker.job()
    output = Struct()
    output.update({"deliveries": [f"deliveries/d{number}" for number in range(1, deliveries + 1)]})
    worker.end(job, output=output)
    (firing,) = await rig.normalized(made.name, State.SUCCEEDED)
    return firing.name


async def shown(rig: Rig, firing: str) -> Any:
    """What the firing shows of its messages."""
    with rig.user():
        return (await rig.firings.GetFiring(firing_service_pb2.GetFiringRequest(name=firing))).deliveries


async def test_a_firing_shows_what_became_of_its_messages(rig: Rig) -> None:
    """How many, the worst state, and why; what arrives after all is taken back; another tenant's word counts for nothing."""
    worker, mailer = Worker(rig, credit=5), Mailer(rig)
    firing = await fired(rig, worker, 3)
    assert await shown(rig, firing) == Summary(accepted=3, worst=Summary.ACCEPTED)
    await mailer.report(firing, tenant="t2")
    assert (await shown(rig, firing)).worst == Summary.ACCEPTED
    await mailer.report(firing, state=Summary.OUTCOME_UNKNOWN, number=2)
    assert (await shown(rig, firing)).worst == Summary.OUTCOME_UNKNOWN
    await mailer.report(firing)
    found = await shown(rig, firing)
    assert (found.accepted, found.dead, found.unknown, found.worst) == (3, 1, 1, Summary.DEAD)
    assert {(item.name, item.state, item.reason) for item in found.failed} == {
        ("deliveries/d1", Summary.DEAD, "550 no such user"),
        ("deliveries/d2", Summary.OUTCOME_UNKNOWN, "550 no such user"),
    }
    (listed,) = await rig.ledger()
    assert listed.deliveries == found
    for number in (1, 2):
        await mailer.report(firing, state=Summary.ACCEPTED, number=number, attempts=2)
    assert await shown(rig, firing) == Summary(accepted=3, worst=Summary.ACCEPTED)
    await worker.close()


async def test_what_came_back_or_was_complained_of_shows_and_is_an_event(rig: Rig) -> None:
    """Each end has its count and its event; the worst is what nobody got, not what was told last."""
    worker, mailer = Worker(rig, credit=5), Mailer(rig)
    firing = await fired(rig, worker, 3)
    watch = await rig.create(trigger=listening("tocsin.delivery.*"), action=noop())
    for number, state in enumerate((Summary.BOUNCED, Summary.COMPLAINED, Summary.SUPPRESSED), 1):
        for _ in range(2):
            await mailer.report(firing, state=state, number=number)
    found = await shown(rig, firing)
    assert (found.accepted, found.bounced, found.complained, found.suppressed, found.dead) == (3, 1, 1, 1, 0)
    assert found.worst == Summary.BOUNCED
    assert {item.name: item.state for item in found.failed} == {
        "deliveries/d1": Summary.BOUNCED,
        "deliveries/d2": Summary.COMPLAINED,
        "deliveries/d3": Summary.SUPPRESSED,
    }
    await mailer.report(firing, state=Summary.COMPLAINED, number=1)
    assert (await shown(rig, firing)).worst == Summary.SUPPRESSED
    told = await rig.normalized(watch.name, *[State.PENDING] * 4)
    topics = sorted(each.context.fields["event"].struct_value.fields["topic"].string_value for each in told)
    complained = "tocsin.delivery.complained"
    assert topics == ["tocsin.delivery.bounced", complained, complained, "tocsin.delivery.suppressed"]
    await worker.drop()


async def test_a_death_is_an_event_once_and_never_begets_itself(rig: Rig) -> None:
    """Saying it twice is saying it once; the death of what the event sent makes no other; many deaths make no flood."""
    worker, mailer, outside = Worker(rig, credit=200), Mailer(rig), Outside(rig)
    firing = await fired(rig, worker, 1)
    watch = await rig.create(trigger=listening("tocsin.delivery.*"), action=noop())
    for _ in range(2):
        await mailer.report(firing)
    (told,) = await rig.normalized(watch.name, State.PENDING)
    event = told.context.fields["event"].struct_value
    assert event.fields["topic"].string_value == "tocsin.delivery.dead"
    assert event.fields["data"].struct_value.fields["to"].string_value == "a@b.de"
    assert event.fields["data"].struct_value.fields["firing"].string_value == firing
    await mailer.report(told.name, number=2)
    assert (await outside.stats()).events == 1
    for number in range(100):
        await mailer.report(firing, number=1000 + number)
    assert (await outside.stats()).events <= 61
    await worker.drop()


async def test_nobody_else_may_say_it(rig: Rig) -> None:
    """A processor is no mailer, and a firing that nobody knows is no fault."""
    with pytest.raises(errors.PermissionDenied):
        await rig.dispatch.ReportDeliveries(dispatch_service_pb2.ReportDeliveriesRequest())
    await Mailer(rig).report("unknown")
