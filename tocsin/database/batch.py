"""Group commit: concurrent small writes share one transaction, so that they share one flush of the disk."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any, Generic, TypeVar

from tocsin.bisection import run_with_bisection
from tocsin.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Submission(Generic[Item]):
    """Items that go into one flush together, and what waits for it: for the result of the only one, or for a list of all."""

    items: Sequence[Item]
    future: "asyncio.Future[Any]"
    alone: bool

    def settle(self, results: Sequence[Any]) -> None:
        if self.future.done():
            return
        if not self.alone:
            self.future.set_result(results)
        elif isinstance(results[0], Exception):
            self.future.set_exception(results[0])
        else:
            self.future.set_result(results[0])


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
        self._pending: deque[_Submission[Item]] = deque()
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
        return self._put((item,), alone=True)

    async def submit_all(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        """Returns the result or the error of each of several items, flushed together as far as a batch has room for them.

        Raises:
            Unavailable: the batcher is not running.
        """
        parts = [self._put(items[first : first + self._max_batch], alone=False) for first in range(0, len(items), self._max_batch)]
        return [result for part in parts for result in await part]

    def _put(self, items: Sequence[Item], *, alone: bool) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._open:
            future.set_exception(Unavailable("The service is starting or stopping."))
            return future
        self._pending.append(_Submission(items, future, alone))
        if self._worker is None:
            # An empty context: the flush belongs to no request, so it inherits no deadline, principal or span.
            self._worker = asyncio.get_running_loop().create_task(self._work(), context=Context())
        return future

    async def _work(self) -> None:
        batch: list[_Submission[Item]] = []
        try:
            while batch := self._take():
                await self._commit(batch)
        finally:
            self._worker = None
            for entry in (*batch, *self._pending):  # left over only if this task itself was cancelled
                entry.future.cancel()
            self._pending.clear()

    def _take(self) -> list[_Submission[Item]]:
        """The next batch, in order, without those whose submitter has gone."""
        batch: list[_Submission[Item]] = []
        room = self._max_batch
        while self._pending and (room := room - len(self._pending[0].items)) >= 0:
            entry = self._pending.popleft()
            if entry.future.done():
                room += len(entry.items)
            else:
                batch.append(entry)
        return batch

    async def _commit(self, batch: Sequence[_Submission[Item]]) -> None:
        items = [item for entry in batch for item in entry.items]
        try:
            results = iter(await run_with_bisection(self._flush, items))
        except Exception as error:  # noqa: BLE001  whatever it is, the submitters get it
            results = repeat(error)
        for entry in batch:
            entry.settle(list(islice(results, len(entry.items))))
