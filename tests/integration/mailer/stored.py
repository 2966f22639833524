"""The mailer's store on a database, and what is put into it."""

from dataclasses import dataclass
from typing import Any

from mailer_svc.domain import (
    Content,
    DeliveryState,
    NewDelivery,
    Priority,
    RetrySchedule,
    SendOutcome,
    SendResult,
    next_step,
)
from mailer_svc.ports import Settlement
from mailer_svc.store import (
    ChangeOrder,
    SqlDeliveryEndings,
    SqlDeliveryHousekeepingStore,
    SqlDeliveryQueue,
    SqlDeliveryReader,
    SqlInboxReader,
    SqlJournal,
    SqlTemplateStore,
)
from mailer_svc.store.quotas import MessageQuotas
from tocsin.database import Database
from tocsin.testing.clock import FakeClock

LEASE = 30_000_000


@dataclass(frozen=True)
class Store:
    """Everything on one database."""

    clock: FakeClock
    database: Database
    order: ChangeOrder
    journal: SqlJournal
    queue: SqlDeliveryQueue
    endings: SqlDeliveryEndings
    reader: SqlDeliveryReader
    inbox: SqlInboxReader
    housekeeping: SqlDeliveryHousekeepingStore
    templates: SqlTemplateStore

    async def claim(self, owner: str = "a", priority: Priority = Priority.NORMAL, limit: int = 10) -> list[Any]:
        return (await self.queue.claim_due(owner=owner, priority=priority, limit=limit, now=self.clock.micros(), lease=LEASE)).jobs

    async def state(self, delivery: str) -> DeliveryState:
        found = await self.reader.get(tenant="t1", id=delivery)
        assert found is not None
        return found.state


async def make(url: str, clock: FakeClock, *, quotas: MessageQuotas | None = None, **given: Any) -> Store:
    """A migrated database with everything on it."""
    database = Database(url=url, clock=clock, schema="mailer_svc", migrations="mailer_svc", **given)
    await database.start()
    order = ChangeOrder(database)
    journal = SqlJournal(database=database, clock=clock, order=order, quotas=quotas)
    try:
        await journal.start()
    except BaseException:
        await database.stop()
        raise
    return Store(
        clock=clock,
        database=database,
        order=order,
        journal=journal,
        queue=SqlDeliveryQueue(channel="email", database=database, order=order),
        endings=SqlDeliveryEndings(database=database, order=order),
        reader=SqlDeliveryReader(database=database, order=order),
        inbox=SqlInboxReader(database=database),
        housekeeping=SqlDeliveryHousekeepingStore(database=database),
        templates=SqlTemplateStore(database=database),
    )


def new(number: int = 1, **fields: Any) -> NewDelivery:
    """A delivery to be stored; ``fields`` replace its own."""
    values: dict[str, Any] = {
        "id": f"d{number}",
        "tenant": "t1",
        "firing": f"f{number}",
        "alarm": "alarms/a",
        "channel": "email",
        "to": "ann@example.com",
        "priority": Priority.NORMAL,
        "content": Content("Grüße ☎", "Text 'x'", "<p>\U0001f514</p>"),
        "message_id": f"<d{number}@example.org>",
        "resend": False,
        "traceparent": "",
    }
    return NewDelivery(**{**values, **fields})


def settlement(job: Any, result: SendResult, clock: FakeClock) -> Settlement:
    """How an attempt at ``job`` ended, without jitter."""
    step = next_step(job, SendOutcome(result, 250, "words"), rule=RetrySchedule(), now=clock.micros(), draw=lambda: 0.0)
    return Settlement(job=job, step=step, provider="smtp")
