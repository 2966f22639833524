"""What far ends tell of messages: states by rank, every report in the timeline, addresses suppressed; on each database."""

import asyncio
import random
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from mailer_svc.domain import DeliveryState, ReportKind, SendResult, StatusReport
from mailer_svc.domain.people import AddressState, SuppressionReason
from mailer_svc.service import StatusReporting
from mailer_svc.store import SqlStatusReports
from mailer_svc.store.people_tables import addresses, suppressions
from mailer_svc.store.tables import deliveries
from tests.integration.mailer.stored import Store, new, settlement

S, K = DeliveryState, ReportKind


class PublisherStub:
    """Counts nothing and tells nobody."""

    @property
    def meter(self) -> Any:
        """Itself."""
        return self

    def settled(self, *_: Any) -> None:
        """Says nothing."""

    async def changed(self, tenant: str) -> None:
        """Says nothing."""


def reporting(store: Store) -> StatusReporting:
    """The use case on a store."""
    publisher: Any = PublisherStub()
    records = SqlStatusReports(database=store.database, order=store.order)
    return StatusReporting(store=records, publisher=publisher, clock=store.clock, new_id=lambda: str(random.random()))


async def sent(store: Store, **fields: Any) -> str:
    """The id of a delivery that was sent."""
    await store.journal.accept([new(1, **fields)])
    (job,) = await store.claim()
    await store.journal.hand_over(job, "smtp")
    await store.journal.settle(settlement(job, SendResult.SENT, store.clock))
    return job.id


async def timeline(store: Store) -> list[tuple[DeliveryState, str]]:
    """The states and details of the delivery's timeline, after it was sent."""
    found = await store.reader.get(tenant="t1", id="d1")
    assert found is not None
    return [(event.state, event.detail) for event in found.timeline][3:]


async def suppressed(store: Store) -> list[tuple[str, str, int]]:
    """Address, category and reason of each suppression."""
    query = select(suppressions.c.address, suppressions.c.category, suppressions.c.reason)
    async with store.database.read() as connection:
        return [tuple(row) for row in await connection.execute(query)]


def report(kind: ReportKind, **fields: Any) -> StatusReport:
    """A report of the delivery ``d1``."""
    values: dict[str, Any] = {"kind": kind, "delivery": "d1", "provider": "far", **fields}
    return StatusReport(**values)


@pytest.mark.parametrize(
    ("kinds", "states"),
    [
        ([K.DELIVERED], [S.DELIVERED]),
        ([K.NOTED, K.DELIVERED, K.NOTED], [S.SENT, S.DELIVERED, S.DELIVERED]),
        ([K.BOUNCED, K.DELIVERED], [S.BOUNCED, S.BOUNCED]),
        ([K.DELIVERED, K.BOUNCED, K.COMPLAINED], [S.DELIVERED, S.BOUNCED, S.COMPLAINED]),
        ([K.COMPLAINED, K.DELIVERED, K.BOUNCED], [S.COMPLAINED] * 3),
        ([K.DROPPED, K.DELIVERED], [S.SUPPRESSED, S.SUPPRESSED]),
        ([K.UNSUBSCRIBED], [S.SENT]),
    ],
)
async def test_reports_move_a_delivery_by_rank_and_never_back(store: Store, kinds: list[ReportKind], states: list[DeliveryState]) -> None:
    """In whatever order they come, at once or one by one; each stands in the timeline with its words."""
    await sent(store)
    assert await reporting(store).report([report(kind, detail=f"words {n}") for n, kind in enumerate(kinds)]) == len(kinds)
    assert await timeline(store) == [(state, f"words {n}") for n, state in enumerate(states)]
    assert await store.state("d1") is states[-1]
    assert await store.claim() == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (report(K.BOUNCED, detail="550 no such user"), [("ann@example.com", "", SuppressionReason.BOUNCE)]),
        (report(K.BOUNCED, soft=True), []),
        (report(K.COMPLAINED), [("ann@example.com", "", SuppressionReason.COMPLAINT)]),
        (report(K.UNSUBSCRIBED), [("ann@example.com", "news", SuppressionReason.UNSUBSCRIBE)]),
        (report(K.DELIVERED), []),
        (report(K.DROPPED), []),
        (report(K.NOTED), []),
    ],
)
async def test_who_bounces_or_complains_gets_no_more(store: Store, told: StatusReport, expected: list[Any]) -> None:
    """At the first time; a hard bounce retires the recipient's address as well; a soft one is noted."""
    row = {"id": "a1", "recipient": "ann", "channel": "email", "value": "ann@example.com", "state": int(AddressState.ACTIVE)}
    rest = {
        "reason": "",
        "code_hash": "",
        "code_expires": 0,
        "code_attempts": 0,
        "code_sent": 0,
        "created": 0,
        "updated": 0,
        "last_seen": 0,
    }
    async with store.database.transaction() as connection:
        await connection.execute(insert(addresses).values(tenant="t1", **row, **rest))
    await sent(store, category="news")
    for _ in range(2):
        await reporting(store).report([told])
    assert await suppressed(store) == expected
    async with store.database.read() as connection:
        (state, reason) = (await connection.execute(select(addresses.c.state, addresses.c.reason))).one()
    gone = told.kind is K.BOUNCED and not told.soft
    assert (state, reason) == ((AddressState.RETIRED, "550 no such user") if gone else (AddressState.ACTIVE, ""))


async def test_a_report_that_comes_again_changes_nothing(store: Store) -> None:
    """By the id that the provider gives it, in one call, in many, and at the same time; another provider's same id is another."""
    await sent(store)
    told = [report(K.DELIVERED, event="e1")] * 3
    counts = await asyncio.gather(*(reporting(store).report(told) for _ in range(4)))
    assert sorted(counts) == [0, 0, 0, 1]
    assert await reporting(store).report([report(K.NOTED, event="e1", provider="other")]) == 1
    assert len(await timeline(store)) == 2


async def test_reports_of_nobody_are_dropped(store: Store) -> None:
    """Unknown ids and references, odd ones, and none; those of others in the same call count."""
    await sent(store)
    async with store.database.transaction() as connection:
        await connection.execute(update(deliveries).values(reference="ref-1"))
    told = [
        report(K.DELIVERED, delivery="nobody"),
        report(K.DELIVERED, delivery="\0\ud800", event="\0"),
        report(K.DELIVERED, delivery="", reference="unknown"),
        report(K.DELIVERED, delivery=""),
        report(K.NOTED, delivery="", reference="ref-1", detail="\0 and \ud800"),
    ]
    assert await reporting(store).report(told) == 1
    assert len(await timeline(store)) == 1


@pytest.mark.parametrize("moment", ["waiting", "handed over"])
async def test_a_report_that_overtakes_the_outcome(store: Store, moment: str) -> None:
    """What was handed over may be told of before its outcome is stored, which then changes nothing; what waits is sent all the same."""
    await store.journal.accept([new(1)])
    (job,) = await store.claim()
    if moment == "handed over":
        await store.journal.hand_over(job, "smtp")
    await reporting(store).report([report(K.DELIVERED)])
    if moment == "waiting":
        assert await store.state("d1") is S.ACCEPTED
        assert await store.journal.hand_over(job, "smtp")
    else:
        assert await store.journal.settle(settlement(job, SendResult.SENT, store.clock)) is False
        assert await store.state("d1") is S.DELIVERED
