"""The spool: durable, in order, bounded."""

from collections.abc import Sequence
from typing import Final

from gateway.spool.store import Entry, SpoolStore
from tocsin.database import GroupCommit
from tocsin.errors import TocsinError, Unavailable

_RETRY_SECONDS: Final = 5.0


class SpoolFull(Unavailable):
    """The service is away, and so much waits for it that no more can be taken on."""


class Spool:
    """Calls that wait for a service that is away; a component."""

    def __init__(self, *, store: SpoolStore, limit: int) -> None:
        """Takes its store.

        Args:
            store: where calls wait.
            limit: how many may.
        """
        self._store = store
        self._limit = limit
        self._commit = GroupCommit[Entry, None](flush=self._flush)
        self.depth = 0
        """How many wait."""

    async def start(self) -> None:
        """Counts what an earlier start has left."""
        self.depth = await self._store.count()
        await self._commit.start()

    async def stop(self) -> None:
        """Takes no more."""
        await self._commit.stop()

    async def put(self, entry: Entry) -> None:
        """Takes a call on; it is durable when this returns.

        Raises:
            SpoolFull: too many wait.
        """
        if self.depth >= self._limit:
            raise SpoolFull(retry_after=_RETRY_SECONDS)
        self.depth += 1
        try:
            await self._commit.submit(entry)
        except BaseException:
            self.depth -= 1
            raise

    async def _flush(self, batch: Sequence[Entry]) -> Sequence[TocsinError | None]:
        await self._store.add(batch)
        return [None] * len(batch)

    async def oldest(self, most: int) -> list[Entry]:
        """The calls that came first, in order."""
        return await self._store.oldest(most)

    async def done(self, entries: Sequence[Entry]) -> None:
        """The first calls are over, all of ``entries``."""
        await self._store.remove(entries[-1].number)
        self.depth = await self._store.count()
