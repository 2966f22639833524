"""Group commit: concurrent small writes share one transaction, so that they share one flush of the disk."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar

from tocsin.bisection import run_with_bisection
from tocsin.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Submission(Generic[Item, Result]):
    item: Item
    future: "asyncio.Future[Result]"


class GroupCommit(Generic[Item, Result]):
    """Collects items while one flush runs, and hands all of them to the next.

    An idle batcher flushes at once, a busy one in batches as large as the load makes them: there is no timer to tune. Items are
    flushed in the order of their `submit`. An item whose submitter was cancelled before its flush began is dropped; one that is
    being flushed takes its course, unseen.

    A flush that fails for what one item says is made again in halves, until that item is alone with its error: its neighbours, who
    share nothing with it but the moment, are committed.
    """

    def __init__(self, *, flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]], max_batch: int = 500) -> None:
        """Makes a batcher that accepts nothing until it is started.

        Args:
            flush: commits the items or none of them, and returns one result for each, in their order; an exception in place of a
                result is raised to that item's submitter alone. `Unavailable`, `Aborted` and `DataLoss` are raised to all of
                them; after any other exception parts of the batch are flushed again.
            max_batch: items in one flush at most.
        """
        self._flush = flush
        self._max_batch = max_batch
        self._pending: deque[_Submission[Item, Result]] = deque()
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
            Exception: the item's own error.
            Unavailable: the batcher is not running.
        """
        return await self.enqueue(item)

    def enqueue(self, item: Item) -> "asyncio.Future[Result]":
        """The same for who does not wait: the future has the result, or the error."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if not self._open:
            future.set_exception(Unavailable("The service is starting or stopping."))
            return future
        self._pending.append(_Submission(item, future))
        if self._worker is None:
            # An empty context: the flush belongs to no request, so it inherits no deadline, principal or span.
            self._worker = asyncio.get_running_loop().create_task(self._work(), context=Context())
        return future

    async def _work(self) -> None:
        batch: list[_Submission[Item, Result]] = []
        try:
            while batch := self._take():
                await self._commit(batch)
        finally:
            self._worker = None
            for entry in (*batch, *self._pending):  # left over only if this task itself was cancelled
                entry.future.cancel()
            self._pending.clear()

    def _take(self) -> list[_Submission[Item, Result]]:
        """The next batch, in order, without those whose submitter has gone."""
        batch: list[_Submission[Item, Result]] = []
        while self._pending and len(batch) < self._max_batch:
            entry = self._pending.popleft()
            if not entry.future.done():
                batch.append(entry)
        return batch

    async def _commit(self, batch: Sequence[_Submission[Item, Result]]) -> None:
        try:
            results = await run_with_bisection(self._flush, [entry.item for entry in batch])
        except Exception as error:  # noqa: BLE001  whatever it is, the submitters get it
            results = [error] * len(batch)
        for entry, result in zip(batch, results, strict=True):
            _settle(entry, result)


def _settle(entry: _Submission[Item, Result], result: Result | Exception) -> None:
    if entry.future.done():
        return
    if isinstance(result, Exception):
        entry.future.set_exception(result)
    else:
        entry.future.set_result(result)
