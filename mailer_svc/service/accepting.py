"""Taking messages in: each is checked and rendered by itself, and what of a batch is ready at once is stored together."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import structlog

from mailer_svc.domain import (
    NO_PROVIDER,
    Ack,
    Channel,
    Content,
    DeliveryPriority,
    DeliveryState,
    MessageInvalid,
    NewDelivery,
    NoProvider,
    Submission,
    Template,
    TemplateNotFound,
    TemplateUse,
    checked_submission,
    checked_traceparent,
    delivery_id,
    message_id,
    repaired_content,
)
from mailer_svc.ports import AWAY, ChangeHints, Journal, Meter, Renderer
from mailer_svc.service.templates import Templates
from tocsin.addresses import normal_address
from tocsin.bisection import run_with_bisection
from tocsin.errors import Internal, TocsinError

Known = Mapping[tuple[str, str], Template]


def topic(tenant: str) -> str:
    """Where changes of a tenant's deliveries are announced."""
    return f"deliveries/{tenant}"


class Accepting:
    """Turns submissions into stored deliveries and refusals."""

    def __init__(
        self,
        *,
        journal: Journal,
        templates: Templates,
        renderer: Renderer,
        hints: ChangeHints,
        meter: Meter,
        default_channel: Channel,
        email: bool,
        domain: str,
        wake: Callable[[], None],
    ) -> None:
        """Makes it.

        Args:
            journal: stores deliveries.
            templates: gives the current versions.
            renderer: fills them in.
            hints: tells watchers.
            meter: counts.
            default_channel: for messages that name none.
            email: whether there is a provider for email.
            domain: the right side of each Message-ID.
            wake: called when something was stored that waits for a sender.
        """
        self._journal = journal
        self._templates = templates
        self._renderer = renderer
        self._hints = hints
        self._meter = meter
        self._default = default_channel
        self._email = email
        self._domain = domain
        self._wake = wake

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
        to = normal_address(item.to)
        channel = Channel(item.channel) if item.channel else self._default
        if channel is Channel.EMAIL and not self._email:
            raise NoProvider(NO_PROVIDER)
        identity = delivery_id(tenant=item.tenant, firing=item.firing, channel=item.channel, address=to)
        return NewDelivery(
            id=identity,
            tenant=item.tenant,
            firing=item.firing,
            alarm=item.alarm,
            channel=channel,
            to=to,
            priority=DeliveryPriority(item.priority),
            content=content,
            message_id=message_id(identity, self._domain),
            resend=resend,
            traceparent=checked_traceparent(item.traceparent),
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
        await self._tell([delivery for (_, delivery), fresh in zip(good, results, strict=True) if fresh is True])
        return [
            self._refuse(key, _said(result)) if isinstance(result, Exception) else Ack(key=key, delivery=delivery.id)
            for (key, delivery), result in zip(good, results, strict=True)
        ]

    async def _tell(self, new: Sequence[NewDelivery]) -> None:
        for channel, count in Counter(delivery.channel for delivery in new).items():
            self._meter.accepted(channel.value, count)
            if channel is Channel.INBOX:
                self._meter.settled(channel.value, DeliveryState.SENT, count)
        if any(delivery.channel is not Channel.INBOX for delivery in new):
            self._wake()
        for tenant in {delivery.tenant for delivery in new}:
            await self._hints.publish(topic(tenant))

    async def _refusals(self, refused: Sequence[tuple[Submission, TocsinError]]) -> list[Ack]:
        """Acknowledgements of messages that would be refused now; one that was stored before keeps its delivery.

        Since then its template may be gone, say; the message is handed in again because its first acknowledgement was lost.
        """
        identities = {item.key: _identity(item) for item, _ in refused}
        try:
            known = await self._journal.known({one for one in identities.values() if one}) if refused else set[str]()
        except AWAY as error:
            return [self._refuse(item.key, error) for item, _ in refused]
        return [
            Ack(key=item.key, delivery=identities[item.key]) if identities[item.key] in known else self._refuse(item.key, error)
            for item, error in refused
        ]

    def _refuse(self, key: int, error: TocsinError) -> Ack:
        self._meter.refused(error.error_reason)
        return Ack(key=key, reason=error.error_reason, message=error.message, retryable=isinstance(error, AWAY))


def _identity(item: Submission) -> str:
    """The id of a message's delivery; empty if it can have none."""
    try:
        to = normal_address(item.to)
    except TocsinError:
        return ""
    return delivery_id(tenant=item.tenant, firing=item.firing, channel=item.channel, address=to)


def _said(error: Exception) -> TocsinError:
    """The error as it may be told."""
    if isinstance(error, TocsinError):
        return error
    structlog.get_logger(__name__).error("delivery cannot be stored", exc_info=error)
    return Internal()


def _template(item: Submission, known: Known) -> tuple[Template, TemplateUse]:
    use = item.content if isinstance(item.content, TemplateUse) else TemplateUse("", {})
    template = known.get((item.tenant, use.code))
    if template is None:
        raise TemplateNotFound(f"There is no template templates/{use.code}")
    return template, use
