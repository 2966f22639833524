"""Checks and webhooks through a real scheduler, processor and mailer: from the alarm to the reading, the message, and the request."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.processor.support import SCOPES, Neighbours, calling
from tocsin.api.scheduler.v1 import (
    alarm_pb2,
    alarm_service_pb2,
    alarm_service_pb2_grpc,
    firing_service_pb2,
    trigger_service_pb2,
    trigger_service_pb2_grpc,
)
from tocsin.errors import InvalidInput, NotFound
from tocsin.installation_key import InstallationKey
from tocsin.mesh.context import acting_as
from tocsin.standard_webhooks import tenant_secret, verify
from tocsin.testing.http import HttpSink, Reply
from tocsin.testing.waiting import eventually

Alarm = alarm_pb2.Alarm
Firing = firing_service_pb2.Firing
NOTIFY = alarm_pb2.Notify(to=["ann@example.com"], subject="Shop", text="is down.", channels=["inbox"])


async def _started(neighbours: Neighbours) -> Any:
    neighbours.extra["processor_svc"] = {"egress_allow": ("127.0.0.0/8",)}
    await neighbours.start("scheduler_svc", "processor_svc", "mailer_svc")

    async def ready() -> bool:
        return (await neighbours.health("scheduler_svc"))["work"] == "healthy"

    await eventually(ready)
    return neighbours.stub(alarm_service_pb2_grpc.AlarmServiceStub, "scheduler_svc")


async def _create(alarms: Any, action: alarm_pb2.Action, *, times: int = 1, trigger: alarm_pb2.Trigger | None = None) -> str:
    alarm = Alarm(action=action, trigger=trigger)
    if trigger is None:
        alarm.trigger.every.FromSeconds(1)
        alarm.trigger.count = times
    made = await alarms.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm))
    assert not made.warnings
    return str(made.name)


async def test_a_failing_check_is_watched_by_a_threshold_and_tells_people_itself(neighbours: Neighbours) -> None:
    """One check: its reading raises another alarm, its own message goes out once, and both are over when it works again."""
    alarms = await _started(neighbours)
    triggers = neighbours.stub(trigger_service_pb2_grpc.TriggerServiceStub, "scheduler_svc")
    watch = alarm_pb2.Trigger(
        threshold=alarm_pb2.Threshold(metric="shop.up", comparison=alarm_pb2.Threshold.LESS_THAN, value=1.0, notify_resolved=True)
    )
    watching = alarm_pb2.Notify(to=["bob@example.com"], subject="Threshold", text="t", channels=["inbox"])
    await _create(alarms, alarm_pb2.Action(notify=watching), trigger=watch)
    async with HttpSink() as shop:
        shop.script(Reply(), Reply(status=500), Reply(status=500), Reply())
        check = alarm_pb2.Check(http=f"{shop.url}/health", metric="shop.up", notify=NOTIFY)
        name = await _create(alarms, alarm_pb2.Action(check=check), times=4)

        async def told() -> bool:
            return sorted(await neighbours.subjects()) == ["Resolved: Shop", "Resolved: Threshold", "Shop", "Threshold"]

        await eventually(told)
        assert len(shop.requests) == 4
    assert (await _result(neighbours, name))["passed"]
    latest = await triggers.GetReading(trigger_service_pb2.GetReadingRequest(metric="shop.up"))
    assert latest.value == 1
    assert (await triggers.GetReading(trigger_service_pb2.GetReadingRequest(metric="shop.up.seconds"))).value > 0
    with pytest.raises(NotFound):
        await triggers.GetReading(trigger_service_pb2.GetReadingRequest(metric="shop.down"))


async def test_checks_of_what_is_inside(neighbours: Neighbours) -> None:
    """A metric by its latest reading, a service by what it says."""
    alarms = await _started(neighbours)
    triggers = neighbours.stub(trigger_service_pb2_grpc.TriggerServiceStub, "scheduler_svc")
    reading = trigger_service_pb2.Reading(metric="cellar", value=31)
    await triggers.RecordReading(trigger_service_pb2.RecordReadingRequest(reading=reading))
    ends = {}
    for check in (
        alarm_pb2.Check(sensor="cellar", maximum=30.0),
        alarm_pb2.Check(sensor="attic", maximum=30.0),
        alarm_pb2.Check(service="mailer"),
        alarm_pb2.Check(service="auth"),
    ):
        ends[check.sensor or check.service] = await _result(neighbours, await _create(alarms, alarm_pb2.Action(check=check)))
    assert ends["cellar"]["reason"] == "31 is above 30"
    assert ends["attic"]["reason"] == "there is no reading"
    assert ends["mailer"]["passed"]
    assert ends["auth"]["reason"] == "it is unavailable"


async def _result(neighbours: Neighbours, alarm: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def done() -> bool:
        firing = await neighbours.firing(alarm)
        if firing is None or firing.state not in (Firing.SUCCEEDED, Firing.DEAD):
            return False
        found.update(dict(firing.result.items()), state=Firing.State.Name(firing.state), error=firing.error)
        return True

    await eventually(done)
    return found


async def test_a_webhook_is_signed_and_its_answer_is_kept(neighbours: Neighbours) -> None:
    """With the tenant's secret, under the firing's id at each try; what is away costs no attempt."""
    alarms = await _started(neighbours)
    async with HttpSink() as far_end:
        far_end.script(Reply(status=503, headers={"retry-after": "1"}), Reply(status=500), Reply(body=b"thanks"))
        name = await _create(alarms, alarm_pb2.Action(webhook=alarm_pb2.Webhook(url=f"{far_end.url}/hook")))
        end = await _result(neighbours, name)
        assert (end["state"], end["status"], end["body"]) == ("SUCCEEDED", 200, "thanks")
        firing = await neighbours.firing(name)
        assert firing is not None
        assert firing.attempts == 2
        secret = tenant_secret(InstallationKey(secret="", file=neighbours.folder / "secret-key").derive, "t1")
        ids = {
            verify(seen.headers, seen.body, secrets=[secret], seconds=int(seen.headers["webhook-timestamp"])) for seen in far_end.requests
        }
        assert ids == {firing.name.removeprefix("firings/")}
        assert len(far_end.requests) == 3


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everybody(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Neighbours]:
    """Neighbours that run, for actions that are all refused."""
    async with calling(tmp_path_factory.mktemp("everybody")) as made:
        await _started(made)
        yield made


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("action", "field"),
    [
        (alarm_pb2.Action(webhook=alarm_pb2.Webhook(url="https://10.0.0.1/")), "action.webhook.url"),
        (alarm_pb2.Action(webhook=alarm_pb2.Webhook(url="ftp://example.com/")), "alarm.action.webhook.url"),
        (alarm_pb2.Action(webhook=alarm_pb2.Webhook(url="https://example.com/", headers={"Host": "x"})), "action.webhook.headers"),
        (alarm_pb2.Action(check=alarm_pb2.Check(http="http://192.168.0.1/")), "action.check.http"),
        (alarm_pb2.Action(check=alarm_pb2.Check(tcp="169.254.169.254:80")), "action.check.tcp"),
        (alarm_pb2.Action(check=alarm_pb2.Check(smtp="[::1]:25")), "action.check.smtp"),
        (alarm_pb2.Action(check=alarm_pb2.Check(http="https://example.com/", statuses=["300-200"])), "action.check.statuses[0]"),
        (alarm_pb2.Action(check=alarm_pb2.Check(sensor="cellar")), "alarm.action.check"),
        (alarm_pb2.Action(check=alarm_pb2.Check(tcp="a.example.com:1", contains="x")), "alarm.action.check"),
        (alarm_pb2.Action(check=alarm_pb2.Check(http="http://example.com/", certificate_days=3)), "alarm.action.check"),
        (
            alarm_pb2.Action(check=alarm_pb2.Check(tcp="a.example.com:1", notify=alarm_pb2.Notify(to=["nonsense"], subject="s", text="t"))),
            "action.check.notify.to[0]",
        ),
        (
            alarm_pb2.Action(
                check=alarm_pb2.Check(tcp="a.example.com:1", notify=alarm_pb2.Notify(to=["a@example.com"], template="templates/none"))
            ),
            "action.check.notify.template",
        ),
    ],
)
async def test_bad_input_is_refused_with_its_field(everybody: Neighbours, action: alarm_pb2.Action, field: str) -> None:
    """When the alarm is made."""
    alarms = everybody.stub(alarm_service_pb2_grpc.AlarmServiceStub, "scheduler_svc")
    with acting_as(everybody.mint.mint(tenant="t1", scopes=SCOPES)), pytest.raises(InvalidInput) as refused:
        await _create(alarms, action)
    assert field in [violation.field for violation in refused.value.violations], refused.value.violations
