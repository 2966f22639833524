"""Schedules of Celery: `app.conf.beat_schedule` as JSON, or what `manage.py dumpdata django_celery_beat` writes.

A Python file is not read: it says what its schedule is only to who runs it.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, cast

from tocsin.cli.imports.plan import ImportPlan, one_line
from tocsin.cli.imports.reading import items, members, number_of, read_json, text_of, wrong
from tocsin.errors import InvalidInput
from tocsin.recurrence import Cron, Trigger, checked_due
from tocsin.recurrence.cron import read_cron

MOST_ENTRIES: Final = 10_000

_HANDLER: Final = re.compile(r"[a-z][a-z0-9_.]{0,62}")
_CRONTAB: Final = re.compile(r"\s*<crontab:\s*((?:\S+\s+){4}\S+)\s*(?:\((m/h/[a-zA-Z/]+)\))?\s*>\s*")
_FREQUENCY: Final = re.compile(r"\s*<freq:\s*([0-9.]+)\s*(seconds?|minutes?|hours?|days?|weeks?)?\s*>\s*")
_DELTA: Final = re.compile(r"\s*(?:(-?[0-9]+) days?,\s*)?([0-9]+):([0-9]{2}):([0-9]{2}(?:\.[0-9]+)?)\s*")
_DELTA_REPR: Final = re.compile(r"\s*datetime\.timedelta\(([^()]*)\)\s*")
_UNITS: Final = {"microseconds": 1e-6, "milliseconds": 1e-3, "seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}
_MODEL: Final = "django_celery_beat."
_LEGEND: Final = {"m/h/dM/MY/d": (0, 1, 2, 3, 4), "m/h/d/dM/MY": (0, 1, 3, 4, 2)}
_RULES: Final = ("interval", "crontab", "solar", "clocked")


class _Beats:
    """Makes alarms of entries."""

    def __init__(self, plan: ImportPlan, action: str, time_zone: str, now: int) -> None:
        self.plan = plan
        self.zone = time_zone
        self._action = action
        self._now = now

    def take(self, place: str, key: str, name: str, trigger: dict[str, Any], job: Mapping[str, Any], *, paused: bool) -> None:
        """Plans one."""
        if "cron" in trigger:
            self._check(trigger, f"{place}.schedule")
        body = {
            "displayName": one_line(name),
            "labels": {"import": "celery"},
            "trigger": trigger,
            "action": self._action_of(job, place),
            "state": "PAUSED" if paused else "",
        }
        self.plan.take("alarms", f"celery/{key}"[:128], body, place)

    def _check(self, trigger: Mapping[str, Any], place: str) -> None:
        try:
            read_cron(str(trigger["cron"]))
            checked_due(Trigger(spec=Cron(str(trigger["cron"])), time_zone=str(trigger.get("timeZone") or "UTC")), now=self._now)
        except InvalidInput as error:
            raise wrong(place, error.violations[0].description if error.violations else error.message) from None

    def _action_of(self, job: Mapping[str, Any], place: str) -> dict[str, Any]:
        """What an entry runs: a task of that name, or else a message on a topic."""
        task = str(job["task"])
        if self._action != "task":
            broker, _, to = self._action.partition(":")
            return {"publish": {"broker": broker, "to": to, "body": dict(job)}}
        if _HANDLER.fullmatch(task):
            return {"task": {"handler": task, "input": {"args": job["args"], "kwargs": job["kwargs"]}}}
        handler = re.sub(r"[^a-z0-9_.]", "_", task.lower()).strip("._")[:63]
        if not _HANDLER.fullmatch(handler):
            raise wrong(f"{place}.task", f"{task[:60]!r} is no name that a handler can have")
        self.plan.change(f"{place}.task", one_line(task, most=80), f"runs the handler {handler}: names of handlers are in lower case")
        return {"task": {"handler": handler, "input": {"args": job["args"], "kwargs": job["kwargs"]}}}


def read_beats(text: str, *, action: str, time_zone: str, now: int) -> ImportPlan:
    """What the entries of a schedule become.

    Args:
        text: the JSON.
        action: ``task``, or where messages are published: ``broker:queue``.
        time_zone: of crontabs that name none.
        now: microseconds since the epoch.

    Raises:
        InvalidInput: it is no such JSON.
    """
    document = read_json(text)
    beats = _Beats(ImportPlan(), action, time_zone, now)
    if isinstance(document, list):
        _take_dump(cast("list[object]", document), beats)
        return beats.plan
    schedule = members(document, "$")
    if "beat_schedule" in schedule:
        beats.zone = text_of(schedule, "timezone", "$") or beats.zone
        schedule = members(schedule["beat_schedule"], "beat_schedule")
    if len(schedule) > MOST_ENTRIES:
        raise wrong("beat_schedule", f"has more than {MOST_ENTRIES} entries")
    for name, value in schedule.items():
        place = f"beat_schedule[{json.dumps(name)[:80]}]"
        _guarded(beats, name, partial(_entry, beats, name, value, place))
    return beats.plan


def _guarded(beats: _Beats, name: str, take: Callable[[], None]) -> None:
    """Takes an entry; one that cannot be taken costs only itself."""
    try:
        take()
    except InvalidInput as error:
        violation = error.violations[0]
        beats.plan.refuse(violation.field, one_line(name, most=80), violation.description)


def _entry(beats: _Beats, name: str, value: object, place: str) -> None:
    entry = members(value, place)
    task = text_of(entry, "task", place)
    if not task:
        raise wrong(f"{place}.task", "must be given")
    job = {
        "task": task,
        "args": list(items(entry.get("args"), f"{place}.args")),
        "kwargs": dict(members(entry.get("kwargs") or {}, f"{place}.kwargs")),
    }
    trigger = _rule(entry.get("schedule"), beats.zone, f"{place}.schedule")
    if entry.get("options"):
        beats.plan.change(f"{place}.options", one_line(name, most=80), "options such as queue and expires have no meaning here")
    beats.take(place, one_line(name, most=120), name, trigger, job, paused=False)


def _rule(value: object, zone: str, place: str) -> dict[str, Any]:
    """The trigger of a schedule: a number of seconds, or how a timedelta, `schedule` or `crontab` is written."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _every(float(value), place)
    if not isinstance(value, str):
        raise wrong(place, "must be seconds, or the text of a crontab or an interval")
    if found := _CRONTAB.fullmatch(value):
        fields, order = found[1].split(), _LEGEND.get(found[2] or "m/h/dM/MY/d")
        if order is None:
            raise wrong(place, f"{value[:80]!r} has its fields in an order that is not known")
        return {"cron": _cron([fields[at] for at in order], place), "timeZone": zone}
    if found := _FREQUENCY.fullmatch(value):
        unit = (found[2] or "seconds").rstrip("s") + "s"
        return _every(float(found[1]) * _UNITS[unit], place)
    if found := _DELTA.fullmatch(value):
        days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return _every(days * 86_400 + hours * 3600 + minutes * 60 + seconds, place)
    if found := _DELTA_REPR.fullmatch(value):
        return _every(_delta(found[1], place), place)
    if "solar" in value:
        raise wrong(place, "the sun is not followed here; give it a time of day")
    raise wrong(place, f"{value[:80]!r} is neither a crontab nor an interval; print it by str()")


def _cron(fields: list[str], place: str) -> str:
    """The expression of minute, hour, day of the month, month and day of the week."""
    if fields[2] != "*" and fields[4] != "*":
        raise wrong(place, "names days of the month and of the week: Celery means days that are both, cron days that are either")
    return " ".join(fields)


def _delta(arguments: str, place: str) -> float:
    total = 0.0
    for number, argument in enumerate(part for part in arguments.split(",") if part.strip()):
        name, equals, value = argument.partition("=")
        unit = name.strip() if equals else ("days", "seconds", "microseconds")[min(number, 2)]
        try:
            total += float(value if equals else name) * _UNITS[unit]
        except (KeyError, ValueError):
            raise wrong(place, f"timedelta({arguments[:60]}) cannot be read") from None
    return total


def _every(seconds: float, place: str) -> dict[str, Any]:
    if not 1 <= seconds <= 315_576_000:
        raise wrong(place, f"every {seconds:g} seconds: must be 1 second to 10 years")
    return {"every": f"{seconds:f}".rstrip("0").rstrip(".") + "s"}


def _take_dump(rows: list[object], beats: _Beats) -> None:
    """What `dumpdata` writes: rows of models that point to each other."""
    if len(rows) > 10 * MOST_ENTRIES:
        raise wrong("$", f"has more than {10 * MOST_ENTRIES} rows")
    rules: dict[tuple[str, str], tuple[Mapping[str, Any], str]] = {}
    tasks: list[tuple[Mapping[str, Any], str, str]] = []
    for number, value in enumerate(rows):
        place = f"[{number}]"
        row = members(value, place)
        model = text_of(row, "model", place).lower()
        if not model.startswith(_MODEL) or model == f"{_MODEL}periodictasks":
            continue
        fields, kind = members(row.get("fields"), f"{place}.fields"), model.removeprefix(_MODEL)
        if kind == "periodictask":
            tasks.append((fields, str(row.get("pk")), f"{place}.fields"))
        else:
            rules[kind.removesuffix("schedule"), str(row.get("pk"))] = (fields, f"{place}.fields")
    if not tasks:
        raise wrong("$", "holds no django_celery_beat.periodictask; dump it by manage.py dumpdata django_celery_beat")
    for fields, _key, place in tasks[:MOST_ENTRIES]:
        name = str(fields.get("name") or "")
        _guarded(beats, name, partial(_row, beats, fields, rules, place))


def _row(beats: _Beats, fields: Mapping[str, Any], rules: Mapping[tuple[str, str], tuple[Mapping[str, Any], str]], place: str) -> None:
    name, task = text_of(fields, "name", place), text_of(fields, "task", place)
    if not (name and task):
        raise wrong(f"{place}.task", "name and task must be given")
    if name == "celery.backend_cleanup":
        beats.plan.change(place, name, "is Celery's own housekeeping, and left out")
        return
    kind = next((one for one in _RULES if fields.get(one) is not None), None)
    if kind is None:
        raise wrong(place, "has no schedule")
    found = rules.get((kind, str(fields[kind])))
    if found is None:
        raise wrong(f"{place}.{kind}", f"row {str(fields[kind])[:40]} of django_celery_beat.{kind} is not in the file; dump the whole app")
    trigger = _stored_rule(kind, *found, beats.zone)
    if fields.get("start_time") and kind != "clocked":
        trigger["startTime"] = text_of(fields, "start_time", place)
    if fields.get("expires"):
        trigger["endTime"] = text_of(fields, "expires", place)
    if fields.get("one_off") and kind != "clocked":
        trigger["count"] = 1
    job = {"task": task, "args": _inner(fields, "args", place, "[]"), "kwargs": _inner(fields, "kwargs", place, "{}")}
    rest = [key for key in ("queue", "exchange", "routing_key", "priority", "expire_seconds") if fields.get(key)]
    if rest:
        beats.plan.change(f"{place}.{rest[0]}", one_line(name, most=80), f"have no meaning here: {', '.join(rest)}")
    beats.take(place, one_line(name, most=120), name, trigger, job, paused=fields.get("enabled") is False)


def _inner(fields: Mapping[str, Any], key: str, place: str, default: str) -> Any:
    """The JSON in a field."""
    try:
        return read_json(text_of(fields, key, place) or default)
    except InvalidInput as error:
        raise wrong(f"{place}.{key}", error.violations[0].description) from None


def _stored_rule(kind: str, rule: Mapping[str, Any], place: str, zone: str) -> dict[str, Any]:
    if kind == "interval":
        unit = text_of(rule, "period", place)
        if unit not in _UNITS:
            raise wrong(f"{place}.period", f"{unit[:40]!r} is not known")
        return _every(number_of(rule, "every", place) * _UNITS[unit], place)
    if kind == "crontab":
        names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
        fields = [re.sub(r"\s", "", text_of(rule, name, place, default="*")) or "*" for name in names]
        return {"cron": _cron(fields, place), "timeZone": text_of(rule, "timezone", place) or zone}
    if kind == "clocked":
        return {"at": text_of(rule, "clocked_time", place)}
    raise wrong(place, "the sun is not followed here; give it a time of day")
