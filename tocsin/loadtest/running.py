"""A load test of an installation that runs and goes on running: within the caller's limits, and nothing of it stays."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

import httpx2

from tocsin.clock import SECOND, Clock, from_micros
from tocsin.errors import ResourceExhausted, TocsinError
from tocsin.loadtest.callers import LABEL, LoadClient
from tocsin.loadtest.report import Lateness, ServiceUse
from tocsin.loadtest.service_metrics import MetricsReader
from tocsin.loadtest.tally import CallTally
from tocsin.loadtest.target import LoadPlan, LoadTarget
from tocsin.problems import error_of, problem_error

_LINES: Final = 500
_BATCH: Final = 10_000
_PAGE: Final = 1000
_ABREAST: Final = 256
_LEAD: Final = timedelta(seconds=10)
_POLL_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 120.0
_TELL_SECONDS: Final = 2.0
_LONGEST_WAIT_SECONDS: Final = 30.0
_METRICS_SECONDS: Final = 10.0


@dataclass(slots=True, kw_only=True)
class LoadStage:
    """One stretch of the test.

    Attributes:
        name: what went on.
        seconds: how long.
        count: what was done: alarms stored, calls answered, firings done, alarms removed.
        tallies: of its calls, by kind.
        memory: resident bytes of each process at its end.
        cpu: cores that each kept busy.
        limited: by what it was held back; empty if by nothing.
    """

    name: str
    seconds: float = 0.0
    count: int = 0
    tallies: dict[str, CallTally] = field(default_factory=dict[str, CallTally])
    memory: dict[str, float] = field(default_factory=dict[str, float])
    cpu: dict[str, float] = field(default_factory=dict[str, float])
    limited: str = ""


@dataclass(slots=True, kw_only=True)
class RunningReport:
    """Everything that was found so far.

    Attributes:
        run: the value of the label of what was made.
        stages: in order; the last one may have been cut off.
        lateness: of the even stream; None if there was none.
        left: alarms of the test that are still there.
        stopped: whether somebody ended it early.
    """

    run: str
    stages: list[LoadStage] = field(default_factory=list[LoadStage])
    lateness: Lateness | None = None
    left: int = 0
    stopped: bool = False


class RunningLoadTest:
    """Stores, calls, fires and removes; each stage ends at once when it is told to stop, and what was made is removed all the same."""

    def __init__(self, *, target: LoadTarget, plan: LoadPlan, run: str, clock: Clock, told: Callable[[str], None]) -> None:
        """Makes nothing yet.

        Args:
            target: the installation.
            plan: how much.
            run: tells what this test makes from all else, by a label.
            clock: the machine's.
            told: hears how far it is, in words.
        """
        self._target = target
        self._plan = plan
        self._clock = clock
        self._told = told
        self._stop = asyncio.Event()
        self._next_word = 0.0
        self.report = RunningReport(run=run)

    def stop(self) -> None:
        """Ends it early; what was made is removed."""
        self.report.stopped = True
        self._stop.set()

    async def run(self) -> RunningReport:
        """Runs every stage.

        Raises:
            TocsinError: the installation cannot be reached, or takes no alarm at all.
        """
        async with (
            LoadClient(self._target, self.report.run) as client,
            httpx2.AsyncClient(timeout=_METRICS_SECONDS, trust_env=False) as http,
        ):
            metrics = MetricsReader(self._target.metrics, http)
            try:
                await self._load(client, metrics)
            finally:
                await self._clean(client, metrics)
        return self.report

    async def _load(self, client: LoadClient, metrics: MetricsReader) -> None:
        plan = self._plan
        if plan.alarms:
            async with self._stage(f"store {plan.alarms:,} alarms", metrics) as stage:
                await self._store(client, stage, (client.alarm("stored", number) for number in range(plan.alarms)), plan.alarms)
        if plan.rate and not self._stop.is_set():
            async with self._stage(f"call {plan.rate:g} a second", metrics) as stage:
                await self._call(client, stage)
        if plan.firings and plan.firing_seconds and not self._stop.is_set():
            await self._fire(client, metrics)

    @asynccontextmanager
    async def _stage(self, name: str, metrics: MetricsReader) -> AsyncGenerator[LoadStage]:
        """Notes how long a stage lasts, and what the processes use meanwhile."""
        self._told(name)
        stage = LoadStage(name=name)
        before, begun = await metrics.use(), self._clock.monotonic()
        self.report.stages.append(stage)
        try:
            yield stage
        finally:
            stage.seconds = self._clock.monotonic() - begun
            self._note(stage, before, await metrics.use())

    def _note(self, stage: LoadStage, before: dict[str, ServiceUse], after: dict[str, ServiceUse]) -> None:
        for name, use in after.items():
            stage.memory[name] = use.memory
            stage.cpu[name] = (use.cpu - before[name].cpu) / max(stage.seconds, 1e-9)

    def _progress(self, stage: LoadStage, total: int) -> None:
        now = self._clock.monotonic()
        if now >= self._next_word:
            self._next_word = now + _TELL_SECONDS
            self._told(f"  {stage.name}: {stage.count:,} of {total:,}")

    # -- storing -----------------------------------------------------------------------------------------------------------

    async def _store(self, client: LoadClient, stage: LoadStage, alarms: Iterator[dict[str, Any]], total: int) -> None:
        """Imports, some thousands at a time; ends where a quota is full."""
        while not self._stop.is_set() and (batch := list(islice(alarms, _BATCH))):
            made, refusal = await self._import(client, batch)
            stage.count += made
            self._progress(stage, total)
            if refusal:
                stage.limited = refusal
                return

    async def _import(self, client: LoadClient, batch: Sequence[dict[str, Any]]) -> tuple[int, str]:
        """How many were made, and why the others were not.

        Raises:
            TocsinError: none could be, for another reason than a limit.
        """
        kind = {"Content-Type": "application/x-ndjson"}
        last: dict[str, Any] = {}
        refusals: list[str] = []
        while True:
            async with client.http.stream("POST", "/v1/alarms:import", content=_pieces(batch), headers=kind, timeout=None) as answer:
                if answer.is_error:
                    await answer.aread()
                    error = error_of(answer)
                    if isinstance(error, ResourceExhausted) and error.retry_after is not None and await self._waited(error.retry_after):
                        continue
                    if isinstance(error, ResourceExhausted):
                        return 0, error.message
                    raise error
                async for text in answer.aiter_lines():
                    last = json.loads(text) if text else last
                    refusals += [str(each.get("reason", "")) for each in last.get("refusals", ())]
            if "error" in last:
                raise problem_error(last["error"])
            return int(last.get("created", 0)), refusals[0] if refusals else ""

    async def _waited(self, seconds: float) -> bool:
        """Waits as long as a limit says; false if that is too long, or the test ends."""
        if seconds > _LONGEST_WAIT_SECONDS or self._stop.is_set():
            return False
        await self._clock.sleep(seconds)
        return not self._stop.is_set()

    # -- calling -----------------------------------------------------------------------------------------------------------

    async def _call(self, client: LoadClient, stage: LoadStage) -> None:
        """Calls at an even rate, whatever the answers take; a response takes as long as whoever wanted it then waits."""
        plan = self._plan
        total = round(plan.rate * plan.seconds)
        stage.tallies = {kind: CallTally() for kind in plan.mix}
        if "events" in plan.mix:
            await client.call("POST", "/v1/alarms", json={**client.alarm("event", 0), "trigger": {"event": {"topic": client.topic}}})
        following, room = client.calls(plan.mix), asyncio.Semaphore(_ABREAST)
        begun = self._clock.monotonic()
        async with asyncio.TaskGroup() as calls:
            for number in range(total):
                due = begun + number / plan.rate
                await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
                await room.acquire()
                if self._stop.is_set():
                    room.release()
                    break
                kind, call = following()
                calls.create_task(self._one(stage, kind, call, due, room))
                self._progress(stage, total)
        stage.limited = _most([name for tally in stage.tallies.values() for name in tally.limited.elements()])

    async def _one(self, stage: LoadStage, kind: str, call: Any, due: float, room: asyncio.Semaphore) -> None:
        tally = stage.tallies[kind]
        tally.late = max(tally.late, self._clock.monotonic() - due)
        try:
            await call()
            tally.done(self._clock.monotonic() - due)
        except TocsinError as error:
            tally.refused(error)
        finally:
            stage.count += 1
            room.release()

    # -- firing ------------------------------------------------------------------------------------------------------------

    async def _fire(self, client: LoadClient, metrics: MetricsReader) -> None:
        """An even stream of alarms, each due at its own time, and how late the ledger says that each fired."""
        plan = self._plan
        total = plan.firings * plan.firing_seconds
        async with self._stage(f"fire {plan.firings:,} a second", metrics) as stage:
            lead = _LEAD + timedelta(seconds=total / 1000)  # until they are stored
            first = from_micros(self._clock.micros()) + lead
            step = timedelta(microseconds=SECOND / plan.firings)
            made = LoadStage(name=stage.name)
            await self._store(client, made, (client.alarm("fired", number, first + number * step) for number in range(total)), total)
            stage.limited = made.limited
            names = await self._names(client, "fired")
            found = await self._late(client, stage, names, first, total * step)
            self.report.lateness = Lateness(expected=made.count, rate=plan.firings, seconds=sorted(found.values()))

    async def _late(self, client: LoadClient, stage: LoadStage, names: set[str], first: datetime, length: timedelta) -> dict[str, float]:
        """How late each of these fired; polls until all have, nothing is new for minutes, or the test ends."""
        found: dict[str, float] = {}
        quiet = self._clock.monotonic() + (first + length - from_micros(self._clock.micros())).total_seconds() + _PATIENCE_SECONDS
        while len(found) < len(names) and not self._stop.is_set() and self._clock.monotonic() < quiet:
            before = len(found)
            await self._read_firings(client, names, found, first, first + length)
            stage.count = len(found)
            self._progress(stage, len(names))
            if len(found) > before:
                quiet = max(quiet, self._clock.monotonic() + _PATIENCE_SECONDS)
            await self._clock.sleep(_POLL_SECONDS)
        return found

    async def _read_firings(self, client: LoadClient, names: set[str], found: dict[str, float], first: datetime, end: datetime) -> None:
        condition = f'due_time>="{first.isoformat()}" AND due_time<="{end.isoformat()}"'
        token = ""
        while not self._stop.is_set():
            page = await self._again(client, "GET", "/v1/firings", params={"filter": condition, "pageSize": _PAGE, "pageToken": token})
            for firing in page.get("firings", ()):
                if firing["alarm"] in names and "fireTime" in firing:
                    late = datetime.fromisoformat(firing["fireTime"]) - datetime.fromisoformat(firing["dueTime"])
                    found[firing["alarm"]] = late.total_seconds()
            token = page.get("nextPageToken", "")
            if not token:
                return

    def _condition(self, part: str = "") -> str:
        """The filter of the alarms of this test, or of a part of it."""
        return f'labels.{LABEL}="{self.report.run}"' + (f' AND labels.{LABEL}-part="{part}"' if part else "")

    async def _names(self, client: LoadClient, part: str) -> set[str]:
        """The alarms of a part of this test."""
        found: set[str] = set()
        token = ""
        while True:
            asked = {"filter": self._condition(part), "pageSize": _PAGE, "pageToken": token}
            page = await self._again(client, "GET", "/v1/alarms", params=asked)
            found |= {str(alarm["name"]) for alarm in page.get("alarms", ())}
            token = page.get("nextPageToken", "")
            if not token:
                return found

    async def _again(self, client: LoadClient, method: str, path: str, **sent: Any) -> dict[str, Any]:
        """A call, again when a limit says so."""
        while True:
            try:
                return await client.call(method, path, **sent)
            except ResourceExhausted as error:
                if error.retry_after is None or error.retry_after > _LONGEST_WAIT_SECONDS:
                    raise
                await self._clock.sleep(error.retry_after)

    # -- cleaning up ---------------------------------------------------------------------------------------------------------

    async def _clean(self, client: LoadClient, metrics: MetricsReader) -> None:
        """Removes what has the label of this test; what it cannot remove is told."""
        made, _ = await self._purge(client, force=False)
        self.report.left = made
        if self._plan.keep or not made:
            return
        async with self._stage(f"remove {made:,} alarms", metrics) as stage:
            removed, more = 1, True
            while more and removed:
                removed, more = await self._purge(client, force=True)
                stage.count += removed
                self._progress(stage, made)
            self.report.left, _ = await self._purge(client, force=False)

    async def _purge(self, client: LoadClient, *, force: bool) -> tuple[int, bool]:
        """How many alarms of this test were removed, or would be without ``force``, and whether there are more."""
        told = await self._again(client, "POST", "/v1/alarms:purge", json={"filter": self._condition(), "force": force})
        return int(told.get("purgeCount", 0)), bool(told.get("more"))


def _most(names: Sequence[str]) -> str:
    """The name that occurs most often; empty without any."""
    return max(sorted(set(names)), key=list(names).count, default="")


async def _pieces(alarms: Sequence[dict[str, Any]]) -> AsyncGenerator[bytes]:
    for start in range(0, len(alarms), _LINES):
        yield ("\n".join(json.dumps(alarm) for alarm in alarms[start : start + _LINES]) + "\n").encode()
