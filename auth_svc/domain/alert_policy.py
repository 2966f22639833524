"""Who is told of security alerts, of which, and when (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo

from tocsin.alerts import Alert, AlertKind, Severity
from tocsin.alerts.words import kind_words

OWNERS_READ: Final = "owners"
ADMINS_READ: Final = "admins"
MOST_ALERT_READERS: Final = 50
"""Addresses that one policy leads to."""

SEVERITY: Final = "severity"
"""The variable of a mail to people of the mailer that says how soon they should look; the template does not know it."""

_LINES: Final = 20
_LONGEST: Final = 1900
"""Characters of all lines together: what the mailer takes of one variable, with room for a note and a count."""
_READERS: Final = ("recipients/", "groups/", "rotations/")
_UNREACHED: Final = {
    "en": "{name} leads to nobody: owners are told instead.",
    "de": "{name} erreicht niemanden: Statt dessen erfahren es die Eigentümer.",
}


class AlertDelivery(Enum):
    """When readers are told of an alert."""

    AT_ONCE = "AT_ONCE"
    DAILY = "DAILY"
    NEVER = "NEVER"


DEFAULT_DELIVERIES: Final = {
    Severity.HIGH: AlertDelivery.AT_ONCE,
    Severity.MEDIUM: AlertDelivery.DAILY,
    Severity.LOW: AlertDelivery.DAILY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """The setting of a tenant.

    Attributes:
        to: who is told: "owners", "admins", "users/…", an address, or what the mailer knows: see `is_mailer_reader`.
        severities: when, by severity; what is not named is as `DEFAULT_DELIVERIES` has it.
        kinds: when, by kind; they win.
        digest_hour: of the day in the tenant's time zone, at which the daily mail is sent.
    """

    to: Sequence[str] = (OWNERS_READ,)
    severities: Mapping[Severity, AlertDelivery] = field(default_factory=dict[Severity, AlertDelivery])
    kinds: Mapping[AlertKind, AlertDelivery] = field(default_factory=dict[AlertKind, AlertDelivery])
    digest_hour: int = 8

    def delivery(self, alert: Alert) -> AlertDelivery:
        """When readers are told of an alert; of a kind or severity of a later version daily."""
        by_severity = DEFAULT_DELIVERIES.get(alert.severity, AlertDelivery.DAILY)
        return self.kinds.get(alert.kind) or self.severities.get(alert.severity) or by_severity

    def next_digest(self, now: datetime, zone: ZoneInfo) -> datetime:
        """When the daily mail after ``now`` is due."""
        local = now.astimezone(zone)
        today = datetime.combine(local.date(), time(self.digest_hour), zone)
        due = today if today > local else datetime.combine(local.date() + timedelta(days=1), time(self.digest_hour), zone)
        return due.astimezone(now.tzinfo)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertReader:
    """An address that is told, and its language."""

    address: str
    locale: str = ""


def alert_lines(alerts: Sequence[Alert], *, zone: ZoneInfo, locale: str = "") -> str:
    """Alerts as a mail in the language of ``locale`` lists them, a line each; those that find no room are counted."""
    lines: list[str] = []
    room = _LONGEST
    for alert in alerts[:_LINES]:
        line = _line(alert, zone, locale)[:_LONGEST]
        room -= len(line) + 1
        if room < 0 and lines:
            break
        lines.append(line)
    if more := len(alerts) - len(lines):
        lines.append(f"+ {more}")
    return "\n".join(lines)


def is_mailer_reader(who: str) -> bool:
    """Whether it is a recipient, a group or a rotation, whom the mailer knows."""
    return who.startswith(_READERS)


def unreached_note(name: str, lines: str, *, locale: str) -> str:
    """The lines of a mail to owners, which begin with why they get it."""
    note = _UNREACHED.get(locale.partition("-")[0].lower(), _UNREACHED["en"])
    return f"{note.format(name=name)}\n\n{lines}"[:2000]


def _line(alert: Alert, zone: ZoneInfo, locale: str) -> str:
    at = datetime.fromtimestamp(alert.last / 1_000_000, zone)
    kind, severity = (getattr(each, "value", str(each)) for each in (alert.kind, alert.severity))
    parts = (f"{at:%Y-%m-%d %H:%M}", severity, _called(kind, alert.count, locale), alert.place, alert.detail, alert.subject)
    return "  ".join(part for part in parts if part)


def _called(kind: str, count: int, locale: str) -> str:
    """A kind in words, and as the interface names it, so that it can be looked for."""
    words = kind_words(kind, locale=locale)
    return f"{words} ({kind}) x{count}" if words != kind else f"{kind} x{count}"
