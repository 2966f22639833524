"""Triggers in words."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from cron_descriptor import FormatError, MissingFieldError, Options, WrongArgumentError, get_description

from tocsin.clock import HOUR, SECOND, from_micros
from tocsin.recurrence.cron import CronLine, read_cron
from tocsin.recurrence.ical import RecurrenceSet, RecurrenceText, read_recurrence
from tocsin.recurrence.ical.parts import WEEKDAYS, Frequency, Nth, RuleParts
from tocsin.recurrence.patterns import local_text
from tocsin.recurrence.specs import At, AtLocal, Cron, Daily, Event, Every, Heartbeat, Micros, OnCalendar, Recurrence, Threshold
from tocsin.recurrence.trigger import Trigger

_UNITS: Final = ("year", "month", "week", "day", "hour", "minute", "second")
_MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FEW_EVENTS: Final = 5
_SIGNS: Final = (">", ">=", "<", "<=")


def describe(trigger: Trigger) -> str:
    """What a valid trigger means, in English; empty when there are no words for it."""
    zone = trigger.time_zone
    match trigger.spec:
        case At(instant):
            return f"Once, at {from_micros(instant).isoformat().replace('+00:00', 'Z')}"
        case AtLocal(text):
            return f"Once, at {text}, {zone}"
        case Daily(at, recurring):
            return f"{'Every day' if recurring else 'Once'}, at {at.isoformat()}, {zone}"
        case Every(interval):
            return f"Every {_length(interval)}"
        case Cron(expression):
            told = [_line_words(line, zone) for line in read_cron(expression)]
            return "; and ".join(told) if all(told) else ""
        case OnCalendar(expression):
            return f"On {expression.strip()}, {zone}"
        case Recurrence(text):
            return f"{_recurrence_words(read_recurrence(text))}, {zone}"
        case Event(topic, condition):
            return f"On every event of {topic}" + (f" that meets {condition}" if condition else "")
        case Threshold():
            spec = trigger.spec
            lasting = f" for {_length(spec.for_duration)}" if spec.for_duration else ""
            return f"When {spec.metric} is {_SIGNS[spec.comparison - 1]} {spec.value:g}{lasting}"
        case Heartbeat():
            spec = trigger.spec
            if spec.schedule is None:
                return f"When no ping comes for {_length(spec.every + spec.tolerance)}"
            expected = describe(replace(trigger, spec=spec.schedule))
            return f"When no ping comes within {_length(spec.tolerance)} of its time" + (f": {expected}" if expected else "")


def _line_words(line: CronLine, zone: str) -> str:
    if line.interval is not None:
        return f"Every {_length(line.interval)}"
    options = Options()
    options.use_24hour_time_format = True
    try:
        words = get_description(line.text, options) if not line.hashed and _has_words(line) else ""
    except (FormatError, MissingFieldError, WrongArgumentError):
        words = ""
    return f"{words}, {line.zone or zone}" if words else ""


def _has_words(line: CronLine) -> bool:
    """Whether cron-descriptor tells it right: it drops parts of lists with L, W or #, and joins a stepped star by "or"."""
    month_day, _, weekday = line.days
    listed = ("," in month_day and set(month_day) & set("LW")) or ("," in weekday and set(weekday) & set("L#"))
    stepped = (month_day.startswith("*/") and weekday not in "*?") or (weekday.startswith("*/") and month_day not in "*?")
    return not listed and not stepped and not (month_day.startswith("L-") and month_day.endswith("W"))


def _length(micros: Micros) -> str:
    return f"{micros / SECOND:g} s" if micros < HOUR else str(timedelta(microseconds=micros))


def _recurrence_words(found: RecurrenceText) -> str:
    if len(found.sets) > _FEW_EVENTS:
        return f"{len(found.sets)} events"
    return "; and ".join(_set_words(one) for one in found.sets)


def _set_words(found: RecurrenceSet) -> str:
    words = [_rule_words(rule) for rule in found.rules]
    if found.start is not None:
        words.append(f"from {local_text(found.start.wall)}" if words else f"At {local_text(found.start.wall)}")
    if found.added:
        words.append(f"and {_many(len(found.added), 'further time')}")
    if found.excluded:
        words.append(f"without {_many(len(found.excluded), 'time')}")
    words += [f"but not {_rule_words(rule)}" for rule in found.excluded_rules]
    if found.replaced or found.later:
        words.append(f"with {_many(len(found.replaced) + len(found.later), 'change')}")
    return "; ".join(words)


def _rule_words(rule: RuleParts) -> str:
    unit = _UNITS[rule.frequency]
    words = [f"Every {unit}" if rule.interval == 1 else f"Every {rule.interval} {unit}s"]
    for preposition, values in (
        ("in", [_MONTHS[month - 1] for month in rule.months]),
        ("in week", rule.weeks),
        ("on day of the year", rule.year_days),
        ("on day of the month", rule.month_days),
        ("on", [_nth_words(nth) for nth in rule.weekdays]),
        ("at hour", rule.hours),
        ("at minute", rule.minutes),
        ("at second", rule.seconds),
    ):
        if values:
            words.append(f"{preposition} {_listed(values)}")
    if rule.positions:
        words.append(f"of these number {_listed(rule.positions)} of the {unit}")
    if rule.week_start and rule.frequency in (Frequency.WEEKLY, Frequency.YEARLY):
        words.append(f"with weeks from {_DAYS[rule.week_start]} on")
    if rule.count is not None:
        words.append(f"{_many(rule.count, 'time')} in all")
    if rule.until is not None:
        words.append(f"until {local_text(rule.until.wall)}{'Z' if rule.until.zone else ''}")
    return ", ".join(words)


def _nth_words(nth: Nth) -> str:
    return f"{nth.ordinal}{WEEKDAYS[nth.weekday]}" if nth.ordinal else _DAYS[nth.weekday]


def _listed(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values)


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
