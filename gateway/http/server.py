"""The HTTP server: uvicorn on uvloop and httptools, as a component of the service."""

import asyncio
import contextlib
import math
import socket
import ssl
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn

from gateway.http.app import HttpApp
from gateway.http.connections import Connections, bounded
from gateway.http.socket_protocol import BoundedSocketProtocol
from gateway.open_streams import OpenStreams
from tocsin.background import Background
from tocsin.clock import SystemClock


class HttpPortInUse(OSError):
    """The HTTP port is taken."""


class _UvicornServer(uvicorn.Server):
    """uvicorn without its signal handlers: the lifecycle of the service owns the signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """Where to listen, and the bounds of what is served.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 takes any free one.
        keep_alive_seconds: how long an idle connection stays open.
        drain_seconds: how long the server goes on serving when it is told to stop, so that load balancers notice first.
        grace_seconds: how long requests may take to end when the server stops.
        backlog: connections that may wait to be accepted.
        stall_seconds: how long a client may take nothing of its answer, or answer no ping of a WebSocket.
        connections: counts connections, within bounds.
        tls: what is shown to clients; None: plain text.
        heartbeat_seconds: pause between the pings of a WebSocket.
        max_message_bytes: most bytes of a message of a WebSocket.
    """

    host: str
    port: int
    keep_alive_seconds: float
    drain_seconds: float
    grace_seconds: float
    backlog: int
    stall_seconds: float
    connections: Connections
    tls: ssl.SSLContext | None
    heartbeat_seconds: float
    max_message_bytes: int


class HttpServer:
    """Serves an application over HTTP/1.1; its stop drains."""

    def __init__(self, *, app: HttpApp, open_streams: OpenStreams, options: HttpOptions) -> None:
        """Makes the server; nothing listens before `start`.

        Args:
            app: what to serve.
            open_streams: those of the application, which end when the server takes no more.
            options: where to listen, and the bounds.
        """
        self._app = app
        self._open_streams = open_streams
        self._options = options
        self._server: _UvicornServer | None = None
        self._background = Background(SystemClock())
        self._serving: asyncio.Task[None] | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """The port; real once started."""
        return self._port

    @property
    def url(self) -> str:
        """``http://host:port`` or ``https://host:port``; real once started."""
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        return f"{'https' if self._options.tls else 'http'}://{host}:{self._port}"

    async def start(self) -> None:
        """Listens.

        Raises:
            HttpPortInUse: the port is taken.
        """
        if self._server is not None:
            return
        self._open_streams.resume()
        listener = self._listen()
        self._port = listener.getsockname()[1]
        self._server = _UvicornServer(self._config())
        self._serving = self._background.once("http-server", partial(self._server.serve, sockets=[listener]))
        listening = asyncio.ensure_future(self._server.listening.wait())
        await asyncio.wait((listening, self._serving), return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._serving.done():
            await self._serving
        self._serving.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Serves on for the lame duck, then ends the streams, takes no more, and lets what is under way end within the grace period."""
        server, self._server = self._server, None
        serving, self._serving = self._serving, None
        if server is None or serving is None:
            return
        # The world outside lives by real time, whatever clock the service has.
        await asyncio.sleep(self._options.drain_seconds)
        self._open_streams.end()
        server.should_exit = True
        await serving

    def _ended(self, _: "asyncio.Task[None]") -> None:
        if self._server is not None:  # nobody stopped it; what listened is gone with it
            self._background.abort("the HTTP server has stopped unexpectedly")

    def _listen(self) -> socket.socket:
        options = self._options
        try:
            family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
            listener = socket.create_server((options.host, options.port), family=family, backlog=options.backlog)
        except OSError as error:
            raise HttpPortInUse(error.errno, f"http_port: cannot listen on {options.host}:{options.port}: {error.strerror}") from error
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # The kernel ends a connection whose client takes nothing for so long, whatever is being sent; every connection inherits it.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(options.stall_seconds * 1000))
        return listener

    def _config(self) -> uvicorn.Config:
        app: Callable[..., Any] = self._app
        tls = self._options.tls
        return uvicorn.Config(
            app,
            http=bounded(self._options.connections),
            ws=BoundedSocketProtocol,
            ws_max_size=self._options.max_message_bytes,
            ws_ping_interval=self._options.heartbeat_seconds,
            ws_ping_timeout=self._options.stall_seconds,
            ws_per_message_deflate=False,
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            ssl_context_factory=None if tls is None else lambda config, default: tls,
            backlog=self._options.backlog,
            timeout_keep_alive=math.ceil(self._options.keep_alive_seconds),
            timeout_graceful_shutdown=math.ceil(self._options.grace_seconds),
        )
