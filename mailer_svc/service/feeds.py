"""Calendar feeds: made, revoked, and read by whoever has their URL."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from mailer_svc.domain import RecipientNotFound, RotationNotFound
from mailer_svc.domain.errors import FeedNotFound
from mailer_svc.domain.feeds import CalendarFeed, FeedShift, feed_shifts
from mailer_svc.domain.rotation_schedules import ScheduleTooLong, duty_intervals
from mailer_svc.domain.rotations import RotationHistory
from mailer_svc.ports import RotationHistories, RotationStore
from mailer_svc.ports.feeds import FeedKey, FeedStore
from mailer_svc.service.on_call import MOST_CHANGES
from tocsin.clock import DAY, Clock
from tocsin.tenants import serves_all

BEHIND: Final = 35 * DAY
AHEAD: Final = 180 * DAY
"""Microseconds before and after now that a feed shows; of a schedule that has too many parts as much as fits, a week at least."""
MOST_PARTS: Final = 4000
"""Turns, hours and overrides that a feed is made of."""
MOST_ROTATIONS: Final = 50
"""Rotations in the feed of a person."""
FEED_PATH: Final = "/v1/feeds/"
SUFFIX: Final = ".ics"
_TOKEN_BYTES: Final = 24
_SHORTEST: Final = 7 * DAY


class CalendarFeeds:
    """The feeds of all tenants."""

    def __init__(
        self,
        *,
        store: FeedStore,
        rotations: RotationStore,
        histories: RotationHistories,
        clock: Clock,
        link: Callable[[str], str],
        new_token: Callable[[], str] = lambda: secrets.token_urlsafe(_TOKEN_BYTES),
        serves: Callable[[str], bool] = serves_all,
    ) -> None:
        """Takes what it stands on.

        Args:
            store: keeps feeds.
            rotations: knows which subjects exist.
            histories: knows schedules.
            clock: the time.
            link: the public URL of a path; empty: nobody knows it.
            new_token: makes a secret.
            serves: for which tenants, see `TenantBook.serves_keys`.
        """
        self._store = store
        self._rotations = rotations
        self._histories = histories
        self._clock = clock
        self._link = link
        self._new_token = new_token
        self._serves = serves

    async def create(self, key: FeedKey) -> tuple[str, int]:
        """Makes the feed of a subject; its URL, and when it was made.

        Raises:
            RotationNotFound: there is no such rotation.
            RecipientNotFound: there is no such recipient.
        """
        if not await self._rotations.exists(tenant=key.tenant, name=key.subject):
            kind = RotationNotFound if key.subject.startswith("rotations/") else RecipientNotFound
            raise kind(f"There is no {key.subject}")
        token, now = self._new_token(), self._clock.micros()
        await self._store.put(key, token_hash=_hash(token), now=now)
        path = f"{FEED_PATH}{token}{SUFFIX}"
        return self._link(path) or path, now

    async def created(self, key: FeedKey) -> int:
        """When the feed of a subject was made.

        Raises:
            FeedNotFound: there is none.
        """
        found = await self._store.created(key)
        if found is None:
            raise FeedNotFound(f"{key.subject} has no feed")
        return found

    async def revoke(self, key: FeedKey) -> None:
        """Ends the feed of a subject, if there is one."""
        await self._store.remove(key)

    async def read(self, token: str) -> CalendarFeed:
        """What a feed holds now.

        Raises:
            FeedNotFound: nobody's feed has this token.
        """
        key = await self._store.find(_hash(token.removesuffix(SUFFIX)))
        if key is None or not self._serves(key.tenant):
            raise FeedNotFound
        kind, _, identity = key.subject.partition("/")
        # The window moves at midnight (UTC), so that a feed whose schedule stays is the same for a day.
        today = self._clock.micros() // DAY * DAY
        personal, ids = kind == "recipients", [identity]
        if personal:
            ids = list(await self._store.rotations_of(tenant=key.tenant, recipient=identity, since=today - BEHIND, most=MOST_ROTATIONS))
        shifts: list[FeedShift] = []
        titles: dict[str, str] = {}
        for rotation in ids:
            history, found = await self._shifts(key.tenant, rotation, identity if personal else "", today, MOST_PARTS // len(ids))
            shifts += found
            plan = history.revisions[-1].plan if history and history.revisions else None
            titles[rotation] = (plan.display_name if plan else "") or rotation
        people = await self._store.names(tenant=key.tenant, recipients={identity, *(one.recipient for one in shifts)})
        name = people.get(identity, identity) if personal else titles[identity]
        shifts.sort(key=lambda one: (one.start, one.rotation, one.recipient))
        return CalendarFeed(name=f"On call: {name}", personal=personal, shifts=shifts, people=people, rotations=titles)

    async def _shifts(
        self, tenant: str, rotation: str, recipient: str, today: int, most: int
    ) -> tuple[RotationHistory | None, list[FeedShift]]:
        """The shifts of a rotation, as far as ``most`` parts of its schedule go."""
        begin, ahead = today - BEHIND, AHEAD
        history = await self._histories.between(tenant=tenant, id=rotation, start=begin, end=today + ahead, most=MOST_CHANGES)
        while history is not None:
            end = today + ahead
            try:
                intervals = await asyncio.to_thread(duty_intervals, history, begin, end, most=most)
            except ScheduleTooLong:
                if ahead <= _SHORTEST:
                    break
                begin, ahead = today - min(BEHIND, ahead // 2), ahead // 2
                continue
            return history, list(feed_shifts(history, intervals, begin=begin, end=end, recipient=recipient))
        return history, []


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
