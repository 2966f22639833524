"""Services as child processes of a measurement, and what they use of the processor."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from tocsin.clock import SystemClock
from tocsin.config import ServiceSettings
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.telemetry import Telemetry
from tocsin.testing.process import accepts, free_port
from tocsin.testing.waiting import eventually

_READY: Final = b"GET /readyz HTTP/1.1\r\nHost: service\r\n\r\n"


@asynccontextmanager
async def service(name: str, *, folder: Path, settings: Mapping[str, str], tree: Path | None = None) -> AsyncGenerator[int]:
    """Runs ``python -m {name}_svc`` until the context ends; gives its process id once it is ready.

    Args:
        name: such as "scheduler".
        folder: its state.
        settings: of its own, without prefix: ``{"PORT": "9002"}``.
        tree: the source, such as that of an earlier release; this one unless given.
    """
    metrics_port = free_port()
    own = {"METRICS_PORT": str(metrics_port), "LOG_LEVEL": "warning", "DRAIN_SECONDS": "0.5", **settings}
    env = {**os.environ, "TOCSIN_STATE_DIR": str(folder), **{f"TOCSIN_{name.upper()}_{key}": value for key, value in own.items()}}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", f"{name}_svc", env=env, cwd=tree)
    try:
        await eventually(lambda: accepts(metrics_port, _READY, b"HTTP/1.1 200"), seconds=60, what=f"a {name} that is ready")
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def mesh_of(name: str, *, folder: Path, **targets: str) -> Mesh:
    """The mesh as a service sees it, with the certificates in ``folder``.

    Args:
        name: such as "processor_svc".
        folder: the state.
        targets: where services are, by setting: ``scheduler_target="127.0.0.1:9002"``.
    """
    pki, clock = folder / "pki", SystemClock()
    values: dict[str, Any] = {
        "state_dir": folder,
        "tls_ca_file": pki / "ca.pem",
        "tls_cert_file": pki / f"{name}.pem",
        "tls_key_file": pki / f"{name}-key.pem",
        **targets,
    }
    settings = ServiceSettings(**values)
    telemetry = Telemetry(service=name, settings=settings)
    return Mesh(service=name, settings=settings, clock=clock, telemetry=telemetry, breakers=BreakerRegistry(clock=clock))


def seconds_of(pid: int) -> float:
    """What a process has used so far, in user and in system mode (proc(5))."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds_of_server(backend: int) -> float:
    """What all processes of a PostgreSQL server have used, those that have ended as well; named by any of its backends."""
    parent = int(_stat(backend)[1])
    ended = sum(int(value) for value in _stat(parent)[13:15]) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    used = 0.0
    for child in children:
        with suppress(FileNotFoundError):  # it has ended since
            used += seconds_of(int(child))
    return ended + seconds_of(parent) + used


def _stat(pid: int) -> list[str]:
    """The fields behind the name of the program: the state, the parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
