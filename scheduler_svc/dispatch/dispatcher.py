"""The dispatcher: leases firings to processors, takes their results, and commits those in batches.

It runs on one event loop and never waits between reading and changing what it knows, so it needs no lock.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from scheduler_svc.dispatch.backlog import Backlog
from scheduler_svc.dispatch.leases import LeasedFiring, Leases
from scheduler_svc.dispatch.options import DispatchOptions
from scheduler_svc.dispatch.results import Entry, Results, confirm_results
from scheduler_svc.dispatch.routing import Routing, Suspects
from scheduler_svc.dispatch.session import CancelJobs, Confirmed, Drain, Jobs, ProcessorSession
from scheduler_svc.domain import Failed, FailedAttempt, FiringState, Lease, Priority, QueuedFiring, Released, Report, Succeeded
from scheduler_svc.ports import Ledger, Notifier, Observer, Paused, Shards
from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)
_SHORTEST_SECONDS: Final = 0.001  # a wait that rounds to nothing would spin
LOST: Final = "DELIVERY_LOST"
"""Reason of an attempt that its processor did not survive."""

_GIVEN_BACK: Final = Released()
_HURRIED_SHARE: Final = 2


class Dispatcher:
    """Hands firings to sessions and brings their results home."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        shards: Shards,
        changes: Notifier,
        observer: Observer,
        clock: Clock,
        options: DispatchOptions,
        draw: random.Random,
    ) -> None:
        self.options = options
        self.leases = Leases(seconds=options.lease_seconds)
        self.suspects = Suspects(lost_deliveries=options.lost_deliveries)
        self._ending: dict[str, QueuedFiring] = {}
        self.backlog = Backlog(
            ledger=ledger,
            shards=shards,
            suspects=self.suspects,
            clock=clock,
            limit=options.queue_limit,
            horizon=options.retry_horizon,
            out=lambda firing: firing in self.leases or firing in self._ending or firing in self.suspects,
        )
        self._ledger = ledger
        self._shards = shards
        self._changes = changes
        self._observer = observer
        self._clock = clock
        self._draw = draw
        self._sessions: deque[ProcessorSession] = deque()
        self._routing = Routing(sessions=self._sessions, suspects=self.suspects, send=self._send, give_up=self._give_up)
        self._numbers = 0
        self._wake = Wake(clock)
        self._loops = Background(clock)
        self._results = Results(
            commit=self._commit, refuse=self._refuse, hurried=self._hurried, most=options.result_batch, loops=self._loops, clock=clock
        )
        self._pumping = False
        self._heal_at = 0.0

    # -- life --------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to tend leases and to commit results."""
        if not self._loops.running:
            self._loops.supervised("dispatch", self._tend)
            self._results.start()

    async def stop(self) -> None:
        """Ends every session, and commits the results that have come; what is unfinished stays in the ledger."""
        await self._loops.stop()
        while self._sessions:
            self._sessions.popleft().close()
        await self._results.finish()

    @property
    def failing(self) -> dict[str, str]:
        """Loops that do not work, with the reason."""
        return self._loops.failing

    @property
    def sessions(self) -> int:
        """Connected processors."""
        return len(self._sessions)

    def connected(self) -> Sequence[ProcessorSession]:
        """Every stream to a processor."""
        return tuple(self._sessions)

    def drain(self) -> None:
        """Tells every processor to move on; no further jobs are sent."""
        for session in self._sessions:
            if not session.draining:
                session.draining = True
                session.send(Drain())

    def shards_gained(self, shards: Collection[int]) -> None:
        """These shards are ours now: whatever is unfinished in them is looked up."""
        if shards:
            self.rescan()

    def shards_lost(self, shards: Collection[int]) -> None:
        """These shards are somebody else's now; results of what is on its way still count."""
        self.backlog.drop_shards(shards)

    def stop_tenants(self, tenants: frozenset[str]) -> None:
        """Nothing goes out for these tenants until they are no longer among them."""
        self.backlog.stop_tenants(tenants)
        self._wake.set()

    def rescan(self) -> None:
        """There may be firings in the store that nobody offers: a transaction ended, and nobody knows how. They are looked up."""
        self.backlog.read_all()
        self._wake.set()

    # -- firings go out -----------------------------------------------------------------------------------------------------

    def offer(self, queued_firings: Iterable[QueuedFiring]) -> None:
        """Takes firings that are in the ledger; those without room in memory are found there later."""
        for queued in queued_firings:
            self.backlog.add(queued)
        self._pump_soon()

    def connect(self, worker: str, *, reserve: int = 0, kinds: Collection[str] = ()) -> ProcessorSession:
        """A new stream of the processor ``worker``, which takes so many critical firings beyond its credit, and knows these kinds."""
        self._numbers += 1
        session = ProcessorSession(worker=worker, number=self._numbers, reserve=reserve, kinds=kinds, on_ready=self._pump_soon)
        self._sessions.append(session)
        self.suspects.back(worker)
        return session

    def disconnect(self, session: ProcessorSession) -> None:
        """The stream is over: what it worked on, and sent no result of, goes to another at once."""
        if session.closed:
            return
        session.close()
        self._sessions.remove(session)
        found = [self.leases.get(firing) for firing in session.leased]
        lost = [delivery for delivery in found if delivery is not None and not delivery.reported]
        for delivery in lost:
            self._lose(delivery)
        self.suspects.gone(session.worker, [delivery.queued for delivery in lost if not delivery.reported])
        self._pump_soon()

    def grant(self, session: ProcessorSession, credit: int) -> None:
        """The processor can take ``credit`` more firings."""
        session.credit += credit
        self._pump_soon()

    def extend(self, session: ProcessorSession, leases: Sequence[Lease]) -> None:
        """The processor still works on these."""
        for lease in leases:
            delivery = self.leases.current(lease)
            if delivery is not None and delivery.session is session:
                self.leases.extend(delivery, now=self._clock.monotonic())

    def _pump_soon(self) -> None:
        """Once in this turn of the loop, however many ask: so that one message carries what came together."""
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        held = self._shards.held
        idle = 0
        while held and len(self.backlog.queues) and idle < len(self._sessions):
            session = self._sessions[0]
            self._sessions.rotate(-1)
            queued_firings = self._take_for(session) if session.ready else []
            mine = [queued for queued in queued_firings if queued.shard in held]
            fit = self._routing.fit(session, mine)
            if fit:
                self._send(session, fit)
            idle = 0 if queued_firings else idle + 1
        if held and self.suspects:
            self._routing.send_suspects(held.keys())
        if self.backlog.starving:
            self._wake.set()

    def _take_for(self, session: ProcessorSession) -> list[QueuedFiring]:
        most = max(1, self.options.batch_size // _HURRIED_SHARE) if self._hurried() else self.options.batch_size
        credit = 0 if self._results.crowded else session.credit
        return self.backlog.queues.take(min(credit, most), reserve=min(session.reserve, most))

    def _give_up(self, session: ProcessorSession, queued: QueuedFiring, end: Failed | Released) -> None:
        """Ends a delivery before it is sent; ``session`` would have got it."""
        self.leases.give([queued], session, epochs=self._shards.held, now=self._clock.monotonic())
        if (delivery := self.leases.get(queued.id)) is not None:
            self._end(delivery, end)

    def _hurried(self) -> bool:
        """Whether something critical is under way: then whatever else is done is done in smaller pieces."""
        return bool(self.leases.critical or self.backlog.queues.size(Priority.CRITICAL))

    def _send(self, session: ProcessorSession, queued_firings: Sequence[QueuedFiring]) -> None:
        if not self.leases:
            self._wake.set()  # who tends leases may sleep for longer than they last
        session.credit -= len(queued_firings)
        self.leases.give(queued_firings, session, epochs=self._shards.held, now=self._clock.monotonic())
        session.send(Jobs([(queued, queued.token) for queued in queued_firings], suspect=self.suspects.suspected(queued_firings[0])))

    # -- results come in ------------------------------------------------------------------------------------------------------

    async def report(self, session: ProcessorSession, reports: Sequence[Report]) -> None:
        """Takes results; each lease is confirmed to the session once its result is committed. Waits while too many are uncommitted."""
        session.unconfirmed += len(reports)
        for report in reports:
            self._take(session, report)
        await self._results.room()

    def _take(self, session: ProcessorSession, report: Report) -> None:
        lease, end = report
        if isinstance(end, Succeeded):
            # Whichever delivery it was, the work is done: the firing goes to nobody else.
            delivery = self.leases.get(lease.firing)
            queued = self._withdraw(lease.firing) if delivery is None else delivery.queued
            if delivery is None and queued is not None:
                self._ending[queued.id] = queued
        else:
            delivery = self.leases.current(lease)
            queued = None if delivery is None else delivery.queued
            if end == _GIVEN_BACK:
                if delivery is not None and not delivery.reported:
                    self._put_back(delivery)
                session.send(Confirmed((lease,)))
                return
        if delivery is not None:
            delivery.reported = True
        self._results.add(
            Entry(session, report, self._clock.micros()), critical=queued is not None and queued.priority == Priority.CRITICAL
        )

    def fail(self, session: ProcessorSession, lease: Lease, failure: Failed) -> None:
        """This delivery cannot be told to the processor: the firing has failed, and its place there is free again."""
        session.credit += 1
        delivery = self.leases.current(lease)
        if delivery is not None and not delivery.reported:
            self._end(delivery, failure)
            self._pump_soon()

    def _end(self, delivery: LeasedFiring, end: Failed | Released) -> None:
        """Ends a delivery without its processor."""
        queued = delivery.queued
        delivery.reported = True
        report = Report(Lease(queued.id, queued.token), end)
        self._results.add(Entry(None, report, self._clock.micros()), critical=queued.priority == Priority.CRITICAL)

    def _withdraw(self, firing: str) -> QueuedFiring | None:
        return self.suspects.discard(firing) or self.backlog.discard(firing)

    async def _commit(self, batch: Sequence[Entry]) -> None:
        """Commits one batch; then, and only then, what is over is forgotten and the leases are confirmed."""
        started, now = self._clock.monotonic(), self._clock.micros()
        done = {report.lease.firing: report.end for _, report, _ in batch if isinstance(report.end, Succeeded)}
        ended = {report.lease.firing: at for _, report, at in batch}
        failed: dict[str, FailedAttempt] = {}
        for _, (lease, end), _ in batch:
            if not isinstance(end, Succeeded) and lease.firing not in done and (delivery := self.leases.current(lease)) is not None:
                failed[lease.firing] = FailedAttempt.after(delivery.queued, end, now=now, draw=self._draw)
        paused: Sequence[Paused] = ()
        if done or failed:
            known = {firing: queued for firing in (*done, *failed) if (queued := self._known(firing)) is not None}
            paused = await self._ledger.record(done=done, failed_attempts=failed.values(), now=now, queued_firings=known, ended=ended)
        tenants = self._finish(done) | self._step_back(failed)
        confirm_results(batch)
        self._pump_soon()
        states = Counter(back.state for back in failed.values())
        states[FiringState.SUCCEEDED] = len(done)
        self._observer.recorded(states, seconds=self._clock.monotonic() - started)
        await self._tell(tenants, paused)

    async def _tell(self, tenants: Iterable[str], paused: Sequence[Paused]) -> None:
        try:
            await self._changes.changed(tenants)
            await self._changes.paused(paused)
        except Exception as error:  # noqa: BLE001  the results are kept and confirmed: to keep them again would count twice
            _log.warning("results not published", exc_info=error)

    def _refuse(self, entry: Entry) -> None:
        """A result that cannot be kept was as good as none: the firing is delivered again, and not for ever."""
        lease = entry.report.lease
        confirm_results([entry])
        delivery = self.leases.get(lease.firing)
        if delivery is not None:
            delivery.reported = False  # unless it is lost here, its own result is to come
        if self.leases.current(lease) is not None and delivery is not None:
            self._lose(delivery)
        self._ending.pop(lease.firing, None)
        self.rescan()

    def _known(self, firing: str) -> QueuedFiring | None:
        delivery = self.leases.get(firing)
        return delivery.queued if delivery is not None else self._ending.get(firing)

    def _finish(self, done: Iterable[str]) -> set[str]:
        tenants: set[str] = set()
        for firing in done:
            delivery = self.leases.end(firing)
            # It may have been read from the store since its result came.
            queued = delivery.queued if delivery else self._ending.pop(firing, None) or self._withdraw(firing)
            self.backlog.settle(firing, queued)
            if queued is None:
                self.rescan()  # nobody here knows its alarm, nor what waits for it
            else:
                tenants.add(queued.tenant)
                self.backlog.chains.end(queued)
        return tenants

    def _step_back(self, failed: dict[str, FailedAttempt]) -> set[str]:
        tenants: set[str] = set()
        for firing, back in failed.items():
            delivery = self.leases.end(firing)
            self.backlog.settle(firing, delivery and delivery.queued)
            if delivery is None:
                continue
            queued = delivery.queued
            tenants.add(queued.tenant)
            queued.attempts = back.attempts
            if back.failure not in ("", LOST):
                queued.lost = 0  # it ran, and its processor lived; one that was only given back may not have run
            if back.ready is None:
                self.backlog.chains.end(queued)
            elif queued.shard in self._shards.held:
                queued.ready = back.ready
                self.backlog.place(queued)
                self._wake.set()
            else:
                self.backlog.chains.leave(queued)
        return tenants

    def cancel(self, firing: str) -> None:
        """It is over in the ledger: it goes to nobody, and who works on it is told."""
        delivery = self.leases.get(firing)
        if delivery is None:
            self._withdraw(firing)
        elif not delivery.reported:
            delivery.session.send(CancelJobs((Lease(firing, delivery.queued.token),)))

    # -- deliveries that bring no result --------------------------------------------------------------------------------------

    def _put_back(self, delivery: LeasedFiring) -> None:
        """Somebody else gets the firing."""
        self.leases.end(delivery.queued.id)
        self.backlog.put_back(delivery.queued)
        self._pump_soon()

    def _lose(self, delivery: LeasedFiring) -> None:
        """The delivery brought no result: somebody else gets the firing, unless it is to blame."""
        queued = delivery.queued
        self._observer.lost(1)
        if self.suspects.lost(queued):
            self._end(
                delivery, Failed(reason=LOST, message="its processor died or stopped responding while this was its only suspected firing")
            )
        else:
            self._put_back(delivery)

    # -- time passes ----------------------------------------------------------------------------------------------------------

    async def _tend(self) -> None:
        while True:
            self._heal()
            for delivery in self.leases.expired(now=self._clock.monotonic()):
                self._lose(delivery)
            self.backlog.ripen()
            self._pump_soon()
            read = await self.backlog.refill()
            report_progress()
            await self._wake.wait(0 if read else self._next_look())

    def _heal(self) -> None:
        """Now and then looks for what nobody offers: its transaction committed, but whoever began it was cut off before it knew."""
        now = self._clock.monotonic()
        if now >= self._heal_at:
            self._heal_at = now + self.options.heal_seconds
            self.rescan()

    def _next_look(self) -> float:
        """Seconds until something is to be done that nobody will ring for."""
        expiry, now = self.leases.next_expiry(), self._clock.monotonic()
        lease = float("inf") if expiry is None else expiry - now
        return max(_SHORTEST_SECONDS, min(self._heal_at - now, lease, self.backlog.next_look()))
