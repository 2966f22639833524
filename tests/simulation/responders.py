"""Whoever has to do with incidents: what opens them, people who answer or do not, who silences them, and who changes policies."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from scheduler_svc.domain.escalation import EscalationPlan, EscalationStep, WeeklyHours
from scheduler_svc.domain.incident_words import AlertEvent, By, IncidentSeverity
from scheduler_svc.domain.matchers import SilenceMatcher
from scheduler_svc.service.incidents import Answerer, IncidentDraft
from scheduler_svc.service.silences import SilenceDraft
from tests.simulation.replica import Replica
from tests.simulation.scenario import Duty
from tests.simulation.users import Desk
from tocsin.errors import Aborted, TocsinError, Unavailable

_SECOND: Final = 1_000_000
_TENANTS: Final = ("t1", "t2")
_PEOPLE: Final = ("ann", "bea", "cid", "dee")
_POLICIES: Final = ("p0", "p1", "p2")
_KEYS: Final = 6
_ZONES: Final = ("", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe")


class Promise(NamedTuple):
    """What somebody was told of an incident, and when, in virtual seconds; ``asked`` is the first time that it was asked."""

    incident: str
    asked: float
    answered: float


class Alert(NamedTuple):
    """What an alert says of itself, and that it is triggered or over."""

    key: str
    severity: int
    labels: Mapping[str, str]
    policy: str
    over: bool = False


class Request(NamedTuple):
    """A trigger that was tried: its id, and the incident that was said to be its own; empty when nobody answered."""

    tenant: str
    id: str
    incident: str


@dataclass(slots=True)
class Promised:
    """What was answered, for the checker."""

    acknowledged: list[Promise] = field(default_factory=list[Promise])
    resolved: list[Promise] = field(default_factory=list[Promise])
    requests: list[Request] = field(default_factory=list[Request])
    silences: set[str] = field(default_factory=set[str])
    alerts: dict[tuple[str, str], Alert] = field(default_factory=dict[tuple[str, str], Alert])
    """What was asked by requests (tenant, id) for groups, answered or not."""

    def __add__(self, other: "Promised") -> "Promised":
        """What both were told."""
        return Promised(
            self.acknowledged + other.acknowledged,
            self.resolved + other.resolved,
            self.requests + other.requests,
            self.silences | other.silences,
            self.alerts | other.alerts,
        )


class Responders:
    """All of them, of two tenants."""

    tenants = _TENANTS
    """Whose incidents they have to do with."""

    def __init__(self, *, desk: Desk, draw: random.Random, duty: Duty, now: Callable[[], float], counts: Counter[str]) -> None:
        """Does nothing yet.

        Args:
            desk: how a replica is reached.
            draw: source of choices.
            duty: how much happens.
            now: virtual seconds.
            counts: what was tried and what was answered.
        """
        self.promised = Promised()
        self._desk = desk
        self._draw = draw
        self._duty = duty
        self._now = now
        self._counts = counts
        self._numbers = 0
        self._known: dict[str, list[str]] = {tenant: [] for tenant in self.tenants}
        self._silences: list[tuple[str, str]] = []

    def begin(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on from now on, until it is cancelled."""
        duty = self._duty
        if not duty.triggers:
            return []
        acts = ((duty.triggers, self._trigger), (duty.answers, self._answer), (duty.silences, self._silence), (duty.policies, self._change))
        return [self._make_policies(), *(self._forever(mean, act) for mean, act in acts)]

    async def _forever(self, mean: float, act: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        while True:
            await asyncio.sleep(self._draw.expovariate(1 / mean))
            self._desk.spawn(act(self._draw.choice(self.tenants)))

    async def _ask(self, what: str, make: Callable[[Replica], Awaitable[Any]], *, attempts: int = 6) -> Any:
        """Asks until there is an answer; None when there is none, or a refusal."""
        for attempt in range(attempts):
            self._counts[f"{what} attempted"] += 1
            self._counts[f"{what} tried again"] += attempt > 0
            try:
                answer = await self._desk.call(make)
            except (Unavailable, Aborted):
                await asyncio.sleep(self._draw.uniform(0.1, 20.0))
                continue
            except TocsinError as error:
                self._desk.note("refused", what, type(error).__name__, error.message)
                return None
            self._counts[f"{what} accepted"] += 1
            self._desk.note("accepted", what)
            return answer
        return None

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    # -- policies -------------------------------------------------------------------------------------------------------------------

    async def _make_policies(self) -> None:
        for tenant in self.tenants:
            for policy in _POLICIES:
                self._desk.spawn(self._make(tenant, policy))

    async def _make(self, tenant: str, policy: str) -> None:
        plan = self._plan()
        await self._ask(
            "policies", lambda replica: replica.answers.policies.create(tenant, policy=policy, display_name="", plan=plan), attempts=20
        )

    async def _change(self, tenant: str) -> None:
        """Changes what a policy says; incidents keep what it said when they began."""
        policy, plan = self._draw.choice(_POLICIES), self._plan()
        await self._ask(
            "policies", lambda replica: replica.answers.policies.update(tenant, policy, etag="", change=lambda _: ("", plan)), attempts=1
        )

    def _plan(self) -> EscalationPlan:
        draw = self._draw
        steps = tuple(self._step() for _ in range(draw.choice([1, 2, 3])))
        repeat = draw.choice([0, 0, 1, 2]) if any(step.wait for step in steps) else 0
        return EscalationPlan(
            steps=steps,
            repeat=repeat,
            round_robin=draw.random() < 0.3,
            unacknowledge_after=draw.choice([0, 0, 60, 240]) * _SECOND,
            resolve_after=draw.choice([0, 0, 300, 900]) * _SECOND,
            zone=draw.choice(_ZONES),
        )

    def _step(self) -> EscalationStep:
        draw = self._draw
        hours = (WeeklyHours(draw.randrange(1440), draw.randrange(1440), tuple(draw.sample(range(1, 8), draw.choice([0, 5])))),)
        occurrences = draw.choice([0, 0, 0, 2, 3])
        return EscalationStep(
            targets=tuple(f"recipients/{name}" for name in draw.sample(_PEOPLE, draw.choice([1, 2, 3]))),
            wait=draw.choice([0, 5, 30, 60, 300]) * _SECOND,
            hours=hours if draw.random() < 0.15 else (),
            occurrences=occurrences,
            window=draw.choice([0, 120 * _SECOND]) if occurrences else 0,
        )

    # -- incidents ------------------------------------------------------------------------------------------------------------------

    async def _trigger(self, tenant: str) -> None:
        """Opens one, or triggers it again; once in a while the request comes twice, and once in a while it is the end."""
        draw = self._draw
        key, request = f"key-{draw.randrange(_KEYS)}", f"incident-{self._number()}"
        drafted = IncidentDraft(
            title=key,
            key=key,
            severity=draw.choice(list(IncidentSeverity)),
            policy=draw.choice(["", *_POLICIES, *_POLICIES]),
            labels={"host": f"db-{draw.randrange(3)}"},
        )
        if draw.random() < 0.15:
            await self._end(tenant, drafted, request)
            return
        who = Answerer(tenant, "users/1")
        asking = [self._open(who, drafted, request) for _ in range(draw.choice([1, 1, 1, 2]))]
        await asyncio.gather(*asking)

    async def _open(self, who: Answerer, drafted: IncidentDraft, request: str) -> None:
        made = await self._ask("triggers", lambda replica: replica.answers.incidents.trigger(who, drafted, request_id=request))
        self.promised.requests.append(Request(who.tenant, request, "" if made is None else made.id))
        if made is not None and made.id not in self._known[who.tenant]:
            self._known[who.tenant].append(made.id)

    async def _end(self, tenant: str, drafted: IncidentDraft, request: str) -> None:
        """What had triggered it is well again."""

        async def well(replica: Replica) -> str:
            ended = await replica.answers.incidents.triggering(
                tenant, drafted, by=By("alarms/a"), request_id=request, event=AlertEvent.RESOLVE
            )
            return "" if ended is None else ended.id

        asked = self._now()
        ended = await self._ask("ends", well)
        if ended:
            self.promised.resolved.append(Promise(ended, asked, self._now()))

    async def _answer(self, tenant: str) -> None:
        """Somebody does something to an incident of late."""
        if not self._known[tenant]:
            return
        draw = self._draw
        one = draw.choice(self._known[tenant][-8:])
        deeds = (
            *(self._acknowledge, self._acknowledge, self._acknowledge, self._resolve, self._give_back, self._snooze, self._reassign),
            *(self._merge, self._note),
        )
        deed = draw.choice(deeds)
        self._desk.note("asks", deed.__name__, one)
        await deed(Answerer(tenant, f"recipients/{draw.choice(_PEOPLE)}", "link"), one)

    async def _acknowledge(self, who: Answerer, one: str) -> None:
        asked = self._now()
        answered = await self._ask("acknowledgements", lambda replica: replica.answers.incidents.acknowledge(who, one))
        if answered is not None:
            self.promised.acknowledged.append(Promise(one, asked, self._now()))

    async def _resolve(self, who: Answerer, one: str) -> None:
        asked = self._now()
        answered = await self._ask("resolutions", lambda replica: replica.answers.incidents.resolve(who, one))
        if answered is not None:
            self.promised.resolved.append(Promise(one, asked, self._now()))

    async def _give_back(self, who: Answerer, one: str) -> None:
        await self._ask("given back", lambda replica: replica.answers.incidents.unacknowledge(who, one), attempts=1)

    async def _snooze(self, who: Answerer, one: str) -> None:
        length = self._draw.choice([30, 120, 600]) * _SECOND
        await self._ask("snoozes", lambda replica: replica.answers.incidents.snooze(who, one, until=None, length=length), attempts=1)

    async def _reassign(self, who: Answerer, one: str) -> None:
        policy = self._draw.choice(["", *_POLICIES])
        targets = () if policy else (f"recipients/{self._draw.choice(_PEOPLE)}",)
        await self._ask(
            "reassignments", lambda replica: replica.answers.incidents.reassign(who, one, policy=policy, targets=targets), attempts=1
        )

    async def _merge(self, who: Answerer, one: str) -> None:
        other = self._draw.choice(self._known[who.tenant][-8:])
        await self._ask("merges", lambda replica: replica.answers.incidents.merge(who, one, into=other), attempts=1)

    async def _note(self, who: Answerer, one: str) -> None:
        request = f"note-{self._number()}"
        await self._ask("notes", lambda replica: replica.answers.incidents.note(who, one, note="n", request_id=request))

    # -- silences -------------------------------------------------------------------------------------------------------------------

    async def _silence(self, tenant: str) -> None:
        """Makes a silence, or ends one."""
        draw = self._draw
        if self._silences and draw.random() < 0.4:
            whose, silence = draw.choice(self._silences[-4:])
            await self._ask("silence ends", lambda replica: replica.answers.silences.expire(whose, silence))
            return
        drafted = self._silence_draft()
        made = await self._ask(
            "silences", lambda replica: replica.answers.silences.create(Answerer(tenant, "users/1"), drafted), attempts=1
        )
        if made is not None:
            self.promised.silences.add(made.silence.id)
            self._silences.append((tenant, made.silence.id))

    def _silence_draft(self) -> SilenceDraft:
        now = self._desk.micros()
        start = self._draw.choice([None, None, now + 60 * _SECOND])
        end = now + self._draw.choice([90, 240, 900]) * _SECOND
        return SilenceDraft(matchers=[self._matcher()], start=start, end=end, comment="work")

    def _matcher(self) -> SilenceMatcher:
        return self._draw.choice(
            [
                SilenceMatcher("host", f"db-{self._draw.randrange(3)}"),
                SilenceMatcher("host", "db-*"),
                SilenceMatcher("host", "db-1", negate=True),
                SilenceMatcher("dedupKey", f"key-{self._draw.randrange(_KEYS)}"),
                SilenceMatcher("severity", "err*"),
                SilenceMatcher("escalationPolicy", self._draw.choice(_POLICIES)),
                SilenceMatcher("region", ""),
            ]
        )
