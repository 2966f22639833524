"""What the client side does by itself: it takes new certificates into use and removes replicas that are gone."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Final, Generic, Protocol, TypeVar

from tocsin.background import Background
from tocsin.clock import Clock, SystemClock
from tocsin.errors import Unavailable
from tocsin.mesh.identity import CertificateExpired, Keyring, Material
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

CHECK_SECONDS: Final = 2.0
"""Between two looks at the files; only their stamps are read."""
RESOLVE_SECONDS: Final = 20.0
"""Between two looks at the addresses of services whose replicas have channels of their own."""
GONE_SECONDS: Final = 60.0
"""A replica is removed when its address was missing for so long: it may only have been restarted."""

_SHORTEST_SECONDS: Final = 0.01

Key = tuple[str, str | None]
"""A service, and the address of one replica of it."""


class RenewableChannel(Protocol):
    """A `MeshChannel`."""

    async def renew(self, *, grace: float) -> bool:
        """Dials anew; False when the new connection is worse than the old one, which then stays."""
        ...

    def drop(self, *, grace: float) -> None:
        """Takes no more calls on the connections that there are."""
        ...


C = TypeVar("C", bound=RenewableChannel)


class ChannelRenewal(Generic[C]):
    """Looks after the channels of a mesh, by the clock.

    Calls under way end on the connection that they have: when a connection was replaced, or its replica is gone, it is closed after the
    last of them, or after ``grace`` seconds, when all of them are past their deadlines.
    """

    def __init__(
        self,
        *,
        keyring: Keyring | None,
        channels: MutableMapping[Key, C],
        endpoints: Callable[[str], Awaitable[list[str]]],
        on_gone: Callable[[Key], None],
        clock: Clock,
        grace: float,
    ) -> None:
        """Does nothing yet.

        Args:
            keyring: this process's certificate; None without TLS.
            channels: of the mesh, by service and replica.
            endpoints: the addresses of a service now.
            on_gone: called when the channel of a replica was closed.
            clock: source of the time between two looks.
            grace: the longest timeout of any method, in seconds.
        """
        self._keyring = keyring
        self._channels = channels
        self._endpoints = endpoints
        self._on_gone = on_gone
        self._clock = clock
        self._grace = grace
        self._used: Material | None = None
        self._stale: set[Key] = set()
        self._missing: dict[Key, float] = {}
        self._resolved = 0.0
        self._background = Background(clock)

    async def start(self) -> None:
        """Begins to look."""
        if not self._background.running:
            self._used = self._usable()
            self._resolved = self._clock.monotonic()
            self._background.periodic("mesh-renewal", self._pause, self._look, at_once=False)

    async def stop(self) -> None:
        """Looks no more."""
        await self._background.stop()

    async def _look(self) -> None:
        await self.renew()
        if self._clock.monotonic() - self._resolved >= RESOLVE_SECONDS:
            self._resolved = self._clock.monotonic()
            await self.forget_gone()

    def _pause(self) -> float:
        """Until the next look, or until the certificate ends: the first call after that is to hear why it fails."""
        if self._used is None:
            return CHECK_SECONDS
        left = (self._used.expires - SystemClock().now()).total_seconds()
        return min(CHECK_SECONDS, max(left, _SHORTEST_SECONDS))

    async def renew(self) -> None:
        """Moves channels to the newest certificate and authorities; without a valid certificate they take no more calls."""
        usable = self._usable()
        if usable is not self._used:
            self._used, self._stale = usable, set(self._channels)
        stale = [key for key in self._stale if key in self._channels]
        if not stale:
            return
        if usable is None:
            _log.error("certificate expired", channels=len(stale))
            for key in stale:
                self._channels[key].drop(grace=self._grace)
            self._stale.clear()
            return
        done = await asyncio.gather(*(self._channels[key].renew(grace=self._grace) for key in stale))
        self._stale = {key for key, renewed in zip(stale, done, strict=True) if not renewed}
        _log.info("certificate renewed", expires=usable.expires.isoformat(), channels=len(stale), waiting=len(self._stale))

    def _usable(self) -> Material | None:
        if self._keyring is None:
            return None
        with suppress(CertificateExpired):
            return self._keyring.valid()
        return None

    async def forget_gone(self) -> None:
        """Remove replicas whose address has been missing for a minute."""
        now = self._clock.monotonic()
        replicas = [key for key in self._channels if key[1] is not None]
        there = {service: await self._resolve(service) for service in {service for service, _ in replicas}}
        for key in replicas:
            service, endpoint = key
            if endpoint in there[service]:
                self._missing.pop(key, None)
            elif now - self._missing.setdefault(key, now) >= GONE_SECONDS:
                self._channels.pop(key).drop(grace=self._grace)
                self._missing.pop(key)
                self._on_gone(key)
                _log.info("replica removed", target=service, endpoint=endpoint)

    async def _resolve(self, service: str) -> list[str]:
        """The addresses of ``service``; none when its name has none, as is the case when it was scaled to nothing."""
        try:
            return await self._endpoints(service)
        except Unavailable:
            return []
