"""One import: reads ahead while the batch before is committed, and answers what is."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, Protocol, TypeVar

from tocsin.bulk.lines import InvalidLine, invalid_line
from tocsin.bulk.results import ImportResult
from tocsin.errors import TocsinError, Unavailable
from tocsin.recurrence import spent

Draft = TypeVar("Draft")
Wanted = TypeVar("Wanted")
Warned = TypeVar("Warned")
Request = TypeVar("Request")
Given = TypeVar("Given", contravariant=True)
Asked = TypeVar("Asked", contravariant=True)
Said = TypeVar("Said", covariant=True)

BATCH: Final = 2000
_MAX_INVALID: Final = 500
_LINES_AT_ONCE: Final = 50
_STEPS_AT_ONCE: Final = 1000
_SILENCE_SECONDS: Final = 0.2
_CANCEL_GRACE_SECONDS: Final = 0.01


class BatchWork(Protocol[Given, Wanted, Warned]):
    """What an import does with its lines."""

    def begin_batch(self) -> None:
        """What comes next is one batch."""
        ...

    def read(self, line: int, draft: Given) -> Wanted:
        """What a line asks for.

        Raises:
            TocsinError: it cannot be.
        """
        ...

    async def commit(self, batch: Sequence[Wanted]) -> ImportResult[Warned]:
        """Stores a batch in one transaction."""
        ...


class ImportSource(Protocol[Asked, Said]):
    """The lines of one import; ``line`` is the number of the last one that was read."""

    @property
    def line(self) -> int:
        """Number of the last line that was read."""
        ...

    def feed(self, request: Asked) -> Iterator[tuple[int, Said] | InvalidLine | None]:
        """What becomes of the lines that end in a message; the iterator must be used up before the next one."""
        ...

    def end(self) -> Iterator[tuple[int, Said] | InvalidLine | None]:
        """What becomes of the text behind the last line."""
        ...


@dataclass(frozen=True, slots=True)
class ImportState(Generic[Warned]):
    """How far an import is: counts of everything so far, and what is new since the answer before."""

    lines: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    refusals: Sequence[InvalidLine] = ()
    warnings: Sequence[tuple[int, Warned]] = ()
    done: bool = False


@dataclass(slots=True)
class _ImportBatch(Generic[Wanted]):
    """What was read since the batch before."""

    through: int = 0
    wanted: list[Wanted] = field(default_factory=list[Wanted])
    invalid: list[InvalidLine] = field(default_factory=list[InvalidLine])
    weight: int = 0

    @property
    def is_full(self) -> bool:
        return self.weight >= BATCH or len(self.invalid) >= _MAX_INVALID

    def __bool__(self) -> bool:
        return bool(self.wanted or self.invalid)


class ImportSession(Generic[Request, Draft, Wanted, Warned]):
    """The answers to one import."""

    def __init__(
        self,
        *,
        work: BatchWork[Draft, Wanted, Warned],
        lines: ImportSource[Request, Draft],
        draining: Callable[[], bool],
        weight: Callable[[Wanted], int] = lambda _: 1,
    ) -> None:
        """Takes the import, what it brings, who may ask it to stop, and for how many of a batch each line counts."""
        self._work = work
        self._lines = lines
        self._draining = draining
        self._weight = weight
        self._total: ImportState[Warned] = ImportState()
        self._batch = _ImportBatch[Wanted]()
        self._under_way: asyncio.Task[ImportState[Warned]] | None = None

    async def run(self, first: Request | None, requests: AsyncIterator[Request]) -> AsyncGenerator[ImportState[Warned]]:
        """Commits batch by batch; an answer tells what is committed. The batch that is under way when this is closed may still commit.

        Raises:
            InvalidInput: the import cannot be read on.
            DatabaseUnavailable: the database is away; what was answered is committed.
            Unavailable: this replica stops; what was answered is committed.
        """
        arriving = _Arriving[Request](first, requests)
        try:
            self._work.begin_batch()
            async for request in arriving:
                if request is None:
                    for answer in await self._flush():
                        yield answer
                    continue
                async for answer in self._read(self._lines.feed(request)):
                    yield answer
            async for answer in self._read(self._lines.end()):
                yield answer
            for answer in await self._flush():
                yield answer
            yield replace(self._total, lines=self._lines.line, done=True)
        finally:
            await arriving.close()
            await self._abandon()

    async def _read(self, items: Iterator[tuple[int, Draft] | InvalidLine | None]) -> AsyncGenerator[ImportState[Warned]]:
        seen = spent()
        for number, item in enumerate(items, 1):
            self._take(item)
            self._batch.through = self._lines.line
            if self._batch.is_full and (answer := await self._commit()):
                yield answer
            if number % _LINES_AT_ONCE == 0 or spent() - seen > _STEPS_AT_ONCE:
                await asyncio.sleep(0)  # whoever waits for an alarm must not wait for this
                seen = spent()

    def _take(self, item: tuple[int, Draft] | InvalidLine | None) -> None:
        if item is None:
            return
        if isinstance(item, InvalidLine):
            self._batch.invalid.append(item)
            return
        line, draft = item
        try:
            wanted = self._work.read(line, draft)
            self._batch.wanted.append(wanted)
            self._batch.weight += self._weight(wanted)
        except TocsinError as error:
            self._batch.invalid.append(invalid_line(line, error))

    async def _commit(self) -> ImportState[Warned] | None:
        """Begins to commit what was read, behind the batch before, whose answer it is."""
        answer = await self._await_commit()
        batch, self._batch = self._batch, _ImportBatch[Wanted]()
        self._under_way = asyncio.create_task(self._commit_batch(batch))
        self._work.begin_batch()
        return answer

    async def _flush(self) -> list[ImportState[Warned]]:
        """Commits everything that was read."""
        if self._draining():
            raise Unavailable(f"This replica is stopping; resume with skip_lines={self._total.lines}.", retry_after=0.5)
        first = await self._commit() if self._batch else None
        return [answer for answer in (first, await self._await_commit()) if answer is not None]

    async def _await_commit(self) -> ImportState[Warned] | None:
        task, self._under_way = self._under_way, None
        return None if task is None else await task

    async def _commit_batch(self, batch: _ImportBatch[Wanted]) -> ImportState[Warned]:
        committed = await self._work.commit(batch.wanted)
        invalid = sorted([*batch.invalid, *(invalid_line(line, error) for line, error in committed.refused)])
        total = self._total
        now: ImportState[Warned] = ImportState(
            lines=batch.through,
            created=total.created + committed.created,
            updated=total.updated + committed.updated,
            unchanged=total.unchanged + committed.unchanged,
            refused=total.refused + len(invalid),
        )
        self._total = now
        return replace(now, refusals=invalid, warnings=committed.warnings[:_MAX_INVALID])

    async def _abandon(self) -> None:
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)


class _Arriving(Generic[Request]):
    """The messages of a client, and None when it has been silent for a moment: it may be waiting for an answer."""

    def __init__(self, first: Request | None, requests: AsyncIterator[Request]) -> None:
        self._first = first
        self._requests = requests
        self._next: asyncio.Task[Request | None] | None = None

    async def __aiter__(self) -> AsyncGenerator[Request | None]:
        if self._first is not None:
            yield self._first
        while True:
            self._next = self._next or asyncio.create_task(self._read())
            await asyncio.wait((self._next,), timeout=_SILENCE_SECONDS)
            if not self._next.done():
                yield None
                continue
            found, self._next = self._next.result(), None
            if found is None:
                # The requests of a call that is cancelled end as well, a moment before the call is; what was cut off is not the last line.
                await asyncio.sleep(_CANCEL_GRACE_SECONDS)
                return
            yield found

    async def _read(self) -> Request | None:
        return await anext(self._requests, None)

    async def close(self) -> None:
        """Reads no more."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
