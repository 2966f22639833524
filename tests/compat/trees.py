"""Five services of one installation, each from the source tree that a test chooses: the present one, or an earlier commit."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx2

from tocsin.clock import SystemClock
from tocsin.mesh.authority import ensure_pki
from tocsin.stack.layout import GATEWAY, SERVICES, Layout, plan, prefix
from tocsin.testing.stack import free_port_base
from tocsin.testing.waiting import eventually

NEW: Final = Path(__file__).resolve().parents[2]
_STOP_SECONDS: Final = 30.0


def checkout(commit: str, folder: Path) -> Path:
    """Writes the tree of a commit into ``folder``.

    Raises:
        SystemExit: this clone does not have the commit.
    """
    archive = subprocess.run(["git", "archive", "--format=tar", commit], cwd=NEW, capture_output=True, check=False)
    if archive.returncode:
        raise SystemExit(f"BASE={commit}: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


class Ended(AssertionError):
    """A service ended by itself."""

    def __init__(self, service: str, code: int, complaints: str) -> None:
        super().__init__(f"{service} ended with the exit code {code}\n{complaints}")
        self.complaints = complaints


class TooOld(Exception):
    """The service refuses a database of the earlier commit, as one that it does not upgrade from."""


class Installation:
    """Five processes with one state folder; a service can be exchanged while the others run."""

    def __init__(self, *, state: Path, tree: Path) -> None:
        """Starts nothing; ``tree`` is where a service comes from unless `exchange` says otherwise."""
        self._tree = tree
        self._layout: Layout = plan(state=state, base=free_port_base(), env={})
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        state.mkdir(parents=True)
        self._layout.log_file(GATEWAY).parent.mkdir()
        ensure_pki(folder=state / "pki", services=SERVICES, trust_domain="tocsin.local", clock=SystemClock())

    @property
    def url(self) -> str:
        """The gateway's REST address."""
        return self._layout.http_url

    async def start(self) -> None:
        """Starts the five services from the installation's tree; returns once all are healthy."""
        for service in SERVICES:
            await self._spawn(service, self._tree, self._files(service))
        await self._healthy()

    async def exchange(self, service: str, tree: Path, *, label: str, keep: bool) -> None:
        """Stops a service and starts it from another tree; returns once all are healthy.

        Args:
            service: which.
            tree: its source.
            label: name of its database files from now on.
            keep: whether these files start as a copy of those that the service had in the installation's tree; otherwise empty.

        Raises:
            TooOld: it does not upgrade from such a copy.
        """
        await self._end(service)
        files = self._files(service, label)
        if keep:
            for name, path in self._files(service).items():
                for suffix in ("", "-wal", "-shm"):
                    source = path.with_name(path.name + suffix)
                    if source.exists():
                        files[name].with_name(files[name].name + suffix).write_bytes(source.read_bytes())
        await self._spawn(service, tree, files)
        try:
            await self._healthy()
        except Ended as ended:
            if not keep or "SchemaTooOld" not in ended.complaints:
                raise
            raise TooOld(service) from None

    async def restore(self, service: str) -> None:
        """Stops a service and starts it from the installation's tree, on the files that it had there."""
        await self._end(service)
        await self._spawn(service, self._tree, self._files(service))
        await self._healthy()

    async def stop(self) -> None:
        """Ends every process."""
        for service in reversed(SERVICES):
            await self._end(service)

    def complaints(self) -> str:
        """The last warnings and errors of every log, and what is no record of a log."""
        files = sorted(self._layout.log_file(GATEWAY).parent.glob("*.log"))
        return "\n".join(f"{file.stem}: {line[:2000]}" for file in files for line in _complaints(file.read_text(errors="replace")))

    def _files(self, service: str, label: str = "base") -> Mapping[str, Path]:
        name = f"{prefix(service)}SPOOL_FILE" if service == GATEWAY else f"{prefix(service)}DATABASE_URL"
        return {name: self._layout.state / f"{service}-{label}.db"}

    async def _spawn(self, service: str, tree: Path, files: Mapping[str, Path]) -> None:
        own = {name: str(path) if service == GATEWAY else f"sqlite:///{path}" for name, path in files.items()}
        user = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        if service == "auth_svc":  # the journey is a stranger's; what lets it in at once was called otherwise once
            config = (tree / "auth_svc" / "config.py").read_text()
            user["TOCSIN_AUTH_REGISTRATION"] = "unconfirmed" if "unconfirmed" in config else "open"
        env = {**self._layout.environment(service, user), **own, "PYTHONPATH": str(tree)}
        with self._layout.log_file(service).open("ab") as log:
            self._processes[service] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", service, cwd=tree, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def _end(self, service: str) -> None:
        process = self._processes.pop(service, None)
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"{service} did not end within {_STOP_SECONDS:g} s of SIGTERM") from None

    async def _healthy(self) -> None:
        """Every process is ready, and the gateway sees every service."""
        seen: list[str] = []

        async def healthy() -> bool:
            for service, process in self._processes.items():
                if process.returncode is not None:
                    raise Ended(service, process.returncode, self.complaints())
            try:
                answers = [await client.get(self._layout.ready_url(service)) for service in SERVICES]
                health = await client.get(f"{self.url}/health")
            except httpx2.HTTPError:
                return False
            seen[:] = [health.text]
            return all(answer.status_code == 200 for answer in answers) and health.json()["status"] == "healthy"

        async with httpx2.AsyncClient(trust_env=False, timeout=5.0) as client:
            try:
                await eventually(healthy, seconds=120, what="that every service is healthy")
            except Ended:
                raise
            except AssertionError as error:
                raise AssertionError(f"{error}: {seen}\n{self.complaints()}") from None


def _complaints(log: str) -> list[str]:
    return [line for line in log.splitlines() if '"level": "info"' not in line and '"level": "debug"' not in line][-5:]
