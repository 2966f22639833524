"""One import: reads ahead while the batch before is committed, and answers what is."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from scheduler_svc.domain import Finding
from scheduler_svc.handlers.bulk.lines import ImportLines, InvalidLine, Item, invalid_line
from scheduler_svc.ports import ImportedAlarm
from scheduler_svc.service.checks import path_of
from scheduler_svc.service.imports import Import, Imports
from tocsin.api.scheduler.v1 import alarm_service_pb2
from tocsin.errors import TocsinError, Unavailable
from tocsin.recurrence import spent

Request = alarm_service_pb2.ImportAlarmsRequest
Response = alarm_service_pb2.ImportAlarmsResponse

BATCH: Final = 2000
_MAX_INVALID: Final = 500
_LINES_AT_ONCE: Final = 50
_STEPS_AT_ONCE: Final = 1000
_SILENCE_SECONDS: Final = 0.2
_CANCEL_GRACE_SECONDS: Final = 0.01


@dataclass(slots=True)
class _ImportBatch:
    """What was read since the batch before."""

    through: int = 0
    alarms: list[ImportedAlarm] = field(default_factory=list[ImportedAlarm])
    invalid: list[InvalidLine] = field(default_factory=list[InvalidLine])

    @property
    def is_full(self) -> bool:
        return len(self.alarms) >= BATCH or len(self.invalid) >= _MAX_INVALID

    def __bool__(self) -> bool:
        return bool(self.alarms or self.invalid)


class ImportSession:
    """The answers to one import."""

    def __init__(self, *, work: Import, lines: ImportLines, imports: Imports) -> None:
        """Takes the import, what it brings, and who may ask it to stop."""
        self._work = work
        self._lines = lines
        self._imports = imports
        self._total = Response()
        self._batch = _ImportBatch()
        self._under_way: asyncio.Task[Response] | None = None

    async def run(self, first: Request | None, requests: AsyncIterator[Request]) -> AsyncGenerator[Response]:
        """Commits batch by batch; an answer tells what is committed. The batch that is under way when this is closed may still commit.

        Raises:
            InvalidInput: the import cannot be read on.
            DatabaseUnavailable: the database is away; what was answered is committed.
            Unavailable: this replica stops; what was answered is committed.
        """
        arriving = _Arriving(first, requests)
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
            yield self._answer(done=True)
        finally:
            await arriving.close()
            await self._abandon()

    async def _read(self, items: Iterator[Item]) -> AsyncGenerator[Response]:
        seen = spent()
        for number, item in enumerate(items, 1):
            self._take(item)
            self._batch.through = self._lines.line
            if self._batch.is_full and (answer := await self._commit()):
                yield answer
            if number % _LINES_AT_ONCE == 0 or spent() - seen > _STEPS_AT_ONCE:
                await asyncio.sleep(0)  # whoever waits for an alarm must not wait for this
                seen = spent()

    def _take(self, item: Item) -> None:
        if item is None:
            return
        if isinstance(item, InvalidLine):
            self._batch.invalid.append(item)
            return
        line, draft = item
        try:
            self._batch.alarms.append(self._work.read(line, draft))
        except TocsinError as error:
            self._batch.invalid.append(invalid_line(line, error))

    async def _commit(self) -> Response | None:
        """Begins to commit what was read, behind the batch before, whose answer it is."""
        answer = await self._await_commit()
        batch, self._batch = self._batch, _ImportBatch()
        self._under_way = asyncio.create_task(self._commit_batch(batch))
        self._work.begin_batch()
        return answer

    async def _flush(self) -> list[Response]:
        """Commits everything that was read."""
        if self._imports.draining:
            raise Unavailable(f"This replica is stopping; resume with skip_lines={self._total.lines}.", retry_after=0.5)
        first = await self._commit() if self._batch else None
        return [answer for answer in (first, await self._await_commit()) if answer is not None]

    async def _await_commit(self) -> Response | None:
        task, self._under_way = self._under_way, None
        return None if task is None else await task

    async def _commit_batch(self, batch: _ImportBatch) -> Response:
        committed = await self._work.commit(batch.alarms)
        invalid = sorted([*batch.invalid, *(invalid_line(line, error) for line, error in committed.refused)])
        self._total.created += committed.created
        self._total.updated += committed.updated
        self._total.unchanged += committed.unchanged
        self._total.refused += len(invalid)
        self._total.lines = batch.through
        return self._answer(invalid=invalid, warnings=committed.warnings)

    def _answer(self, *, invalid: Sequence[InvalidLine] = (), warnings: Sequence[tuple[int, Finding]] = (), done: bool = False) -> Response:
        answer = Response()
        answer.CopyFrom(self._total)
        answer.done = done
        if done:
            answer.lines = self._lines.line
        for line, name, reason in invalid:
            answer.refusals.add(line=line, field=name, reason=reason)
        for line, finding in warnings[:_MAX_INVALID]:
            answer.warnings.add(line=line, field=path_of(finding), reason=finding.reason)
        return answer

    async def _abandon(self) -> None:
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)


class _Arriving:
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
