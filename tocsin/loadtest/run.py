"""The phases of a load test."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final

import httpx2

from tocsin.client import authorization
from tocsin.clock import DAY, SECOND, Clock, from_micros, to_micros
from tocsin.errors import DeadlineExceeded, Internal
from tocsin.loadtest.report import Lateness, LoadPhase, LoadReport
from tocsin.loadtest.service_metrics import MetricsReader
from tocsin.stack.stack_file import StackStatus

_IDLE_SECONDS: Final = 5.0
_STEADY_RATE: Final = 1000
_STEADY_SECONDS: Final = 20
_LARGEST_HERD: Final = 100_000
_PAUSE_SECONDS: Final = 0.05
_POLL_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 600.0
_LINES: Final = 500
_PAGE: Final = 1000


@dataclass(slots=True)
class _Responses:
    """Calls made beside a phase."""

    seconds: list[float] = field(default_factory=list[float])
    errors: int = 0


@dataclass(slots=True)
class _Progress:
    rate: float | None = None


class LoadTest:
    """A load test of one stack: idle, storing, an even stream, a herd."""

    def __init__(self, *, picture: StackStatus, api_key: str, clock: Clock, told: Callable[[str], None]) -> None:
        """Makes nothing yet.

        Args:
            picture: the stack.
            api_key: of a tenant that may be filled with alarms.
            clock: the machine's.
            told: hears what goes on now, in words.
        """
        self._picture = picture
        self._key = api_key
        self._clock = clock
        self._told = told

    async def run(self, alarms: int) -> LoadReport:
        """Runs every phase with ``alarms`` stored alarms.

        Raises:
            TocsinError: the installation refused something, or did not come to an end.
        """
        report = LoadReport(alarms=alarms)
        headers = {"Authorization": authorization(self._key)}
        async with (
            httpx2.AsyncClient(
                base_url=self._picture.http, headers=headers, timeout=60.0, trust_env=False, verify=self._picture.verify()
            ) as http,
            httpx2.AsyncClient(timeout=10.0, trust_env=False) as metrics,
        ):
            vitals = MetricsReader({name: service.metrics for name, service in self._picture.services.items()}, metrics)
            async with self._phase(report, "idle", http, vitals):
                await self._clock.sleep(_IDLE_SECONDS)
            async with self._phase(report, f"store {alarms:,} alarms", http, vitals) as progress:
                progress.rate = await self._store(http, alarms, self._clock.micros() + 300 * DAY)
            report.lateness = await self._steady(report, http, vitals)
            await self._herd(report, http, vitals, min(alarms, _LARGEST_HERD), progress.rate)
        return report

    async def _steady(self, report: LoadReport, http: httpx2.AsyncClient, vitals: MetricsReader) -> Lateness:
        """An even stream of alarms, one by one on their own times."""
        total = _STEADY_RATE * _STEADY_SECONDS
        first = self._clock.micros() + 15 * SECOND
        await self._store(http, total, first, step=SECOND // _STEADY_RATE)
        before = await vitals.done()
        await self._clock.sleep(max(0.0, (first - self._clock.micros()) / SECOND))
        async with self._phase(report, f"fire {_STEADY_RATE:,} a second", http, vitals) as progress:
            progress.rate = await self._until_done(vitals, before, total, since=first)
        return Lateness(expected=total, rate=_STEADY_RATE, seconds=sorted(await self._lateness(http, first, total)))

    async def _herd(self, report: LoadReport, http: httpx2.AsyncClient, vitals: MetricsReader, size: int, rate: float | None) -> None:
        """Alarms that are all due at one instant."""
        due = self._clock.micros() + round((5 + 1.5 * size / (rate or size)) * SECOND)
        await self._store(http, size, due)
        before = await vitals.done()
        await self._clock.sleep(max(0.0, (due - self._clock.micros()) / SECOND))
        begun = max(due, self._clock.micros())
        async with self._phase(report, f"fire {size:,} due at once", http, vitals) as progress:
            progress.rate = await self._until_done(vitals, before, size, since=begun)

    @asynccontextmanager
    async def _phase(self, report: LoadReport, name: str, http: httpx2.AsyncClient, vitals: MetricsReader) -> AsyncGenerator[_Progress]:
        """Measures what goes on inside, with a call every now and then beside it."""
        self._told(name)
        progress, responses = _Progress(), _Responses()
        before, begun = await vitals.use(), self._clock.monotonic()
        prober = asyncio.create_task(self._probe(http, responses))
        try:
            yield progress
        finally:
            prober.cancel()
            await asyncio.gather(prober, return_exceptions=True)
        seconds, after = self._clock.monotonic() - begun, await vitals.use()
        report.phases.append(
            LoadPhase(
                name=name,
                seconds=seconds,
                rate=progress.rate,
                memory={service: use.memory for service, use in after.items()},
                cpu={service: (use.cpu - before[service].cpu) / seconds for service, use in after.items()},
                responses=sorted(responses.seconds),
                errors=responses.errors,
            )
        )

    async def _probe(self, http: httpx2.AsyncClient, responses: _Responses) -> None:
        """Makes an alarm that is due far away, again and again."""
        body = json.loads(_line(self._clock.micros() + 200 * DAY))
        while True:
            begun = self._clock.monotonic()
            try:
                answer = await http.post("/v1/alarms", json=body)
                responses.errors += answer.is_error
            except httpx2.HTTPError:
                responses.errors += 1
            responses.seconds.append(self._clock.monotonic() - begun)
            await self._clock.sleep(_PAUSE_SECONDS)

    async def _store(self, http: httpx2.AsyncClient, count: int, due: int, *, step: int = 0) -> float:
        """Imports ``count`` alarms, the first due at ``due`` and each further one ``step`` microseconds later; alarms per second."""
        begun = self._clock.monotonic()
        lines = (_line(due + number * step) for number in range(count))
        last: dict[str, Any] = {}
        kind = {"Content-Type": "application/x-ndjson"}
        async with http.stream("POST", "/v1/alarms:import", content=_pieces(lines), headers=kind, timeout=None) as answer:
            if answer.is_error:
                raise Internal(f"the import was refused: {(await answer.aread()).decode(errors='replace')[:500]}")
            async for text in answer.aiter_lines():
                last = json.loads(text) if text else last
        if int(last.get("created", 0)) != count:
            raise Internal(f"of {count} alarms {last.get('created', 0)} were made: {json.dumps(last)[:500]}")
        return count / (self._clock.monotonic() - begun)

    async def _until_done(self, vitals: MetricsReader, before: float, count: int, *, since: int) -> float:
        """Waits for the work of ``count`` firings; firings per second."""
        end = self._clock.monotonic() + _PATIENCE_SECONDS
        while await vitals.done() < before + count:
            if self._clock.monotonic() > end:
                raise DeadlineExceeded(f"after {_PATIENCE_SECONDS:g} s not all of {count} firings were done")
            await self._clock.sleep(_POLL_SECONDS)
        return count / ((self._clock.micros() - since) / SECOND)

    async def _lateness(self, http: httpx2.AsyncClient, first: int, count: int) -> list[float]:
        """How late each alarm of the even stream fired, by the ledger."""
        condition = f'due_time>="{from_micros(first).isoformat()}"'
        found: list[float] = []
        token = ""
        while len(found) < count:
            answer = await http.get("/v1/firings", params={"filter": condition, "pageSize": _PAGE, "pageToken": token})
            answer.raise_for_status()
            page = answer.json()
            found += [_late(firing) for firing in page.get("firings", []) if "fireTime" in firing]
            token = page.get("nextPageToken", "")
            if not token:
                break
        return found


def _line(due: int) -> str:
    """An alarm of the test, as a line of an import."""
    trigger = {"at": from_micros(due).isoformat(), "catchUp": {"mode": "LATEST"}}
    return json.dumps({"labels": {"load": "test"}, "trigger": trigger, "action": {"task": {"handler": "noop"}}})


async def _pieces(lines: Iterator[str]) -> AsyncGenerator[bytes]:
    while piece := list(islice(lines, _LINES)):
        yield ("\n".join(piece) + "\n").encode()


def _late(firing: dict[str, Any]) -> float:
    return (_micros(firing["fireTime"]) - _micros(firing["dueTime"])) / SECOND


def _micros(text: str) -> int:
    return to_micros(datetime.fromisoformat(text))
