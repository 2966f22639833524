"""Storing what attempts came to: no attempt waits for it, and many share a transaction with each other and with marks."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Final

from mailer_svc.domain import NO_EFFECT, DeliveryState, SendJob, SendOutcome, SendResult, effect_of_answer
from mailer_svc.ports import AWAY, AddressKey, AddressRetirement, DeliveryQueue, Journal, Settlement
from mailer_svc.service.publishing import DeliveryPublisher
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_AWAY_SECONDS: Final = 0.5


class OutcomeSettler:
    """Stores outcomes of one channel, and tells who has to know of them."""

    def __init__(
        self,
        *,
        queue: DeliveryQueue,
        journal: Journal,
        addresses: AddressRetirement,
        publisher: DeliveryPublisher,
        clock: Clock,
        ended: Callable[[str], object],
    ) -> None:
        """Makes it.

        Args:
            queue: of the channel.
            journal: stores outcomes.
            addresses: learns which addresses are gone.
            publisher: tells watchers, and counts.
            clock: source of time.
            ended: told the id of each delivery whose outcome is stored, or can never be: nobody need hold it any more.
        """
        self._queue = queue
        self._journal = journal
        self._addresses = addresses
        self._publisher = publisher
        self._clock = clock
        self._ended = ended
        self._under_way: set[asyncio.Future[bool]] = set()
        self._changed: set[str] = set()
        self._later = Background(clock)

    async def stop(self, *, grace_seconds: float) -> None:
        """Returns when everything is stored, or after so long. What is not is told by its lease, which nobody renews any more."""
        loop = asyncio.get_running_loop()
        end = loop.time() + grace_seconds
        while self._under_way and (left := end - loop.time()) > 0:
            await asyncio.wait(self._under_way, timeout=left)
        for stored in tuple(self._under_way):
            stored.cancel()
        await self._later.stop(grace_seconds=max(0.0, end - loop.time()))

    def settle(self, settlement: Settlement, outcome: SendOutcome) -> None:
        """Stores the outcome of an attempt as soon as can be."""
        stored = self._journal.settle(settlement)
        self._under_way.add(stored)
        # A task for each would cost as much as all the rest of it.
        stored.add_done_callback(partial(self._stored, settlement, outcome))

    def _stored(self, settlement: Settlement, outcome: SendOutcome, stored: "asyncio.Future[bool]") -> None:
        self._under_way.discard(stored)
        error = None if stored.cancelled() else stored.exception()
        if error is not None:
            self._later.once("outcome", partial(self._again, settlement, outcome, error))
            return
        if not stored.cancelled() and stored.result():
            self._tell(settlement, outcome)
        self._ended(settlement.job.id)

    async def _again(self, settlement: Settlement, outcome: SendOutcome, error: BaseException) -> None:
        """Stores what could not be stored at first."""
        try:
            if await self._kept(settlement, outcome, error):
                self._tell(settlement, outcome)
        finally:
            self._ended(settlement.job.id)

    async def _kept(self, settlement: Settlement, outcome: SendOutcome, error: BaseException) -> bool:
        job = settlement.job
        while isinstance(error, AWAY):
            # What happened has happened; it is told to the database as soon as there is one.
            _log.warning("outcome not stored yet", delivery=job.id, error=error.message)
            await self._clock.sleep(_AWAY_SECONDS)
            try:
                return await self._journal.settle(settlement)
            except Exception as again:  # noqa: BLE001 - see below
                error = again
        # What can never be stored must not be attempted for ever.
        _log.error("outcome cannot be stored", delivery=job.id, exc_info=error)
        handed_over = outcome.result in (SendResult.SENT, SendResult.UNKNOWN)
        state = DeliveryState.OUTCOME_UNKNOWN if handed_over else DeliveryState.DEAD
        detail = f"its outcome cannot be stored: {type(error).__name__}: {error}"
        await safely(self._queue.force_end(job.id, state=state, now=self._clock.micros(), detail=detail))
        self._tell(replace(settlement, step=replace(settlement.step, state=state, wait=None)), outcome)
        return False

    def _tell(self, settlement: Settlement, outcome: SendOutcome) -> None:
        job, step = settlement.job, settlement.step
        self._publisher.meter.settled(self._queue.channel, step.state)
        write = _log.debug if step.state is DeliveryState.SENT else _log.info
        write("attempt ended", delivery=job.id, state=step.state.name, attempts=step.attempts, code=step.code, wait=step.wait)
        if not self._changed:
            self._later.once("changes", self._publish)
        self._changed.add(job.tenant)
        if outcome.new_address or effect_of_answer(outcome.result) is not NO_EFFECT:
            self._later.once("address", partial(self._settle_address, job, outcome, settlement.provider))

    async def _publish(self) -> None:
        """Tells watchers, once for all changes that were stored together."""
        changed, self._changed = self._changed, set()
        for tenant in changed:
            await self._publisher.changed(tenant)

    async def _settle_address(self, job: SendJob, outcome: SendOutcome, provider: str) -> None:
        """Tells whoever keeps addresses what the provider says of this one. If that fails, the next message learns it anew."""
        key, now, effect = AddressKey.of(job.tenant, self._queue.channel, job.to), self._clock.micros(), effect_of_answer(outcome.result)
        suppression = effect.suppression(key, id=job.id, category=job.category, source=provider, detail=outcome.detail, now=now)
        if effect.retire:
            await safely(self._addresses.retire({key: outcome.detail}, now=now))
        if suppression is not None:
            await safely(self._addresses.suppress(suppression))
        if outcome.new_address:
            await safely(self._addresses.replace(key, outcome.new_address, now=now))


async def safely(work: Coroutine[Any, Any, Any]) -> None:
    """Does ``work``, unless the database is away."""
    try:
        await work
    except TocsinError as error:
        _log.warning("queue unavailable", error=error.message)
