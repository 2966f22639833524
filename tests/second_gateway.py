"""Another gateway beside that of a stack."""

import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import httpx2

from tocsin.testing.process import accepts, free_port
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually


class SecondGateway:
    """Another gateway beside that of a stack: the same settings, ports of its own.

    Attributes:
        port: where it speaks HTTP.
        grpc_port: where it speaks gRPC.
    """

    def __init__(self, stack: RunningStack, settings: Mapping[str, str] | None = None) -> None:
        self._env = stack.environment("gateway") | dict(settings or {})
        self.port, self.grpc_port = free_port(), free_port()
        ports = {"HTTP_PORT": self.port, "PORT": self.grpc_port, "METRICS_PORT": free_port()}
        self._env |= {f"TOCSIN_GATEWAY_{name}": str(port) for name, port in ports.items()}
        self._log = stack.state / "logs" / "gateway-second.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._key = stack.api_key

    async def start(self) -> None:
        """Returns once it listens."""
        self._spawn()
        await eventually(lambda: accepts(self.port), seconds=60, what="the second gateway")

    def _spawn(self) -> None:
        line = [sys.executable, "-m", "tocsin.cli", "serve", "gateway"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(line, env=self._env, stdout=log, stderr=log)

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def client(self, *, key: str | None = None) -> httpx2.AsyncClient:
        """A REST client of it that is signed in with ``key``, the development key unless given."""
        headers = {"Authorization": f"Bearer {key or self._key}"}
        return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=10.0, trust_env=False)


@asynccontextmanager
async def second_gateway(stack: RunningStack, settings: Mapping[str, str] | None = None) -> AsyncGenerator[SecondGateway]:
    """One that runs while the context lasts, with ``settings`` of its own."""
    gateway = SecondGateway(stack, settings)
    await gateway.start()
    try:
        yield gateway
    finally:
        gateway.kill()
