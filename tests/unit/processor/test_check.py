"""What comes of a check: its result, its readings, who is told, and what holds up nobody."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from processor_svc.actions import CheckKind, NotifyKind
from processor_svc.domain import (
    ActionProblem,
    DeliveryAck,
    Job,
    JobFailed,
    JobReleased,
    JobSucceeded,
    Json,
    Message,
    MetricReading,
)
from processor_svc.probes import CheckFailed, CheckForbidden, CheckSpec
from processor_svc.turns import TenantTurns
from tests.unit.processor.kinds import NO_INCIDENTS, check_kind
from tests.unit.processor.test_worker import job
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.errors import Unavailable
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually


class Scripted:
    """A probe that finds what it is told, the last again and again."""

    def __init__(self, *results: Exception | Mapping[str, Json]) -> None:
        self.results = list(results)
        self.looks = 0
        self.hangs: asyncio.Event | None = None

    def problems(self, spec: CheckSpec) -> Sequence[ActionProblem]:
        return [ActionProblem("tcp", "is nonsense")] if spec.subject == "nonsense:1" else []

    async def look(self, tenant: str, spec: CheckSpec) -> Mapping[str, Json]:
        self.looks += 1
        if self.hangs is not None and tenant == "t1":
            await self.hangs.wait()
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return result


class Kept:
    """Readings in memory: a value of each metric, and all calls."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], float] = {}
        self.ids: list[str] = []
        self.away = False

    async def latest(self, tenant: str, metric: str) -> MetricReading | None:
        value = self.values.get((tenant, metric))
        return None if value is None else MetricReading(value, 0.0)

    async def record(self, tenant: str, values: Mapping[str, float], *, id: str, source: str) -> None:  # noqa: A002  of the port
        if self.away:
            raise Unavailable("scheduler_svc is away")
        self.ids.append(id)
        self.values.update({(tenant, metric): value for metric, value in values.items()})


class Post:
    """A mailer that keeps messages."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.away = False

    async def deliver(self, messages: Sequence[Message]) -> Sequence[DeliveryAck]:
        if self.away:
            raise Unavailable("mailer_svc is away")
        self.messages += messages
        return [DeliveryAck(delivery=f"deliveries/{len(self.messages)}") for _ in messages]


class Rig:
    """A check kind with its neighbours."""

    def __init__(self, clock: FakeClock, *results: Exception | Mapping[str, Json], turns: TenantTurns | None = None) -> None:
        self.probe, self.readings, self.post = Scripted(*results), Kept(), Post()
        parts: dict[str, Any] = {"turns": turns} if turns else {}
        self.kind: CheckKind = check_kind(
            clock, probes={"tcp": self.probe}, readings=self.readings, notify=NotifyKind(mailer=self.post, incidents=NO_INCIDENTS), **parts
        )

    async def run(self, *, firing: str = "f1", attempt: int = 1, tenant: str = "t1", alarm: str = "alarms/a1", **fields: Any) -> Any:
        given: dict[str, Any] = {"tcp": "db.example.com:5432", **fields}
        message = alarm_pb2.Check(**given)
        this: Job = job(firing)._replace(alarm=alarm, attempt=attempt, tenant=tenant)
        return await self.kind.run(this, self.kind.decode(message))


NOTIFY = alarm_pb2.Notify(to=["ann@example.com"], subject="The database", text="does not answer.")
DOWN = CheckFailed("Connection refused")


async def test_what_works_is_a_result_and_a_reading(clock: FakeClock) -> None:
    """1, and how long it took; the metric is named by the alarm unless the check says another."""
    rig = Rig(clock, {"certificateDays": 12.5})
    end = await rig.run()
    assert isinstance(end, JobSucceeded)
    assert (end.output["passed"], end.output["certificateDays"]) == (True, 12.5)
    assert rig.readings.values["t1", "check.a1"] == 1
    assert rig.readings.values["t1", "check.a1.certificate_days"] == 12.5
    assert rig.readings.values["t1", "check.a1.seconds"] >= 0
    await rig.run(metric="db.up", attempt=2)
    assert rig.readings.values["t1", "db.up"] == 1
    assert rig.readings.ids == ["f1/1", "f1/2"]


async def test_what_does_not_work_is_a_result_too(clock: FakeClock) -> None:
    """The firing succeeded: it looked. The reading is 0."""
    rig = Rig(clock, DOWN)
    end = await rig.run()
    assert isinstance(end, JobSucceeded)
    assert (end.output["passed"], end.output["reason"]) == (False, "Connection refused")
    assert rig.readings.values["t1", "check.a1"] == 0


async def test_a_check_of_no_alarm_and_no_metric_is_no_reading(clock: FakeClock) -> None:
    """Its result is all."""
    rig = Rig(clock, DOWN)
    assert isinstance(await rig.run(alarm="", notify=NOTIFY), JobSucceeded)
    assert not rig.readings.ids
    assert not rig.post.messages


async def test_people_are_told_once_when_it_begins_and_once_when_it_ends(clock: FakeClock) -> None:
    """With the reason; a check that goes on failing tells nobody again."""
    rig = Rig(clock, {}, DOWN, DOWN, {}, {})
    for number in range(5):
        assert isinstance(await rig.run(firing=f"f{number}", notify=NOTIFY), JobSucceeded)
    assert [(message.firing, message.subject) for message in rig.post.messages] == [
        ("f1", "The database"),
        ("f3", "Resolved: The database"),
    ]
    assert rig.post.messages[0].text == "does not answer.\n\ndb.example.com:5432: Connection refused\n"
    assert "db.example.com:5432 works again." in rig.post.messages[1].text


async def test_a_template_gets_the_reason(clock: FakeClock) -> None:
    """As check.reason, and whether it began or ended as origin."""
    rig = Rig(clock, DOWN)
    await rig.run(notify=alarm_pb2.Notify(to=["ann@example.com"], template="templates/down"))
    (message,) = rig.post.messages
    assert '"origin":"RAISED"' in message.context
    assert '"reason":"Connection refused"' in message.context


async def test_a_message_that_was_not_taken_comes_again(clock: FakeClock) -> None:
    """Nothing is recorded until it is: the next attempt finds the same change, and tells it by the same firing."""
    rig = Rig(clock, DOWN)
    rig.post.away = True
    assert isinstance(await rig.run(notify=NOTIFY), JobReleased)
    assert not rig.readings.ids
    rig.post.away = False
    rig.readings.away = True
    assert isinstance(await rig.run(notify=NOTIFY), JobReleased)
    rig.readings.away = False
    assert isinstance(await rig.run(notify=NOTIFY), JobSucceeded)
    assert {message.firing for message in rig.post.messages} == {"f1"}


async def test_it_has_failed_when_all_tries_have(clock: FakeClock) -> None:
    """A second apart."""
    rig = Rig(clock, DOWN, DOWN, {})
    running = asyncio.create_task(rig.run(tries=3))
    for _ in range(2):
        await eventually(lambda: clock.sleepers == 1)
        await clock.advance(1)
    end = await running
    assert end.output["passed"]
    assert rig.probe.looks == 3


async def test_a_look_that_does_not_end_has_failed(clock: FakeClock) -> None:
    """After its time."""
    rig = Rig(clock, {})
    rig.probe.hangs = asyncio.Event()
    message = alarm_pb2.Check(tcp="db.example.com:5432")
    message.timeout.FromMilliseconds(100)
    end = await rig.kind.run(job("f1"), rig.kind.decode(message))
    assert isinstance(end, JobSucceeded)
    assert end.output["reason"] == "it took more than 0.1 s"


@pytest.mark.parametrize(
    ("error", "expected"),
    [(CheckForbidden("it is private"), (JobFailed, "TARGET_FORBIDDEN")), (Unavailable("scheduler_svc is away"), (JobReleased, ""))],
)
async def test_what_is_not_the_targets_fault(clock: FakeClock, error: Exception, expected: tuple[type, str]) -> None:
    """What may not be looked at is dead; a neighbour that is away costs no attempt. Neither is a reading."""
    rig = Rig(clock, error)
    end = await rig.run()
    assert (type(end), getattr(end, "reason", "")) == expected
    assert not rig.readings.ids


async def test_what_hangs_for_one_tenant_holds_up_no_other(clock: FakeClock) -> None:
    """Each has its share of the turns."""
    rig = Rig(clock, {}, turns=TenantTurns(total=4, each=2, seconds=0.05))
    rig.probe.hangs = asyncio.Event()
    hanging = [asyncio.create_task(rig.run(firing=f"f{number}")) for number in range(2)]
    await eventually(lambda: rig.probe.looks == 2)
    assert isinstance(await rig.run(firing="late"), JobReleased)
    assert isinstance(await rig.run(firing="other", tenant="t2"), JobSucceeded)
    rig.probe.hangs.set()
    assert all(isinstance(end, JobSucceeded) for end in await asyncio.gather(*hanging))


async def test_what_is_wrong_is_said_before(clock: FakeClock) -> None:
    """By the probe of its target; a target of a newer contract may be known elsewhere."""
    kind = Rig(clock, {}).kind
    (problem,) = await kind.validate(kind.decode(alarm_pb2.Check(tcp="nonsense:1")))
    assert problem == ActionProblem("tcp", "is nonsense")
    (problem,) = await kind.validate(kind.decode(alarm_pb2.Check(dns="example.com")))
    assert problem.tentative
    assert kind.describe(kind.decode(alarm_pb2.Check(tcp="a.b:1"))) == "tcp"
    assert kind.describe(cast("Any", kind.decode(alarm_pb2.Check()))) == ""
