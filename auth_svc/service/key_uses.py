"""When and from where API keys were last used: gathered in memory, stored in batches."""

from datetime import datetime
from typing import Final

from auth_svc.ports import KeyStore, KeyUse
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_SECONDS: Final = 15.0
_MOST: Final = 10_000
"""Keys whose last use waits to be stored; while the database is away, more are not noted."""


class KeyUses:
    """Notes uses of keys; a component. What a process has not stored when it is killed is lost: the next use says it again."""

    def __init__(self, *, store: KeyStore, clock: Clock) -> None:
        self._store = store
        self._uses: dict[str, KeyUse] = {}
        self._background = Background(clock)

    def note(self, key: str, *, time: datetime, address: str) -> None:
        """A key was used."""
        if key in self._uses or len(self._uses) < _MOST:
            self._uses[key] = KeyUse(time=time, address=address)

    async def start(self) -> None:
        """Begins to store."""
        if not self._background.running:
            self._background.periodic("key-uses", _SECONDS, self.store, at_once=False, vital=False)

    async def stop(self) -> None:
        """Stores what waits, if the database takes it, and ends."""
        await self._background.stop()
        try:
            await self.store()
        except TocsinError as error:
            _log.warning("uses of API keys not stored", keys=len(self._uses), error=error.error_reason)

    async def store(self) -> None:
        """Stores what waits.

        Raises:
            TocsinError: the database does not take it; it waits on.
        """
        taken = dict(self._uses)
        await self._store.note_uses(taken)
        for key, use in taken.items():
            if self._uses.get(key) is use:
                del self._uses[key]
