"""``python -m tests.compat COMMIT [--postgresql] [SERVICE...]``: each service of an earlier commit among four of this one, and the reverse.

On SQLite, a new service among four earlier ones starts on a copy of the earlier one's database. On PostgreSQL both run beside each other on
one schema, as in a roll-out; then the one that was there ends, and comes back. Real processes; about five minutes, and ten.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx2

from tests.compat.journey import Journey
from tests.compat.trees import NEW, Installation, TooOld, checkout
from tocsin.stack.layout import SERVICES
from tocsin.testing.postgres import PostgresServer

POSTGRESQL: Final = "--postgresql"


def main(arguments: Sequence[str]) -> int:
    """Runs every combination; the exit code is 1 when one of them failed."""
    base, *services = [each for each in arguments if each != POSTGRESQL] or [""]
    if not base or not set(services) <= set(SERVICES):
        sys.stderr.write(f"usage: make side-by-side BASE=<commit or tag> [ARGS='[{POSTGRESQL}] {' | '.join(SERVICES)}']\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="tocsin-compat-") as folder:
        old = checkout(base, Path(folder) / "old")
        run = _beside if POSTGRESQL in arguments else _run
        failed = asyncio.run(run(old, Path(folder), base, services or SERVICES))
    sys.stdout.write(f"{'FAILED: ' + ', '.join(failed) if failed else 'side by side: every combination passed'}\n")
    return 1 if failed else 0


async def _run(old: Path, folder: Path, base: str, services: Sequence[str]) -> list[str]:
    report = Report()
    for tree, other, one, rest in ((old, NEW, "new", base), (NEW, old, base, "new")):
        installation = Installation(state=folder / f"state-{rest}", tree=tree)
        try:
            await installation.start()
            await report.journey(installation, f"all five {rest}")
            for service in services:
                await report.exchange(installation, service, other, f"{service} {one}, the others {rest}", keep=tree is old)
                await installation.restore(service)
            await report.journey(installation, f"all five {rest} again")
        finally:
            await installation.stop()
    return report.failed


async def _beside(old: Path, folder: Path, base: str, services: Sequence[str]) -> list[str]:
    report = Report()
    for tree, other, one, rest in ((old, NEW, "new", base), (NEW, old, base, "new")):
        server = PostgresServer()
        server.start()
        installation = Installation(state=folder / f"state-{rest}", tree=tree, database=server.url(), pairs=True)
        try:
            await installation.start()
            await report.journey(installation, f"all five {rest}")
            for service in services:
                await report.beside(installation, service, other, one)
            await report.journey(installation, f"all five {rest} again")
        finally:
            await installation.stop()
            server.close()
    return report.failed


class Report:
    """Says how each combination did."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    async def exchange(self, installation: Installation, service: str, tree: Path, name: str, *, keep: bool) -> None:
        """Runs one service from another tree, and a journey."""
        try:
            try:
                await installation.exchange(service, tree, label="other", keep=keep)
            except TooOld:
                _say(f"note    {name}: it does not upgrade from the database of that commit, and begins with an empty one")
                await installation.exchange(service, tree, label="empty", keep=False)
        except AssertionError as error:
            self._fail(name, error, installation)
        else:
            await self.journey(installation, name)

    async def beside(self, installation: Installation, service: str, tree: Path, one: str) -> None:
        """Runs a service of another tree beside the one that is there, then alone, and a journey each time."""
        name = f"{service} {one}"
        try:
            await installation.join(service, tree)
            await self.journey(installation, f"{name} beside the other")
            await installation.leave(service)
            await self.journey(installation, f"{name} alone")
            await installation.rejoin(service)
        except AssertionError as error:
            self._fail(name, error, installation)

    async def journey(self, installation: Installation, name: str) -> None:
        """Runs a journey as a user of its own."""
        async with httpx2.AsyncClient(base_url=installation.url, timeout=20.0, trust_env=False) as client:
            journey = Journey(client)
            try:
                await journey.go()
            except AssertionError as error:
                self._fail(name, error, installation)
            else:
                _say(f"passed  {name}: {', '.join(f'{count} {what}' for what, count in journey.seen.items())}")

    def _fail(self, name: str, error: AssertionError, installation: Installation) -> None:
        self.failed.append(name)
        _say(f"FAILED  {name}: {error}\n{installation.complaints()}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
