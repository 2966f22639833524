"""The journal: concurrent batches and marks share transactions. What is critical shares none with the rest, and waits for none of it."""

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select, union_all

from mailer_svc.domain import Advance, NewDelivery, Notification, SendJob
from mailer_svc.ports import Settlement
from mailer_svc.store.accepting import AcceptanceBatch, AcceptanceLog
from mailer_svc.store.changes import ChangeOrder
from mailer_svc.store.notifications import NotificationLog
from mailer_svc.store.people_tables import notifications
from mailer_svc.store.progress import Mark, Progress, ProgressLog
from mailer_svc.store.quotas import MessageQuotas
from mailer_svc.store.tables import deliveries
from tocsin.clock import Clock
from tocsin.database import Database, GroupCommit
from tocsin.errors import TocsinError

_BATCHES = 16


class SqlJournal:
    """Writes deliveries and their progress; a component, to be started after the database."""

    def __init__(self, *, database: Database, clock: Clock, order: ChangeOrder, quotas: MessageQuotas | None = None) -> None:
        self._database = database
        self._order = order
        self.acceptance = acceptance = AcceptanceLog(database=database, clock=clock, order=order, quotas=quotas)
        self._log = ProgressLog(database=database, clock=clock, order=order)
        self._notifications = NotificationLog(sqlite=database.dialect == "sqlite")
        self._announcing: GroupCommit[Sequence[Notification], set[str]] = GroupCommit(flush=self._store_notifications)
        self._accepting: dict[bool, GroupCommit[AcceptanceBatch, Mapping[str, NewDelivery]]] = {
            urgent: GroupCommit(flush=acceptance.store, max_batch=_BATCHES) for urgent in (True, False)
        }
        self._progress: dict[bool, GroupCommit[Progress, bool]] = {
            urgent: GroupCommit(flush=self._store_progress) for urgent in (True, False)
        }

    async def start(self) -> None:
        """Accepts writes from now on."""
        await self._order.require_fit()
        async with self._database.transaction() as connection:
            await self._order.restore(connection)
        for group in (self._announcing, *self._accepting.values(), *self._progress.values()):
            await group.start()

    async def stop(self) -> None:
        """Writes what it was given, and accepts no more."""
        for group in (self._announcing, *self._accepting.values(), *self._progress.values()):
            await group.stop()
        with contextlib.suppress(TocsinError):  # what stays is removed with its delivery
            await self._log.forget(everything=True)

    async def _store_progress(self, items: Sequence[Progress]) -> Sequence[bool]:
        kept = await self._log.store(items)
        with contextlib.suppress(TocsinError):
            await self._log.forget()
        return kept

    async def _store_notifications(self, batches: Sequence[Sequence[Notification]]) -> Sequence[set[str]]:
        unique = {item.id: item for batch in batches for item in batch}
        async with self._database.transaction() as connection:
            fresh = await self._notifications.add(connection, list(unique.values())) if unique else set[str]()
        return [{item.id for item in batch} & fresh for batch in batches]

    async def announce(self, notifications: Sequence[Notification]) -> set[str]:
        """Stores what is new among ``notifications``. Returns the ids that were new."""
        return await self._announcing.submit(notifications)

    async def accept(self, deliveries: Sequence[NewDelivery], steps: Sequence[Advance] = ()) -> Mapping[str, NewDelivery]:
        """Stores what is new among ``deliveries``; those of the inbox are sent by that. Returns the new ones by id, as they are."""
        batch = AcceptanceBatch(deliveries, steps)
        return await self._accepting[batch.urgent].submit(batch)

    async def known(self, ids: Collection[str]) -> set[str]:
        """Those of the deliveries and notifications that are stored."""
        stored = union_all(*(select(table.c.id).where(table.c.id.in_(ids)) for table in (deliveries, notifications)))
        async with self._database.read() as connection:
            return set(await connection.scalars(stored))

    def hand_over(self, job: SendJob, provider: str) -> "asyncio.Future[bool]":
        """Marks that the point of no return is reached. False: the claim is no longer ours."""
        return self._progress[job.urgent].enqueue(Mark(job, provider))

    def settle(self, settlement: Settlement) -> "asyncio.Future[bool]":
        """Stores how an attempt ended. False: somebody else has the delivery by now."""
        return self._progress[settlement.job.urgent].enqueue(settlement)
