"""Telling callers what becomes of their notifications, by callbacks that are signed and repeated until they are taken."""

from collections.abc import Callable, Sequence
from typing import Final

from mailer_svc.ports.status_callbacks import (
    CallbackAttempt,
    CallbackResult,
    ClaimBounds,
    StatusCallback,
    StatusCallbackClient,
    StatusCallbackStore,
)
from mailer_svc.work_pool import WorkPool
from tocsin.background import Background, report_progress
from tocsin.clock import SECOND, Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_GATHER_SECONDS: Final = 1.0
_GATHERED: Final = 1000
_SEND_SECONDS: Final = 1.0
STATUS_CALLBACKS_AT_ONCE: Final = 32
"""Callbacks that are posted at a time."""
_SHARE: Final = 8  # of one tenant: one whose URLs all hang leaves the other places to others
_EACH: Final = 4  # of one URL: one that hangs takes no other's place
_CLAIM_SECONDS: Final = 120
# Seconds to the next attempt, as the specification of Standard Webhooks proposes.
_SCHEDULE: Final = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)


class StatusCallbacks:
    """Gathers and posts callbacks; a component."""

    def __init__(self, *, store: StatusCallbackStore, client: StatusCallbackClient, clock: Clock, draw: Callable[[], float]) -> None:
        """Makes it; ``draw`` is a source of jitter, 0 to 1."""
        self._store = store
        self._client = client
        self._clock = clock
        self._draw = draw
        self._rounds = Background(clock)
        self._pool: WorkPool[StatusCallback] = WorkPool(
            name="status callback",
            places=STATUS_CALLBACKS_AT_ONCE,
            work=self._tell,
            lane=lambda callback: (callback.tenant, callback.url),
            background=self._rounds,
            clock=clock,
        )

    async def start(self) -> None:
        """Begins to tell."""
        if not self._rounds.running:
            self._rounds.periodic("status callbacks", _GATHER_SECONDS, self.gather, vital=False)
            self._rounds.periodic("status callbacks posted", _SEND_SECONDS, self.post, vital=False)

    async def stop(self) -> None:
        """Tells no more; what is left is told after the next start."""
        await self._rounds.stop()

    async def gather(self) -> None:
        """Takes up every change since the last time."""
        while await self._store.gather(now=self._clock.micros(), limit=_GATHERED) == _GATHERED:
            report_progress()

    async def post(self) -> None:
        """Posts everything that is due; one that hangs holds its own place, and no other callback."""
        await self._pool.drain(self._claim)

    async def _claim(self, free: int) -> Sequence[StatusCallback]:
        now, until = self._clock.micros(), self._clock.micros() + _CLAIM_SECONDS * SECOND
        bounds = ClaimBounds(limit=free, each=_EACH, share=_SHARE)
        return await self._store.claim(now=now, until=until, bounds=bounds, under_way=self._pool.under_way)

    async def _tell(self, callback: StatusCallback) -> None:
        attempt = await self._attempt(callback)
        match attempt.result:
            case CallbackResult.TAKEN:
                await self._store.remove([callback.id])
            case CallbackResult.UNWANTED:
                _log.warning("status callbacks are not wanted", callback=callback.id, tenant=callback.tenant)
                await self._store.silence(tenant=callback.tenant, url=callback.url)
            case CallbackResult.AGAIN:
                await self._again(callback, attempt)

    async def _attempt(self, callback: StatusCallback) -> CallbackAttempt:
        """One attempt; what cannot be posted as it is stored is given up, and those beside it are posted once."""
        try:
            return await self._client.post(callback)
        except TocsinError:
            raise
        except Exception:  # noqa: BLE001  whatever somebody stored
            _log.warning("status callback cannot be posted", callback=callback.id, tenant=callback.tenant, exc_info=True)
            return CallbackAttempt(callback=callback, result=CallbackResult.TAKEN)

    async def _again(self, callback: StatusCallback, attempt: CallbackAttempt) -> None:
        if callback.attempts >= len(_SCHEDULE):
            _log.warning("status callback given up", callback=callback.id, attempts=callback.attempts + 1, detail=attempt.detail)
            await self._store.remove([callback.id])
            return
        wait = max(_SCHEDULE[callback.attempts] * (1.0 + 0.1 * self._draw()), min(attempt.retry_after or 0.0, _SCHEDULE[-1]))
        await self._store.put_off(callback, due=self._clock.micros() + round(wait * SECOND))
