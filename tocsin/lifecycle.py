"""From settings to a running service, and back down: ordered start and stop, signals, exit codes.

``<service>/__main__.py`` is ``sys.exit(run("scheduler_svc", SchedulerSettings, build))``; everything that a process does between its first
line and its exit code happens here.
"""

import asyncio
import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Protocol, TypeVar

import uvloop

from tocsin.background import Backgrounds
from tocsin.clock import Clock, SystemClock
from tocsin.config import ConfigError, ServiceSettings, load
from tocsin.errors import SettingsAtFault
from tocsin.exit_codes import ExitCode as ExitCode
from tocsin.garbage_collection import freeze_heap
from tocsin.listening import can_listen as can_listen
from tocsin.telemetry import Telemetry, configure_logging, get_logger

_log = get_logger(__name__)

# The settings that name a port which a service listens on, in the order in which they are reported.
_PRIVATE: Final = 0o077
"""The umask of a service."""
_LISTENING: Final = ("port", "http_port", "grpc_port", "metrics_port")


class Component(Protocol):
    """A part that is started and stopped. Both may be called twice and in any order."""

    async def start(self) -> None:
        """Gets ready to work."""
        ...

    async def stop(self) -> None:
        """Release everything that `start` took."""
        ...


class GrpcListener(Component, Protocol):
    """A server; its stop drains."""

    @property
    def address(self) -> str:
        """``host:port``; real once started."""
        ...

    async def wait(self) -> None:
        """Returns when it takes no more calls.

        Raises:
            Exception: what ended it, when nobody stopped it.
        """
        ...


class HttpListener(Component, Protocol):
    """An HTTP server; its stop drains."""

    @property
    def url(self) -> str:
        """``http://host:port``; real once started."""
        ...


class App:
    """One service: its components in the order of their start, and its servers, which start last and stop first."""

    def __init__(
        self,
        *,
        name: str,
        components: Sequence[Component],
        server: GrpcListener | None,
        http: HttpListener | None = None,
        ready: Callable[["App"], None] | None = None,
    ) -> None:
        """Puts the parts together; nothing starts.

        Args:
            name: the service's name.
            components: what the servers stand on, each needing only those before it.
            server: the gRPC server.
            http: the HTTP server, which starts after the gRPC server and stops before it.
            ready: called at the end of every start, when all addresses are real.
        """
        self.name = name
        self._server = server
        self._http = http
        self._ready = ready
        self._telemetry = next((part for part in components if isinstance(part, Telemetry)), None)
        self.backgrounds = self._telemetry.backgrounds if self._telemetry else Backgrounds()
        self._parts: tuple[Component, ...] = (*components, *(part for part in (server, http) if part is not None))
        self._running: AsyncExitStack | None = None
        self._turn = asyncio.Lock()

    @property
    def address(self) -> str:
        """``host:port`` of the gRPC server; real once started."""
        if self._server is None:
            raise LookupError(f"{self.name} has no gRPC server")
        return self._server.address

    @property
    def http_url(self) -> str:
        """``http://host:port`` of the HTTP server; real once started."""
        if self._http is None:
            raise LookupError(f"{self.name} has no HTTP server")
        return self._http.url

    def addresses(self) -> Mapping[str, str]:
        """Every address that this service listens on, by kind: grpc, http, metrics."""
        found = {
            "grpc": self._server.address if self._server else None,
            "http": self._http.url if self._http else None,
            "metrics": self._telemetry.metrics_url if self._telemetry else None,
        }
        return {kind: address for kind, address in found.items() if address is not None}

    async def start(self) -> None:
        """Starts every part in order; when one fails, those before it are stopped again and its error is raised."""
        async with self._turn:
            if self._running is not None:
                return
            async with AsyncExitStack() as stack:
                with self.backgrounds.collecting():
                    for part in self._parts:
                        # Before the start: a part that fails halfway is asked to release what it took.
                        stack.push_async_callback(part.stop)
                        await _start(part)
                self._running = stack.pop_all()
            self._set_ready(True)
            if self._ready is not None:
                self._ready(self)

    async def stop(self) -> None:
        """Drains and stops every part in reverse order; one that fails does not keep the others from stopping."""
        async with self._turn:
            stack, self._running = self._running, None
            if stack is not None:
                self._set_ready(False)
                await stack.aclose()

    async def wait(self) -> None:
        """Returns when the gRPC server takes no more calls; without one, never.

        Raises:
            BackgroundFailed: a work that the service needs has failed too often.
            Exception: what ended the server, when nobody stopped it.
        """
        server = self._server.wait() if self._server is not None else asyncio.Event().wait()
        waits = [asyncio.ensure_future(server), asyncio.ensure_future(self.backgrounds.ended())]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        for wait in done:
            wait.result()

    def _set_ready(self, ready: bool) -> None:
        if self._telemetry is not None:
            self._telemetry.set_ready(ready)


async def _start(part: Component) -> None:
    try:
        await part.start()
    except SystemExit as error:
        # uvicorn exits when it cannot listen; inside of a task that would end the loop before the other parts have stopped.
        msg = f"{type(part).__name__} gave up"
        raise RuntimeError(msg) from error


S = TypeVar("S", bound=ServiceSettings)


def run(name: str, settings_type: type[S], build: Callable[[S, Clock], App], env: Mapping[str, str] | None = None) -> int:
    """Runs one service until it is told to stop. Returns the exit code of the process.

    SIGTERM and SIGINT drain it; a second one ends it at once. A mistake in the settings, a file that cannot be read or a port in use is
    told in plain words on stderr before anything is served.

    Args:
        name: the service's name.
        settings_type: its settings.
        build: its composition root.
        env: where the settings come from; the process's environment unless given.
    """
    # Databases, spools, logs and reports are nobody's business but their owner's, whatever made them.
    os.umask(_PRIVATE)
    try:
        settings = load(settings_type, env)
    except ConfigError as error:
        return _refuse(name, _config_words(error), ExitCode.CONFIG)
    configure_logging(service=name, level=settings.log_level, log_format=settings.log_format)
    try:
        app = build(settings, SystemClock())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(app))
    except Exception as error:  # noqa: BLE001 - the last frame of the process: every failure becomes words and an exit code
        words, code = _explain(error, settings)
        if code is ExitCode.SOFTWARE:
            _log.critical("service failed", exc_info=error)
        return _refuse(name, words, code)
    return ExitCode.OK


async def _serve(app: App) -> None:
    told = asyncio.Event()
    with _signals(told):
        starting = asyncio.ensure_future(app.start())
        waiting = asyncio.ensure_future(told.wait())
        await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
        try:
            await starting
        except asyncio.CancelledError:
            _log.info("service stopped before ready")
            return
        except BaseException:
            waiting.cancel()
            raise
        freeze_heap()
        _log.info("ready", pid=os.getpid(), **app.addresses())
        ending = asyncio.ensure_future(app.wait())
        await asyncio.wait((waiting, ending), return_when=asyncio.FIRST_COMPLETED)
        _log.info("draining")
        await app.stop()
        _log.info("stopped")
        if not told.is_set():
            waiting.cancel()
            await ending
            raise RuntimeError("the gRPC server has stopped unexpectedly")


@contextlib.contextmanager
def _signals(told: asyncio.Event) -> Generator[None]:
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if told.is_set():
            _log.warning("service stopped at once", signal=number.name)
            sys.stderr.flush()
            os._exit(128 + number)
        told.set()

    handled = (signal.SIGTERM, signal.SIGINT)
    for number in handled:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _refuse(name: str, words: str, code: ExitCode) -> int:
    sys.stderr.write(f"{name}: {words}\n")
    sys.stderr.flush()
    return code


def _explain(error: BaseException, settings: ServiceSettings) -> tuple[str, ExitCode]:
    """Plain words and the exit code for an error that ended the service."""
    for cause in _chain(error):
        if isinstance(cause, ConfigError):
            return _config_words(cause), ExitCode.CONFIG
        if isinstance(cause, SettingsAtFault):
            return str(cause), ExitCode.CONFIG
        if isinstance(cause, OSError) and cause.filename is not None:
            return _file_words(cause, settings), ExitCode.CONFIG
        if _cannot_bind(cause) and (words := _taken(settings)):
            return words, ExitCode.TEMPORARY
    return f"it cannot run: {type(error).__name__}: {error}", ExitCode.SOFTWARE


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _config_words(error: ConfigError) -> str:
    return "the settings are not valid\n" + "\n".join(f"  {problem}" for problem in error.problems)


def _cannot_bind(error: BaseException) -> bool:
    """Whether a server could not listen: the system's own error, gRPC's RuntimeError, or the SystemExit of uvicorn."""
    if isinstance(error, OSError):
        return error.errno == errno.EADDRINUSE
    return isinstance(error, SystemExit) or (isinstance(error, RuntimeError) and "bind" in str(error).lower())


def _file_words(error: OSError, settings: ServiceSettings) -> str:
    path = Path(os.fsdecode(error.filename))
    named = next((name for name in type(settings).model_fields if getattr(settings, name) == path), None)
    where = f"{settings.setting_name(named)}: " if named else ""
    return f"{where}cannot use {path}: {error.strerror}"


def _taken(settings: ServiceSettings) -> str | None:
    """Names the listening ports that another process holds; the parts of this one have released theirs."""
    words = [
        f"{settings.setting_name(name)}: port {port} on {settings.host} is in use by another process"
        for name in _LISTENING
        if (port := getattr(settings, name, 0)) and not can_listen(settings.host, port)
    ]
    return "\n".join(words) or None
