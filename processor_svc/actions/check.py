"""The action `check`: looks whether something works, records what it found, and tells people when that changes."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, NamedTuple

from processor_svc.actions.notify import NotifyAction, NotifyKind
from processor_svc.domain import ActionProblem, Job, JobFailed, JobReleased, JobResult, JobSucceeded, Json
from processor_svc.ports import Readings
from processor_svc.probes import CheckFailed, CheckForbidden, CheckSpec, Probe
from processor_svc.turns import NoTurn, TenantTurns
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.clock import Clock
from tocsin.errors import TocsinError

_PAUSE_SECONDS: Final = 1.0
_TIMEOUT_SECONDS: Final = 10.0
_SHORTEST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAction:
    """Look at something; ``notify`` is sent when it begins to fail, and when it works again."""

    kind: ClassVar[str] = "check"

    spec: CheckSpec
    notify: NotifyAction | None


class _CheckEnd(NamedTuple):
    """What came of a check; ``reason`` is empty when all is well."""

    reason: str
    facts: Mapping[str, Json]
    seconds: float

    def output(self) -> dict[str, Json]:
        told: dict[str, Json] = {"passed": not self.reason, "seconds": round(self.seconds, 4), **self.facts}
        return {**told, "reason": self.reason} if self.reason else told


class CheckKind:
    """Check actions. That something does not work is a result, not a failure: the firing has done what it should."""

    name = CheckAction.kind

    def __init__(
        self,
        *,
        probes: Mapping[str, Probe],
        readings: Readings,
        notify: NotifyKind,
        turns: TenantTurns,
        clock: Clock,
        draw: random.Random,
    ) -> None:
        """Looks at nothing yet.

        Args:
            probes: by the field of the contract that names their targets.
            readings: takes what was found.
            notify: sends messages.
            turns: how many look at once.
            clock: paces tries.
            draw: source of jitter.
        """
        self._probes = probes
        self._readings = readings
        self._notify = notify
        self._turns = turns
        self._clock = clock
        self._draw = draw

    def decode(self, message: alarm_pb2.Check) -> CheckAction:
        """The action."""
        target = message.WhichOneof("target") or ""
        notify = self._notify.decode(message.notify) if message.HasField("notify") else None
        return CheckAction(spec=_spec(message, target), notify=notify)

    async def validate(self, action: CheckAction, tenant: str = "") -> Sequence[ActionProblem]:
        """What its probe finds wrong."""
        del tenant
        probe = self._probes.get(action.spec.target)
        return (
            [ActionProblem("", "has a target that this processor does not know", tentative=True)]
            if probe is None
            else probe.problems(action.spec)
        )

    def describe(self, action: CheckAction) -> str:
        """The kind of target."""
        return action.spec.target if action.spec.target in self._probes else ""

    async def run(self, job: Job, action: CheckAction) -> JobResult:
        """Looks; the output says what was found."""
        try:
            async with self._turns.turn(job.tenant):
                found = await self._look(job.tenant, action.spec)
            return await self._conclude(job, action, found)
        except CheckForbidden as error:
            return JobFailed(reason="TARGET_FORBIDDEN", message=str(error), retryable=False)
        except NoTurn:
            return self._later("too many checks of this tenant are under way")
        except TocsinError as error:
            return self._later(error.message)

    async def _look(self, tenant: str, spec: CheckSpec) -> _CheckEnd:
        """Tries until it works, or all tries have failed."""
        probe = self._probes.get(spec.target)
        if probe is None:
            raise CheckForbidden("this processor does not know this kind of target")
        for left in reversed(range(spec.tries)):
            begun = time.perf_counter()
            limit = asyncio.timeout(spec.timeout_seconds)
            try:
                async with limit:
                    facts = await probe.look(tenant, spec)
                return _CheckEnd("", facts, time.perf_counter() - begun)
            except CheckFailed as error:
                found = _CheckEnd(str(error) or "it failed", error.facts, time.perf_counter() - begun)
            except TimeoutError:
                if not limit.expired():
                    raise
                found = _CheckEnd(f"it took more than {spec.timeout_seconds:g} s", {}, time.perf_counter() - begun)
            if not left:
                return found
            await self._clock.sleep(_PAUSE_SECONDS)
        raise AssertionError("a check has one try at least")

    async def _conclude(self, job: Job, action: CheckAction, found: _CheckEnd) -> JobResult:
        """Tells people, then records: whoever repeats it after a crash between both tells them by the same firing, which is told once."""
        metric = action.spec.metric or ("check." + job.alarm.removeprefix("alarms/") if job.alarm else "")
        told: JobResult = JobSucceeded(found.output())
        if action.notify is not None and metric:
            told = await self._tell(job, action, found, metric)
            if isinstance(told, JobReleased) or (isinstance(told, JobFailed) and told.retryable):
                return told
        if metric:
            await self._readings.record(job.tenant, _values(metric, found), id=f"{job.lease.firing}/{job.attempt}", source=job.alarm)
        return told

    async def _tell(self, job: Job, action: CheckAction, found: _CheckEnd, metric: str) -> JobResult:
        """Sends the message if this check ended otherwise than the one before."""
        before = await self._readings.latest(job.tenant, metric)
        failed_before = before is not None and before.value < 1
        done = JobSucceeded(found.output())
        if action.notify is None or bool(found.reason) == failed_before:
            return done
        about: dict[str, Json] = {"target": action.spec.target, "subject": action.spec.subject, **found.output()}
        origin = "RAISED" if found.reason else "RESOLVED"
        notify = _with_reason(action.notify, action.spec, found) if found.reason else action.notify
        sent = await self._notify.run(job._replace(origin=origin, context={**job.context, "check": about}), notify)
        return JobSucceeded({**found.output(), **sent.output}) if isinstance(sent, JobSucceeded) else sent

    def _later(self, words: str) -> JobReleased:
        return JobReleased(message=words, retry_after=self._draw.uniform(_SHORTEST_WAIT, _LONGEST_WAIT))


def _with_reason(notify: NotifyAction, spec: CheckSpec, found: _CheckEnd) -> NotifyAction:
    """Inline text that says why; a template takes it from ``check.reason``."""
    if notify.template or not notify.text:
        return notify
    return replace(notify, text=f"{notify.text.rstrip()}\n\n{spec.subject}: {found.reason}\n")


def _values(metric: str, found: _CheckEnd) -> dict[str, float]:
    values = {metric: 0.0 if found.reason else 1.0, f"{metric}.seconds": found.seconds}
    days = found.facts.get("certificateDays")
    return {**values, f"{metric}.certificate_days": float(days)} if isinstance(days, float | int) else values


def _spec(message: alarm_pb2.Check, target: str) -> CheckSpec:
    return CheckSpec(
        target=target,
        subject=getattr(message, target) if target else "",
        statuses=tuple(message.statuses) or ("2xx",),
        contains=message.contains,
        certificate_days=message.certificate_days,
        method=message.method or "GET",
        record_type=message.record_type or "A",
        expected=tuple(message.expected),
        grpc_service=message.grpc_service,
        tls=message.tls,
        minimum=message.minimum if message.HasField("minimum") else None,
        maximum=message.maximum if message.HasField("maximum") else None,
        max_age_seconds=message.max_age.ToTimedelta().total_seconds() if message.HasField("max_age") else None,
        timeout_seconds=message.timeout.ToTimedelta().total_seconds() or _TIMEOUT_SECONDS,
        tries=message.tries or 1,
        metric=message.metric,
    )
