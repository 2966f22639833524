"""Opening incidents, and taking the answers to them."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, NamedTuple, TypeAlias, cast

from scheduler_svc.domain import new_id, new_ids, shard_of
from scheduler_svc.domain.alert_groups import IncidentAlert
from scheduler_svc.domain.escalation import EscalationPlan, EscalationStep
from scheduler_svc.domain.incident_words import AlertEvent, By, IncidentSeverity
from scheduler_svc.domain.incidents import (
    Incident,
    IncidentChange,
    IncidentNotFound,
    acknowledged,
    merged,
    noted,
    reassigned,
    resolved,
    snoozed,
    unacknowledged,
)
from scheduler_svc.ports import Hints, IncidentObserver, Shards
from scheduler_svc.ports.incidents import Act, Acted, Fence, Handed, IncidentEvent, IncidentStore, TriggerDraft
from scheduler_svc.service.conflicts import retry_on_conflict
from tocsin.clock import DAY, Clock, from_micros
from tocsin.errors import InvalidInput
from tocsin.listing import Condition
from tocsin.recurrence import Micros

IncidentCursor: TypeAlias = tuple[int, str, int]
"""Place of an event in the order of all: its transaction, its incident, its number."""

MOST_SNOOZE: Final[Micros] = 30 * DAY


class Answerer(NamedTuple):
    """Who answers: the tenant, the actor such as "users/…", how the answer comes, and what people call the actor."""

    tenant: str
    actor: str
    via: str = "api"
    called: str = ""

    def by(self, note: str = "") -> By:
        """As the timeline names it."""
        return By(self.actor, self.via, note, self.called)


class IncidentDraft(NamedTuple):
    """What somebody says about an incident that is to be opened."""

    title: str
    description: str = ""
    key: str = ""
    severity: IncidentSeverity = IncidentSeverity.ERROR
    policy: str = ""
    labels: dict[str, str] = {}  # noqa: RUF012  never changed
    url: str = ""
    source: str = ""


class AlertDraft(NamedTuple):
    """An alert of something that is no caller: what it says of which incident, and what makes it count once, if anything does."""

    draft: IncidentDraft
    event: AlertEvent
    once: str = ""


class AlertAnswer(NamedTuple):
    """What became of an alert: the incident as it is then, None if there is none that it could answer, or its own error."""

    incident: Incident | Exception | None
    opened: bool
    """Whether it opened the incident."""


class IncidentIntake:
    """Commits what came together: the flushes that concurrent calls share. Whoever asks gets an answer when it is in the ledger."""

    def __init__(
        self,
        *,
        store: IncidentStore,
        shards: Shards,
        hints: Hints,
        changed: Callable[[Iterable[str]], Awaitable[None]],
        observer: IncidentObserver,
        clock: Clock,
    ) -> None:
        """Takes what it stands on.

        Args:
            store: where incidents are kept.
            shards: what this replica owns.
            hints: takes the firings to the dispatcher.
            changed: tells who watches a tenant.
            observer: counts what has happened.
            clock: source of time.
        """
        self._store = store
        self._shards = shards
        self._hints = hints
        self._changed = changed
        self._observer = observer
        self._clock = clock

    async def trigger(self, batch: Sequence[TriggerDraft]) -> Sequence[Incident | Exception | None]:
        """Opens, counts and resolves; None for the end of what is not open.

        Raises:
            Unavailable: this replica owns no shard now.
        """
        return await self._told(await retry_on_conflict(lambda: self._store.trigger(batch, self._fence())))

    async def act(self, batch: Sequence[Act]) -> Sequence[Incident | Exception | None]:
        """Changes incidents.

        Raises:
            Unavailable: this replica owns no shard now.
        """
        return await self._told(await retry_on_conflict(lambda: self._store.act(batch, self._fence())))

    async def _told(self, acted: Acted) -> Sequence[Incident | Exception | None]:
        self._observer.happened(acted.tally)
        await self._hints.caused(acted.firings, ())
        await self._changed({answer.tenant for answer in acted.answers if isinstance(answer, Incident)})
        return acted.answers

    def _fence(self) -> Fence:
        return Fence(self._shards.owner, self._shards.held, self._clock.micros())


class Incidents:
    """Incidents of the caller's tenant."""

    def __init__(
        self,
        *,
        store: IncidentStore,
        trigger: Callable[[TriggerDraft], Awaitable[Incident | None]],
        trigger_all: Callable[[Sequence[TriggerDraft]], Awaitable[Sequence[Incident | Exception | None]]],
        take: Callable[[Sequence[TriggerDraft]], Awaitable[Sequence[Incident | Exception | None]]],
        act: Callable[[Act], Awaitable[Incident | None]],
        follow: Callable[[str], AbstractAsyncContextManager[AsyncIterator[bytes]]],
        woken: Callable[[], None],
        clock: Clock,
    ) -> None:
        """Takes what it stands on.

        Args:
            store: reads.
            trigger: commits a trigger, together with others that come at the same time.
            trigger_all: likewise several.
            take: commits triggers that belong together.
            act: likewise what somebody does to one.
            follow: wakes a watcher of a tenant.
            woken: tells the loop that takes steps that something may be due at another time.
            clock: source of time.
        """
        self._store = store
        self._trigger = trigger
        self._trigger_all = trigger_all
        self._take = take
        self._act = act
        self._follow = follow
        self._woken = woken
        self._clock = clock

    async def trigger(self, who: Answerer, draft: IncidentDraft, *, request_id: str) -> Incident:
        """Opens an incident, or counts one more trigger of the open one of the same key; the same request counts once.

        Raises:
            EscalationPolicyNotFound: there is no such policy.
            Unavailable: this replica owns no shard now.
        """
        answer = await self._trigger(TriggerDraft(self._begun(who.tenant, draft), who.by(), request_id))
        self._woken()
        return cast("Incident", answer)

    async def trigger_all(self, alerts: Sequence[tuple[str, AlertDraft, By]]) -> Sequence[Incident | Exception | None]:
        """Opens, counts and resolves for firings: of each (tenant, alert, who) the incident, None for the end of what is not open.

        What comes at the same time shares transactions, and an alert that cannot be kept costs nobody else.
        """
        now = self._clock.micros()
        drafts = [
            TriggerDraft(self._incident(tenant, alert.draft, made, now), by, alert.once, alert.event)
            for (tenant, alert, by), made in zip(alerts, new_ids(now, len(alerts)), strict=True)
        ]
        answers = await self._trigger_all(drafts)
        self._woken()
        return answers

    async def triggering(self, tenant: str, draft: IncidentDraft, *, by: By, request_id: str, event: AlertEvent) -> Incident | None:
        """The same for one alert; its error is raised."""
        (answer,) = await self.trigger_all([(tenant, AlertDraft(draft, event, request_id), by)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def take(self, tenant: str, alerts: Sequence[AlertDraft], by: By) -> Sequence[AlertAnswer]:
        """Opens, counts, acknowledges and resolves for what is no caller, all in one transaction."""
        now = self._clock.micros()
        begun = [self._incident(tenant, one.draft, made, now) for one, made in zip(alerts, new_ids(now, len(alerts)), strict=True)]
        answers = await self._take([TriggerDraft(one, by, alert.once, alert.event) for one, alert in zip(begun, alerts, strict=True)])
        self._woken()
        return [
            AlertAnswer(answer, isinstance(answer, Incident) and answer.id == one.id) for answer, one in zip(answers, begun, strict=True)
        ]

    def _begun(self, tenant: str, draft: IncidentDraft) -> Incident:
        now = self._clock.micros()
        return self._incident(tenant, draft, new_id(now), now)

    def _incident(self, tenant: str, draft: IncidentDraft, identity: str, now: Micros) -> Incident:
        return Incident(
            id=identity,
            tenant=tenant,
            shard=shard_of(identity),
            key=draft.key or identity,
            title=draft.title,
            description=draft.description,
            severity=draft.severity,
            policy=draft.policy,
            labels=dict(draft.labels),
            url=draft.url,
            source=draft.source,
            created=now,
            triggered=now,
        )

    async def get(self, tenant: str, incident: str) -> Incident:
        """The incident.

        Raises:
            IncidentNotFound: the tenant has none of that id.
        """
        return await self._store.get(tenant, incident)

    async def page(self, tenant: str, *, conditions: Sequence[Condition], before: str, size: int) -> Sequence[Incident]:
        """Incidents that meet all conditions, the newest first, behind an id."""
        return await self._store.page(tenant, conditions=conditions, before=before, size=size)

    async def timeline(self, tenant: str, incident: str, *, after: int, size: int) -> Sequence[IncidentEvent]:
        """Events of an incident behind a number.

        Raises:
            IncidentNotFound: the tenant has none of that id.
        """
        found = await self._store.timeline(tenant, incident, after=after, size=size)
        if not found:
            await self._store.get(tenant, incident)
        return found

    async def alerts(self, tenant: str, incident: str, *, after: str, size: int) -> Sequence[IncidentAlert]:
        """Alerts that an incident groups, behind a key.

        Raises:
            IncidentNotFound: the tenant has none of that id.
        """
        found = await self._store.alerts(tenant, incident, after=after, size=size)
        if not found:
            await self._store.get(tenant, incident)
        return found

    async def acknowledge(self, who: Answerer, incident: str, *, note: str = "") -> Incident:
        """Somebody has it: no later step is taken from here on."""
        return await self._do(who, incident, lambda one, _, at: acknowledged(one, who.by(note), at))

    async def unacknowledge(self, who: Answerer, incident: str, *, note: str = "") -> Incident:
        """Given back: its steps begin anew."""
        return await self._do(who, incident, lambda one, _, at: unacknowledged(one, who.by(note), at))

    async def resolve(self, who: Answerer, incident: str, *, note: str = "") -> Incident:
        """It is over."""
        return await self._do(who, incident, lambda one, _, at: resolved(one, who.by(note), at))

    async def snooze(
        self, who: Answerer, incident: str, *, until: Micros | None, length: Micros | None, note: str = "", request_id: str = ""
    ) -> Incident:
        """Puts it off; the same request does it once.

        Raises:
            InvalidInput: not exactly one of the two is given, or it ends too soon or too late.
            IncidentOver: it is resolved.
        """
        if (until is None) == (length is None):
            raise InvalidInput.at("until", "give either until or duration")
        now = self._clock.micros()
        end = now + length if length is not None else until or 0
        if not now < end <= now + MOST_SNOOZE:
            raise InvalidInput.at("until" if length is None else "duration", "must end in the future, and within 30 days")
        said = who.by(_with_note(f"until {from_micros(end):%Y-%m-%d %H:%M} UTC", note))
        return await self._do(who, incident, lambda one, _, at: snoozed(one, said, at, until=end), request_id=request_id)

    async def reassign(self, who: Answerer, incident: str, *, policy: str, targets: Sequence[str], note: str = "") -> Incident:
        """Gives it to another policy, or to recipients.

        Raises:
            InvalidInput: not exactly one of the two is given.
            EscalationPolicyNotFound: there is no such policy.
            IncidentOver: it is resolved.
        """
        if bool(policy) == bool(targets):
            raise InvalidInput.at("escalationPolicy", "give either escalationPolicy or targets")
        alone = EscalationPlan(steps=(EscalationStep(targets=tuple(targets)),))
        said = who.by(_with_note(", ".join(targets) or f"escalationPolicies/{policy}", note))

        def change(one: Incident, handed: Handed, at: Micros) -> IncidentChange:
            return reassigned(one, said, at, policy=policy, plan=handed.plan if policy else alone, turn=handed.turn)

        return await self._do(who, incident, change, policy=policy)

    async def note(self, who: Answerer, incident: str, *, note: str, request_id: str) -> Incident:
        """Writes something into its timeline; the same request does it once."""
        return await self._do(who, incident, lambda one, _, at: noted(one, who.by(note), at), request_id=request_id)

    async def merge(self, who: Answerer, incident: str, *, into: str, note: str = "") -> Incident:
        """Makes it part of another one.

        Raises:
            IncidentOver: one of the two is resolved, or part of another one already.
        """
        said = who.by(_with_note(f"incidents/{into}", note))
        return await self._do(who, incident, lambda one, _, at: merged(one, said, at, into=into), into=into)

    async def waiting(self, asked: Sequence[tuple[str, str]]) -> Sequence[bool]:
        """Of each incident (tenant, id) whether it waits for an answer."""
        found = await self._store.waiting(set(asked))
        return [one in found for one in asked]

    async def telling(self, asked: Sequence[tuple[str, str]]) -> Sequence[bool]:
        """Of each incident (tenant, id) whether a step of it is on its way to people."""
        found = await self._store.telling(set(asked))
        return [one in found for one in asked]

    async def _do(
        self,
        who: Answerer,
        incident: str,
        change: Callable[[Incident, Handed, Micros], IncidentChange],
        *,
        request_id: str = "",
        into: str = "",
        policy: str = "",
    ) -> Incident:
        def at_the_time(one: Incident, handed: Handed) -> IncidentChange:
            return change(one, handed, self._clock.micros())

        answer = await self._act(Act(who.tenant, incident, at_the_time, request_id, into, policy))
        self._woken()
        if answer is None:
            raise IncidentNotFound
        return answer

    async def watch(
        self, tenant: str, *, incident: str, after: IncidentCursor | None, most: Callable[[], int]
    ) -> AsyncGenerator[tuple[IncidentEvent, Incident]]:
        """Every event from the cursor on, or from now on, each with its incident as it is; never ends."""
        async with self._follow(tenant) as hints:
            cursor = after or (await self._store.now_at(), "", 0)
            while True:
                settled = await self._store.now_at()
                rows = most()
                page = await self._store.events(tenant, incident=incident, after=cursor, most=rows)
                for event in page:
                    cursor = (event.change, event.incident, event.number)
                    yield event, await self._store.get(tenant, event.incident)
                if len(page) < rows:
                    cursor = max(cursor, (settled, "", 0))
                    await anext(hints)


def _with_note(what: str, note: str) -> str:
    """What the timeline says of an answer: what was done, and why if somebody said so."""
    return f"{what}: {note}" if note else what
