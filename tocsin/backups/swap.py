"""Putting new files in the place of old ones: all of them, or none."""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tocsin.backups.manifest import RestoreIncomplete
from tocsin.private_files import replace_private, sync_folder
from tocsin.unfinished_restore import FILE

_ASIDE: Final = "before-restore"
_BESIDE: Final = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A file that takes its place.

    Attributes:
        staged: the new one, on the disk of its place.
        target: its place.
    """

    staged: Path
    target: Path


def with_logs(database: Path) -> Iterator[Path]:
    """A SQLite file and what may be beside it."""
    return (database.with_name(database.name + end) for end in _BESIDE)


@contextmanager
def marked(state: Path) -> Generator[None]:
    """Holds services up until all is in its place; the mark stays if this process dies, or what it did can neither be finished nor undone.

    Raises:
        OSError: the folder cannot be written.
    """
    mark = state / FILE
    replace_private(mark, b"tocsin restore is replacing files here\n")
    try:
        yield
    except RestoreIncomplete:
        raise
    except BaseException:
        mark.unlink()
        raise
    mark.unlink()
    sync_folder(state)


class Swap:
    """Moves what was there aside, and new files to their places; what was done can be undone."""

    def __init__(self, homes: Sequence[Path], *, stamp: str) -> None:
        """Moves nothing yet.

        Args:
            homes: the state folders, where old things of each are kept in a folder of its own, those of elsewhere beside their place.
            stamp: makes names of this restore's own.
        """
        self._asides = {home: home / f"{_ASIDE}-{stamp}" for home in homes}
        self._stamp = stamp
        self._done: list[Callable[[], object]] = []

    @property
    def asides(self) -> tuple[Path, ...]:
        """The folders of what was in the state folders; none if nothing was."""
        return tuple(path for path in self._asides.values() if path.exists())

    def do(self, *, old: Sequence[Path], new: Sequence[Replacement]) -> None:
        """Moves all of it, or nothing.

        Args:
            old: files and folders that go, those that exist.
            new: what comes.

        Raises:
            OSError: something could not be moved; all is as before.
        """
        try:
            for path in old:
                if os.path.lexists(path):
                    self._move(path, self._kept_at(path))
            for each in new:
                self._move(each.staged, each.target)
        except BaseException:
            self.undo()
            raise
        for folder in {each.target.parent for each in new} | {path.parent for path in old if path.parent.is_dir()}:
            sync_folder(folder)

    def undo(self) -> None:
        """Moves everything back.

        Raises:
            RestoreIncomplete: something could not be.
        """
        while self._done:
            try:
                self._done.pop()()
            except OSError as error:
                kept = ", ".join(map(str, self.asides))
                raise RestoreIncomplete(
                    f"Something could neither be put in its place nor back: {error}. What was there is in {kept}."
                ) from error

    def _kept_at(self, path: Path) -> Path:
        for home, aside in self._asides.items():
            if path.is_relative_to(home):
                return aside / path.relative_to(home)
        return path.with_name(f"{path.name}.{_ASIDE}-{self._stamp}")

    def _move(self, source: Path, target: Path) -> None:
        for folder in reversed([each for each in target.parents if not each.exists()]):
            folder.mkdir(mode=0o700)
            self._done.append(folder.rmdir)
        source.rename(target)
        self._done.append(partial(target.rename, source))
