"""Making the deliveries of notifications, a part at a time.

A part is made, and stored in one transaction with how far the notification has come then, so that a process that dies at any
moment neither loses nor doubles a delivery. The next part is made meanwhile, and stored when the former is. Each priority has a
worker of its own, and what is claimed is given back as soon as something else is due: a notification to a hundred thousand people
holds neither a critical one nor a small one beside it.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple, TypeVar, cast

from mailer_svc.domain import Advance, Channels, NewDelivery, Notification, Priority
from mailer_svc.ports import AWAY, Journal, NotificationQueue
from mailer_svc.service.composing import Addressed, Composer, Known
from mailer_svc.service.expansion import Expansion, ExpansionPart
from mailer_svc.service.gates import GateAnswer
from mailer_svc.service.publishing import DeliveryPublisher
from mailer_svc.service.telling_order import TellingOrder
from tocsin.background import Background, report_progress
from tocsin.clock import SECOND, Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

First = TypeVar("First")
Second = TypeVar("Second")

_log = get_logger(__name__)
_NOTIFICATIONS: Final = 50
_SLOW_TARGETS: Final = 8  # of a template that takes long: each may take seconds
_SLOW_TENANTS: Final = 4
_LEASE: Final = 60 * SECOND
_TURN: Final = 20  # parts: a claim is asked for anew after so many
_POLL_SECONDS: Final = 1.0
_SPOILED_SECONDS: Final = 60.0  # until what cannot be expanded is tried again


class _SlowPart(NamedTuple):
    """A part whose first message takes long, and the templates of its messages."""

    part: ExpansionPart
    known: Known


@dataclass(slots=True, eq=False)
class _Round:
    """Parts that can be stored, those that take long, and what is left of the notifications behind them."""

    ready: list[ExpansionPart] = field(default_factory=list[ExpansionPart])
    slow: list[_SlowPart] = field(default_factory=list[_SlowPart])
    left: Sequence[Notification] = ()


class Fanout:
    """Makes the deliveries of notifications when their time has come; a component."""

    def __init__(
        self,
        *,
        queue: NotificationQueue,
        journal: Journal,
        expansion: Expansion,
        order: TellingOrder,
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
            order: which of them have to wait for others.
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
        self._order = order
        self._composer = composer
        self._channels = channels
        self._publisher = publisher
        self._clock = clock
        self._owner = owner
        self._sole = sole
        self._wakes = {priority: Wake(clock) for priority in Priority}
        self._announced = 0
        self._slow: set[str] = set()
        self._suspects = dict.fromkeys(Priority, 0)
        self._workers = Background(clock)

    def wake(self) -> None:
        """Says that a notification may be due."""
        self._announced += 1
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
        self._workers.periodic("fan-out look", _POLL_SECONDS, self._look, at_once=False)

    async def stop(self) -> None:
        """Stops; what is claimed is taken up by another replica, or after the next start."""
        await self._workers.stop()

    async def _work(self, priority: Priority) -> None:
        while True:
            busy = await self.expand_some(priority)
            report_progress()
            if not busy:
                await self._wakes[priority].wait(None)

    async def _look(self) -> None:
        """Wakes those at whose priority something is due: one question for all, which is cheaper than a claim of each in vain."""
        for priority in await self._queue.due_priorities(now=self._clock.micros()):
            self._wakes[priority].set()

    async def expand_some(self, priority: Priority) -> bool:
        """Makes parts of what is due at a priority until all is made, something else is due, or the turn is over. False: nothing is due."""
        announced = self._announced
        limit = 1 if self._suspects[priority] else _NOTIFICATIONS
        claimed, unreadable = await self._queue.claim_due(
            owner=self._owner, priority=priority, limit=limit, now=self._clock.micros(), lease=_LEASE
        )
        self._suspects[priority] = max(0, self._suspects[priority] - 1) if claimed else 0
        try:
            slow = await self._expand(claimed, announced)
        except AWAY:
            # The database may be back before the claims end.
            await self._release([item.id for item in claimed], seconds=_POLL_SECONDS)
            raise
        except Exception as error:
            if not claimed:
                raise
            await self._spoiled(priority, claimed, error)
            return True
        for each in slow:
            await self._slowly(each)
        return bool(claimed) or unreadable > 0

    async def _spoiled(self, priority: Priority, claimed: Sequence[Notification], error: Exception) -> None:
        """Has each of what was claimed claimed by itself next, to find out which one cannot be expanded; that one is put off."""
        if len(claimed) == 1:
            (item,) = claimed
            _log.error("notification cannot be expanded", notification=item.id, tenant=item.tenant, exc_info=error)
            await self._release([item.id], seconds=_SPOILED_SECONDS)
            return
        _log.warning("notifications cannot be expanded together, taken one by one", notifications=len(claimed), exc_info=error)
        self._suspects[priority] = len(claimed)
        await self._release([item.id for item in claimed], seconds=0.0)

    async def _expand(self, claimed: Sequence[Notification], announced: int) -> list[_SlowPart]:
        """Makes parts of what was claimed, each while the former is stored, and gives back what is left; returns what takes long."""
        early = await self._order.early(claimed)
        await self._release(sorted(early), seconds=_POLL_SECONDS)
        made = _Round(left=[item for item in claimed if item.id not in early])
        slow: list[_SlowPart] = []
        for turn in range(_TURN):
            if not made.left or (turn and self._announced != announced):
                break
            made, _ = await _both(self._make(made.left), self._store(made.ready))
            slow += made.slow
            report_progress()
        await self._store(made.ready)
        await self._release([item.id for item in made.left], seconds=0.0)
        return slow

    async def _make(self, claimed: Sequence[Notification]) -> _Round:
        """The next parts of what was claimed."""
        parts, left = await self._expansion.parts(claimed, until=self._clock.micros() + _LEASE)
        known = await self._ask(parts)
        made = _Round()
        for part in parts:
            if await self._compose(part, known):
                made.ready.append(part)
            else:
                made.slow.append(_SlowPart(part, known))
        # Behind those that had none yet.
        made.left = [*left, *(rest for part in made.ready if (rest := part.rest) is not None)]
        return made

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
        part.cut(count, due=self._clock.micros() + _LEASE)
        kept = {id(message) for message in part.messages}
        part.asked = [each for each in part.asked if id(each[0].item) in kept]
        return True

    async def _slowly(self, slow: _SlowPart) -> None:
        """Goes on with a part that takes long, beside the others; one at a time for a tenant."""
        notification = slow.part.notification
        if notification.tenant in self._slow or len(self._slow) >= _SLOW_TENANTS:
            await self._release([notification.id], seconds=_POLL_SECONDS)
            return
        self._slow.add(notification.tenant)
        self._workers.once("slow fan-out", partial(self._compose_slowly, slow))

    async def _compose_slowly(self, slow: _SlowPart) -> None:
        part = slow.part
        try:
            part.cut(_SLOW_TARGETS, due=self._clock.micros() + _LEASE)
            kept = {id(message) for message in part.messages}
            for message, answer in part.asked:
                if id(message.item) in kept:
                    part.deliveries.append(await self._made_slowly(message, answer, slow.known))
            await self._store([part])
            await self._release([part.notification.id], seconds=0.0)
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


async def _both(first: Awaitable[First], second: Awaitable[Second]) -> tuple[First, Second]:
    """What both give, when both have ended; raises what the second raised, or else the first."""
    made, stored = await asyncio.gather(first, second, return_exceptions=True)
    for result in (stored, made):
        if isinstance(result, BaseException):
            raise result
    return cast("First", made), cast("Second", stored)
