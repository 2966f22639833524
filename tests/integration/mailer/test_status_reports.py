"""What far ends tell of messages: states by rank, every report in the timeline, addresses suppressed; on each database."""

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from mailer_svc.domain import DeliveryState, Recipient, RecipientAddress, ReportKind, SendResult, StatusReport
from mailer_svc.domain.people import AddressState, Suppression, SuppressionReason
from mailer_svc.service import StatusReporting
from mailer_svc.store import SqlRecipients, SqlStatusReports, SqlSuppressions
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
        (report(K.OPTED_OUT), [("ann@example.com", "", SuppressionReason.UNSUBSCRIBE)]),
        (report(K.DROPPED), [("ann@example.com", "", SuppressionReason.PROVIDER)]),
        (report(K.DROPPED, soft=True), []),
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


@pytest.mark.parametrize(
    ("kind", "stays"),
    [
        (K.DELIVERED, {"bounce", "manual", "complaint", "unsubscribe", "manual that ends", "bounce of news", "elsewhere"}),
        (K.OPTED_IN, {"bounce", "manual", "complaint", "manual that ends", "bounce that ends", "bounce of news", "provider", "elsewhere"}),
        (K.NOTED, None),
    ],
)
async def test_a_success_lifts_what_nobody_decided_on(store: Store, kind: ReportKind, stays: set[str] | None) -> None:
    """A soft suppression by a bounce or a provider; not what would last, what a person decided, what is of a category, another tenant's."""
    end, kinds = store.clock.micros() + 10**9, SuppressionReason
    table = {
        "bounce": ("t1", "", kinds.BOUNCE, None),
        "bounce that ends": ("t1", "", kinds.BOUNCE, end),
        "bounce of news": ("t1", "news", kinds.BOUNCE, end),
        "provider": ("t1", "", kinds.PROVIDER, end),
        "manual": ("t1", "", kinds.MANUAL, None),
        "manual that ends": ("t1", "", kinds.MANUAL, end),
        "complaint": ("t1", "", kinds.COMPLAINT, None),
        "unsubscribe": ("t1", "", kinds.UNSUBSCRIBE, None),
        "elsewhere": ("t2", "", kinds.BOUNCE, end),
    }
    await sent(store)
    left: set[str] = set()
    for name, (tenant, category, reason, until) in table.items():
        kept = Suppression(
            tenant=tenant, id=name, channel="email", address="ann@example.com", category=category, reason=reason, until=until
        )
        await SqlSuppressions(database=store.database).add([kept])
        await reporting(store).report([report(kind)])
        async with store.database.transaction() as connection:
            left |= set((await connection.execute(select(suppressions.c.id))).scalars())
            await connection.execute(delete(suppressions))
    assert left == (set(table) if stays is None else stays)


async def test_what_an_owner_tells_the_provider_is_of_every_tenant_that_has_the_address(store: Store) -> None:
    """Where the provider is everybody's, of those who have a recipient or a suppression of it; of one tenant's own, of that tenant."""
    people = SqlRecipients(database=store.database)
    for tenant in ("t1", "t2"):
        owned = RecipientAddress(id=tenant, channel="sms", value="+4915112345678", state=AddressState.ACTIVE)
        await people.create(Recipient(tenant=tenant, id="ann", addresses=(owned,)))
    told = StatusReport(kind=K.OPTED_OUT, provider="twilio", channel="sms", address="+4915112345678", event="stop")
    assert await reporting(store).report([told, told]) == 2
    assert await suppressed(store) == [("+4915112345678", "", SuppressionReason.UNSUBSCRIBE)] * 2
    again = replace(told, kind=K.OPTED_IN, event="start")
    assert await reporting(store).report([again], tenant="t1") == 1
    assert len(await suppressed(store)) == 1
    await reporting(store).report([replace(again, event="start again")])
    assert await suppressed(store) == []
    async with store.database.read() as connection:
        assert set((await connection.execute(select(addresses.c.state))).scalars()) == {AddressState.ACTIVE}


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
