"""An action is judged before an alarm is made of it: by the processor, over the stream that it holds."""

import uuid
from typing import Any

import pytest

from tests.integration.processor.support import Neighbours
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, alarm_service_pb2_grpc
from tocsin.errors import InvalidInput
from tocsin.testing.waiting import eventually

Alarm = alarm_pb2.Alarm
Alarms = alarm_service_pb2_grpc.AlarmServiceStub


def task(handler: str, **values: Any) -> alarm_pb2.Action:
    """A task action."""
    action = alarm_pb2.Action(task=alarm_pb2.Task(handler=handler))
    action.task.input.update(values)
    return action


def daily(action: alarm_pb2.Action, **fields: Any) -> Alarm:
    """An alarm that is not due soon."""
    return Alarm(trigger=alarm_pb2.Trigger(cron="0 9 * * *"), action=action, **fields)


async def _ready(neighbours: Neighbours) -> bool:
    return (await neighbours.health("scheduler_svc"))["work"] == "healthy"


async def _started(neighbours: Neighbours) -> Any:
    await neighbours.start("scheduler_svc", "processor_svc")
    await eventually(lambda: _ready(neighbours))
    return neighbours.stub(Alarms, "scheduler_svc")


async def _create(alarms: Any, alarm: Alarm) -> Alarm:
    made: Alarm = await alarms.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm))
    return made


async def _import(alarms: Any, *lines: Alarm, dry: bool = False) -> alarm_service_pb2.ImportAlarmsResponse:
    async def requests() -> Any:
        yield alarm_service_pb2.ImportAlarmsRequest(options=alarm_service_pb2.ImportAlarmsRequest.Options(validate_only=dry))
        yield alarm_service_pb2.ImportAlarmsRequest(alarms=alarm_service_pb2.ImportAlarmsRequest.Alarms(alarms=lines))

    whole = alarm_service_pb2.ImportAlarmsResponse()
    async for answer in alarms.ImportAlarms(requests()):
        whole.refusals.extend(answer.refusals)
        whole.warnings.extend(answer.warnings)
        whole.created, whole.refused = answer.created, answer.refused
    return whole


async def test_a_wrong_input_is_refused_at_every_door(neighbours: Neighbours) -> None:
    """Create, update and import name the field; validate answers it; what is good passes without a word."""
    alarms = await _started(neighbours)
    good = await _create(alarms, daily(task("uppercase", text="x")))
    assert not good.warnings
    for wrong, field in ((task("uppercase", txt="x"), "action.task.input.text"), (task("uppercase", text=5), "action.task.input.text")):
        with pytest.raises(InvalidInput) as refused:
            await _create(alarms, daily(wrong))
        assert field in [violation.field for violation in refused.value.violations]
        with pytest.raises(InvalidInput) as refused:
            await alarms.UpdateAlarm(alarm_service_pb2.UpdateAlarmRequest(alarm=Alarm(name=good.name, action=wrong)))
        assert field in [violation.field for violation in refused.value.violations]
        judged = await alarms.ValidateAlarm(alarm_service_pb2.ValidateAlarmRequest(trigger=good.trigger, action=wrong))
        assert not judged.valid
        assert field in [problem.field for problem in judged.problems]
        for dry in (True, False):
            lines = (daily(wrong, key="bad"), daily(task("noop"), key=f"good {uuid.uuid4()}"))
            answer = await _import(alarms, *lines, dry=dry)
            assert [refusal.line for refusal in answer.refusals] == [1]
            assert field in answer.refusals[0].field + answer.refusals[0].reason
            assert (answer.created, answer.refused) == (1, 1)
    assert len((await alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest())).alarms) == 3


async def test_a_handler_that_nobody_has_is_taken_with_a_warning(neighbours: Neighbours) -> None:
    """A package may bring it later; the answer says it at every door, and what is stored does not."""
    alarms = await _started(neighbours)
    unknown = task("upper.case", text="x")
    made = await _create(alarms, daily(unknown))
    assert [warning.field for warning in made.warnings] == ["action.task.handler"]
    assert "uppercase" in made.warnings[0].reason
    assert not (await alarms.GetAlarm(alarm_service_pb2.GetAlarmRequest(name=made.name))).warnings
    changed = await alarms.UpdateAlarm(alarm_service_pb2.UpdateAlarmRequest(alarm=Alarm(name=made.name, display_name="x")))
    assert not changed.warnings
    judged = await alarms.ValidateAlarm(alarm_service_pb2.ValidateAlarmRequest(trigger=made.trigger, action=unknown))
    assert judged.valid
    assert [warning.field for warning in judged.warnings] == ["action.task.handler"]
    answer = await _import(alarms, daily(unknown, key="k"))
    assert (answer.created, answer.refused) == (1, 0)
    assert [(warning.line, warning.field) for warning in answer.warnings] == [(1, "action.task.handler")]


async def test_without_a_processor_an_alarm_is_made_all_the_same(neighbours: Neighbours) -> None:
    """It says that nobody could judge its action."""
    await neighbours.start("scheduler_svc")
    alarms = neighbours.stub(Alarms, "scheduler_svc")
    made = await _create(alarms, daily(task("uppercase", txt="x")))
    assert ["was not checked" in warning.reason for warning in made.warnings] == [True]
    judged = await alarms.ValidateAlarm(
        alarm_service_pb2.ValidateAlarmRequest(trigger=made.trigger, action=alarm_pb2.Action(task=alarm_pb2.Task(handler="!")))
    )
    assert [problem.field for problem in judged.problems] == ["action.task.handler"]
