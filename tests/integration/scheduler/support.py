"""scheduler_svc in this process, a processor's Work stream to it, and a gateway's client side."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from scheduler_svc.config import SchedulerSettings
from scheduler_svc.wiring import build
from tests.integration.callers import mesh_of
from tests.integration.starting import no_lame_duck, prepare_state
from tocsin.api.scheduler.v1 import (
    alarm_pb2,
    alarm_service_pb2,
    alarm_service_pb2_grpc,
    calendar_service_pb2_grpc,
    dispatch_service_pb2,
    dispatch_service_pb2_grpc,
    firing_service_pb2,
    firing_service_pb2_grpc,
)
from tocsin.clock import Clock, SystemClock
from tocsin.lifecycle import App
from tocsin.mesh.authority import ensure_pki
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import acting_as
from tocsin.testing.clock import FakeClock
from tocsin.testing.tokens import TokenMint
from tocsin.testing.waiting import eventually

SCOPES = ("alarms:read", "alarms:write", "firings:read", "firings:write", "tasks:read", "tasks:write")
LATEST = alarm_pb2.CatchUp(mode=alarm_pb2.CatchUp.LATEST)
State = firing_service_pb2.Firing.State
Outcome = firing_service_pb2.Firing.Outcome


def noop(**values: Any) -> alarm_pb2.Action:
    """A task that does nothing."""
    task = alarm_pb2.Task(handler="noop")
    if values:
        task.input.update(values)
    return alarm_pb2.Action(task=task)


def at(instant: datetime, **fields: Any) -> alarm_pb2.Trigger:
    """A trigger at an instant."""
    trigger = alarm_pb2.Trigger(**fields)
    trigger.at.FromDatetime(instant)
    return trigger


def every(seconds: float, **fields: Any) -> alarm_pb2.Trigger:
    """A trigger at an interval."""
    trigger = alarm_pb2.Trigger(**fields)
    trigger.every.FromTimedelta(timedelta(seconds=seconds))
    return trigger


class Rig:
    """A state folder, scheduler_svc on it, and callers."""

    def __init__(self, *, folder: Path, clock: Clock | None = None, **settings: Any) -> None:
        self.folder = folder
        self.clock = clock or SystemClock()
        self.mint = TokenMint(clock=self.clock)
        self._settings = settings
        self._meshes: list[Mesh] = []
        self.app: App | None = None
        ensure_pki(
            folder=folder / "pki",
            services=["scheduler_svc", "processor_svc", "gateway", "mailer_svc"],
            trust_domain="tocsin.local",
            clock=SystemClock(),
        )

    async def start(self, **settings: Any) -> None:
        """Starts scheduler_svc; ``settings`` are added to those before."""
        self._settings |= settings
        common: dict[str, Any] = {"state_dir": self.folder, "port": 0, "metrics_port": 0, "grace_seconds": 0}
        await prepare_state(self.folder, "scheduler_svc")
        leases = self.clock if isinstance(self.clock, FakeClock) else None  # else it would be off by months from the database's
        self.app = build(no_lame_duck(SchedulerSettings(**common | self._settings)), self.clock, jwks=self.mint.fetch, leases=leases)
        await self.app.start()
        gateway: Any = self.mesh("gateway").channel("scheduler_svc")
        self.alarms: Any = alarm_service_pb2_grpc.AlarmServiceStub(gateway)
        self.calendars: Any = calendar_service_pb2_grpc.CalendarServiceStub(gateway)
        self.firings: Any = firing_service_pb2_grpc.FiringServiceStub(gateway)
        processor: Any = self.mesh("processor_svc").channel("scheduler_svc")
        self.dispatch: Any = dispatch_service_pb2_grpc.DispatchServiceStub(processor)

    async def stop(self) -> None:
        """Stops everything."""
        for mesh in self._meshes:
            await mesh.stop()
        self._meshes.clear()
        if self.app is not None:
            await self.app.stop()

    def mesh(self, name: str) -> Mesh:
        """The client side of a service."""
        assert self.app is not None
        mesh = mesh_of(name, folder=self.folder, scheduler_target=self.app.address)
        self._meshes.append(mesh)
        return mesh

    def user(self, tenant: str = "t1", *, scopes: Iterable[str] = SCOPES, zone: str = "UTC") -> Any:
        """The context in which calls are made for a user of ``tenant``."""
        return acting_as(self.mint.mint(tenant=tenant, scopes=scopes, zone=zone))

    def soon(self, seconds: float = 0.05) -> datetime:
        """An instant from now."""
        return self.clock.now() + timedelta(seconds=seconds)

    async def create(self, *, tenant: str = "t1", request_id: str = "", zone: str = "UTC", **fields: Any) -> alarm_pb2.Alarm:
        """Makes an alarm; ``fields`` replace a task that is due in a moment."""
        values: dict[str, Any] = {"trigger": at(self.soon(), catch_up=LATEST), "action": noop(), **fields}
        with self.user(tenant, zone=zone):
            return await self.alarms.CreateAlarm(
                alarm_service_pb2.CreateAlarmRequest(alarm=alarm_pb2.Alarm(**values), request_id=request_id)
            )

    async def get(self, name: str, tenant: str = "t1") -> alarm_pb2.Alarm:
        """One alarm."""
        with self.user(tenant):
            return await self.alarms.GetAlarm(alarm_service_pb2.GetAlarmRequest(name=name))

    async def ledger(self, filter: str = "", tenant: str = "t1") -> list[firing_service_pb2.Firing]:  # noqa: A002  the contract's word
        """The firings that a filter finds, up to 1000."""
        with self.user(tenant):
            page = await self.firings.ListFirings(firing_service_pb2.ListFiringsRequest(page_size=1000, filter=filter))
        return list(page.firings)

    async def normalized(self, alarm: str, *states: "State.ValueType", seconds: float = 60.0) -> list[firing_service_pb2.Firing]:
        """The alarm's firings in order of due time, once they have these states."""
        found: list[firing_service_pb2.Firing] = []

        async def there() -> bool:
            nonlocal found
            if isinstance(self.clock, FakeClock):
                await self.clock.advance(0.05)  # whoever waits on the clock must come to its turn
            found = list(reversed(await self.ledger(f'alarm="{alarm}"')))
            return [firing.state for firing in found] == list(states)

        await eventually(there, what=f"{alarm} with states {states}", seconds=seconds)
        return found


def _whole(job: dispatch_service_pb2.Job, batch: dispatch_service_pb2.WorkResponse.Jobs) -> dispatch_service_pb2.Job:
    """The job with what its batch says for all."""
    job.action.CopyFrom(batch.actions[job.action_number - 1])
    job.lease_duration.CopyFrom(batch.lease_duration)
    return job


class Worker:
    """A Work stream, held by hand."""

    def __init__(self, rig: Rig, *, worker: str = "worker", credit: int = 0) -> None:
        self._outgoing: asyncio.Queue[dispatch_service_pb2.WorkRequest | None] = asyncio.Queue()
        self.jobs: list[dispatch_service_pb2.Job] = []
        self.confirmed: list[tuple[str, int]] = []
        self.drained = False
        self.error: BaseException | None = None
        self.say(hello=dispatch_service_pb2.WorkRequest.Hello(worker=worker))
        if credit:
            self.say(credit=credit)
        self.call: Any = rig.dispatch.Work(self._requests())
        self._reader = asyncio.create_task(self._read())

    async def _requests(self) -> Any:
        while (request := await self._outgoing.get()) is not None:
            yield request

    async def _read(self) -> None:
        try:
            async for response in self.call:
                self.jobs.extend(_whole(job, response.jobs) for job in response.jobs.jobs)
                self.confirmed.extend((lease.firing, lease.token) for lease in response.confirmations.leases)
                self.drained = self.drained or response.HasField("drain")
        except Exception as error:  # noqa: BLE001  the test looks at it
            self.error = error

    def say(self, **kind: Any) -> None:
        """Sends one message."""
        self._outgoing.put_nowait(dispatch_service_pb2.WorkRequest(**kind))

    async def job(self, number: int = 1) -> dispatch_service_pb2.Job:
        """The ``number``-th job, once it is there."""
        await eventually(lambda: len(self.jobs) >= number, what=f"job {number}")
        return self.jobs[number - 1]

    def end(self, job: dispatch_service_pb2.Job, **end: Any) -> None:
        """Reports how a job ended."""
        if not end:
            end = {"output": {}}
        result = dispatch_service_pb2.Result(lease=job.lease, **end)
        self.say(results=dispatch_service_pb2.WorkRequest.Results(results=[result]))

    async def confirmation(self, job: dispatch_service_pb2.Job) -> None:
        """Waits until the result of a job is committed."""
        await eventually(lambda: (job.lease.firing, job.lease.token) in self.confirmed, what="a confirmation")

    async def close(self) -> None:
        """Ends our side and waits for the other's."""
        self._outgoing.put_nowait(None)
        await self._reader

    async def drop(self) -> None:
        """Breaks the stream."""
        self.call.cancel()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
