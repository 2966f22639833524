"""What has ended before its access tokens do, told to every gateway."""

import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from auth_svc.domain import EndedCredential
from auth_svc.ports import EndedCredentialStore
from auth_svc.service.open_sessions import NOTED
from tocsin.background import Wake
from tocsin.clock import SECOND, Clock
from tocsin.errors import InvalidInput, Unavailable

_TOKEN: Final = re.compile(r"[0-9]{1,17}")
_POLL_SECONDS: Final = 0.4
_OVERLAP: Final = 30 * SECOND
"""How long a transaction may keep what it ended from those who watch."""
_BATCH: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedBatch:
    """What a watch tells at a time.

    Attributes:
        credentials: what has ended, with the instant at which its last access token ends.
        token: continues after them.
        tenants_version: of the book of tenants.
    """

    credentials: Sequence[tuple[EndedCredential, datetime]]
    token: str
    tenants_version: int


class EndedCredentials:
    """Tells of sessions and API keys that have ended, for as long as an access token of theirs may live."""

    def __init__(self, *, store: EndedCredentialStore, clock: Clock, access: timedelta) -> None:
        """Makes it; ``access`` is how long an access token is taken."""
        self._store = store
        self._clock = clock
        self._draining = False
        self._watches: set[Wake] = set()
        self._held = access + NOTED  # a session may have given a token for so long after its use was last noted

    async def watch(self, token: str) -> AsyncGenerator[EndedBatch]:
        """Everything that ended after ``token``, or of which a token may live; then what ends. Does not end; one may come twice.

        The first batch comes at once, and may be empty.

        Raises:
            InvalidInput: the token is none of ours.
            Unavailable: this replica ends.
        """
        newest = _parsed(token)
        ended = Wake(self._clock)
        self._watches.add(ended)
        try:
            async for batch in self._batches(newest, ended):
                yield batch
        finally:
            self._watches.discard(ended)

    async def _batches(self, newest: int, ended: Wake) -> AsyncGenerator[EndedBatch]:
        known: dict[str, int] = {}
        told = -1
        while True:
            floor = max(0, newest - _OVERLAP)
            place = floor, ""
            while True:
                found, version = await self._store.ended_credentials(after=place, used=self._clock.now() - self._held, limit=_BATCH)
                fresh = [each for each in found if each.name not in known]
                known.update((each.name, each.ended) for each in found)
                if found:
                    place = found[-1].ended, found[-1].name
                    newest = max(newest, place[0])
                if fresh or version != told:
                    told = version
                    credentials = [(each, each.used + self._held) for each in fresh]
                    yield EndedBatch(credentials=credentials, token=str(newest) if newest else "", tenants_version=version)
                if len(found) < _BATCH:
                    break
            known = {name: ended for name, ended in known.items() if ended >= newest - _OVERLAP}
            await ended.wait(_POLL_SECONDS)
            if self._draining:
                raise Unavailable("This replica of auth_svc ends.")

    def drain(self) -> None:
        """Ends every watch, so that its gateway goes on at another replica."""
        self._draining = True
        for watch in self._watches:
            watch.set()

    async def forget(self) -> None:
        """Forgets those of which no token lives any more."""
        await self._store.purge_ended_credentials(self._clock.now() - self._held)


def _parsed(token: str) -> int:
    """The instant in a token; 0 for an empty one.

    Raises:
        InvalidInput: it is not one of ours.
    """
    if token and _TOKEN.fullmatch(token) is None:
        raise InvalidInput.at("resumeToken", "is not a token that an answer came with")
    return int(token or 0)
