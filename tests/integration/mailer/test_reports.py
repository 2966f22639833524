"""Telling the scheduler what became of messages: what went wrong, until it knows, and nothing else."""

from collections.abc import Sequence

import pytest

from mailer_svc.domain import DeliveryState, PendingReport, ReportKind, SendResult, StatusReport
from mailer_svc.ports import DeliveryQuery
from mailer_svc.service import Reporter
from mailer_svc.store import SqlReports
from tests.integration.mailer.stored import Store, new, settlement
from tests.integration.mailer.test_status_reports import reporting
from tocsin.errors import InvalidInput, Unavailable


class Scheduler:
    """Hears what it is told, unless it is away; one delivery it never takes."""

    def __init__(self) -> None:
        self.away = False
        self.refused = ""
        self.told: list[tuple[str, DeliveryState, int]] = []

    async def report(self, reports: Sequence[PendingReport]) -> None:
        if self.away:
            raise Unavailable("away")
        if any(report.delivery == self.refused for report in reports):
            raise InvalidInput("never")
        self.told += [(report.delivery, report.state, report.attempts) for report in reports]


async def ended(store: Store, number: int, result: SendResult) -> None:
    """A delivery that was attempted."""
    await store.journal.accept([new(number)])
    (job,) = await store.claim()
    await store.journal.settle(settlement(job, result, store.clock))


async def test_what_went_wrong_is_told_until_it_is_known(store: Store) -> None:
    """Not what was sent, and not before the scheduler is there; then once; what it never takes holds up no other."""
    scheduler = Scheduler()
    reporter = Reporter(reports=SqlReports(database=store.database), scheduler=scheduler, clock=store.clock)
    for number, result in enumerate((SendResult.SENT, SendResult.REFUSED, SendResult.DEFERRED, SendResult.UNKNOWN, SendResult.REFUSED), 1):
        await ended(store, number, result)
    scheduler.away = True
    with pytest.raises(Unavailable):
        await reporter.tell()
    scheduler.away, scheduler.refused = False, "d5"
    await reporter.tell()
    assert scheduler.told == [("d2", DeliveryState.DEAD, 1), ("d4", DeliveryState.OUTCOME_UNKNOWN, 1)]
    await reporter.tell()
    assert len(scheduler.told) == 2


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ([ReportKind.DELIVERED], []),
        ([ReportKind.NOTED], []),
        ([ReportKind.BOUNCED], [DeliveryState.BOUNCED]),
        ([ReportKind.DELIVERED, ReportKind.COMPLAINED], [DeliveryState.COMPLAINED]),
        ([ReportKind.BOUNCED, ReportKind.BOUNCED, ReportKind.DELIVERED], [DeliveryState.BOUNCED]),
        ([ReportKind.DROPPED], [DeliveryState.SUPPRESSED]),
    ],
)
async def test_what_far_ends_tell_later_is_told_on(store: Store, kinds: list[ReportKind], told: list[DeliveryState]) -> None:
    """That a message came back, was complained of or was dropped, once each; that it arrived is taken for granted."""
    scheduler = Scheduler()
    reporter = Reporter(reports=SqlReports(database=store.database), scheduler=scheduler, clock=store.clock)
    await ended(store, 1, SendResult.SENT)
    for kind in kinds:
        await reporting(store).report([StatusReport(kind=kind, delivery="d1", provider="far")])
        await reporter.tell()
    assert [state for _, state, _ in scheduler.told] == told


async def test_that_an_unknown_outcome_was_delivered_takes_the_word_back(store: Store) -> None:
    """What was told as unknown is known by the far end's report; the scheduler hears it."""
    scheduler = Scheduler()
    reporter = Reporter(reports=SqlReports(database=store.database), scheduler=scheduler, clock=store.clock)
    await ended(store, 1, SendResult.UNKNOWN)
    await reporter.tell()
    await reporting(store).report([StatusReport(kind=ReportKind.DELIVERED, delivery="d1", provider="far")])
    await reporter.tell()
    assert [state for _, state, _ in scheduler.told] == [DeliveryState.OUTCOME_UNKNOWN, DeliveryState.DELIVERED]


async def test_what_arrives_after_all_is_told_as_well(store: Store) -> None:
    """Another attempt takes the word back, and so does its success; a sender that vanished and a row that is force-ended are told."""
    scheduler = Scheduler()
    reporter = Reporter(reports=SqlReports(database=store.database), scheduler=scheduler, clock=store.clock)
    await ended(store, 1, SendResult.REFUSED)
    await reporter.tell()
    await store.clock.advance(1)
    assert await store.endings.retry(DeliveryQuery(tenant="t1"), channels=["email"], now=store.clock.micros(), limit=10) == ["d1"]
    await reporter.tell()
    (job,) = await store.claim()
    await store.journal.settle(settlement(job, SendResult.SENT, store.clock))
    await reporter.tell()
    assert scheduler.told == [("d1", DeliveryState.DEAD, 1), ("d1", DeliveryState.RETRYING, 1), ("d1", DeliveryState.SENT, 2)]
    scheduler.told.clear()
    await store.journal.accept([new(2)])
    (job,) = await store.claim()
    assert await store.journal.hand_over(job, "smtp")
    await store.clock.advance(31)
    await store.queue.expire_handed_over(now=store.clock.micros(), wait=1, limit=10)
    await store.queue.force_end("d1", state=DeliveryState.DEAD, now=store.clock.micros(), detail="odd")
    await reporter.tell()
    assert {(delivery, state) for delivery, state, _ in scheduler.told} == {
        ("d2", DeliveryState.OUTCOME_UNKNOWN),
        ("d1", DeliveryState.DEAD),
    }
