"""The audit of incidents: a good ledger has no findings, and whatever is spoiled in it is said exactly."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from scheduler_svc.domain import Outcome
from scheduler_svc.domain.escalation import EscalationPlan, EscalationPolicy, EscalationStep
from scheduler_svc.domain.incidents import Incident, IncidentChange, IncidentNotFound, acknowledged, merged, reassigned, resolved, snoozed
from scheduler_svc.domain.matchers import SilenceMatcher
from scheduler_svc.domain.silences import Silence
from scheduler_svc.service import Audits
from scheduler_svc.service.audit import AuditFinding, FindingKind, Summary
from scheduler_svc.store import SqlAuditStore, SqlIncidentAuditStore
from tests.integration.scheduler.stores import NOW, Stores
from tests.integration.scheduler.test_store_incidents import ANN, Kept
from tests.integration.scheduler.timetable import T1
from tocsin.clock import HOUR, MINUTE, SECOND
from tocsin.errors import InvalidInput
from tocsin.testing.clock import FakeClock

STEPS = tuple(EscalationStep(targets=(f"recipients/{name}",)) for name in ("ann", "bea", "cid"))


class Night:
    """A tenant's incidents, which a test lets go on minute by minute, and their audit."""

    def __init__(self, stores: Stores, clock: FakeClock) -> None:
        self.kept = Kept(stores)
        self.clock = clock
        self.now = NOW
        self.audits = Audits(
            store=SqlAuditStore(stores.database),
            incidents=SqlIncidentAuditStore(stores.database),
            clock=clock,
            ledger_days=0,
            incident_days=1,
        )

    async def policy(self, **fields: Any) -> None:
        """Three steps, five minutes apart, named "p"."""
        plan = EscalationPlan(steps=STEPS, **fields)
        await self.kept.policies.create(EscalationPolicy(id="p", tenant="t1", plan=plan))

    async def change_policy(self, plan: EscalationPlan) -> None:
        """The policy says something else from now on."""
        await self.kept.policies.replace(EscalationPolicy(id="p", tenant="t1", plan=plan, version=2), version=1)

    async def trigger(self, key: str) -> str:
        """Opens an incident; its id."""
        return (await self.kept.trigger(key, now=self.now))[0].id

    async def act(self, identity: str, change: Callable[[Any], Any], **fields: Any) -> None:
        """Somebody does something to it."""
        await self.kept.act(identity, change, now=self.now, **fields)

    async def pass_minutes(self, minutes: float) -> None:
        """Lets what is due happen at its time."""
        end = self.now + round(minutes * MINUTE)
        while True:
            wake = await self.kept.incidents.next_wake(list(self.kept.stores.held))
            if wake is None or wake > end:
                break
            self.now = max(self.now, wake)
            for _, identity, _ in await self.kept.incidents.due(list(self.kept.stores.held), until=self.now, most=100):
                await self.kept.act(identity, _nothing, now=self.now)
        self.now = end
        await self.clock.advance((end - self.clock.micros()) / SECOND)

    async def audit(self, *, start: int = NOW - HOUR, end: int | None = None, incident: str = "") -> tuple[list[AuditFinding], Summary]:
        """The findings and the summary."""
        told = [item async for item in self.audits.audit(T1, start=start, end=end, incident=incident)]
        summary = told.pop()
        assert isinstance(summary, Summary)
        return [item for item in told if isinstance(item, AuditFinding)], summary

    async def spoil(self, statement: str, **values: Any) -> int:
        """Changes what is stored; how many rows."""
        async with self.kept.stores.database.transaction() as connection:
            return (await connection.execute(text(statement), values)).rowcount


def _nothing(one: Incident) -> IncidentChange:
    return IncidentChange(one)


@pytest.fixture
def night(stores: Stores, clock: FakeClock) -> Night:
    """One."""
    return Night(stores, clock)


async def a_busy_night(night: Night) -> dict[str, str]:
    """Incidents of every sort, by name; each goes on as it should."""
    await night.policy(repeat=1, unacknowledge_after=20 * MINUTE)
    ids = {name: await night.trigger(name) for name in ("alone", "answered", "snoozed", "moved", "part", "silenced")}
    await night.pass_minutes(1)
    await night.act(ids["answered"], lambda one: acknowledged(one, ANN, night.now))
    await night.act(ids["snoozed"], lambda one: snoozed(one, ANN, night.now, until=night.now + 30 * MINUTE))
    await night.act(ids["part"], lambda one: merged(one, ANN, night.now, into=ids["answered"]), into=ids["answered"])
    matcher = SilenceMatcher("dedupKey", "silenced")
    silence = Silence(
        id="s", tenant="t1", matchers=(matcher,), start=night.now, end=NOW + 12 * MINUTE, comment="", author="", created=night.now
    )
    await night.kept.silences.create(silence, now=night.now)
    await night.change_policy(EscalationPlan(steps=STEPS[:1]))
    await night.pass_minutes(7)
    other = EscalationPlan(steps=STEPS[1:])
    await night.act(ids["moved"], lambda one: reassigned(one, ANN, night.now, policy="q", plan=other))
    await night.pass_minutes(60)
    await night.act(ids["answered"], lambda one: resolved(one, ANN, night.now))
    await night.pass_minutes(5)
    return ids


async def test_a_good_night_has_no_findings(night: Night) -> None:
    """Whatever people did, and although the policy says something else by now: each step and message is accounted for."""
    ids = await a_busy_night(night)
    findings, summary = await night.audit()
    assert findings == []
    assert (summary.incidents, summary.unreadable) == (6, 0)
    assert summary.expected == summary.found == summary.steps == sum(summary.outcomes.values()) > 25
    assert summary.outcomes["SKIPPED"] == 1
    findings, alone = await night.audit(incident=ids["alone"])
    assert (findings, alone.incidents, alone.steps) == ([], 1, 6)
    findings, part = await night.audit(start=NOW + 4 * MINUTE, end=NOW + 6 * MINUTE, incident=ids["alone"])
    assert (findings, part.steps) == ([], 1)


@pytest.mark.parametrize(
    ("statement", "kind", "step", "detail"),
    [
        ("DELETE FROM firings WHERE id = :second", FindingKind.MISSING, 2, "the ledger has no row"),
        ("UPDATE firings SET due_at = due_at + 60000000 WHERE id = :second", FindingKind.WRONG_TIME, 2, "was meant"),
        (
            f"UPDATE firings SET outcome = {Outcome.SKIPPED:d}, reason = 'SILENCED' WHERE id = :second",  # noqa: S608  a constant
            FindingKind.UNEXPECTED,
            2,
            "the ledger says",
        ),
        ("UPDATE incident_events SET firing = '' WHERE firing = :second", FindingKind.UNEXPECTED, 0, "no timeline names it"),
        ("DELETE FROM incident_events WHERE firing = :second", FindingKind.UNEXPECTED, 0, "no timeline names it"),
        ("UPDATE incident_events SET kind = 5 WHERE incident = :alone AND number = 1", FindingKind.AFTER_ANSWER, 2, "it was acknowledged"),
        ("UPDATE incident_events SET step = 4 WHERE firing = :second", FindingKind.UNEXPECTED, 5, "step 2 was the next one"),
    ],
)
async def test_it_says_what_is_spoiled(night: Night, statement: str, kind: FindingKind, step: int, detail: str) -> None:
    """A row that is lost, moved, or says something else; a step that nobody wrote down, out of turn, or after an answer."""
    await night.policy()
    alone, beside = await night.trigger("alone"), await night.trigger("beside")
    await night.pass_minutes(30)
    async with night.kept.stores.database.read() as connection:
        query = text("SELECT firing FROM incident_events WHERE incident = :alone AND firing <> '' ORDER BY number")
        named = [row[0] for row in await connection.execute(query, {"alone": alone})]
    values = {name: value for name, value in (("second", named[1]), ("alone", alone)) if f":{name}" in statement}
    await night.spoil(statement, **values)
    findings, summary = await night.audit()
    assert any((found.kind, found.step) == (kind, step) and detail in found.detail for found in findings), findings
    assert {found.incident for found in findings} == {alone}
    assert summary.missing + summary.unexpected == len(findings)
    assert (await night.audit(incident=beside))[0] == []


async def test_a_step_that_nobody_took_is_missing(night: Night) -> None:
    """Also one that is still to come by what the incident says of itself; and what is on its way is not."""
    await night.policy()
    alone = await night.trigger("alone")
    await night.clock.advance(5 * 60 + 59)
    assert (await night.audit())[0] == []
    await night.clock.advance(2)
    ((found,), summary) = await night.audit()
    assert (found.kind, found.incident, found.due, found.step) == (FindingKind.MISSING, alone, NOW + 5 * MINUTE, 2)
    assert (summary.expected, summary.found, summary.missing) == (2, 1, 1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE incidents SET document = '{' WHERE id = :alone",
        "UPDATE incident_events SET kind = 99 WHERE incident = :alone",
        "UPDATE incident_events SET actor = 'moons/full', kind = 3 WHERE incident = :alone AND number = 1",
        "UPDATE incident_events SET kind = 8, facts = '[' WHERE incident = :alone AND number = 1",
        "UPDATE incident_events SET kind = 10 WHERE incident = :alone AND number = 1",
    ],
)
async def test_what_it_cannot_judge_is_said(night: Night, statement: str) -> None:
    """A kind of event, or something that holds steps back, that it does not know is not taken for good; and costs only that incident."""
    await night.policy()
    alone, _ = await night.trigger("alone"), await night.trigger("beside")
    await night.pass_minutes(30)
    await night.spoil(statement, alone=alone)
    findings, summary = await night.audit()
    assert (findings, summary.unreadable, summary.incidents, summary.steps) == ([], 1, 1, 3)


async def test_incidents_go_page_by_page(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the pages, nothing is seen twice or passed over."""
    for name in ("_INCIDENTS", "_EVENTS", "_ROWS"):
        monkeypatch.setattr(f"scheduler_svc.service.audit.escalations.{name}", 3)
    await a_busy_night(night)
    whole = (await night.audit())[1]
    assert (whole.incidents, whole.missing, whole.unexpected) == (6, 0, 0)
    gone = await night.spoil("DELETE FROM incident_events WHERE kind = 2")
    findings, summary = await night.audit()
    assert sum(found.detail == "no timeline names it" for found in findings) == gone > 15
    assert summary.found == whole.found


async def test_what_may_be_cleaned_up_is_not_missed(night: Night) -> None:
    """Incidents that are over may be gone sooner than their rows in the ledger: before that time nobody can say what had to be."""
    await night.policy()
    alone = await night.trigger("alone")
    await night.act(alone, lambda one: resolved(one, ANN, night.now))
    await night.pass_minutes(25 * 60)
    await night.spoil("DELETE FROM incidents")
    await night.spoil("DELETE FROM incident_events")
    findings, summary = await night.audit()
    assert (findings, summary.steps) == ([], 0)


async def test_it_is_asked_for_one_thing(night: Night) -> None:
    """An alarm and an incident at once is a mistake; an incident of nobody's is not found."""
    with pytest.raises(InvalidInput, match="incident"):
        _ = [item async for item in night.audits.audit(T1, start=NOW - HOUR, end=None, alarm="a", incident="b")]
    with pytest.raises(IncidentNotFound):
        await night.audit(start=NOW - HOUR, end=NOW - MINUTE, incident="b")
