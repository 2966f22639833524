"""Incidents opened at one instant: how soon their first steps are let go, and whether an acknowledgement stops the later ones."""

import asyncio
import random
import statistics
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from bench.services import mesh_of, seconds_of, service
from scheduler_svc.config import SchedulerSettings
from scheduler_svc.domain.escalation import EscalationPlan, EscalationPolicy, EscalationStep
from scheduler_svc.store import SqlEscalationPolicyStore
from tocsin.api.scheduler.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc, firing_service_pb2, incident_service_pb2
from tocsin.api.scheduler.v1.incident_service_pb2_grpc import IncidentServiceStub
from tocsin.clock import SECOND, SystemClock
from tocsin.database import Database
from tocsin.mesh.authority import ensure_pki
from tocsin.testing.process import free_port
from tocsin.testing.waiting import eventually

_SERVICES: Final = ("scheduler_svc", "processor_svc", "mailer_svc")
_TENANT: Final = "tenant"
_BATCH: Final = 500
_STEPS: Final = 3
_WAIT_SECONDS: Final = 2.0
_ANSWERED: Final = 1000
_CREDIT: Final = 5000


async def measure(*, url: str, incidents: int) -> dict[str, Any]:
    """Opens ``incidents`` at one instant, and then others that are acknowledged at random moments between their steps.

    scheduler_svc is a process of its own; this one opens the incidents as a processor does, takes the steps as a processor does, and
    acknowledges as the mailer does for who follows a link. Times are those at which a step arrives here.

    Args:
        url: the scheduler's database.
        incidents: how many at one instant.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), str(free_port())
        ensure_pki(folder=folder / "pki", services=_SERVICES, trust_domain="tocsin.local", clock=SystemClock())
        await _store_policies(folder, url)
        async with AsyncExitStack() as stack:
            scheduler = await stack.enter_async_context(service("scheduler", folder=folder, settings={"DATABASE_URL": url, "PORT": port}))
            night = _Night(folder, f"127.0.0.1:{port}")
            await stack.enter_async_context(night)
            used = seconds_of(scheduler)
            opened = await night.open_at_once(incidents)
            used = seconds_of(scheduler) - used
            return opened | {"scheduler_cpu_us_an_incident": round(used * SECOND / incidents), "acknowledged": await night.acknowledge()}


async def _store_policies(folder: Path, url: str) -> None:
    values: dict[str, Any] = {"state_dir": folder, "database_url": url}
    database = Database.of(SchedulerSettings(**values), clock=SystemClock())
    await database.start()
    for identity, seconds in (("herd", 3600.0), ("answered", _WAIT_SECONDS)):
        steps = tuple(EscalationStep(targets=(f"recipients/{number}",), wait=round(seconds * SECOND)) for number in range(_STEPS))
        await SqlEscalationPolicyStore(database).create(EscalationPolicy(id=identity, tenant=_TENANT, plan=EscalationPlan(steps=steps)))
    await database.stop()


class _Night:
    """Who opens, takes steps and acknowledges."""

    def __init__(self, folder: Path, address: str) -> None:
        self._meshes = {name: mesh_of(name, folder=folder, scheduler_target=address) for name in _SERVICES[1:]}
        self._clock = SystemClock()
        self._arrived: dict[tuple[str, int], float] = {}
        self._times = Counter[tuple[str, int]]()
        self._outgoing: asyncio.Queue[dispatch_service_pb2.WorkRequest] = asyncio.Queue()

    async def __aenter__(self) -> "_Night":
        """Takes steps from now on."""
        self._incidents = IncidentServiceStub(self._meshes["processor_svc"].channel("scheduler_svc"))
        self._answers = IncidentServiceStub(self._meshes["mailer_svc"].channel("scheduler_svc"))
        self._work = asyncio.create_task(self._take())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hangs up."""
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)
        for mesh in self._meshes.values():
            await mesh.stop()

    async def _requests(self) -> AsyncGenerator[dispatch_service_pb2.WorkRequest]:
        yield dispatch_service_pb2.WorkRequest(hello=dispatch_service_pb2.WorkRequest.Hello(worker="bench"))
        yield dispatch_service_pb2.WorkRequest(credit=_CREDIT)
        while True:
            yield await self._outgoing.get()

    async def _take(self) -> None:
        stub = dispatch_service_pb2_grpc.DispatchServiceStub(self._meshes["processor_svc"].channel("scheduler_svc"))
        async for response in stub.Work(self._requests()):
            now = self._clock.monotonic()
            jobs = response.jobs.jobs
            for job in jobs:
                about = job.context.fields["incident"].struct_value.fields
                if job.origin == firing_service_pb2.Firing.ESCALATION and "step" in about:
                    step = about["dedupKey"].string_value, int(about["step"].number_value)
                    self._arrived.setdefault(step, now)
                    self._times[step] += 1
            if jobs:
                results = dispatch_service_pb2.WorkRequest.Results(done=[job.lease for job in jobs])
                self._outgoing.put_nowait(dispatch_service_pb2.WorkRequest(results=results))
                self._outgoing.put_nowait(dispatch_service_pb2.WorkRequest(credit=len(jobs)))

    async def open_at_once(self, incidents: int) -> dict[str, Any]:
        """Every call is sent at the same instant."""
        keys = [f"herd-{number}" for number in range(incidents)]
        requests = [_request(keys[first : first + _BATCH], "herd") for first in range(0, incidents, _BATCH)]
        begun = self._clock.monotonic()
        await asyncio.gather(*(self._incidents.TriggerIncidents(request) for request in requests))
        committed = self._clock.monotonic() - begun
        await eventually(lambda: len(self._arrived) >= incidents, what="the first steps")
        took = [(at - begun) * 1000 for at in self._arrived.values()]
        cuts = statistics.quantiles(took, n=100, method="inclusive")
        return {
            "incidents": incidents,
            "committed_seconds": round(committed, 2),
            "first_step_p50_ms": round(cuts[49]),
            "first_step_p99_ms": round(cuts[98]),
            "doubled": sum(count > 1 for count in self._times.values()),
        }

    async def acknowledge(self) -> dict[str, Any]:
        """Acknowledges each at a random moment between its first step and its last one."""
        keys = [f"answered-{number}" for number in range(_ANSWERED)]
        answered: dict[str, float] = {}
        took: list[float] = []
        opened = await asyncio.gather(
            *(self._incidents.TriggerIncidents(_request(keys[first : first + _BATCH], "answered")) for first in range(0, _ANSWERED, _BATCH))
        )
        names = [answer.incident for batch in opened for answer in batch.answers]

        async def answer(key: str, name: str) -> None:
            await self._clock.sleep(random.uniform(0.0, (_STEPS - 1) * _WAIT_SECONDS))
            begun = self._clock.monotonic()
            await self._answers.AnswerIncident(
                incident_service_pb2.AnswerIncidentRequest(
                    tenant=_TENANT,
                    name=name,
                    actor="recipients/0",
                    via="link",
                    answer=incident_service_pb2.AnswerIncidentRequest.ACKNOWLEDGE,
                )
            )
            answered[key] = self._clock.monotonic()
            took.append((answered[key] - begun) * 1000)

        await asyncio.gather(*(answer(key, name) for key, name in zip(keys, names, strict=True)))
        await self._clock.sleep(_STEPS * _WAIT_SECONDS)  # whatever would still come has come
        steps = {step: at for step, at in self._arrived.items() if step[0] in answered}
        after = [(at - answered[key]) * 1000 for (key, _), at in steps.items() if at > answered[key]]
        return {
            "incidents": len(answered),
            "steps_taken": len(steps),
            "steps_that_arrived_after_the_answer": len(after),
            "latest_ms_after_the_answer": round(max(after, default=0.0), 1),
            "answer_p50_ms": round(statistics.median(took), 1),
            "answer_p99_ms": round(statistics.quantiles(took, n=100, method="inclusive")[98], 1),
        }


def _request(keys: Sequence[str], policy: str) -> incident_service_pb2.TriggerIncidentsRequest:
    def triggered(key: str) -> incident_service_pb2.TriggerIncidentsRequest.Triggered:
        incident = incident_service_pb2.Incident(
            title=f"{key} is down",
            dedup_key=key,
            severity=incident_service_pb2.Incident.CRITICAL,
            escalation_policy=f"escalationPolicies/{policy}",
        )
        return incident_service_pb2.TriggerIncidentsRequest.Triggered(tenant=_TENANT, firing=key, alarm="", incident=incident)

    return incident_service_pb2.TriggerIncidentsRequest(triggered=map(triggered, keys))
