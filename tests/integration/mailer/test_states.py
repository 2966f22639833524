"""What can be done to deliveries in each of their states is what docs/states.md draws."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from mailer_svc.domain import WAITING, DeliveryState, SendJob, SendResult
from mailer_svc.ports import DeliveryQuery
from tests.integration.mailer.stored import Store, new, settlement
from tests.integration.states import Witness, drawn

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


async def test_deliveries(store: Store) -> None:
    """Everything in every state, with messages that may be sent twice and others; and how they come to be."""
    witness = Witness(store.database, schema="mailer_svc", table="deliveries")
    await witness.start()
    table = "deliveries" if store.database.dialect == "sqlite" else "mailer_svc.deliveries"
    await store.journal.accept([new(0, channel="inbox", kept=True), new(1)])
    found = await witness.seen(NAMES)
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
