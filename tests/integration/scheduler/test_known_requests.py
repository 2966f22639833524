"""A request that is known gets its answer, whatever the clock, the state or a limit says by then."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduler_svc.handlers.alarms import AlarmHandlers
from tests.integration.scheduler.support import Rig, at, every, noop
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, dispatch_service_pb2
from tocsin.errors import AlreadyExists, InvalidInput, NotFound, Unavailable
from tocsin.testing.clock import FakeClock

REQUEST = "8f14e45f-ceea-467f-a8d0-7ecf1c2f1a55"


@pytest.fixture
async def still(tmp_path: Path, clock: FakeClock, database_url: str) -> AsyncIterator[Rig]:
    """A scheduler on each kind of database whose clock the test moves."""
    made = Rig(folder=tmp_path, clock=clock, database_url=database_url)
    await made.start()
    yield made
    await made.stop()


def create(rig: Rig, alarm: alarm_pb2.Alarm, *, request_id: str = REQUEST) -> Any:
    """Asks for an alarm."""
    return rig.alarms.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm, request_id=request_id))


async def test_an_alarm_that_has_passed_is_answered_again(still: Rig, clock: FakeClock) -> None:
    """`at` in two seconds, the answer is lost, and the same request comes four seconds later: the stored alarm, not "is in the past"."""
    wanted = alarm_pb2.Alarm(trigger=at(clock.now() + timedelta(seconds=2)), action=noop())
    with still.user():
        first = await create(still, wanted)
        await clock.advance(4)
        again = await create(still, wanted)
        assert again.name == first.name
        with pytest.raises(InvalidInput, match="past"):
            await create(still, wanted, request_id=str(uuid.uuid4()))
        with pytest.raises(AlreadyExists):
            await create(still, alarm_pb2.Alarm(trigger=at(clock.now() - timedelta(seconds=1)), action=noop()))
    with still.user("t2"), pytest.raises(InvalidInput, match="past"):
        await create(still, wanted)


async def test_an_answer_outlives_what_was_asked_of(still: Rig, clock: FakeClock) -> None:
    """Fired, then deleted: the firing of a request is told again; a request that was never made is not."""
    with still.user():
        made = await create(still, alarm_pb2.Alarm(trigger=every(3600), action=noop()))
        request = alarm_service_pb2.FireAlarmRequest(name=made.name, request_id=REQUEST)
        fired = await still.alarms.FireAlarm(request)
        await still.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=made.name))
        assert (await still.alarms.FireAlarm(request)).name == fired.name
        with pytest.raises(NotFound):
            await still.alarms.FireAlarm(alarm_service_pb2.FireAlarmRequest(name=made.name, request_id=str(uuid.uuid4())))


async def test_an_enqueued_firing_is_found_by_its_request(still: Rig) -> None:
    """For whoever judges requests before they are enqueued; by one of both names."""
    with still.user():
        made = await still.dispatch.Enqueue(dispatch_service_pb2.EnqueueRequest(action=noop(a=1), request_id=REQUEST))
        found = await still.dispatch.GetEnqueued(dispatch_service_pb2.GetEnqueuedRequest(request_id=REQUEST))
        assert (found.firing.name, found.action) == (made.name, noop(a=1))
        with pytest.raises(NotFound):
            await still.dispatch.GetEnqueued(dispatch_service_pb2.GetEnqueuedRequest(request_id=str(uuid.uuid4())))
        for both in ({}, {"name": made.name, "request_id": REQUEST}):
            with pytest.raises(InvalidInput):
                await still.dispatch.GetEnqueued(dispatch_service_pb2.GetEnqueuedRequest(**both))


@pytest.mark.parametrize("simple", [False, True], ids=["CreateAlarm", "CreateSimpleAlarm"])
async def test_a_create_whose_answer_is_lost_makes_one_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simple: bool) -> None:
    """Without a request_id, over gRPC: the mesh tries again after the commit, and it is the same alarm, five times of five."""
    name = "CreateSimpleAlarm" if simple else "CreateAlarm"
    handler, calls = getattr(AlarmHandlers, name), 0

    async def loses_answers(self: AlarmHandlers, request: Any, context: Any) -> Any:
        nonlocal calls
        calls += 1
        answer = await handler(self, request, context)
        if calls % 2:
            raise Unavailable("the connection was reset after the commit")
        return answer

    monkeypatch.setattr(AlarmHandlers, name, loses_answers)
    rig = Rig(folder=tmp_path)
    await rig.start()
    with rig.user():
        for _ in range(5):
            if simple:
                short = alarm_service_pb2.CreateSimpleAlarmRequest(code_id="c", email="a@example.com", time="09:00:00", is_recurring=True)
                await rig.alarms.CreateSimpleAlarm(short)
            else:
                await rig.alarms.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm_pb2.Alarm(trigger=every(60), action=noop())))
        listed = await rig.alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest())
    await rig.stop()
    assert (len(listed.alarms), calls) == (5, 10)
