"""A service that is watched, and who follows it through the shared watches of a gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter

from gateway import shared_watches
from gateway.ports import Stream
from gateway.shared_watches import SharedWatches
from gateway.transcoding.contract import Contract
from tocsin.api.scheduler.v1 import firing_service_pb2 as firings
from tocsin.clock import SystemClock
from tocsin.errors import TocsinError
from tocsin.mesh.context import Call, current, enter
from tocsin.mesh.policy import PACKAGE, contract
from tocsin.mesh.tokens import Principal

WATCH = "/tocsin.api.scheduler.v1.FiringService/WatchFirings"
EXPORT = "/tocsin.api.scheduler.v1.AlarmService/ExportAlarms"
CONTRACT = Contract(descriptor_set=contract().SerializeToString(), package=PACKAGE)
KEPT = shared_watches.KEPT_MESSAGES


@dataclass(eq=False)
class Opened:
    """A watch of the service that somebody has opened."""

    service: "Service"
    tenant: str
    credential: str | None
    alarm: str
    at: int
    deadline: float | None
    is_open: bool = True
    error: TocsinError | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        service = self.service
        while True:
            if (error := self.error or service.errors.get(self.credential or "") or service.error) is not None:
                self.is_open = False
                raise error
            ledger = service.ledgers.setdefault(self.tenant, [])
            while self.at < len(ledger):
                self.at += 1
                if not self.alarm or ledger[self.at - 1] == self.alarm:
                    service.read += 1
                    return told(self.at, ledger[self.at - 1], service.weight)
            await service.changed.wait()
            for _ in range(service.lag(self)):
                await asyncio.sleep(0)

    def cancel(self) -> bool:
        self.is_open = False
        return True


@dataclass(eq=False)
class Service:
    """A ledger for each tenant, whose changes are numbered; tokens are those numbers."""

    ledgers: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    opened: list[Opened] = field(default_factory=list[Opened])
    error: TocsinError | None = None
    errors: dict[str, TocsinError] = field(default_factory=dict[str, TocsinError])
    lag: Callable[[Opened], int] = lambda _: 0
    read: int = 0
    weight: int = 0

    def call(self, path: str) -> Callable[[bytes], Stream]:
        def open_watch(raw: bytes) -> Stream:
            call, request = current(), firings.WatchFiringsRequest.FromString(raw)
            assert path in {WATCH, EXPORT}
            assert call is not None
            assert call.principal is not None
            tenant = call.principal.tenant
            at = int(request.resume_token or len(self.ledgers.get(tenant, ())))
            self.opened.append(Opened(self, tenant, call.authorization, request.alarm, at, call.deadline))
            return self.opened[-1]

        return open_watch

    def change(self, count: int = 1, *, tenant: str = "t1", alarm: str = "alarms/a") -> None:
        self.ledgers.setdefault(tenant, []).extend([alarm] * count)
        self.tell()

    def fail(self, error: TocsinError) -> None:
        self.error = error
        self.tell()
        self.changed = asyncio.Event()

    def tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    @property
    def open(self) -> list[Opened]:
        return [each for each in self.opened if each.is_open]


def told(number: int, alarm: str, weight: int = 0) -> bytes:
    """What the service tells of a change."""
    firing = firings.Firing(name=f"firings/{number}", alarm=alarm, error="e" * weight)
    return firings.WatchFiringsResponse(firing=firing, resume_token=str(number)).SerializeToString()


def number_of(wire: bytes) -> int:
    """Which change a message tells."""
    return int(firings.WatchFiringsResponse.FromString(wire).resume_token)


class Heard:
    """Somebody who follows, reads as fast as may be until told to stop, and notes what came."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.numbers: list[int] = []
        self.error: BaseException | None = None
        self.pause = asyncio.Event()
        self.pause.set()
        self.task = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        try:
            async for wire in self.stream:
                self.numbers.append(number_of(wire))
                await self.pause.wait()
        except TocsinError as error:
            self.error = error

    async def leave(self) -> None:
        self.stream.cancel()
        self.pause.set()
        await asyncio.gather(self.task, return_exceptions=True)


class World:
    """The service, the shared watches, and who follows them."""

    def __init__(self) -> None:
        self.service = Service()
        self.watches = SharedWatches(contract=CONTRACT, call=self.service.call, clock=SystemClock(), timeout=attrgetter("timeout"))
        self.all: list[Heard] = []

    def follow(self, token: str = "", *, tenant: str = "t1", who: str = "one", alarm: str = "", seconds: float | None = None) -> Heard:
        """Somebody begins to follow."""
        principal = Principal(
            tenant=tenant,
            subject=who,
            scopes=frozenset({"firings:read"}),
            time_zone="UTC",
            token=who,
            expires=datetime(2030, 1, 1, tzinfo=UTC),
        )
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        enter(Call(principal=principal, authorization=who, deadline=deadline))
        caller = self.watches.caller(WATCH)
        assert caller is not None
        heard = Heard(caller(firings.WatchFiringsRequest(alarm=alarm, resume_token=token).SerializeToString()))
        self.all.append(heard)
        return heard

    async def settle(self) -> None:
        """Everybody has had many turns."""
        for _ in range(100):
            await asyncio.sleep(0)
