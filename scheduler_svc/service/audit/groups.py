"""What those who were told of a group had to hear later, and when: from its route's times and from its timeline. Pure.

It shares no code with `scheduler_svc.domain.alert_groups`, which it judges.
"""

from typing import Final

from scheduler_svc.domain.alert_groups import AlertGroup
from tocsin.recurrence import Micros

ALONE: Final = AlertGroup(wait=0, interval=0, repeat=0)
"""Of an incident that groups nothing: nothing is ever new in it."""


class GroupNews:
    """What is new in a group, event by event.

    Attributes:
        messages: how many messages told of it.
    """

    def __init__(self, group: AlertGroup) -> None:
        """Begins without any alert; only what its route says of its times is read."""
        self.messages = 0
        self._group = group
        self._alerts = 0
        self._open: set[str] = set()
        self._news: list[Micros] = []
        self._told: Micros | None = None

    def joined(self, key: str, at: Micros) -> bool:
        """An alert joins, or is open again; whether it is the one that opened the group."""
        self._alerts += 1
        self._open.add(key)
        self._news.append(at)
        return self._alerts == 1

    def left(self, key: str) -> None:
        """An alert has ended."""
        self._open.discard(key)

    def told(self, at: Micros) -> None:
        """People are told of all that there is."""
        if self._told is None:
            self._news, self._told = [], at

    def sent(self, at: Micros) -> None:
        """They heard what is new."""
        self.messages += 1
        self._news, self._told = [], at

    def due(self, *, answered: bool) -> Micros | None:
        """When they have to hear of it next; None: not before something changes."""
        if self._told is None:
            return None
        if self._news:
            return max(self._told + self._group.interval, self._news[0] + self._group.wait)
        if not self._group.repeat or (answered and not self._group.repeat_acknowledged):
            return None
        return self._told + self._group.repeat

    @property
    def says(self) -> str:
        """What they hear then."""
        fresh, still = len(self._news), len(self._open)
        if fresh:
            return f"{fresh} more {'alert' if fresh == 1 else 'alerts'}"
        return f"still open: {still} {'alert' if still == 1 else 'alerts'}"
