"""A whole Tocsin as its users run it: `tocsin up` with five real processes, for end-to-end and chaos tests."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2

from tocsin.stack.layout import plan
from tocsin.testing.process import is_free, reserve

OFFSETS = (0, 1, *range(11, 15), *range(20, 25))
"""The ports that `tocsin up --port-base N` takes, relative to N."""

STRANGERS = {
    "TOCSIN_AUTH_REGISTRATION": "unconfirmed",
    "TOCSIN_AUTH_REQUESTS_PER_HOUR": "1000000",
    "TOCSIN_AUTH_PASSWORD_MIN_LENGTH": "8",
}
"""Settings of a stack in which anybody may register: for tests that need tenants."""

_COMMAND_SECONDS = 400


def free_port_base() -> int:
    """A port base below the ephemeral range whose every port is free now, and that nobody else is given before it is used."""
    for base in random.sample(range(12_000, 32_000, 25), 200):
        ports = [base + offset for offset in OFFSETS]
        if all(map(is_free, ports)) and reserve(*ports):
            return base
    raise OSError("no free range of ports")


class RunningStack:
    """Five services under `tocsin up --detach`; use it as a context manager."""

    def __init__(
        self, *, state: Path, env: Mapping[str, str] | None = None, port_base: int | None = None, wrapper: Sequence[str] = ()
    ) -> None:
        """Starts nothing yet.

        Args:
            state: the state folder.
            env: settings beside the environment of this process.
            port_base: the first port; a free one unless given.
            wrapper: begins the command line that starts the stack, such as that of a `FaultyDisk`.
        """
        self.state = state
        self.port_base = port_base or free_port_base()
        self._wrapper = tuple(wrapper)
        self._env = {**{name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}, **(env or {})}

    def command(self, *arguments: str, check: bool = True, wrapper: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
        """Runs the `tocsin` command on this stack, behind ``wrapper`` if there is one."""
        line = [*wrapper, sys.executable, "-m", "tocsin.cli", *arguments, "--state", str(self.state)]
        done = subprocess.run(line, env=self._env, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False)
        if check and done.returncode:
            msg = f"{' '.join(line)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.logs()}"
            raise RuntimeError(msg)
        return done

    def start(self) -> None:
        """Returns once the stack is healthy."""
        self.command("up", "--port-base", str(self.port_base), "--detach", "--timeout", "300", wrapper=self._wrapper)

    def stop(self) -> None:
        """Drains and stops the stack."""
        self.command("down")

    def __enter__(self) -> "RunningStack":
        """Starts the stack."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stops the stack."""
        self.stop()

    @property
    def info(self) -> dict[str, Any]:
        """What `stack.json` says now."""
        return json.loads((self.state / "stack.json").read_text())

    @property
    def api_key(self) -> str:
        """The development key of the first start."""
        return Path(self.info["api_key_file"]).read_text().strip()

    def client(self, *, key: str | None = None) -> httpx2.AsyncClient:
        """A REST client that is signed in with ``key``, the development key unless given."""
        headers = {"Authorization": f"Bearer {key or self.api_key}"}
        return httpx2.AsyncClient(base_url=self.info["http"], headers=headers, timeout=60.0, trust_env=False)

    def environment(self, service: str) -> dict[str, str]:
        """The settings of ``service``."""
        return plan(state=self.state, base=self.port_base, env=self._env).environment(service, self._env)

    def pid(self, service: str) -> int:
        """The process that is ``service`` now."""
        return int(self.info["services"][service]["pid"])

    def restarts(self, service: str) -> int:
        """How often ``service`` was started again."""
        return int(self.info["services"][service]["restarts"])

    def kill(self, service: str) -> int:
        """Kills ``service`` with SIGKILL; returns the pid that it had."""
        pid = self.pid(service)
        os.kill(pid, signal.SIGKILL)
        return pid

    def logs(self) -> str:
        """The last lines of every log, for a failure's report."""
        parts = [
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-15:])
            for path in sorted((self.state / "logs").glob("*.log"))
        ]
        return "\n".join(parts)
