"""Taking messages in: each is checked and rendered by itself, and what of a batch is ready at once is stored together."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from mailer_svc.domain import Ack, Channels, NewDelivery, Notification, Submission, UnsupportedChannel
from mailer_svc.ports import AWAY, Journal
from mailer_svc.service.composing import Addressed, Composer, Known
from mailer_svc.service.gates import GateAnswer
from mailer_svc.service.publishing import DeliveryPublisher
from tocsin.bisection import run_with_bisection
from tocsin.errors import Internal, TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_RETRYABLE = (*AWAY, UnsupportedChannel)  # another mailer may know the channel


@dataclass(frozen=True, slots=True)
class _Slow:
    """A message whose rendering takes long."""

    message: Addressed
    answer: GateAnswer


class Accepting:
    """Turns submissions into stored deliveries and refusals."""

    def __init__(
        self, *, journal: Journal, composer: Composer, channels: Channels, publisher: DeliveryPublisher, expand: Callable[[], None]
    ) -> None:
        """Makes it.

        Args:
            journal: stores deliveries and notifications.
            composer: makes deliveries.
            channels: by which messages leave; woken when something was stored that waits.
            publisher: tells watchers, and counts.
            expand: wakes whoever makes the deliveries of notifications.
        """
        self._journal = journal
        self._composer = composer
        self._channels = channels
        self._publisher = publisher
        self._expand = expand

    async def announce(self, batch: Sequence[tuple[int, Notification]]) -> list[Ack]:
        """Stores notifications, each with the key of its acknowledgement."""
        if not batch:
            return []
        try:
            await self._journal.announce([notification for _, notification in batch])
        except AWAY as error:
            return [self._refuse(key, error) for key, _ in batch]
        self._expand()
        return [Ack(key=key, notification=notification.id) for key, notification in batch]

    async def accept(self, batch: Sequence[Submission]) -> AsyncGenerator[list[Ack]]:
        """Stores what is good and gives an acknowledgement for each submission once it is durable.

        The first list comes as soon as can be, though it may be empty. A message that takes long to render has its acknowledgement in a
        later one: it keeps nobody waiting. One that was stored before is acknowledged with the same delivery. When the database fails,
        everything that was good is refused as retryable; handing it in again makes no second delivery.
        """
        refused: list[tuple[Submission, TocsinError]] = []
        try:
            known = await self._composer.known(batch)
            addressed = self._addressed(batch, refused)
            answers = await self._composer.ask(addressed)
        except AWAY as error:
            yield [self._refuse(item.key, error) for item in batch]
            return
        good: list[tuple[int, NewDelivery]] = []
        slow: list[_Slow] = []
        for message, answer in zip(addressed, answers, strict=True):
            try:
                delivery = await self._composer.fast(message, answer, known)
            except TocsinError as error:
                refused.append((message.item, error))
                continue
            if delivery is None:
                slow.append(_Slow(message, answer))
            else:
                good.append((message.item.key, delivery))
        yield [*await self._store(good), *await self._refusals(refused)]
        if slow:
            async for acks in self._accept_slow(slow, known):
                yield acks

    def _addressed(self, batch: Sequence[Submission], refused: list[tuple[Submission, TocsinError]]) -> list[Addressed]:
        found: list[Addressed] = []
        for item in batch:
            try:
                found.append(self._composer.address(item))
            except TocsinError as error:
                refused.append((item, error))
        return found

    async def _accept_slow(self, batch: Sequence[_Slow], known: Known) -> AsyncGenerator[list[Ack]]:
        """Renders what takes long side by side, and stores each message as soon as it is there."""
        tasks = [asyncio.create_task(self._render(item, known)) for item in batch]
        try:
            for task in asyncio.as_completed(tasks):
                yield await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _render(self, slow: _Slow, known: Known) -> list[Ack]:
        try:
            delivery = await self._composer.slow(slow.message, slow.answer, known)
        except TocsinError as error:
            return await self._refusals([(slow.message.item, error)])
        return await self._store([(slow.message.item.key, delivery)])

    async def _store(self, good: Sequence[tuple[int, NewDelivery]]) -> list[Ack]:
        """Stores deliveries, each with the key of its acknowledgement; one that cannot be stored is refused alone."""

        async def write(part: Sequence[tuple[int, NewDelivery]]) -> Sequence[NewDelivery | None]:
            fresh = await self._journal.accept([delivery for _, delivery in part])
            return [fresh.get(delivery.id) for _, delivery in part]

        if not good:
            return []
        try:
            results = await run_with_bisection(write, good)
        except AWAY as error:
            return [self._refuse(key, error) for key, _ in good]
        new = list({result.id: result for result in results if isinstance(result, NewDelivery)}.values())
        self._channels.wake({delivery.channel for delivery in new})
        await self._publisher.accepted(new)
        return [
            self._refuse(key, _said(result)) if isinstance(result, Exception) else Ack(key=key, delivery=delivery.id)
            for (key, delivery), result in zip(good, results, strict=True)
        ]

    async def _refusals(self, refused: Sequence[tuple[Submission, TocsinError]]) -> list[Ack]:
        """Acknowledgements of messages that would be refused now; one that was stored before keeps its delivery.

        Since then its template may be gone, say; the message is handed in again because its first acknowledgement was lost.
        """
        identities = {item.key: self._identity(item) for item, _ in refused}
        try:
            known = await self._journal.known({one for one in identities.values() if one}) if refused else set[str]()
        except AWAY as error:
            return [self._refuse(item.key, error) for item, _ in refused]
        return [
            Ack(key=item.key, delivery=identities[item.key]) if identities[item.key] in known else self._refuse(item.key, error)
            for item, error in refused
        ]

    def _identity(self, item: Submission) -> str:
        """The id of a message's delivery; empty if it can have none."""
        try:
            return self._composer.identity(item)
        except TocsinError:
            return ""

    def _refuse(self, key: int, error: TocsinError) -> Ack:
        self._publisher.meter.refused(error.error_reason)
        return Ack(key=key, reason=error.error_reason, message=error.message, retryable=isinstance(error, _RETRYABLE))


def _said(error: Exception) -> TocsinError:
    """The error as it may be told."""
    if isinstance(error, TocsinError):
        return error
    _log.error("delivery cannot be stored", exc_info=error)
    return Internal()
