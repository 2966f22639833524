"""What can be done to deliveries in each of their states is what docs/states.md draws."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from typing import Final

from sqlalchemy import delete, select, update

from mailer_svc.domain import UNEXPANDED, WAITING, DeliveryState, NotificationState, SendJob, SendResult, TemplateUse
from mailer_svc.domain.people import SuppressionReason
from mailer_svc.domain.preferences import Preferences, QuietHours
from mailer_svc.domain.weeks import WeeklyWindow
from mailer_svc.ports import DeliveryQuery
from mailer_svc.store.people_tables import digests, notifications
from mailer_svc.store.tables import deliveries
from tests.integration.mailer.engine import make_engine
from tests.integration.mailer.stored import Store, new, settlement
from tests.integration.states import NOTHING, Edge, Witness, drawn

NAMES: Final = {int(state): state.name for state in DeliveryState}
Operation = Callable[[Store, SendJob], Awaitable[object]]


def settle(result: SendResult) -> Operation:
    """The outcome of an attempt."""
    return lambda store, job: store.journal.settle(settlement(job, result, store.clock))


def end(state: DeliveryState) -> Operation:
    """What becomes of a row that cannot be read."""
    return lambda store, job: store.queue.force_end(job.id, state=state, now=store.clock.micros(), detail="unreadable")


OPERATIONS: Final[dict[str, Operation]] = {
    "hand over": lambda store, job: store.journal.hand_over(job, "smtp"),
    "sender vanished": lambda store, _job: store.queue.expire_handed_over(now=store.clock.micros(), wait=1, limit=9),
    "retry": lambda store, _job: store.endings.retry(DeliveryQuery(tenant="t1"), channels=["email"], now=store.clock.micros(), limit=9),
    "expire": lambda store, _job: store.endings.expire_unclaimed(channels=["inbox"], before=2**60, now=2**60, limit=9),
    "clean up": lambda store, _job: store.housekeeping.clean(inbox_before=2**60, deliveries_before=2**60, limit=9),
    **{result.name: settle(result) for result in SendResult},
}


async def _through_the_gates(store: Store, witness: Witness) -> set[Edge]:
    """What the gates do: to what comes in, and to what they held; what the unreadable ends as; and what is forgotten."""
    engine = make_engine(store)
    await store.clock.advance(86400 - store.clock.micros() / 1e6 % 86400)
    times = tuple(WeeklyWindow(weekday=day, start=22 * 60, end=6 * 60) for day in range(1, 8))
    await engine.people("ann", "bob", "carl", wants=Preferences(quiet_hours=QuietHours(times=times)))
    await engine.people("dora")
    await engine.category("news", window=7 * 3600)
    everyone = tuple(f"recipients/{name}" for name in ("ann", "bob", "carl", "nobody"))
    await engine.send("n1", recipients=everyone, channels=("email", "inbox"))
    await engine.send("n2", recipients=("recipients/dora",), category="news")
    await engine.send("n3", recipients=("recipients/dora",), content=TemplateUse("gone", {}))
    await engine.suppress("bob@example.com", SuppressionReason.BOUNCE)
    async with store.database.transaction() as connection:
        await connection.execute(update(deliveries).where(deliveries.c.recipient_id == "carl").values(lane=77))
    await store.clock.advance(7 * 3600)
    await engine.releaser.release_due()
    await engine.closer.close_due()
    found = await witness.seen(NAMES)
    for state in DeliveryState:
        await store.journal.accept([new(9000 + state)])
        async with store.database.transaction() as connection:
            await connection.execute(update(deliveries).where(deliveries.c.id == f"d{9000 + state}").values(state=int(state)))
    await witness.forget()
    await store.housekeeping.clean(inbox_before=2**60, deliveries_before=2**60, limit=99)
    found |= await witness.seen(NAMES)
    async with store.database.transaction() as connection:
        await connection.execute(delete(deliveries))
    return found


async def test_deliveries(store: Store) -> None:
    """Everything in every state, with messages that may be sent twice and others; and how they come to be."""
    witness = Witness(store.database, schema="mailer_svc", table="deliveries")
    await witness.start()
    table = "deliveries" if store.database.dialect == "sqlite" else "mailer_svc.deliveries"
    await store.journal.accept([new(0, channel="inbox", kept=True), new(1)])
    found = await witness.seen(NAMES) | await _through_the_gates(store, witness)
    number = 1
    for state in DeliveryState:
        for name, operation in OPERATIONS.items():
            if name == SendResult.NOT_TRIED.name and state not in WAITING:
                continue  # whoever has handed a message over has tried
            for resend in (False, True):
                number, attempts = number + 1, int(state is not DeliveryState.ACCEPTED)
                await store.journal.accept([new(number, resend=resend)])
                (job,) = [job for job in await store.claim(limit=99) if job.id == f"d{number}"]
                async with store.database.transaction() as connection:
                    values = f"state = {int(state)}, attempts = {attempts}, due = {store.clock.micros()}"
                    await connection.exec_driver_sql(f"UPDATE {table} SET {values} WHERE id = '{job.id}'")  # noqa: S608  constants
                await witness.forget()
                await operation(store, replace(job, attempts=attempts))
                found |= await witness.seen(NAMES)
                async with store.database.transaction() as connection:
                    await connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608  a constant
    assert found == drawn("Delivery")


async def test_notifications(store: Store) -> None:
    """Everything in every state: expanded, found unreadable, cancelled, forgotten."""
    engine = make_engine(store)
    witness = Witness(store.database, schema="mailer_svc", table="notifications")
    await witness.start()
    names = {int(state): state.name for state in NotificationState}
    await engine.announce("n0", to=("ann@example.com",))
    found = await witness.seen(names)
    operations: tuple[Callable[[], Awaitable[object]], ...] = (
        engine.expand,
        lambda: engine.notifications.cancel(tenant="t1", id="n", now=store.clock.micros()),
        lambda: store.housekeeping.clean(inbox_before=2**60, deliveries_before=2**60, limit=9),
    )
    for state in NotificationState:
        for operation in operations:
            for content in ('{"type":"inline","subject":"a","text":"b","html":""}', "{"):
                async with store.database.transaction() as connection:
                    await connection.execute(delete(notifications))
                    await connection.execute(delete(deliveries))
                await engine.announce("n", to=("ann@example.com",))
                due = store.clock.micros() if state in UNEXPANDED else None
                async with store.database.transaction() as connection:
                    await connection.execute(update(notifications).values(state=int(state), content=content, due=due))
                await witness.forget()
                await operation()
                found |= await witness.seen(names)
    assert found == drawn("Notification")


async def test_digests(store: Store) -> None:
    """A digest is open, then closed, then forgotten."""
    engine = make_engine(store)
    await engine.people("ann")
    await engine.category("news", window=60)
    await engine.send(recipients=("recipients/ann",), category="news")
    seen = [await _digests(store)]
    for step in (lambda: store.clock.advance(60), engine.closer.close_due, lambda: store.clock.advance(1), lambda: _clean(store)):
        await step()
        seen.append(await _digests(store))
    edges = {(before, after) for before, after in pairwise([NOTHING, *seen, NOTHING]) if before != after}
    assert edges == drawn("Digest")


async def _clean(store: Store) -> None:
    now = store.clock.micros()
    await store.housekeeping.clean(inbox_before=now, deliveries_before=now, limit=9)


async def _digests(store: Store) -> str:
    async with store.database.read() as connection:
        rows = (await connection.execute(select(digests.c.closed))).all()
    return NOTHING if not rows else "OPEN" if rows[0].closed is None else "CLOSED"
