"""Moves what is older than a service keeps it into the archive; what could not be archived stays.

A row is in the database until the transaction that removes it commits, and in the archive from then on: its file was written, flushed and
read back before, and what is left to do, giving the file its place, is done again by whoever comes next. Whoever dies before leaves a draft
that nobody reads and the next round removes. A draft counts only as long as its note in the database does, so a replica that was frozen
meanwhile finds that it was given up, and leaves everything as it is (docs/adr/0060).
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Final

from tocsin.archive.ports import ArchiveFiles, ArchiveObserver, ArchivePart, ArchiveRows, ArchiveStore
from tocsin.background import report_progress
from tocsin.clock import DAY, Clock, from_micros
from tocsin.errors import TocsinError
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_PAUSE_SECONDS: Final = 0.05


class Archiver:
    """Moves whole days (UTC) into the archive."""

    def __init__(
        self,
        *,
        store: ArchiveStore,
        files: ArchiveFiles,
        leads: Callable[[], Awaitable[bool]],
        purging: Callable[[], Collection[str]],
        observer: ArchiveObserver,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        """Archives nothing yet.

        Args:
            store: the database.
            files: the archive.
            leads: whether this replica is the one that archives; two that believe it lose time, and nothing else.
            purging: tenants of which nothing is kept.
            observer: is told of what was done.
            clock: source of time.
            new_id: makes names of files, ULIDs.
        """
        self._new_id = new_id
        self._store = store
        self._files = files
        self._leads = leads
        self._purging = purging
        self._observer = observer
        self._clock = clock

    def require(self) -> None:
        """Makes sure that files can be written at all.

        Raises:
            ArchiveNotPossible: what writes them is not installed.
        """
        self._files.require()

    async def round(self, *, before: Micros) -> None:
        """Archives what is finished and of days that were over at an instant.

        Raises:
            TocsinError: the database or the archive is away; what was not archived is still in the database.
        """
        if not await self._leads():
            self._observer.archive_failing(False)
            return
        try:
            await self._finish_parts()
            tenant = await self._store.next_tenant(after="")
            while tenant is not None:
                if tenant not in self._purging():
                    await self._archive(tenant, before - before % DAY)
                tenant = await self._store.next_tenant(after=tenant)
        except TocsinError:
            self._observer.archive_failing(True)
            raise
        self._observer.archive_failing(False)

    async def _archive(self, tenant: str, before: Micros) -> None:
        after = (-(1 << 62), "")
        while await self._leads():
            rows = await self._store.finished(tenant, after=after, before=before)
            if not rows.finished:
                return
            await self._move(tenant, rows)
            report_progress()
            after = (rows.finished[-1].time, rows.finished[-1].id)
            await self._clock.sleep(_PAUSE_SECONDS)

    async def _move(self, tenant: str, rows: ArchiveRows) -> None:
        """Moves rows of one day; not those of which one was changed meanwhile, which a later round looks at again."""
        day = from_micros(rows.finished[0].time).date()
        part = ArchivePart(id=self._new_id(), tenant=tenant, day=day)
        await self._store.reserve(part)
        await self._files.write(part, rows)
        if not await self._store.commit(part, rows.finished):
            _log.info("archiving repeated", tenant=tenant, day=day.isoformat())
            await self._give_up(part)
            return
        self._observer.archived(len(rows.finished))
        await self._publish(part)

    async def _finish_parts(self) -> None:
        """Ends what somebody has begun who is gone; or who is not: then its commit finds no note any more."""
        drafts = await self._files.drafts()  # before the notes, for a draft is noted before it is there
        parts = await self._store.parts()
        for part in parts:
            await (self._publish(part) if part.committed else self._give_up(part))
        for draft in sorted(set(drafts).difference(part.id for part in parts)):
            await self._files.discard(draft)

    async def _publish(self, part: ArchivePart) -> None:
        if not await self._files.publish(part):
            _log.error("archived file missing", tenant=part.tenant, day=part.day.isoformat(), file=part.id)
        await self._store.forget(replace(part, committed=True))

    async def _give_up(self, part: ArchivePart) -> None:
        if await self._store.forget(part):
            await self._files.discard(part.id)
