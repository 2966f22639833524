"""Tasks that are followed and cancelled, through a real scheduler and processor; and the handler `http_request`."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.integration.processor.support import Neighbours
from tests.integration.processor.test_hosting import EVIL
from tocsin.api.processor.v1 import (
    sensor_test_service_pb2,
    sensor_test_service_pb2_grpc,
    task_service_pb2,
    task_service_pb2_grpc,
)
from tocsin.api.scheduler.v1 import trigger_service_pb2, trigger_service_pb2_grpc
from tocsin.errors import InvalidInput, NotFound
from tocsin.testing.http import HttpSink, Reply
from tocsin.testing.waiting import eventually

Task = task_service_pb2.Task
State = Task.State


async def _started(neighbours: Neighbours) -> Any:
    neighbours.extra["processor_svc"] = {"egress_allow": ("127.0.0.0/8",)}
    await neighbours.start("scheduler_svc", "processor_svc")

    async def ready() -> bool:
        return (await neighbours.health("scheduler_svc"))["work"] == "healthy"

    await eventually(ready)
    return neighbours.stub(task_service_pb2_grpc.TaskServiceStub, "processor_svc")


async def _submit(tasks: Any, handler: str, **values: Any) -> str:
    request = task_service_pb2.SubmitTaskRequest(handler=handler)
    request.input.update(values)
    return str((await tasks.SubmitTask(request)).name)


async def _ended(tasks: Any, name: str) -> Task:
    found: list[Task] = []

    async def over() -> bool:
        found[:] = [await tasks.GetTask(task_service_pb2.GetTaskRequest(name=name))]
        return found[0].state in (State.SUCCEEDED, State.FAILED, State.CANCELLED)

    await eventually(over)
    return found[0]


async def test_a_task_is_followed_and_cancelled(neighbours: Neighbours, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its progress arrives live, the cancellation ends its run at once, and whoever follows hears of it; twice is the same as once."""
    monkeypatch.setattr("processor_svc.wiring.plugins", lambda: [EVIL])
    tasks = await _started(neighbours)

    async def loaded() -> bool:
        handlers = await tasks.ListHandlers(task_service_pb2.ListHandlersRequest())
        return "evil.polite" in [handler.name for handler in handlers.handlers]

    await eventually(loaded)
    told: list[task_service_pb2.WatchTaskResponse] = []

    async def follow(of: str) -> None:
        told.clear()
        async for response in tasks.WatchTask(task_service_pb2.WatchTaskRequest(name=of)):
            told.append(response)  # noqa: PERF401  looked at while it grows

    began, ended = tmp_path / "began", tmp_path / "ended"
    name = await _submit(tasks, "evil.polite", began=f"{began}", ended=f"{ended}")
    following = asyncio.create_task(follow(name))
    await eventually(lambda: bool(told) and began.exists())
    cancelled = await tasks.CancelTask(task_service_pb2.CancelTaskRequest(name=name))
    assert cancelled.state == State.CANCELLED
    await eventually(ended.exists)
    await asyncio.wait_for(following, 60)
    assert told[0].task.name == name
    assert told[-1].task.state == State.CANCELLED
    again = await tasks.CancelTask(task_service_pb2.CancelTaskRequest(name=name))
    assert (again.state, again.error) == (State.CANCELLED, cancelled.error)

    gate = tmp_path / "gate"
    name = await _submit(tasks, "evil.steps", many=3, until=f"{gate}", first=f"{tmp_path / 'go'}")
    following = asyncio.create_task(follow(name))
    await eventually(lambda: bool(told) and told[0].task.name == name)
    (tmp_path / "go").touch()
    await eventually(lambda: any(response.progress.fraction == 1.0 for response in told))
    gate.touch()
    await asyncio.wait_for(following, 60)
    assert told[-1].task.state == State.SUCCEEDED
    assert told[-1].task.result["value"] == 3


async def test_what_cannot_be_cancelled(neighbours: Neighbours) -> None:
    """One that has ended stays as it is; one that is not there is not found."""
    tasks = await _started(neighbours)
    name = await _submit(tasks, "uppercase", text="x")
    assert (await _ended(tasks, name)).state == State.SUCCEEDED
    assert (await tasks.CancelTask(task_service_pb2.CancelTaskRequest(name=name))).state == State.SUCCEEDED
    with pytest.raises(NotFound):
        await tasks.CancelTask(task_service_pb2.CancelTaskRequest(name="tasks/none"))
    with pytest.raises(NotFound):
        async for _ in tasks.WatchTask(task_service_pb2.WatchTaskRequest(name="tasks/none")):
            pass
    told = [response async for response in tasks.WatchTask(task_service_pb2.WatchTaskRequest(name=name))]
    assert [response.task.state for response in told] == [State.SUCCEEDED]


async def test_a_sensor_is_tested_in_the_background(neighbours: Neighbours) -> None:
    """Its latest reading is within the limits, or not; a task of another handler is no test."""
    tasks = await _started(neighbours)
    tests = neighbours.stub(sensor_test_service_pb2_grpc.SensorTestServiceStub, "processor_svc")
    triggers = neighbours.stub(trigger_service_pb2_grpc.TriggerServiceStub, "scheduler_svc")

    async def end(**fields: Any) -> sensor_test_service_pb2.SensorTest:
        test = await tests.StartSensorTest(sensor_test_service_pb2.StartSensorTestRequest(sensor_type="cellar", **fields))
        await _ended(tasks, f"tasks/{test.test_id}")
        found: sensor_test_service_pb2.SensorTest = await tests.GetSensorTest(
            sensor_test_service_pb2.GetSensorTestRequest(test_id=test.test_id)
        )
        return found

    assert ((missing := await end()).status, missing.reason) == ("failed", "there is no reading")
    reading = trigger_service_pb2.Reading(metric="cellar", value=21.5)
    await triggers.RecordReading(trigger_service_pb2.RecordReadingRequest(reading=reading))
    good = await end(minimum=-5.0, maximum=30.0)
    assert (good.status, good.reason, good.result["value"]) == ("passed", "", 21.5)
    assert (await end(maximum=20.0)).reason == "21.5 is above 20"
    other = await _submit(tasks, "noop")
    with pytest.raises(NotFound):
        await tests.GetSensorTest(sensor_test_service_pb2.GetSensorTestRequest(test_id=other.removeprefix("tasks/")))


async def test_http_request(neighbours: Neighbours) -> None:
    """It bears the firing's id at each attempt; the answer is kept, a refusal is a failure, and what leads inside is never asked."""
    tasks = await _started(neighbours)
    async with HttpSink() as far_end:
        far_end.script(Reply(status=503, headers={"retry-after": "0"}), Reply(body=b"hello", headers={"content-type": "text/plain"}))
        done = await _ended(tasks, await _submit(tasks, "http_request", url=f"{far_end.url}/x", method="POST", body="b"))
        assert done.state == State.SUCCEEDED, done.error
        assert dict(done.result.items())["body"] == "hello"
        keys = {seen.headers["idempotency-key"] for seen in far_end.requests}
        assert keys == {f'"{done.name.removeprefix("tasks/")}"'}
        assert [seen.body for seen in far_end.requests] == [b"b", b"b"]
        far_end.script(Reply(status=404))
        failed = await _ended(tasks, await _submit(tasks, "http_request", url=far_end.url))
        assert (failed.state, failed.attempts) == (State.FAILED, 1)
    refused = await _ended(tasks, await _submit(tasks, "http_request", url="http://10.0.0.1/"))
    assert (refused.state, refused.attempts) == (State.FAILED, 1)
    assert "private" in refused.error
    with pytest.raises(InvalidInput) as wrong:
        await _submit(tasks, "http_request", url="https://example.com/", headers={"a": 1})
    assert "input.headers.a" in [violation.field for violation in wrong.value.violations]
