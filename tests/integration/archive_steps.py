"""What is done between two steps of an archiver in tests: somebody dies, or somebody else comes."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """The process ends here."""


class Seen:
    """Remembers what is told of the archive."""

    def __init__(self) -> None:
        self.count, self.failing = 0, False

    def archived(self, rows: int) -> None:
        self.count += rows

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
