"""The judge of incidents: which steps had to be let go, recomputed from policies, from what happened, and from what people were promised.

The audit's own replay goes through every timeline (`scheduler_svc.service.audit.timelines`); it shares no code with what takes the steps.
What an audit cannot know is judged here by the database's journal: the order of commits, what callers were answered, which silence held
in the very transaction of a step, and whom a step told.
"""

import fnmatch
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from scheduler_svc.domain.incident_words import EventKind, IncidentSeverity
from scheduler_svc.service.audit import Summary
from scheduler_svc.service.audit.escalations import EscalationRun
from scheduler_svc.service.audit.timelines import SKEW
from scheduler_svc.store import SqlIncidentAuditStore
from tests.simulation.alerters import TENANTS
from tests.simulation.notes import skew_of
from tests.simulation.responders import Promise, Promised, Responders
from tests.simulation.scenario import DAY, SECOND
from tests.simulation.storage import SimDatabase
from tests.simulation.world import World
from tocsin.api.scheduler.v1 import alarm_pb2

HARMLESS: Final = frozenset({"hints", "cuts", "manners", "processors"})
LOOKS: Final = 10.0
"""Seconds after which a replica looks for due steps at the latest, in the simulation."""
PROMPT: Final = round((LOOKS + 5) * SECOND)
LOG: Final = "SELECT at, kind, id, tenant, number, stamp, firing, text, since, until, body, txn, actor, note FROM told ORDER BY seq"
_EVENTS: Final = "SELECT incident, number, kind, facts, happened_at, step FROM incident_events ORDER BY incident, number"
_QUIET: Final = frozenset({EventKind.ACKNOWLEDGED, EventKind.RESOLVED, EventKind.SNOOZED, EventKind.MERGED})
"""After these no step is taken."""
_LOUD: Final = frozenset({EventKind.UNACKNOWLEDGED, EventKind.UNSNOOZED, EventKind.REASSIGNED})
"""After these steps are taken again."""


class Told(NamedTuple):
    """A row of the journal; see `tests.simulation.journal`."""

    at: float
    kind: str
    id: str
    tenant: str
    number: int
    stamp: int
    firing: str
    text: str
    since: int
    until: int
    body: bytes | None
    txn: int
    actor: str
    note: str


@dataclass(slots=True)
class Case:
    """An incident: what it is, what it followed for how long, and what happened to it, in the order of the commits."""

    document: Mapping[str, Any]
    followed: list[Mapping[str, Any]]
    events: list[Told] = field(default_factory=list[Told])
    reassigned: int = 0

    @property
    def now(self) -> Mapping[str, Any]:
        """What it follows now: "policy", "plan" and "turn"."""
        return self.followed[min(self.reassigned, len(self.followed) - 1)]

    def words(self) -> Mapping[str, str]:
        """What silences look at."""
        severity = IncidentSeverity(self.document.get("severity", IncidentSeverity.ERROR))
        return {
            **self.document.get("labels", {}),
            "severity": severity.name.lower(),
            "escalationPolicy": self.now.get("policy", ""),
            "source": self.document.get("source", ""),
            "dedupKey": self.document["key"],
        }


class IncidentsChecker:
    """Judges at the end of a run."""

    def __init__(self, world: World, promised: Promised) -> None:
        self._world = world
        self._promised = promised
        self._problem = world.problem
        self._cases: dict[str, Case] = {}
        self._silences: dict[str, Told] = {}
        self._open: dict[tuple[str, str], str] = {}
        self._requests: Counter[tuple[str, str]] = Counter()
        self._incident_of: dict[tuple[str, str], str] = {}
        self._firings: dict[str, Told] = {}
        self._counts: Counter[str] = Counter()

    async def check(self) -> None:
        """Finds everything that is wrong."""
        await self._audit()
        self._read()
        for entry in self._log():
            self._take(entry)
        for promise in self._promised.acknowledged:
            self._judge_acknowledgement(promise)
        for promise in self._promised.resolved:
            if not any(event.number == EventKind.RESOLVED and event.at <= promise.answered for event in self._case(promise).events):
                self._problem(f"incident {promise.incident} was said to be resolved at {promise.answered}, and was not")
        self._judge_requests()
        self._judge_turns()
        self._world.counts.update(self._counts)

    async def _audit(self) -> None:
        """What the audit finds; its clock is the true one by now."""
        world = self._world
        for tenant in (*Responders.tenants, *TENANTS):
            summary = Summary(start=world.scenario.epoch - DAY * SECOND, end=world.micros())
            run = EscalationRun(
                store=SqlIncidentAuditStore(SimDatabase(world.storage)),
                clock=world.storage.clock,
                tenant=tenant,
                summary=summary,
                kept=summary.start,
                skew=SKEW + skew_of(world.scenario),
            )
            async for finding in run.of_all():
                self._problem(f"the audit: {finding}")
            if summary.unreadable:
                self._problem(f"the audit cannot judge {summary.unreadable} incidents of {tenant}")
            self._counts["audited steps"] += summary.steps

    def _read(self) -> None:
        raw = self._world.storage.raw
        for identity, document in raw.execute("SELECT id, document FROM incidents").fetchall():
            self._cases[identity] = Case(json.loads(document), [])
        for incident, _, kind, facts, _, _ in raw.execute(_EVENTS).fetchall():
            if kind == EventKind.REASSIGNED:
                self._cases[incident].followed.append(json.loads(facts))
        for case in self._cases.values():
            case.followed.append({name: case.document.get(name, default) for name, default in (("policy", ""), ("plan", {}), ("turn", 0))})

    def _log(self) -> Iterator[Told]:
        """The journal; the firings of a transaction stand behind its events there, and are known before."""
        entries = [Told(*row) for row in self._world.storage.raw.execute(LOG).fetchall()]
        self._firings = {entry.id: entry for entry in entries if entry.kind == "firing"}
        return iter(entries)

    def _case(self, promise: Promise) -> Case:
        return self._cases[promise.incident]

    # -- the order of things --------------------------------------------------------------------------------------------------------

    def _take(self, entry: Told) -> None:
        match entry.kind:
            case "silence":
                self._silences[entry.id] = entry
            case "event":
                case = self._cases[entry.id]
                self._event(case, EventKind(entry.number), entry)
                case.events.append(entry)
            case "firing":
                self._counts["rows of steps and messages"] += 1
            case "rule":
                self._counts["rules changed"] += 1
            case _:
                self._problem(f"the journal has a {entry.kind}, of which this checker knows nothing")

    def _event(self, case: Case, kind: EventKind, entry: Told) -> None:
        self._counts[kind.name.lower().replace("_", " ")] += 1
        if entry.text:
            self._requests[entry.tenant, entry.text] += 1
            self._incident_of[entry.tenant, entry.text] = entry.id
        key = (entry.tenant, case.document["key"])
        match kind:
            case EventKind.TRIGGERED if not case.events:
                if key in self._open:
                    self._problem(f"incident {entry.id} of the key {key} was opened while {self._open[key]} was open")
                self._open[key] = entry.id
                self._counts["incidents opened"] += 1
            case EventKind.RESOLVED:
                self._open.pop(key, None)
            case EventKind.REASSIGNED:
                case.reassigned += 1
            case EventKind.STEP:
                self._judge_step(case, entry)
            case EventKind.STEP_SKIPPED:
                firing = self._firings.get(entry.firing)
                held = self._holding(case, entry)
                self._counts["steps held back"] += bool(held) and firing is not None
            case _:
                pass

    def _judge_step(self, case: Case, entry: Told) -> None:
        """No silence held at the instant of its transaction, it told whom it had to tell, and it came when it had to."""
        for silence in self._holding(case, entry):
            self._problem(f"step {entry.since} of incident {entry.id} was taken at {entry.stamp}, while silence {silence.id} held")
        firing = self._firings.get(entry.firing)
        if firing is None:
            self._problem(f"step {entry.since} of incident {entry.id} is not in the ledger")
            return
        told, meant = list(alarm_pb2.Action.FromString(firing.body or b"").notify.recipients), self._targets(case, entry)
        if told != meant:
            self._problem(f"step {entry.since} of incident {entry.id} told {told}, and {meant} were meant")
        late = entry.stamp - firing.since
        if self._world.scenario.faults <= HARMLESS and late > PROMPT:
            self._problem(f"step {entry.since} of incident {entry.id} came {late} microseconds late for no reason")
        self._counts["steps repeated"] += entry.since >= len(case.now["plan"]["steps"])

    def _targets(self, case: Case, entry: Told) -> list[str]:
        plan = case.now["plan"]
        place = entry.since % len(plan["steps"])
        targets = plan["steps"][place]["targets"]
        return [targets[case.now.get("turn", 0) % len(targets)]] if plan.get("round_robin") and place == 0 else targets

    def _holding(self, case: Case, entry: Told) -> list[Told]:
        """The silences that held at the instant of an event, as they were when it was committed."""
        if entry.tenant in TENANTS:  # see `tests.simulation.groups_checker`
            return []
        words = case.words()
        there = (silence for silence in self._silences.values() if silence.tenant == entry.tenant)
        return [each for each in there if each.since <= entry.stamp < each.until and fits(json.loads(each.text), words)]

    # -- what was promised ----------------------------------------------------------------------------------------------------------

    def _judge_acknowledgement(self, promise: Promise) -> None:
        """It was recorded before it was answered, and from then on no step was taken until it was given back."""
        events = self._case(promise).events
        told = [event for event in events if event.at <= promise.answered and EventKind(event.number) in _QUIET | _LOUD]
        if not any(event.number in _QUIET for event in told):
            self._problem(f"incident {promise.incident} was said to be acknowledged at {promise.answered}, and was not")
            return
        if told[-1].number in _LOUD:
            if told[-1].at < promise.asked:
                self._problem(f"incident {promise.incident} was said to be acknowledged at {promise.answered}, and was not again")
            return
        for event in events:
            if event.at <= promise.answered:
                continue
            if event.number in _LOUD:
                break
            if event.number == EventKind.STEP:
                self._problem(f"step {event.since} of incident {promise.incident} was taken after it was acknowledged")
        self._counts["acknowledgements kept"] += 1

    def _judge_requests(self) -> None:
        for request, times in self._requests.items():
            if times > 1:
                self._problem(f"request {request} counted {times} times")
        for tenant, identity, incident in self._promised.requests:
            counted = self._incident_of.get((tenant, identity))
            if incident and counted != incident:
                self._problem(f"request {identity} was said to trigger incident {incident}, and triggered {counted}")
        known = {row[0] for row in self._world.storage.raw.execute("SELECT id FROM silences").fetchall()}
        for silence in self._promised.silences - known:
            self._problem(f"silence {silence} was promised, and is not there")

    def _judge_turns(self) -> None:
        """No two incidents of a policy whose targets take turns have the same turn."""
        turns: defaultdict[tuple[str, str, int], list[str]] = defaultdict(list)
        for identity, case in self._cases.items():
            for each in case.followed:
                if each.get("plan", {}).get("round_robin"):
                    turns[case.document["tenant"], each.get("policy", ""), each.get("turn", 0)].append(identity)
        for (tenant, policy, turn), found in turns.items():
            self._counts["turns taken"] += 1
            if len(found) > 1:
                self._problem(f"turn {turn} of policy {policy} of {tenant} was taken by {found}")


def fits(matchers: list[dict[str, Any]], words: Mapping[str, str]) -> bool:
    """Whether an incident with these words fits all matchers; by the standard library's way of reading a star."""

    def fits(matcher: dict[str, Any]) -> bool:
        pattern = fnmatch.translate(matcher.get("value", "").replace("[", "[[]").replace("?", "[?]"))
        return (re.fullmatch(pattern, words.get(matcher["label"], "")) is not None) is not matcher.get("negate", False)

    return bool(matchers) and all(fits(matcher) for matcher in matchers)
