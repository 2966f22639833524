"""Making the deliveries of notifications, a part at a time.

A part is claimed, made, and stored in one transaction with how far the notification has come then, so that a process that dies at any
moment neither loses nor doubles a delivery. Each priority has a worker of its own, and what is not done goes to the end of its queue: a
notification to a hundred thousand people holds neither a critical one nor a small one beside it.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from mailer_svc.domain import Advance, Channels, NewDelivery, Priority
from mailer_svc.ports import AWAY, Journal, NotificationQueue
from mailer_svc.service.composing import Addressed, Composer, Known
from mailer_svc.service.expansion import Expansion, ExpansionPart
from mailer_svc.service.gates import GateAnswer
from mailer_svc.service.publishing import DeliveryPublisher
from tocsin.background import Background, Wake, report_progress
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_NOTIFICATIONS: Final = 50
_SLOW_TARGETS: Final = 8  # of a template that takes long: each may take seconds
_SLOW_TENANTS: Final = 4
_LEASE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 1.0


class Fanout:
    """Makes the deliveries of notifications when their time has come; a component."""

    def __init__(
        self,
        *,
        queue: NotificationQueue,
        journal: Journal,
        expansion: Expansion,
        composer: Composer,
        channels: Channels,
        publisher: DeliveryPublisher,
        clock: Clock,
        owner: str,
        sole: bool,
    ) -> None:
        """Makes it.

        Args:
            queue: notifications whose deliveries are to be made.
            journal: stores them.
            expansion: finds whom they go to.
            composer: makes deliveries.
            channels: by which messages leave.
            publisher: tells watchers, and counts.
            clock: source of time.
            owner: names this start of this process, and no other.
            sole: no other process uses the database, so at start whatever is claimed was claimed by a predecessor that is dead.
        """
        self._queue = queue
        self._journal = journal
        self._expansion = expansion
        self._composer = composer
        self._channels = channels
        self._publisher = publisher
        self._clock = clock
        self._owner = owner
        self._sole = sole
        self._wakes = {priority: Wake(clock) for priority in Priority}
        self._slow: set[str] = set()
        self._workers = Background(clock)

    def wake(self) -> None:
        """Says that a notification may be due."""
        for wake in self._wakes.values():
            wake.set()

    async def start(self) -> None:
        """Takes up what waits."""
        if self._workers.running:
            return
        if self._sole:
            await self._queue.end_other_claims(owner=self._owner, now=self._clock.micros())
        for priority in Priority:
            self._workers.supervised("fan-out", partial(self._work, priority))

    async def stop(self) -> None:
        """Stops; what is claimed is taken up by another replica, or after the next start."""
        await self._workers.stop()

    async def _work(self, priority: Priority) -> None:
        while True:
            busy = await self.expand_some(priority)
            report_progress()
            if not busy:
                await self._wakes[priority].wait(_POLL_SECONDS)

    async def expand_some(self, priority: Priority) -> bool:
        """Makes a part of what is due at a priority. False: nothing is."""
        lease = round(_LEASE_SECONDS * 1e6)
        claimed, unreadable = await self._queue.claim_due(
            owner=self._owner, priority=priority, limit=_NOTIFICATIONS, now=self._clock.micros(), lease=lease
        )
        try:
            parts, left = await self._expansion.parts(claimed)
            await self._release([item.id for item in left], seconds=0.0)
            known = await self._ask(parts)
            slow = [part for part in parts if not await self._compose(part, known)]
            await self._store([part for part in parts if part not in slow])
        except AWAY:
            # The database may be back before the claims end.
            await self._release([item.id for item in claimed], seconds=_POLL_SECONDS)
            raise
        for part in slow:
            await self._slowly(part, known)
        return bool(claimed) or unreadable > 0

    async def _release(self, ids: Sequence[str], *, seconds: float) -> None:
        if ids:
            await self._queue.release(owner=self._owner, ids=ids, due=self._clock.micros() + round(seconds * 1e6))

    async def _ask(self, parts: Sequence[ExpansionPart]) -> Known:
        """Finds out where the messages of all parts go and what the gates say, by one query for each fact; returns their templates."""
        batch = [message for part in parts for message in part.messages]
        if not batch:
            return {}
        known = await self._composer.known(batch)
        addressed: list[tuple[ExpansionPart, Addressed]] = []
        for part in parts:
            for message in part.messages:
                try:
                    addressed.append((part, self._composer.address(message)))
                except TocsinError as error:
                    part.deliveries.append(self._composer.failed(message, error))
        for (part, message), answer in zip(addressed, await self._composer.ask([message for _, message in addressed]), strict=True):
            part.asked.append((message, answer))
        return known

    async def _compose(self, part: ExpansionPart, known: Known) -> bool:
        """Makes the deliveries of a part, up to the first whose rendering takes long. False: that is the first of all."""
        for place, (message, answer) in enumerate(part.asked):
            made = await self._made(message, answer, known)
            if made is None:
                return self._cut(part, place)
            part.deliveries.append(made)
        return True

    async def _made(self, message: Addressed, answer: GateAnswer, known: Known) -> NewDelivery | None:
        try:
            return await self._composer.fast(message, answer, known)
        except AWAY:
            raise
        except TocsinError as error:
            return self._composer.failed(message.item, error, recipient=answer.recipient_id)

    def _cut(self, part: ExpansionPart, place: int) -> bool:
        """Leaves what comes from the target on that the message at ``place`` is for."""
        slow = part.asked[place][0].item
        count = next(number for number, target in enumerate(part.targets) if any(message is slow for message in target.messages))
        if count == 0:
            return False
        part.cut(count, now=self._clock.micros())
        kept = {id(message) for message in part.messages}
        part.asked = [each for each in part.asked if id(each[0].item) in kept]
        return True

    async def _slowly(self, part: ExpansionPart, known: Known) -> None:
        """Goes on with a part that takes long, beside the others; one at a time for a tenant."""
        tenant = part.notification.tenant
        if tenant in self._slow or len(self._slow) >= _SLOW_TENANTS:
            await self._release([part.notification.id], seconds=_POLL_SECONDS)
            return
        self._slow.add(tenant)
        self._workers.once("slow fan-out", partial(self._compose_slowly, part, known))

    async def _compose_slowly(self, part: ExpansionPart, known: Known) -> None:
        try:
            part.cut(_SLOW_TARGETS, now=self._clock.micros())
            kept = {id(message) for message in part.messages}
            for message, answer in part.asked:
                if id(message.item) in kept:
                    part.deliveries.append(await self._made_slowly(message, answer, known))
            await self._store([part])
        except AWAY:
            await self._release([part.notification.id], seconds=_POLL_SECONDS)
        finally:
            self._slow.discard(part.notification.tenant)
            self._wakes[part.notification.priority].set()

    async def _made_slowly(self, message: Addressed, answer: GateAnswer, known: Known) -> NewDelivery:
        made = await self._made(message, answer, known)
        if made is not None:
            return made
        try:
            return await self._composer.slow(message, answer, known)
        except AWAY:
            raise
        except TocsinError as error:
            return self._composer.failed(message.item, error, recipient=answer.recipient_id)

    async def _store(self, parts: Sequence[ExpansionPart]) -> None:
        """Stores all parts together; each by itself if one of them cannot be stored."""
        if not parts:
            return
        try:
            await self._accept([delivery for part in parts for delivery in part.deliveries], [part.step for part in parts])
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - what cannot be stored costs only itself
            _log.error("deliveries cannot be stored, stored one by one", exc_info=error)
            for part in parts:
                await self._store_apart(part)

    async def _store_apart(self, part: ExpansionPart) -> None:
        """Stores what can be of a part, delivery by delivery, and then how far the notification has come."""
        for delivery in part.deliveries:
            try:
                await self._accept([delivery], [])
            except AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - see `_store`
                _log.error("delivery cannot be stored", delivery=delivery.id, exc_info=error)
        await self._accept([], [part.step])

    async def _accept(self, deliveries: Sequence[NewDelivery], steps: Sequence[Advance]) -> None:
        new = list((await self._journal.accept(deliveries, steps)).values())
        self._channels.wake({delivery.channel for delivery in new})
        await self._publisher.accepted(new)
