"""Work streams between processors and replicas, as `scheduler_svc.handlers.dispatch` serves them, over a network that breaks."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from scheduler_svc.dispatch import CancelJobs, Confirmed, Dispatcher, Drain, Jobs, Message, ProcessorSession, Question
from scheduler_svc.domain import Lease, Report
from tests.simulation.loop import Fate, Process, SimLoop

_KEEPALIVE: Final = 30.0


class Job(NamedTuple):
    """A firing as a processor gets it."""

    lease: Lease
    alarm: str
    due: int
    attempt: int
    suspect: bool


class Credit(NamedTuple):
    """So many more jobs."""

    amount: int


class Results(NamedTuple):
    """How deliveries ended."""

    reports: Sequence[Report]


class Extend(NamedTuple):
    """Deliveries that still run."""

    leases: Sequence[Lease]


class Finish(NamedTuple):
    """No more is said."""


Said: TypeAlias = Credit | Results | Extend | Finish
Answer: TypeAlias = Sequence[Job] | Confirmed | CancelJobs | Drain


class Stream:
    """One Work stream. What is said arrives in order, later, unless the stream breaks."""

    def __init__(
        self,
        *,
        loop: SimLoop,
        draw: random.Random,
        worker: str,
        client: Process,
        server: Process,
        dispatcher: Dispatcher,
        heard: Callable[[Answer], None],
        ended: Callable[[], None],
    ) -> None:
        """Opens it.

        Args:
            loop: carries what is said.
            draw: source of delays.
            worker: identity of the processor's start.
            client: the processor.
            server: the replica.
            dispatcher: the replica's.
            heard: called in the processor with each answer.
            ended: called in the processor when it sees the stream end.
        """
        self.client = client
        self.server = server
        self.broken = False
        self._loop = loop
        self._draw = draw
        self._worker = worker
        self._dispatcher = dispatcher
        self._heard = heard
        self._ended = ended
        self._inbox: asyncio.Queue[Said] = asyncio.Queue()
        self._reach = {True: 0.0, False: 0.0}
        self._serving: asyncio.Task[None] | None = None
        self._over = False
        self._deliver(self._accept, server, up=True)

    # -- the network --------------------------------------------------------------------------------------------------------------

    def say(self, said: Said) -> None:
        """The processor speaks."""
        if not self.broken:
            self._deliver(lambda: self._inbox.put_nowait(said), self.server, up=True)

    def _answer(self, answer: Answer) -> None:
        if not self.broken:
            self._deliver(lambda: self._heard(answer), self.client, up=False)

    def _deliver(self, act: Callable[[], None], to: Process, *, up: bool) -> None:
        when = max(self._reach[up], self._loop.time() + self._draw.expovariate(1 / 0.002))
        self._reach[up] = when

        def arrive() -> None:
            if not self.broken:
                act()

        with self._loop.within(to):
            self._loop.call_at(when, arrive)

    def cut(self, *, silent: bool = False) -> None:
        """The network breaks the stream: what is on its way is lost. Both sides see it now, or by their keepalive when it is silent."""
        if self.broken:
            return
        self.broken = True
        wait = _KEEPALIVE if silent else self._draw.uniform(0.0, 0.1)
        with self._loop.within(self.client):
            self._loop.call_later(wait, self._client_sees)
        with self._loop.within(self.server):
            self._loop.call_later(wait * self._draw.random(), self._server_sees)

    def _client_sees(self) -> None:
        if not self._over:
            self._over = True
            self._ended()

    def _server_sees(self) -> None:
        if self._serving is not None:
            self._serving.cancel()

    # -- the replica's side ----------------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        self._serving = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        session = self._dispatcher.connect(self._worker)
        reader = asyncio.get_running_loop().create_task(self._read(session))
        reader.add_done_callback(lambda _: session.finish())
        try:
            while (message := await session.next()) is not None:
                self._answer(_on_the_wire(message))
        finally:
            reader.cancel()
            self._dispatcher.disconnect(session)
        self._deliver(self._client_sees, self.client, up=False)

    async def _read(self, session: ProcessorSession) -> None:
        while True:
            said = await self._inbox.get()
            match said:
                case Credit(amount):
                    self._dispatcher.grant(session, amount)
                case Results(reports):
                    await self._dispatcher.report(session, reports)
                case Extend(leases):
                    self._dispatcher.extend(session, leases)
                case Finish():
                    return

    @property
    def dead(self) -> bool:
        """Whether one side is dead, which the other does not know yet."""
        return Fate.DEAD in (self.client.fate, self.server.fate)


def _on_the_wire(message: Message) -> Answer:
    """A copy: a queued goes on changing in the replica's memory."""
    if isinstance(message, Jobs):
        return [
            Job(lease=Lease(queued.id, token), alarm=queued.alarm, due=queued.due, attempt=queued.attempts + 1, suspect=message.suspect)
            for queued, token in message.deliveries
        ]
    assert not isinstance(message, Question)  # nobody checks actions here
    return message
