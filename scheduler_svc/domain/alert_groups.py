"""Groups: alerts that are one incident, and when those who were told hear of what changed in it. Pure."""

from enum import IntEnum
from typing import Final

import msgspec

from scheduler_svc.domain.incident_words import IncidentSeverity
from tocsin.recurrence import Micros

RESOLVED_IN_WAIT: Final = "RESOLVED_IN_WAIT"
"""Reason of the first step of a group that was over before it was told."""

_TITLES: Final = 5
_LONGEST_TITLE: Final = 100


class AlertState(IntEnum):
    """Whether an alert is open; the numbers are stored, and are those of the contract."""

    OPEN = 1
    RESOLVED = 2


class IncidentAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One of the alerts of a group.

    Attributes:
        key: by which its next trigger, or its end, finds it; of one key at most one is open in a tenant.
        count: how often it was triggered.
        created: when it was triggered first.
        triggered: when it was triggered last.
        resolved: when it ended; None while it is open.
    """

    incident: str
    tenant: str
    key: str
    title: str
    description: str = ""
    severity: IncidentSeverity
    labels: dict[str, str] = {}
    url: str = ""
    source: str = ""
    state: AlertState = AlertState.OPEN
    count: int = 1
    created: Micros
    triggered: Micros
    resolved: Micros | None = None


class AlertGroup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an incident knows of the alerts that it groups.

    Attributes:
        by: the labels by which they were grouped, with their values.
        wait: how long the first step waits, and how long alerts that join later wait for others.
        interval: the least time between two messages.
        repeat: a group in which nothing changes is told again so long after the last message; 0: never.
        repeat_acknowledged: whether that is so also while somebody has it.
        open: how many are open, by severity, the worst first.
        total: how many there were in all.
        news: how many joined since those who were told heard of it last.
        titles: of the first of these.
        joined: when the first of these joined.
        told: when people were told first, or heard of it last; None: nobody was told.
        messages: how often they heard of it.
        postponed: no message before this; None: nothing holds them back.
    """

    by: dict[str, str] = {}
    wait: Micros
    interval: Micros
    repeat: Micros
    repeat_acknowledged: bool = False
    open: tuple[int, int, int, int] = (0, 0, 0, 0)
    total: int = 0
    news: int = 0
    titles: tuple[str, ...] = ()
    joined: Micros = 0
    told: Micros | None = None
    messages: int = 0
    postponed: Micros | None = None

    @property
    def open_alerts(self) -> int:
        """How many are open."""
        return sum(self.open)

    @property
    def worst(self) -> IncidentSeverity | None:
        """The worst severity of those that are open; None when none is."""
        return next((IncidentSeverity(place) for place, count in enumerate(self.open, 1) if count), None)

    def due(self, *, acknowledged: bool) -> Micros | None:
        """When those who were told hear of it next; None: not before something changes."""
        if self.told is None:
            return None
        if self.news:
            due = max(self.joined + self.wait, self.told + self.interval)
        elif self.repeat and (self.repeat_acknowledged or not acknowledged):
            due = self.told + self.repeat
        else:
            return None
        return due if self.postponed is None else max(due, self.postponed)

    @property
    def says(self) -> str:
        """What they hear then, in a few words."""
        if self.news:
            return "1 more alert" if self.news == 1 else f"{self.news} more alerts"
        return f"still open: {counted(self.open_alerts)}"

    @property
    def news_text(self) -> str:
        """The same in lines: the titles of the first alerts that joined."""
        more = self.news - len(self.titles)
        return "\n".join([*self.titles, *([f"and {more} more"] if more > 0 else [])])

    def heard(self, at: Micros) -> "AlertGroup":
        """The group when people were told of all that there is."""
        return msgspec.structs.replace(self, news=0, titles=(), told=at, postponed=None)

    def moved(self, before: IncidentSeverity | None, after: IncidentSeverity | None) -> "AlertGroup":
        """The group with an alert of another severity; None before: it was not open, None after: it is not any more."""
        if before is after:
            return self
        counts = list(self.open)
        if before is not None:
            counts[before - 1] -= 1
        if after is not None:
            counts[after - 1] += 1
        return msgspec.structs.replace(self, open=(counts[0], counts[1], counts[2], counts[3]))

    def with_news(self, title: str, at: Micros) -> "AlertGroup":
        """The group when an alert has joined of which nobody has heard."""
        titles = self.titles if len(self.titles) >= _TITLES else (*self.titles, title[:_LONGEST_TITLE])
        return msgspec.structs.replace(self, news=self.news + 1, titles=titles, joined=self.joined if self.news else at)


def counted(alerts: int) -> str:
    """A number of alerts in words."""
    return "1 alert" if alerts == 1 else f"{alerts} alerts"
