"""Taking messages in: each is checked and rendered by itself, and what of a batch is ready at once is stored together."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass

from mailer_svc.domain import (
    Ack,
    Channels,
    Content,
    NewDelivery,
    Notification,
    PeopleSubmission,
    Priority,
    Submission,
    UnsupportedChannel,
    checked_traceparent,
    repaired_content,
)
from mailer_svc.ports import AWAY, Journal
from mailer_svc.service.composing import Addressed, Composer, Known
from mailer_svc.service.gates import GateAnswer
from mailer_svc.service.publishing import DeliveryPublisher
from tocsin.bisection import run_with_bisection
from tocsin.clock import Clock
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
        self,
        *,
        journal: Journal,
        composer: Composer,
        channels: Channels,
        publisher: DeliveryPublisher,
        clock: Clock,
        expand: Callable[[], None],
    ) -> None:
        """Makes it.

        Args:
            journal: stores deliveries and notifications.
            composer: makes deliveries.
            channels: by which messages leave; woken when something was stored that waits.
            publisher: tells watchers, and counts.
            clock: source of time.
            expand: wakes whoever makes the deliveries of notifications.
        """
        self._journal = journal
        self._composer = composer
        self._channels = channels
        self._publisher = publisher
        self._clock = clock
        self._expand = expand

    async def announce(self, batch: Sequence[PeopleSubmission]) -> list[Ack]:
        """Stores messages to recipients as notifications; one that was stored before is acknowledged with the same notification."""
        if not batch:
            return []
        good: list[Notification] = []
        refused: list[tuple[Submission, TocsinError]] = []
        try:
            known = await self._composer.known([item.message for item in batch])
            accepted = [item for item in batch if self._good(item, known, good, refused)]
            stored = await run_with_bisection(self._announce, good)
        except AWAY as error:
            return [self._refuse(item.message.key, error) for item in batch]
        self._expand()
        acks = [
            self._refuse(item.message.key, _said(result))
            if isinstance(result, Exception)
            else Ack(key=item.message.key, notification=item.notification)
            for item, result in zip(accepted, stored, strict=True)
        ]
        return acks + await self._refusals(refused, {item.message.key: item.notification for item in batch})

    async def _announce(self, part: Sequence[Notification]) -> Sequence[bool]:
        fresh = await self._journal.announce(part)
        return [notification.id in fresh for notification in part]

    def _good(self, item: PeopleSubmission, known: Known, good: list[Notification], refused: list[tuple[Submission, TocsinError]]) -> bool:
        try:
            self._composer.check(item, known)
            good.append(self._notification(item))
        except TocsinError as error:
            refused.append((item.message, error))
            return False
        return True

    def _notification(self, item: PeopleSubmission) -> Notification:
        message, now = item.message, self._clock.micros()
        assert message.content is not None  # noqa: S101  it was checked
        return Notification(
            id=item.notification,
            tenant=message.tenant,
            firing=message.firing,
            alarm=message.alarm,
            priority=Priority(message.priority),
            category=message.category,
            channels=item.channels,
            recipients=item.recipients,
            content=repaired_content(message.content) if isinstance(message.content, Content) else message.content,
            alert=message.alert,
            resend=message.resend,
            traceparent=checked_traceparent(message.traceparent),
            send_time=now,
            created=now,
            updated=now,
            incident=message.incident,
            urgent=message.urgent,
        )

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
        yield [*await self._store(good), *await self._refusals(refused, self._identities(refused))]
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
            refused = [(slow.message.item, error)]
            return await self._refusals(refused, self._identities(refused))
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

    async def _refusals(self, refused: Sequence[tuple[Submission, TocsinError]], identities: Mapping[int, str]) -> list[Ack]:
        """Acknowledgements of messages that would be refused now; one that was stored before keeps its delivery or notification.

        Since then its template may be gone, say; the message is handed in again because its first acknowledgement was lost.
        """
        try:
            known = await self._journal.known({identities[item.key] for item, _ in refused} - {""}) if refused else set[str]()
        except AWAY as error:
            return [self._refuse(item.key, error) for item, _ in refused]
        return [
            _known(item, identities[item.key]) if identities[item.key] in known else self._refuse(item.key, error)
            for item, error in refused
        ]

    def _identities(self, refused: Sequence[tuple[Submission, TocsinError]]) -> dict[int, str]:
        """The ids of messages' deliveries; empty where one can have none."""
        return {item.key: self._identity(item) for item, _ in refused}

    def _identity(self, item: Submission) -> str:
        try:
            return self._composer.identity(item)
        except TocsinError:
            return ""

    def _refuse(self, key: int, error: TocsinError) -> Ack:
        self._publisher.meter.refused(error.error_reason)
        return Ack(key=key, reason=error.error_reason, message=error.message, retryable=isinstance(error, _RETRYABLE))


def _known(item: Submission, identity: str) -> Ack:
    return Ack(key=item.key, delivery=identity) if item.to else Ack(key=item.key, notification=identity)


def _said(error: Exception) -> TocsinError:
    """The error as it may be told."""
    if isinstance(error, TocsinError):
        return error
    _log.error("delivery cannot be stored", exc_info=error)
    return Internal()
