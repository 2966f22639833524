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
from typing import Any, Final

import httpx2

from tocsin.clock import SystemClock
from tocsin.database.migration import newest_revision
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
    """Five processes with one state folder; a service can be exchanged while the others run, or get another process beside its own."""

    def __init__(self, *, state: Path, tree: Path, database: str | None = None, pairs: bool = False) -> None:
        """Starts nothing.

        Args:
            state: the folder, which is made.
            tree: where a service comes from unless `exchange` or `join` says otherwise.
            database: the URL of a PostgreSQL in which each service has a schema; unless given, each has SQLite files.
            pairs: services may be joined by a second process: everybody looks for both.
        """
        self._tree = tree
        self._database = database
        self._pairs = pairs
        self._layout, self._other = (plan(state=state, base=free_port_base(), env={}) for _ in range(2))
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._joined: dict[str, asyncio.subprocess.Process] = {}
        self._begun = set[str]()
        state.mkdir(parents=True)
        self._layout.log_file(GATEWAY).parent.mkdir()
        ensure_pki(folder=state / "pki", services=SERVICES, trust_domain="tocsin.local", clock=SystemClock())

    @property
    def url(self) -> str:
        """The REST address of a gateway that runs."""
        return (self._layout if GATEWAY in self._processes else self._other).http_url

    @property
    def api_key(self) -> str:
        """The development key of the first start."""
        return self._layout.api_key_file.read_text().strip()

    async def start(self) -> None:
        """Starts the five services from the installation's tree; returns once all are healthy."""
        for service in SERVICES:
            await self._spawn(service, self._tree, self._files(service))
        await self._healthy()
        self._begun |= {*SERVICES}

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

    async def join(self, service: str, tree: Path) -> None:
        """Starts a second process of a service, from another tree, on the same schema of PostgreSQL; returns once all are healthy."""
        await self._spawn(service, tree, self._files(service, "joined"), joined=True)
        await self._healthy()

    async def leave(self, service: str) -> None:
        """Ends the service's own process; the one that has joined goes on alone."""
        await self._end(service)
        await self._healthy()

    async def rejoin(self, service: str) -> None:
        """Starts the service's own process again, and ends the one that had joined."""
        await self._spawn(service, self._tree, self._files(service))
        await self._healthy()
        await self._end(service, self._joined)

    async def roll_back(self, service: str, tree: Path) -> str | None:
        """Takes a service back to an earlier release: ends it, takes its schema back by the present command, starts the earlier one.

        Returns:
            The revision that its schema was taken to; None where it was that already.
        """
        await self._end(service)
        files, revision = self._files(service), newest_revision(tree / service / "migrations")
        back = revision != newest_revision(NEW / service / "migrations")
        if back:
            for words in (("--to", str(revision), "--plan"), ("--to", str(revision))):
                await self._migrate(service, files, *words)
        await self._spawn(service, tree, files)
        await self._healthy()
        return revision if back else None

    async def _migrate(self, service: str, files: Mapping[str, Path], *words: str) -> None:
        line = (sys.executable, "-m", "tocsin.cli", "migrate", service, *words)
        env = self._environment(service, NEW, files, self._layout)
        process = await asyncio.create_subprocess_exec(*line, cwd=NEW, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        told, _ = await process.communicate()
        assert process.returncode == 0, f"{' '.join(line)} ended with {process.returncode}\n{told.decode()}"

    async def stop(self) -> None:
        """Ends every process."""
        for service in reversed(SERVICES):
            await self._end(service)
            await self._end(service, self._joined)

    def _all_seen(self, health: Mapping[str, Any]) -> bool:
        """Whether the gateway finds nothing wrong but the second process of a service that has one."""
        if not self._pairs:
            return health["status"] == "healthy"
        states = {f"{name}_svc": each["status"] for name, each in health["services"].items()}
        both = self._processes.keys() & self._joined.keys()
        return all(state == "healthy" or (state == "degraded" and name not in both) for name, state in states.items())

    def complaints(self) -> str:
        """The last warnings and errors of every log, and what is no record of a log."""
        files = sorted(self._layout.log_file(GATEWAY).parent.glob("*.log"))
        return "\n".join(f"{file.stem}: {line[:2000]}" for file in files for line in _complaints(file.read_text(errors="replace")))

    def _files(self, service: str, label: str = "base") -> Mapping[str, Path]:
        name = f"{prefix(service)}SPOOL_FILE" if service == GATEWAY else f"{prefix(service)}DATABASE_URL"
        return {name: self._layout.state / f"{service}-{label}.db"}

    async def _spawn(self, service: str, tree: Path, files: Mapping[str, Path], *, joined: bool = False) -> None:
        layout, processes = (self._other, self._joined) if joined else (self._layout, self._processes)
        env = self._environment(service, tree, files, layout)
        with layout.log_file(service).open("ab") as log:
            processes[service] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", service, cwd=tree, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _environment(self, service: str, tree: Path, files: Mapping[str, Path], layout: Layout) -> dict[str, str]:
        user = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        if service == "auth_svc":  # the journey is a stranger's; what lets it in at once was called otherwise once
            config = (tree / "auth_svc" / "config.py").read_text()
            user["TOCSIN_AUTH_REGISTRATION"] = "unconfirmed" if "unconfirmed" in config else "open"
        own = {name: str(path) if service == GATEWAY else f"sqlite:///{path}" for name, path in files.items()}
        if self._database is not None:
            places = (self._layout, self._other) if self._pairs else (self._layout,)
            names = (name for name in SERVICES if name != GATEWAY)
            user |= {f"{prefix(name)}TARGET": "ipv4:" + ",".join(each.address(name) for each in places) for name in names}
            # What is older than the schema works with it, and would not start where it had to bring the schema to what it knows.
            user |= {"TOCSIN_DATABASE_URL": self._database, "TOCSIN_DATABASE_MIGRATE": str(self._may_migrate(service, tree)).lower()}
            own = own if service == GATEWAY else {}
        return {**layout.environment(service, user), **own, "PYTHONPATH": str(tree)}

    def _may_migrate(self, service: str, tree: Path) -> bool:
        """Whether a service from this tree may bring its schema to what it knows: the present one, and whoever is the first."""
        return tree == NEW or service not in self._begun

    async def _end(self, service: str, among: dict[str, asyncio.subprocess.Process] | None = None) -> None:
        process = (self._processes if among is None else among).pop(service, None)
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
            for service, process in (*self._processes.items(), *self._joined.items()):
                if process.returncode is not None:
                    raise Ended(service, process.returncode, self.complaints())
            try:
                answers = [await client.get(self._layout.ready_url(service)) for service in self._processes]
                answers += [await client.get(self._other.ready_url(service)) for service in self._joined]
                health = await client.get(f"{self.url}/health")
            except httpx2.HTTPError:
                return False
            seen[:] = [health.text]
            return all(answer.status_code == 200 for answer in answers) and self._all_seen(health.json())

        async with httpx2.AsyncClient(trust_env=False, timeout=5.0) as client:
            try:
                await eventually(healthy, seconds=400, what="that every service is healthy")
            except Ended:
                raise
            except AssertionError as error:
                raise AssertionError(f"{error}: {seen}\n{self.complaints()}") from None


def _complaints(log: str) -> list[str]:
    return [line for line in log.splitlines() if '"level": "info"' not in line and '"level": "debug"' not in line][-5:]
