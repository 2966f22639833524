"""All processes of a stack: started together, restarted singly, stopped in order; ``stack.json`` follows every change."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx2

from tocsin.clock import Clock
from tocsin.errors import FailedPrecondition
from tocsin.exit_codes import ExitCode
from tocsin.stack.child import Child, open_log
from tocsin.stack.layout import GATEWAY, SERVICES, STOP_ORDER, Layout
from tocsin.stack.spawning import ChildSpec, Spawner
from tocsin.stack.stack_file import ServiceStatus, StackStatus, write_stack_file

_PROBE_SECONDS: Final = 2.0
_GRACE_SECONDS: Final = 20.0


class ServiceRefused(FailedPrecondition):
    """A service refused its settings."""


class Supervisor:
    """Keeps the services of one stack alive.

    A component: `start` returns when every process is spawned, `wait_ready` when all take work.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        programs: Mapping[str, Sequence[str]],
        spawner: Spawner,
        env: Mapping[str, str],
        pid: int,
        clock: Clock,
        on_change: Callable[[Child], None],
        grace: float = _GRACE_SECONDS,
    ) -> None:
        """Prepares; nothing runs.

        Args:
            layout: ports and files.
            programs: for each service, the program and its arguments.
            spawner: starts them.
            env: the user's environment.
            pid: this process, as it stands in stack.json.
            clock: for waits and lifetimes.
            on_change: told of every change of a child.
            grace: seconds that a service gets between SIGTERM and SIGKILL.
        """
        self.layout = layout
        self._pid = pid
        self._grace = grace
        self._spawner = spawner
        self._on_change = on_change
        self._changed = asyncio.Event()
        self._http: httpx2.AsyncClient | None = None
        self.children = {
            name: Child(
                spec=ChildSpec(name=name, argv=tuple(argv), env=layout.environment(name, env), log=layout.log_file(name)),
                spawner=spawner,
                is_ready=self._probe(layout.ready_url(name)),
                clock=clock,
                on_change=self._child_changed,
            )
            for name, argv in programs.items()
        }

    async def prepare(self) -> None:
        """Begins what makes the start of services cheap, beside what the caller still has to do."""
        log = open_log(self.layout.log_file(SERVICES[0]))
        try:
            await self._spawner.prepare(log)
        finally:
            os.close(log)

    async def start(self) -> None:
        """Spawns every service. They wait for one another themselves."""
        if self._http is None:
            self._http = httpx2.AsyncClient(timeout=_PROBE_SECONDS, trust_env=False)
        for child in self.children.values():
            await child.start()

    async def stop(self) -> None:
        """Drains the services one after the other, the gateway first, and takes ``stack.json`` away."""
        for name in STOP_ORDER:
            if name in self.children:
                await self.children[name].stop(grace=self._grace)
        await self._spawner.stop()
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()
        with contextlib.suppress(OSError):  # a file that stays is known to be stale: nobody holds the lock
            self.layout.stack_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """Ends every process at once; accepted work is durable."""
        for child in self.children.values():
            child.kill()

    async def wait_ready(self) -> None:
        """Returns once every service takes work.

        Raises:
            ServiceRefused: a service ended because of its settings, which no restart can mend; its own words are the message.
        """
        while True:
            self._changed.clear()
            for child in self.children.values():
                if child.last_exit == ExitCode.CONFIG and not child.was_healthy:
                    raise ServiceRefused(_plain(child.output()) or f"{child.spec.name} refused its settings")
            if self.picture().healthy:
                return
            await self._changed.wait()

    def picture(self) -> StackStatus:
        """The stack as it is now."""
        return StackStatus(
            supervisor=self._pid,
            http=self.layout.http_url,
            grpc=self.layout.address(GATEWAY),
            api_key_file=str(self.layout.api_key_file),
            certificate=self.layout.certificate,
            services={
                name: ServiceStatus(
                    pid=child.pid,
                    state=child.state.value,
                    restarts=child.restarts,
                    grpc=self.layout.address(name),
                    metrics=self.layout.metrics_url(name),
                )
                for name, child in self.children.items()
            },
        )

    def _probe(self, url: str) -> Callable[[], Awaitable[bool]]:
        async def is_ready() -> bool:
            if self._http is None:
                return False
            try:
                return (await self._http.get(url)).is_success
            except (httpx2.HTTPError, OSError):
                return False

        return is_ready

    def _child_changed(self, child: Child) -> None:
        self._changed.set()
        # A full disk must not end the supervision; the next change tries again.
        with contextlib.suppress(OSError):
            write_stack_file(self.layout.stack_file, self.picture())
        self._on_change(child)


def programs(python: str) -> dict[str, tuple[str, ...]]:
    """The real services, each ``python -m <service>``."""
    return {name: (python, "-m", name) for name in SERVICES}


def tail(path: Path, characters: int = 2000) -> str:
    """The end of a log."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")[-characters:]
    except OSError:
        return ""


def _plain(output: str) -> str:
    """What a service says to people: the lines that are not its JSON log."""
    return "\n".join(line for line in output.splitlines() if not line.startswith("{")).strip()
