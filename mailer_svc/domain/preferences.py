"""What people want: which messages reach them, when it is quiet, and how many are enough (pure).

A recipient has a document of preferences, and the tenant has one that holds where a recipient's says nothing.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from mailer_svc.domain.weeks import WeeklyWindow, cover_the_week, weekly_windows
from tocsin.clock import DAY, MINUTE
from tocsin.errors import InvalidInput
from tocsin.priority import Priority

ANY: Final = "*"
_LONGEST_QUIET: Final = 8 * DAY
"""Microseconds: no quiet time that can be asked for is as long; what is held for so long is looked at again."""


class QuietPolicy(StrEnum):
    """What becomes of a message in quiet hours: it waits for their end, is not sent at all, or is sent all the same."""

    HOLD = "hold"
    DROP = "drop"
    PASS = "pass"  # noqa: S105  a word, not a secret


class PreferenceChoice(msgspec.Struct, frozen=True):
    """Whether messages of a category reach the recipient by a channel; "*" stands for every one."""

    enabled: bool
    category: str = ANY
    channel: str = ANY


class QuietHours(msgspec.Struct, frozen=True):
    """The quiet times of a week, and what becomes of messages then. Critical ones always pass."""

    times: tuple[WeeklyWindow, ...] = ()
    normal: QuietPolicy = QuietPolicy.HOLD
    bulk: QuietPolicy = QuietPolicy.HOLD


class DeliveryCap(msgspec.Struct, frozen=True):
    """At most ``count`` deliveries in any ``window`` microseconds; a ``count`` of 0: as many as there are."""

    count: int
    window: int


class Preferences(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a recipient wants, or the tenant where a recipient does not say. None: not said."""

    choices: tuple[PreferenceChoice, ...] = ()
    quiet_hours: QuietHours | None = None
    cap: DeliveryCap | None = None


UNSAID: Final = Preferences()
"""Of who says nothing."""

_DECODER: Final = msgspec.json.Decoder(Preferences)


def decode(document: str) -> Preferences:
    """The preferences of a stored document.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _DECODER.decode(document)


def encode(preferences: Preferences) -> str:
    """The document to store."""
    return msgspec.json.encode(preferences).decode()


def allows(recipient: Preferences, tenant: Preferences, category: str, channel: str) -> bool:
    """Whether a message of the category (empty: of none) is wanted by the channel.

    The most specific choice wins, the recipient's before the tenant's; of two that say the same much, about the category and about the
    channel, the one that is off. What nobody chose is on.
    """
    for choices in (recipient.choices, tenant.choices):
        if choices and (found := _chosen(choices, category, channel)) is not None:
            return found
    return True


def _chosen(choices: Sequence[PreferenceChoice], category: str, channel: str) -> bool | None:
    best, enabled = -1, None
    for choice in choices:
        about_category, about_channel = choice.category != ANY, choice.channel != ANY
        if (about_category and choice.category != category) or (about_channel and choice.channel != channel):
            continue
        specific = about_category + about_channel
        if specific > best:
            best, enabled = specific, choice.enabled
        elif specific == best:
            enabled = enabled and choice.enabled
    return enabled


def cap(recipient: Preferences, tenant: Preferences) -> DeliveryCap | None:
    """The cap that holds for the recipient; None: there is none."""
    found = recipient.cap or tenant.cap
    return found if found is not None and found.count else None


def quiet_hours(recipient: Preferences, tenant: Preferences) -> QuietHours | None:
    """The quiet hours that hold for the recipient; None: there are none."""
    found = recipient.quiet_hours or tenant.quiet_hours
    return found if found is not None and found.times else None


def quiet_policy(recipient: Preferences, tenant: Preferences, priority: Priority) -> QuietPolicy:
    """What becomes of a message of this priority in quiet hours."""
    found = quiet_hours(recipient, tenant)
    if found is None or priority is Priority.CRITICAL:
        return QuietPolicy.PASS
    return found.bulk if priority is Priority.BULK else found.normal


def quiet_until(recipient: Preferences, tenant: Preferences, zone: str, instant: int) -> int | None:
    """When the quiet time that it is at ``instant`` ends; None: it is not quiet then.

    Quiet times that touch or overlap are one. A wall time stands for its first instant, or for the first one after a gap that it lies in.

    Args:
        recipient: what the recipient wants.
        tenant: what the tenant wants.
        zone: of the wall times, an IANA name; one that tzdata does not have (any more) is taken for UTC.
        instant: microseconds since the epoch, as is the answer.
    """
    found = quiet_hours(recipient, tenant)
    return None if found is None else _quiet_end(found.times, zone, instant // MINUTE)


@lru_cache(maxsize=4096)
def _quiet_end(times: tuple[WeeklyWindow, ...], zone: str, minute: int) -> int | None:
    """The end of the quiet time that a minute lies in: no quiet time begins or ends within one."""
    windows, reached = weekly_windows(times, zone), None
    last = minute * MINUTE + _LONGEST_QUIET  # stored times may leave no minute of the week, whoever stored them
    while (further := windows.end_at(minute * MINUTE if reached is None else reached)) is not None:
        reached = further
        if reached >= last:
            return last
    return reached


def checked_quiet_times(times: Sequence[WeeklyWindow], *, field: str = "quietHours.times") -> None:
    """Refuses quiet times that leave no minute of the week.

    Raises:
        InvalidInput: what is held would never be sent.
    """
    if cover_the_week(times):
        raise InvalidInput.at(field, "leave no minute of the week, so that nothing would ever be sent; to want no messages, use choices")
