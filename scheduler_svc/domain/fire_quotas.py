"""What may fire within a tenant's quota of fires a minute. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from scheduler_svc.domain.alarms import FIRE_QUOTA, Action
from scheduler_svc.domain.firings import Firing, FiringState, Outcome
from tocsin.recurrence import Micros

FIRES_PER_MINUTE: Final = "fires_per_minute"
"""The quota."""


class AllowanceShort(Exception):
    """A transaction fires more than was set aside for it; ``wanted`` is how much, by tenant."""

    def __init__(self, wanted: Mapping[str, int]) -> None:
        super().__init__("more fires than were set aside")
        self.wanted = wanted


class FireAllowance:
    """What one transaction may fire: so many for each tenant with a quota, any number for all others.

    It may be asked again about what it was asked before, when the transaction is made again.
    """

    __slots__ = ("_bounded", "_left", "_taken", "granted", "minute", "used_up")

    def __init__(self, *, minute: int, granted: Mapping[str, int], used_up: frozenset[str], bounded: Callable[[str], bool]) -> None:
        """Takes what is set aside.

        Args:
            minute: whose quota it is, since 1970.
            granted: by tenant.
            used_up: tenants for which there is no more in this minute.
            bounded: whether a tenant has a quota.
        """
        self.minute: Final = minute
        self.granted: Final = granted
        self.used_up: Final = used_up
        self._bounded = bounded
        self._left = dict(granted)
        self._taken: dict[str, int] = {}

    def room(self, tenant: str, alarm: str, wanted: int) -> int:
        """How many of ``wanted`` firings of an alarm may go.

        Raises:
            AllowanceShort: nobody knows yet whether there is more.
        """
        if not self._bounded(tenant):
            return wanted
        left = self._left.get(tenant, 0) + self._taken.pop(alarm, 0)
        if wanted > left and tenant not in self.used_up:
            raise AllowanceShort({**self.granted, tenant: self.granted.get(tenant, 0) + wanted - left})
        taken = self._taken[alarm] = min(left, wanted)
        self._left[tenant] = left - taken
        return taken

    def within(self, firings: Iterable[Firing], *, now: Micros) -> list[Firing]:
        """The firings; those that are too many are skipped.

        Raises:
            AllowanceShort: nobody knows yet whether there is more.
        """
        all_of_them = list(firings)
        wanted = going(each for each in all_of_them if self._bounded(each.tenant))
        if any(count > self.granted.get(tenant, 0) and tenant not in self.used_up for tenant, count in wanted.items()):
            raise AllowanceShort({**self.granted, **wanted})
        left = dict(self.granted)
        found: list[Firing] = []
        for firing in all_of_them:
            if firing.state is not FiringState.PENDING or firing.tenant not in wanted:
                found.append(firing)
            elif left[firing.tenant]:
                left[firing.tenant] -= 1
                found.append(firing)
            else:
                found.append(_skipped(firing, now))
        return found


def going(firings: Iterable[Firing]) -> Counter[str]:
    """How many firings go, by tenant."""
    return Counter(firing.tenant for firing in firings if firing.state is FiringState.PENDING)


def _skipped(firing: Firing, now: Micros) -> Firing:
    return msgspec.structs.replace(
        firing,
        fired=None,
        outcome=Outcome.SKIPPED,
        reason=FIRE_QUOTA,
        state=FiringState.CLOSED,
        ready=None,
        completed=now,
        action=Action("", b""),
        retry="",
        flags=0,
    )
