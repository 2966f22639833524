"""Takes over what a gateway has left that is gone."""

from typing import Final

from gateway.idempotency import IdempotentCalls
from gateway.spool.file import SpoolFile, SpoolTaken
from gateway.spool.spool import Spool
from gateway.spool.store import IdempotencyStore, SpoolStore
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.database import SchemaTooNew, SchemaTooOld
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_LOOK_SECONDS: Final = 30.0
_PAGE: Final = 200
_PAGE_BYTES: Final = 1 << 20


class SpoolTakeover:
    """Looks for spools that nobody has, and takes what waits in them into its own; a component.

    A call is in both files for a moment, and after a kill in that moment it is forwarded twice: its identity makes that harmless.
    """

    def __init__(self, *, file: SpoolFile, spool: Spool, keys: IdempotentCalls, clock: Clock) -> None:
        """Takes its own file, spool and keys."""
        self._file = file
        self._spool = spool
        self._keys = keys
        self._background = Background(clock)
        self._left_alone = set[int]()

    async def start(self) -> None:
        """Begins to look."""
        if not self._background.running:
            self._background.periodic("spool takeover", _LOOK_SECONDS, self.look)

    async def stop(self) -> None:
        """Looks no more."""
        await self._background.stop()

    async def look(self) -> None:
        """Takes over what is in every file that nobody has."""
        for place in self._file.others():
            other = self._file.at(place)
            try:
                await other.start()
            except SpoolTaken:
                continue
            except (SchemaTooNew, SchemaTooOld) as error:  # its own version's to forward; the others are not kept waiting for that
                if place not in self._left_alone:
                    self._left_alone.add(place)
                    _log.error("spool left to another version", spool=place, error=error.message)
                continue
            try:
                await self._take_over(SpoolStore(other), place)
                await self._take_over_keys(IdempotencyStore(other))
                await other.discard()
            finally:
                await other.stop()

    async def _take_over(self, left: SpoolStore, place: int) -> None:
        """Moves all calls; those that were set aside are tried once more."""
        count = 0
        for queue in await left.use_by_queue():
            while entries := await left.oldest(queue, most=_PAGE, most_bytes=_PAGE_BYTES):
                await self._spool.take_over(entries)
                await left.remove([entry.number for entry in entries])
                count += len(entries)
        while asides := await left.set_aside_page(after=0, most=1):
            await self._spool.take_over([aside.call for aside in asides])
            await left.drop(asides[0].call.number)
            count += 1
        if count:
            _log.info("spool taken over", spool=place, calls=count)

    async def _take_over_keys(self, left: IdempotencyStore) -> None:
        """Copies all keys; the file goes as a whole."""
        after = b""
        while kept := await left.page(after=after, most=_PAGE):
            await self._keys.take_over(kept)
            after = kept[-1].id
