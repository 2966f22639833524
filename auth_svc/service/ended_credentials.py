"""What has ended before its access tokens do, or may do something else than they say, told to every gateway."""

import re
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from auth_svc.domain import ChangedCredential, EndedCredential, Scopes
from auth_svc.ports import HeldKey, Rotated, Store
from auth_svc.service.open_sessions import NOTED
from tocsin.clock import SECOND, Clock, from_micros
from tocsin.errors import InvalidInput, Unavailable
from tocsin.wake import Wake

_TOKEN: Final = re.compile(r"[0-9]{1,17}")
_POLL_SECONDS: Final = 0.4
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_OVERLAP: Final = 30 * SECOND
"""How long a transaction may keep what it ended from those who watch."""
_BATCH: Final = 500
_SESSIONS: Final = "sessions/"
_KEYS: Final = "apiKeys/"


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialNow:
    """What a session or an API key may do by now.

    Attributes:
        name: "sessions/…" or "apiKeys/…".
        scopes: empty if nothing: its owner is deactivated, or it has expired.
        until: when the last access token that was made before ends.
    """

    name: str
    scopes: frozenset[str]
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedBatch:
    """What a watch tells at a time.

    Attributes:
        credentials: what has ended, with the instant at which its last access token ends.
        changed: what may do something else than before.
        token: continues after them.
        tenants_version: of the book of tenants.
    """

    credentials: Sequence[tuple[EndedCredential, datetime]]
    changed: Sequence[CredentialNow]
    token: str
    tenants_version: int


class EndedCredentials:
    """Tells of sessions and API keys that have ended or changed, for as long as an access token of theirs may live."""

    def __init__(self, *, store: Store, scopes: Scopes, clock: Clock, access: timedelta) -> None:
        """Makes it; ``access`` is how long an access token is taken."""
        self._store = store
        self._scopes = scopes
        self._clock = clock
        self._draining = False
        self._watches: set[Wake] = set()
        self._held = access + NOTED  # a session may have given a token for so long after its use was last noted

    async def watch(self, token: str) -> AsyncGenerator[EndedBatch]:
        """Everything that ended or changed after ``token``, or of which a token may live; then what does. Does not end; one may come twice.

        The first batch comes at once, and may be empty.

        Raises:
            InvalidInput: the token is none of ours.
            Unavailable: this replica ends.
        """
        place = _EndedPlace(_parsed(token))
        ended = Wake(self._clock)
        self._watches.add(ended)
        try:
            told = -1
            while True:
                async with aclosing(self._round(place, told)) as batches:
                    async for batch in batches:
                        told = batch.tenants_version
                        yield batch
                place.forget()
                await ended.wait(_POLL_SECONDS)
                if self._draining:
                    raise Unavailable("This replica of auth_svc ends.")
        finally:
            self._watches.discard(ended)

    async def _round(self, place: "_EndedPlace", told: int) -> AsyncGenerator[EndedBatch]:
        """What is new since the round before; ``told``: the version of the book of tenants that was."""
        floor = max(0, place.newest - _OVERLAP), ""  # of both: neither is ahead of what the other has not read
        after = floor
        while True:
            found, version = await self._store.ended_credentials(after=after, used=self._clock.now() - self._held, limit=_BATCH)
            fresh = [each for each in found if place.take(each.name, each.ended)]
            if fresh or version != told:
                told = version
                ended = [(each, min(each.used, _NEVER - self._held) + self._held) for each in fresh]
                yield EndedBatch(credentials=ended, changed=(), token=place.token, tenants_version=version)
            if len(found) < _BATCH:
                break
            after = found[-1].ended, found[-1].name
        after = floor
        while True:
            changed = await self._store.changed_credentials(after=after, within=self._held, limit=_BATCH)
            if news := [each for each in changed if place.take(each.name, each.changed)]:
                yield EndedBatch(credentials=(), changed=await self._now(news), token=place.token, tenants_version=told)
            if len(changed) < _BATCH:
                break
            after = changed[-1].changed, changed[-1].name

    async def _now(self, changed: Sequence[ChangedCredential]) -> Sequence[CredentialNow]:
        """What each may do now; of those that are gone, nothing is said: that they ended is told."""
        until = {each.name: from_micros(each.changed) + self._held for each in changed}
        opened = await self._store.sessions_named(_ids(until, _SESSIONS))
        keys = await self._store.held_keys(_ids(until, _KEYS))
        scopes = {f"{_SESSIONS}{each.session.id}": self._of_session(each) for each in opened}
        scopes |= {each.key.name: self._of_key(each) for each in keys}
        return [CredentialNow(name=name, scopes=scopes[name], until=until[name]) for name in until if name in scopes]

    def _of_session(self, found: Rotated) -> frozenset[str]:
        return self._scopes.of_session(found.user.role, found.tenant, found.session.proof) if found.user.active else frozenset()

    def _of_key(self, held: HeldKey) -> frozenset[str]:
        good = held.active and not held.key.expired(self._clock.now())
        return self._scopes.of_key(held.key, held.role, held.tenant) if good else frozenset()

    def drain(self) -> None:
        """Ends every watch, so that its gateway goes on at another replica."""
        self._draining = True
        for watch in self._watches:
            watch.set()

    async def forget(self) -> None:
        """Forgets those of which no token lives any more."""
        await self._store.purge_ended_credentials(self._clock.now() - self._held)
        await self._store.purge_changed_credentials(self._held)


class _EndedPlace:
    """Where a watch is, and what of the last half minute it has told."""

    __slots__ = ("_known", "newest")

    def __init__(self, newest: int) -> None:
        self.newest = newest
        self._known: dict[tuple[str, int], None] = {}

    @property
    def token(self) -> str:
        """Continues after what was taken."""
        return str(self.newest) if self.newest else ""

    def take(self, name: str, instant: int) -> bool:
        """Whether something is new."""
        self.newest = max(self.newest, instant)
        if (name, instant) in self._known:
            return False
        self._known[name, instant] = None
        return True

    def forget(self) -> None:
        """Forgets what does not come again."""
        oldest = self.newest - _OVERLAP
        self._known = {each: None for each in self._known if each[1] >= oldest}


def _ids(names: Collection[str], kind: str) -> list[str]:
    return [name.removeprefix(kind) for name in names if name.startswith(kind)]


def _parsed(token: str) -> int:
    """The instant in a token; 0 for an empty one.

    Raises:
        InvalidInput: it is not one of ours.
    """
    if token and _TOKEN.fullmatch(token) is None:
        raise InvalidInput.at("resumeToken", "is not a token that an answer came with")
    return int(token or 0)
