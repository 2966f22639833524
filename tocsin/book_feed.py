"""A small book that one service keeps and others need at hand: in memory, and on disk for the next start."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from google.protobuf.message import DecodeError

from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.mesh.context import detached
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)

_SECONDS: Final = 2.0

Page = TypeVar("Page")
"""A response with `version`, `next_page_token`, and one repeated field, the rows."""
Book = TypeVar("Book")


class BookFeed(Generic[Page, Book]):
    """Asks for a book every two seconds; a component.

    While the service that keeps it is away, the last book holds. Pages of two versions are never mixed.
    """

    def __init__(
        self,
        *,
        what: str,
        fetch: Callable[[int, str], Awaitable[Page]],
        page: type[Page],
        rows: str,
        read: Callable[[Page], Book],
        default: Book,
        clock: Clock,
        file: Path | None,
    ) -> None:
        """Asks nobody yet.

        Args:
            what: the book, for the log.
            fetch: gives the first page unless the version is still the newest, or the page of a token.
            page: the type of a page.
            rows: the name of its repeated field.
            read: makes the book of all pages together.
            default: holds until the service was asked for the first time.
            clock: paces the questions.
            file: keeps the book; None where it is not needed, next to the database.
        """
        self._what = what
        self._fetch = fetch
        self._page: Any = page
        self._rows = rows
        self._make = read
        self._clock = clock
        self._file = file
        self._background = Background(clock)
        self._newer = Wake(clock)
        self._away = False
        self._head: Any = page()
        self._book = default

    def book(self) -> Book:
        """The book in force."""
        return self._book

    async def start(self) -> None:
        """Reads the file, and begins to ask."""
        if not self._background.running:
            self._read()
            self._background.periodic(self._what.replace(" ", "-"), _SECONDS, self.refresh, wake=self._newer, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._background.stop()

    def seen(self, version: int) -> None:
        """Somebody has heard of a ``version``: if it is another one than that in force, it is asked for at once."""
        if version != self._head.version:
            self._newer.set()

    async def refresh(self) -> None:
        """Asks once; one that is away is no error."""
        try:
            with detached():
                whole = await self._changed()
        except TocsinError as error:
            if not self._away:
                _log.warning("book not fetched", book=self._what, error=error.message, version=self._head.version)
            self._away = True
            return
        self._away = False
        if whole is not None:
            self._take(whole)
            if self._file is not None:
                await asyncio.to_thread(self._write, self._file, whole.SerializeToString())

    def changed(self) -> None:
        """Called when there is another book."""

    async def _changed(self) -> Any:
        """Every page as one; None when nothing changed."""
        whole: Any = await self._fetch(self._head.version, "")
        known = whole.version == self._head.version
        if known and self._headed(whole) == self._head:
            return None
        if known:  # what stands beside the rows has changed, such as a setting
            whole = await self._fetch(0, "")
        token = whole.next_page_token
        while token:
            page: Any = await self._fetch(0, token)
            if page.version != whole.version:
                return await self._changed()  # it changed meanwhile: half of the old and half of the new is neither
            getattr(whole, self._rows).extend(getattr(page, self._rows))
            token = page.next_page_token
        whole.ClearField("next_page_token")
        return whole

    def _take(self, whole: Any) -> None:
        self._head, self._book = self._headed(whole), self._make(whole)
        self.changed()

    def _headed(self, whole: Any) -> Any:
        """What stands beside the rows."""
        rows = getattr(whole, self._rows)
        if not rows:
            return whole
        head = self._page()
        for field, value in whole.ListFields():
            if field.name != self._rows:
                head.MergeFrom(self._page(**{field.name: value}))
        return head

    def _read(self) -> None:
        if self._file is None:
            return
        try:
            stored = self._page()
            stored.ParseFromString(self._file.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, DecodeError) as error:
            _log.warning("stored book not readable", book=self._what, file=str(self._file), error=str(error))
        else:
            self._take(stored)

    def _write(self, file: Path, data: bytes) -> None:
        """Replaces the file whole. Losing it costs the book only at a start while the service is away, so a failure is told."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
            with os.fdopen(handle, "wb") as out:
                out.write(data)
            Path(name).replace(file)
        except OSError as error:
            _log.warning("book not stored", book=self._what, file=str(file), error=str(error))
