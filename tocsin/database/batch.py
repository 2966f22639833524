"""Group commit: concurrent small writes share one transaction, so that they share one flush of the disk."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar

from tocsin.errors import Internal, TocsinError, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Item, Result]):
    item: Item
    future: "asyncio.Future[Result]"


class GroupCommit(Generic[Item, Result]):
    """Collects items while one flush runs, and hands all of them to the next.

    An idle batcher flushes at once, a busy one in batches as large as the load makes them: there is no timer to tune. Items are
    flushed in the order of their `submit`. An item whose submitter was cancelled before its flush began is dropped; one that is
    being flushed takes its course, unseen.
    """

    def __init__(self, *, flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result | TocsinError]]], max_batch: int = 500) -> None:
        """Makes a batcher that accepts nothing until it is started.

        Args:
            flush: commits the items and returns one result for each, in their order; a `TocsinError` in place of a result is raised
                to that item's submitter alone, an exception is raised to all of them.
            max_batch: items in one flush at most.
        """
        self._flush = flush
        self._max_batch = max_batch
        self._pending: deque[_Entry[Item, Result]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._open = False

    async def start(self) -> None:
        """Accepts items from now on."""
        self._open = True

    async def stop(self) -> None:
        """Accepts no more items, and returns when those that it has are flushed."""
        self._open = False
        if self._worker is not None:
            await asyncio.wait([self._worker])

    async def submit(self, item: Item) -> Result:
        """Returns the item's result once it is durably committed.

        Raises:
            TocsinError: the item's own error.
            Unavailable: the batcher is not running.
        """
        if not self._open:
            raise Unavailable("The service is starting or stopping.")
        entry: _Entry[Item, Result] = _Entry(item, asyncio.get_running_loop().create_future())
        self._pending.append(entry)
        if self._worker is None:
            # An empty context: the flush belongs to no request, so it inherits no deadline, principal or span.
            self._worker = asyncio.get_running_loop().create_task(self._work(), context=Context())
        return await entry.future

    async def _work(self) -> None:
        batch: list[_Entry[Item, Result]] = []
        try:
            while batch := self._take():
                await self._commit(batch)
        finally:
            self._worker = None
            for entry in (*batch, *self._pending):  # left over only if this task itself was cancelled
                entry.future.cancel()
            self._pending.clear()

    def _take(self) -> list[_Entry[Item, Result]]:
        """The next batch, in order, without those whose submitter has gone."""
        batch: list[_Entry[Item, Result]] = []
        while self._pending and len(batch) < self._max_batch:
            entry = self._pending.popleft()
            if not entry.future.done():
                batch.append(entry)
        return batch

    async def _commit(self, batch: list[_Entry[Item, Result]]) -> None:
        try:
            results = await self._flush([entry.item for entry in batch])
            if len(results) != len(batch):
                results = [Internal(f"a flush of {len(batch)} items gave {len(results)} results")] * len(batch)
        except Exception as error:  # noqa: BLE001  whatever it is, the submitters get it
            _fail(batch, error)
        else:
            for entry, result in zip(batch, results, strict=True):
                _settle(entry, result)


def _settle(entry: _Entry[Item, Result], result: Result | TocsinError) -> None:
    if entry.future.done():
        return
    if isinstance(result, TocsinError):
        entry.future.set_exception(result)
    else:
        entry.future.set_result(result)


def _fail(batch: Sequence[_Entry[Item, Result]], error: Exception) -> None:
    for entry in batch:
        if not entry.future.done():
            entry.future.set_exception(error)
