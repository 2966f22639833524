"""`EdgeServer`: the gateway's public gRPC server, which carries bytes and asks for no client certificate."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

import grpc
from google.protobuf.descriptor_pool import DescriptorPool

from tocsin.clock import Clock
from tocsin.mesh.health import HealthMonitor, HealthServicer
from tocsin.mesh.options import ConnectionOptions
from tocsin.mesh.server.acceptor import AcceptingServer, RpcHandler
from tocsin.mesh.server.binding import PortInUse, bind, server_options
from tocsin.mesh.server.reflection import add_reflection

_LONGEST_CALL_SECONDS: Final = 3600.0
_TRIES: Final = 100
_TRY_SECONDS: Final = 0.05


class EdgeServer:
    """A gRPC server at the edge of the mesh: handlers of bytes, health, reflection, the bounds of the settings, drain."""

    def __init__(
        self,
        *,
        settings: ConnectionOptions,
        clock: Clock,
        handlers: Mapping[str, RpcHandler],
        port: int | None = None,
        setting: str = "port",
        certificate: Callable[[], tuple[bytes, bytes]] | None = None,
        reflected: Sequence[str] = (),
        pools: Sequence[DescriptorPool] = (),
        options: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Puts the parts together; nothing listens before `start`.

        Args:
            settings: host and bounds.
            clock: source of time for health.
            handlers: by full path; they map their own errors.
            port: where to listen; ``settings.port`` unless given. 0 takes any free one.
            setting: field of the settings that gave the port; named when it is taken.
            certificate: gives the private key and the chain (PEM) that clients are shown, asked at each handshake; plain text without.
            reflected: full names of the services that reflection lists; health and reflection itself come along.
            pools: where reflection finds their descriptors; the default pool unless given.
            options: of gRPC's server, beside those of the settings.
        """
        self._options = [*server_options(settings), *options]
        self._settings = settings
        self._handlers = dict(handlers)
        self._wanted = settings.port if port is None else port
        self._setting = setting
        self._credentials = None if certificate is None else _credentials(certificate)
        self._reflected = tuple(reflected)
        self._pools = tuple(pools)
        self._monitor = HealthMonitor(checks={}, clock=clock)
        self._server: grpc.aio.Server | None = None
        self._health: HealthServicer | None = None
        self._port = 0
        self._leaving: list[grpc.aio.Server] = []

    @property
    def port(self) -> int:
        """The port; real once started."""
        return self._port

    @property
    def address(self) -> str:
        """``host:port``; real once started."""
        return f"{self._settings.host}:{self._port}"

    async def start(self) -> None:
        """Listens and reports SERVING.

        Raises:
            PortInUse: the port is taken.
        """
        if self._server is not None:
            return
        server, health = self._made()
        self._port = bind(server, settings=self._settings, port=self._wanted, setting=self._setting, credentials=self._credentials)
        await self._begin(server, health)

    def _made(self) -> tuple[AcceptingServer, HealthServicer]:
        server = AcceptingServer(options=self._options)
        health = HealthServicer()
        health.add_to(server)
        add_reflection(server, self._reflected, self._pools)
        server.add_handlers(self._handlers)
        return server, health

    async def _begin(self, server: AcceptingServer, health: HealthServicer) -> None:
        await self._monitor.start(health, self._reflected)
        await server.start()
        self._server, self._health = server, health

    async def replace(self, *, handlers: Mapping[str, RpcHandler], reflected: Sequence[str], pools: Sequence[DescriptorPool]) -> None:
        """Serves other handlers at the same port, if it runs.

        gRPC's core learns methods before a server starts, so that another server takes the port. Clients are told to connect anew
        (GOAWAY); calls under way end where they are, a stream by its own deadline. A connection that comes between is refused.

        Args:
            handlers: by full path.
            reflected: full names of the services that reflection lists.
            pools: where reflection finds their descriptors.
        """
        self._handlers, self._reflected, self._pools = dict(handlers), tuple(reflected), tuple(pools)
        old, old_health = self._server, self._health
        if old is None or old_health is None:
            return
        server, health = self._made()
        await self._monitor.stop()
        self._leaving.append(old)
        leaving = asyncio.ensure_future(old.stop(_LONGEST_CALL_SECONDS))
        leaving.add_done_callback(lambda _: self._leaving.remove(old))
        old_health.close()
        await self._bound_again(server)
        await self._begin(server, health)

    async def _bound_again(self, server: AcceptingServer) -> None:
        """Takes the port as soon as the other server has let go of it."""
        for _ in range(_TRIES):
            try:
                bind(server, settings=self._settings, port=self._port, setting=self._setting, credentials=self._credentials)
                return
            except PortInUse:
                await asyncio.sleep(_TRY_SECONDS)
        bind(server, settings=self._settings, port=self._port, setting=self._setting, credentials=self._credentials)

    def drain(self) -> None:
        """Reports NOT_SERVING and goes on serving."""
        if self._health is not None:
            self._monitor.drain(self._health)

    async def wait(self) -> None:
        """Returns when the server that runs now takes no more calls.

        Raises:
            Exception: what ended it, when nobody stopped it; then the process is of no more use.
        """
        while (server := self._server) is not None:
            await server.wait_for_termination()
            if server is self._server:
                return  # else another one has taken its place

    async def stop(self) -> None:
        """Drains, and ends after the lame duck and the grace period."""
        self.drain()
        server, self._server = self._server, None
        health, self._health = self._health, None
        await asyncio.gather(*(old.stop(0) for old in self._leaving))
        if server is None or health is None:
            return
        await asyncio.sleep(self._settings.drain_seconds)
        await self._monitor.stop()
        stopping = asyncio.ensure_future(server.stop(self._settings.grace_seconds))
        await asyncio.sleep(0)
        health.close()
        await stopping


def _credentials(certificate: Callable[[], tuple[bytes, bytes]]) -> grpc.ServerCredentials:
    """TLS with the newest certificate. gRPC is given a change once, for it replaces what is in use without a lock (see `Keyring`)."""
    given = certificate()

    def reread() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given
        newest = certificate()
        if newest == given:
            return None
        given = newest
        return grpc.ssl_server_certificate_configuration([newest])

    fetcher = cast("Callable[[], grpc.ServerCertificateConfiguration]", reread)  # None is "no change", which the stubs do not know
    return grpc.dynamic_ssl_server_credentials(grpc.ssl_server_certificate_configuration([given]), fetcher)
