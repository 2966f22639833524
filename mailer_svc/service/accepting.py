"""Taking messages in: each is checked and rendered by itself, and what of a batch is ready at once is stored together."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from mailer_svc.domain import (
    Ack,
    Channels,
    Content,
    MessageInvalid,
    NewDelivery,
    Priority,
    Submission,
    Template,
    TemplateNotFound,
    TemplateUse,
    UnsupportedChannel,
    checked_submission,
    checked_traceparent,
    delivery_id,
    message_id,
    repaired_content,
)
from mailer_svc.ports import AWAY, Journal, Renderer
from mailer_svc.service.publishing import DeliveryPublisher
from mailer_svc.service.templates import Templates
from tocsin.bisection import run_with_bisection
from tocsin.errors import Internal, TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_RETRYABLE = (*AWAY, UnsupportedChannel)  # another mailer may know the channel

Known = Mapping[tuple[str, str], Template]


class Accepting:
    """Turns submissions into stored deliveries and refusals."""

    def __init__(
        self,
        *,
        journal: Journal,
        templates: Templates,
        renderer: Renderer,
        channels: Channels,
        publisher: DeliveryPublisher,
        domain: str,
    ) -> None:
        """Makes it.

        Args:
            journal: stores deliveries.
            templates: gives the current versions.
            renderer: fills them in.
            channels: by which messages leave; woken when something was stored that waits.
            publisher: tells watchers, and counts.
            domain: the right side of each Message-ID.
        """
        self._journal = journal
        self._templates = templates
        self._renderer = renderer
        self._channels = channels
        self._publisher = publisher
        self._domain = domain

    async def accept(self, batch: Sequence[Submission]) -> AsyncGenerator[list[Ack]]:
        """Stores what is good and gives an acknowledgement for each submission once it is durable.

        The first list comes as soon as can be, though it may be empty. A message that takes long to render has its acknowledgement in a
        later one: it keeps nobody waiting. One that was stored before is acknowledged with the same delivery. When the database fails,
        everything that was good is refused as retryable; handing it in again makes no second delivery.
        """
        try:
            known = await self._known(batch)
        except AWAY as error:
            yield [self._refuse(item.key, error) for item in batch]
            return
        good: list[tuple[int, NewDelivery]] = []
        slow: list[Submission] = []
        refused: list[tuple[Submission, TocsinError]] = []
        for item in batch:
            try:
                delivery = await self._prepare(item, known)
            except TocsinError as error:
                refused.append((item, error))
                continue
            if delivery is None:
                slow.append(item)
            else:
                good.append((item.key, delivery))
        yield [*await self._store(good), *await self._refusals(refused)]
        if slow:
            async for answer in self._accept_slow(slow, known):
                yield answer

    async def _accept_slow(self, batch: Sequence[Submission], known: Known) -> AsyncGenerator[list[Ack]]:
        """Renders what takes long side by side, and stores each message as soon as it is there."""
        tasks = [asyncio.create_task(self._render(item, known)) for item in batch]
        try:
            for task in asyncio.as_completed(tasks):
                yield await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _render(self, item: Submission, known: Known) -> list[Ack]:
        try:
            template, use = _template(item, known)
            content = await self._renderer.render(item.tenant, template.uid, template.content, use)
            delivery = self._delivery(item, content, resend=template.resend)
        except TocsinError as error:
            return await self._refusals([(item, error)])
        return await self._store([(item.key, delivery)])

    async def _known(self, batch: Sequence[Submission]) -> Known:
        used = {(item.tenant, item.content.code) for item in batch if isinstance(item.content, TemplateUse)}
        return await self._templates.current(used) if used else {}

    async def _prepare(self, item: Submission, known: Known) -> NewDelivery | None:
        """The delivery, rendered now so that later changes do not matter; None if rendering takes long."""
        checked_submission(item)
        if isinstance(item.content, Content):
            if item.content == Content(""):
                raise MessageInvalid.at("content", "is empty")
            return self._delivery(item, repaired_content(item.content), resend=item.resend)
        template, use = _template(item, known)
        content = self._renderer.render_fast(template.uid, use)
        await asyncio.sleep(0)  # each may take a few milliseconds
        return self._delivery(item, content, resend=template.resend) if content else None

    def _delivery(self, item: Submission, content: Content, *, resend: bool) -> NewDelivery:
        channel = self._channels.usable_channel(item.channel)
        to = channel.normal_address(item.to)
        identity = delivery_id(tenant=item.tenant, firing=item.firing, channel=item.channel, address=to)
        return NewDelivery(
            id=identity,
            tenant=item.tenant,
            firing=item.firing,
            alarm=item.alarm,
            channel=channel.name,
            to=to,
            priority=Priority(item.priority),
            content=content,
            message_id=message_id(identity, self._domain),
            resend=resend,
            traceparent=checked_traceparent(item.traceparent),
            kept=channel.kept,
        )

    async def _store(self, good: Sequence[tuple[int, NewDelivery]]) -> list[Ack]:
        """Stores deliveries, each with the key of its acknowledgement; one that cannot be stored is refused alone."""

        async def write(part: Sequence[tuple[int, NewDelivery]]) -> Sequence[bool]:
            fresh = await self._journal.accept([delivery for _, delivery in part])
            return [delivery.id in fresh for _, delivery in part]

        if not good:
            return []
        try:
            results = await run_with_bisection(write, good)
        except AWAY as error:
            return [self._refuse(key, error) for key, _ in good]
        new = [delivery for (_, delivery), fresh in zip(good, results, strict=True) if fresh is True]
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
            to = self._channels.find(item.channel).normal_address(item.to)
        except TocsinError:
            return ""
        return delivery_id(tenant=item.tenant, firing=item.firing, channel=item.channel, address=to)

    def _refuse(self, key: int, error: TocsinError) -> Ack:
        self._publisher.meter.refused(error.error_reason)
        return Ack(key=key, reason=error.error_reason, message=error.message, retryable=isinstance(error, _RETRYABLE))


def _said(error: Exception) -> TocsinError:
    """The error as it may be told."""
    if isinstance(error, TocsinError):
        return error
    _log.error("delivery cannot be stored", exc_info=error)
    return Internal()


def _template(item: Submission, known: Known) -> tuple[Template, TemplateUse]:
    use = item.content if isinstance(item.content, TemplateUse) else TemplateUse("", {})
    template = known.get((item.tenant, use.code))
    if template is None:
        raise TemplateNotFound(f"There is no template templates/{use.code}")
    return template, use
