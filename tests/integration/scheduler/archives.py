"""An archive of the ledger in tests: what fills the ledger, and what does something between two steps."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import func, select

from scheduler_svc.domain import Succeeded
from scheduler_svc.service.archiving import Archiver
from scheduler_svc.store.archive import SqlArchiveStore
from scheduler_svc.store.archive_files import ParquetArchive
from scheduler_svc.store.tables import archive_parts
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, firing
from tocsin.clock import SystemClock
from tocsin.ledger_archive import parquet
from tocsin.ledger_archive.folder import ArchiveFolder

DAY: Final = 86_400 * SECOND
LATER: Final = NOW + 30 * DAY


class Killed(BaseException):
    """The process ends here."""


class Seen:
    """Remembers what is told of the archive."""

    def __init__(self) -> None:
        self.count, self.failing = 0, False

    def archived(self, firings: int) -> None:
        self.count += firings

    def archive_failing(self, failing: bool) -> None:
        self.failing = failing


class Steps:
    """A store or files, with something done before or after one of the methods."""

    def __init__(self, inner: Any, step: str, act: Callable[[], Any]) -> None:
        self._inner, self._act = inner, act
        self._when, _, self._method = step.partition(" ")

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name != self._method:
            return found

        async def run(*args: Any, **more: Any) -> Any:
            if self._when == "before":
                await _done(self._act)
            answer = await found(*args, **more)
            if self._when == "after":
                await _done(self._act)
            return answer

        return run


async def _done(act: Callable[[], Any]) -> None:
    found = act()
    if asyncio.iscoroutine(found):
        await found


def killed() -> None:
    """Ends the process, as far as a test can."""
    raise Killed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the archive."""
    made = tmp_path / "archive"
    made.mkdir()
    return made


def archiver(
    stores: Stores,
    root: Path,
    *,
    store: Any = None,
    files: Any = None,
    seen: Seen | None = None,
    purging: Collection[str] = (),
    leads: bool = True,
) -> Archiver:
    """What archives, on the system's clock, in files of three firings at most."""
    return Archiver(
        store=store or SqlArchiveStore(stores.database, most=3),
        files=files or ParquetArchive(root),
        leads=lambda: leads,
        purging=lambda: purging,
        observer=seen or Seen(),
        clock=SystemClock(),
    )


async def fill(stores: Stores, *, tenants: Sequence[str] = ("t1", "t2/x=y"), days: int = 2, each: int = 4) -> list[str]:
    """Finished firings of some days of each tenant; their ids."""
    made = [
        firing(tenant=tenant, due=NOW + day * DAY + number * SECOND) for tenant in tenants for day in range(days) for number in range(each)
    ]
    await stores.ledger.enqueue(made, owner=OWNER, held=stores.held)
    await stores.ledger.record(done={one.id: Succeeded() for one in made}, failed_attempts=(), now=NOW)
    return [one.id for one in made]


async def in_ledger(stores: Stores, tenants: Sequence[str] = ("t1", "t2/x=y")) -> list[str]:
    """Ids of what the database has."""
    return [one.id for tenant in tenants for one in await stores.all_firings(tenant)]


def in_archive(root: Path) -> list[str]:
    """Ids of what a reader of the archive finds."""
    return [row[0] for file in ArchiveFolder(root).files() for row in parquet.read_columns(file.path, ("id",))]


async def notes(stores: Stores) -> int:
    """Files that are noted as on their way."""
    async with stores.database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(archive_parts))).scalar_one()
