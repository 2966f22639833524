"""Calendars that layers of rotations take their shifts from."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol


class CalendarClaim(NamedTuple):
    """A calendar that is to be read."""

    tenant: str
    rotation: str
    url: str


class CalendarUnreadable(Exception):
    """A calendar cannot be read; its words are for people, and hold no more than the server's status."""


class CalendarSource(Protocol):
    """Reads calendars that users name."""

    async def fetch(self, url: str) -> str:
        """The text of a calendar.

        Raises:
            CalendarUnreadable: there is none now.
        """
        ...


class RotationCalendarStore(Protocol):
    """Knows which calendars are to be read. Times in microseconds since the epoch."""

    async def claim(
        self, *, now: int, again: int, limit: int, share: int, under_way: Sequence[CalendarClaim] = ()
    ) -> Sequence[CalendarClaim]:
        """Takes calendars that are due by ``now``, each tenant's in turn; they are due again at ``again``, whoever claims them then.

        Of one tenant no more than its ``share``, in which those count that are ``under_way``.
        """
        ...

    async def note(self, claim: CalendarClaim, *, read: int | None, error: str) -> None:
        """Notes how reading one went; with ``read`` it was read then, without it is as old as it was."""
        ...

    async def people_called(self, *, tenant: str, names: Collection[str]) -> Mapping[str, str]:
        """Ids of recipients by those of the names, in lower case, that are theirs alone: an id, a mail address or a name for people."""
        ...
