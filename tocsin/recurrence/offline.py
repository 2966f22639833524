"""What a rule means, without a server: for the command line, and for whoever uses this as a library."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from tocsin.clock import from_micros, to_micros
from tocsin.errors import InvalidInput
from tocsin.recurrence.checks import normalized
from tocsin.recurrence.cron import read_cron
from tocsin.recurrence.offsets import zone
from tocsin.recurrence.patterns import local_text
from tocsin.recurrence.rules import anchor_of, rule_of
from tocsin.recurrence.specs import Cron, Label, Micros, Occurrence, OnCalendar, Recurrence
from tocsin.recurrence.trigger import Trigger

_ICAL: Final = re.compile(r"\s*+(?:\ufeff\s*+)?(BEGIN:|DTSTART|RRULE|RDATE|FREQ=|RSCALE=)", re.IGNORECASE)
_MOST_SILENT: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One time of a rule; ``due`` is None for a local time that does not exist and is skipped or swallowed."""

    due: Micros | None
    local: str
    label: Label


def shown_of(found: Occurrence, time_zone: str) -> Shown:
    """An occurrence for people, with its local time in a zone."""
    if found.label in (Label.SKIPPED, Label.SWALLOWED) and found.wall is not None:
        return Shown(due=None, local=local_text(found.wall), label=found.label)
    return Shown(due=found.due, local=_local(found.due, time_zone), label=found.label)


def _local(instant: Micros, key: str) -> str:
    """The local time with its offset; at the ends of the calendar, where a zone has none, the one of UTC."""
    try:
        return from_micros(instant).astimezone(zone(key)).isoformat()
    except OverflowError:
        return from_micros(instant).isoformat()


def spec_of(text: str) -> Cron | OnCalendar | Recurrence:
    """The rule that a text is: iCalendar by how it begins, cron if it can be read as that, else a calendar expression of systemd."""
    if _ICAL.match(text):
        return Recurrence(text)
    try:
        read_cron(text)
    except InvalidInput:
        words = text.split("#")[0].split()
        looks_like_cron = text.lstrip().startswith("@") or len(words) >= 5 or "\n" in text.strip()
        return Cron(text) if looks_like_cron else OnCalendar(text)
    return Cron(text)


def previewed(
    rule: str | Trigger, *, since: datetime, number: int = 10, time_zone: str = "UTC", seed: str = "", exclude: Sequence[str] = ()
) -> list[Shown]:
    """The next times of a rule, and what becomes of those that do not fire, in order.

    Args:
        rule: the text of a rule in any form (see `spec_of`), or a trigger.
        since: times from here on; what intervals, and rules without a beginning, count from.
        number: how many that fire.
        time_zone: of local times, where the rule names none.
        seed: what hashes and jitter are drawn from: the id of an alarm.
        exclude: further dates, local times or instants that are left out.

    Raises:
        InvalidInput: the rule is not valid, or takes too many steps; the error names the field, the position and the reason.
    """
    trigger = Trigger(spec=spec_of(rule), time_zone="") if isinstance(rule, str) else rule
    trigger = normalized(replace(trigger, exclude=(*trigger.exclude, *exclude)), time_zone=time_zone)
    zone(trigger.time_zone)
    begin = to_micros(since.astimezone(UTC))
    found = rule_of(trigger, anchor=anchor_of(trigger, now=begin), seed=seed).shown_after(begin - 1)
    return [shown_of(one, trigger.time_zone) for one in _until(found, number if trigger.limit is None else min(number, trigger.limit))]


def _until(found: Iterator[Occurrence], number: int) -> Iterator[Occurrence]:
    """As many as are wanted that fire, and a bounded number of others between them."""
    if not number:
        return
    for one in islice(found, number + _MOST_SILENT):
        yield one
        number -= one.label.fires
        if not number:
            return
