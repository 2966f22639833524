"""The audit of groups and dependencies: what people heard of a group, and what held back whom."""

from typing import Any

import pytest
from sqlalchemy import text

from scheduler_svc.domain.incident_words import By
from scheduler_svc.domain.incidents import acknowledged, resolved
from scheduler_svc.domain.matchers import SilenceMatcher
from scheduler_svc.service import Audits
from scheduler_svc.service.audit import AuditFinding, FindingKind, Summary
from scheduler_svc.store import SqlAuditStore, SqlIncidentAuditStore
from tests.integration.scheduler.groups import WAIT, Kept, alone, draft
from tests.integration.scheduler.stores import NOW, Stores
from tests.integration.scheduler.timetable import T1
from tocsin.clock import HOUR, MINUTE, SECOND
from tocsin.testing.clock import FakeClock

ANN = By("recipients/ann")
LATER = (
    "UPDATE incidents SET document = replace(document, '\"created\":' || created_at, '\"created\":' || (created_at + 1200000000)) "
    "WHERE id = :which"
)
"""It was opened twenty minutes later than it was."""


class Evening:
    """A tenant with groups, a dependency, and an audit after an hour."""

    def __init__(self, stores: Stores, clock: FakeClock) -> None:
        self.kept = Kept(stores)
        self.clock = clock
        self.audits = Audits(
            store=SqlAuditStore(stores.database),
            incidents=SqlIncidentAuditStore(stores.database),
            clock=clock,
            ledger_days=0,
            incident_days=1,
        )

    async def goes_by(self) -> dict[str, str]:
        """A group that is told twice of what is new, one that is over in its wait, and an incident that depends on another; their ids."""
        kept = self.kept
        await kept.start()
        await kept.depend(target=(SilenceMatcher("layer", "app"),))
        [group, over] = await kept.trigger(draft("a"), draft("z", labels={"cluster": "b"}))
        await kept.trigger(draft("z", labels={"cluster": "b"}, ends=True), now=NOW + SECOND)
        await kept.due(NOW + WAIT)
        await kept.trigger(draft("b"), draft("c"), now=NOW + MINUTE)
        await kept.trigger(draft("b", ends=True), now=NOW + 2 * MINUTE)
        await kept.due(NOW + WAIT + 5 * MINUTE)
        await kept.act(group.id, lambda one: acknowledged(one, ANN, NOW + 6 * MINUTE), now=NOW + 6 * MINUTE)
        await kept.trigger(draft("d"), now=NOW + 7 * MINUTE)
        await kept.due(NOW + WAIT + 10 * MINUTE)
        [source] = await kept.trigger(alone("down", labels={"alertname": "ClusterDown", "cluster": "a"}), now=NOW + 11 * MINUTE)
        [held] = await kept.trigger(alone("app", labels={"layer": "app", "cluster": "a"}), now=NOW + 12 * MINUTE)
        await kept.act(source.id, lambda one: resolved(one, ANN, NOW + 20 * MINUTE), now=NOW + 20 * MINUTE)
        await kept.due(NOW + 20 * MINUTE)
        await kept.act(held.id, lambda one: resolved(one, ANN, NOW + 21 * MINUTE), now=NOW + 21 * MINUTE)
        await self.clock.advance(3600)
        return {"group": group.id, "over": over.id, "source": source.id, "held": held.id}

    async def audit(self) -> tuple[list[AuditFinding], Summary]:
        """The findings and the summary."""
        told = [item async for item in self.audits.audit(T1, start=NOW - HOUR, end=None)]
        summary = told.pop()
        assert isinstance(summary, Summary)
        return [item for item in told if isinstance(item, AuditFinding)], summary

    async def spoil(self, statement: str, **values: Any) -> None:
        """Changes what is stored."""
        async with self.kept.stores.database.transaction() as connection:
            assert (await connection.execute(text(statement), values)).rowcount == 1


@pytest.fixture
def evening(stores: Stores, clock: FakeClock) -> Evening:
    """One."""
    return Evening(stores, clock)


async def test_groups_and_dependencies_that_held_have_no_findings(evening: Evening) -> None:
    """Each message, what was held back, and the group that told nobody."""
    await evening.goes_by()
    findings, summary = await evening.audit()
    assert findings == []
    assert (summary.incidents, summary.unreadable, summary.outcomes["SKIPPED"]) == (4, 0, 2)


@pytest.mark.parametrize(
    ("statement", "which", "kind", "detail"),
    [
        (
            "DELETE FROM firings WHERE id = (SELECT firing FROM incident_events WHERE incident = :which AND note = '2 more alerts')",
            "group",
            FindingKind.MISSING,
            "no row of the message",
        ),
        (
            (
                "UPDATE firings SET due_at = due_at - 60000000 "
                "WHERE id = (SELECT firing FROM incident_events WHERE incident = :which AND note = '2 more alerts')"
            ),
            "group",
            FindingKind.WRONG_TIME,
            "was due at",
        ),
        (
            "UPDATE incident_events SET note = '3 more alerts' WHERE incident = :which AND note = '2 more alerts'",
            "group",
            FindingKind.UNEXPECTED,
            "'2 more alerts' was meant",
        ),
        (
            "DELETE FROM incident_events WHERE incident = :which AND note = '1 more alert'",
            "group",
            FindingKind.MISSING,
            "did not hear what is new",
        ),
        (
            "DELETE FROM incident_events WHERE incident = :which AND kind = 14 AND note = 'd'",
            "group",
            FindingKind.UNEXPECTED,
            "was meant",
        ),
        (LATER, "source", FindingKind.UNEXPECTED, "was not open then"),
    ],
)
async def test_it_says_what_is_wrong_with_groups_and_dependencies(
    evening: Evening, statement: str, which: str, kind: FindingKind, detail: str
) -> None:
    """A message that is lost, early, tells something else or of nothing; a cause that was not there."""
    ids = await evening.goes_by()
    await evening.spoil(statement, which=ids[which])
    findings, _ = await evening.audit()
    assert any(found.kind is kind and detail in found.detail for found in findings), findings


async def test_what_is_held_back_by_what_is_over_is_missing(evening: Evening) -> None:
    """Nobody looked at it again."""
    kept = evening.kept
    await kept.start()
    await kept.depend(target=(SilenceMatcher("layer", "app"),))
    [source, held] = await kept.trigger(
        alone("down", labels={"alertname": "ClusterDown", "cluster": "a"}), alone("app", labels={"layer": "app", "cluster": "a"})
    )
    await evening.clock.advance(60)
    assert (await evening.audit())[0] == []
    await kept.act(source.id, lambda one: resolved(one, ANN, NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)
    await evening.clock.advance(600)
    found = [finding for finding in (await evening.audit())[0] if finding.incident == held.id]
    assert [(one.kind, one.due, one.detail) for one in found] == [
        (FindingKind.MISSING, NOW + 2 * MINUTE, f"incidents/{source.id} holds it back no more")
    ]
