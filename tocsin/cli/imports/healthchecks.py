"""Checks of healthchecks.io, as `GET /api/v3/checks/` answers them: of each a heartbeat whose ping URL has the same path."""

import re
from collections.abc import Mapping
from typing import Any, Final

from tocsin.cli.imports.plan import Audience, ImportPlan, one_line
from tocsin.cli.imports.reading import items, members, number_of, read_json, text_of, wrong
from tocsin.errors import InvalidInput
from tocsin.recurrence import Cron, OnCalendar, Trigger, checked_due
from tocsin.recurrence.cron import read_cron

MOST_CHECKS: Final = 10_000

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_SLUG: Final = re.compile(r"[a-z0-9_-]{1,100}")
_MAIL_RULES: Final = (
    "success_kw",
    "failure_kw",
    "start_kw",
    "filter_subject",
    "filter_body",
    "filter_default_fail",
    "subject",
    "subject_fail",
)
_LEAST_SECONDS, _MOST_SECONDS = 1, 31_557_600


def read_checks(text: str, audience: Audience, *, now: int) -> ImportPlan:
    """What the checks of an answer become.

    Args:
        text: the answer of the list, or of one check.
        audience: who is told.
        now: microseconds since the epoch.

    Raises:
        InvalidInput: it is no such answer.
    """
    document = members(read_json(text), "$")
    found = items(document["checks"], "checks") if "checks" in document else (document,)
    if "checks" not in document and "grace" not in document:
        raise wrong("checks", "is not there: this is no answer of GET /api/v3/checks/")
    if len(found) > MOST_CHECKS:
        raise wrong("checks", f"has more than {MOST_CHECKS} items")
    plan, slugs = ImportPlan(), set[str]()
    for number, value in enumerate(found):
        place = f"checks[{number}]"
        try:
            _take(members(value, place), place, audience, plan, slugs, now)
        except InvalidInput as error:
            name = one_line(str(value.get("name") or "")) if isinstance(value, dict) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            violation = error.violations[0]
            plan.refuse(violation.field, name, violation.description)
    return plan


def _take(check: Mapping[str, Any], place: str, audience: Audience, plan: ImportPlan, slugs: set[str], now: int) -> None:
    ping = _ping(check, place)
    name = one_line(text_of(check, "name", place)) or text_of(check, "slug", place) or ping
    heartbeat: dict[str, Any] = {"key": ping, "grace": f"{_seconds(check, 'grace', place, default=3600)}s"}
    trigger: dict[str, Any] = {"heartbeat": heartbeat}
    schedule = text_of(check, "schedule", place)
    if schedule:
        heartbeat[_check_schedule(check, schedule, place, now)] = schedule
        trigger["timeZone"] = text_of(check, "tz", place, default="UTC") or "UTC"
    else:
        heartbeat["every"] = f"{_seconds(check, 'timeout', place, default=86_400)}s"
    slug = text_of(check, "slug", place)
    if slug in slugs or (slug and not _SLUG.fullmatch(slug)):
        plan.change(f"{place}.slug", name, f"the slug {slug[:40]!r} is taken by another check, or no slug here: ping by the UUID")
    elif slug:
        slugs.add(slug)
        heartbeat["slug"] = slug
    body = {
        "displayName": name,
        "labels": _labels(text_of(check, "tags", place)),
        "trigger": trigger,
        "action": audience.notify(f"{name} is down", text_of(check, "desc", place)),
        "state": "PAUSED" if check.get("status") == "paused" else "",
    }
    plan.take("alarms", f"healthchecks/{ping}", body, place)
    _note_rest(check, name, place, plan)


def _ping(check: Mapping[str, Any], place: str) -> str:
    """The id of a check's pings."""
    for key in ("ping_url", "update_url", "uuid"):
        found = _UUID.search(text_of(check, key, place))
        if found is not None:
            return found.group().lower()
    raise wrong(f"{place}.ping_url", "is not there: the list was asked for with a read-only key; ask with a read-write key")


def _seconds(check: Mapping[str, Any], key: str, place: str, *, default: int) -> int:
    found = number_of(check, key, place, default=default)
    if not _LEAST_SECONDS <= found <= _MOST_SECONDS:
        raise wrong(f"{place}.{key}", f"must be {_LEAST_SECONDS} to {_MOST_SECONDS} seconds, not {found}")
    return found


def _check_schedule(check: Mapping[str, Any], schedule: str, place: str, now: int) -> str:
    """The field that a schedule is given in: a cron expression, or a calendar expression of systemd."""
    zone = text_of(check, "tz", place, default="UTC") or "UTC"
    calendar = len(schedule.split()) < 5 or "\n" in schedule.strip()
    try:
        if not calendar:
            read_cron(schedule)
        checked_due(Trigger(spec=OnCalendar(schedule) if calendar else Cron(schedule), time_zone=zone), now=now)
    except InvalidInput as error:
        raise wrong(f"{place}.schedule", error.violations[0].description if error.violations else error.message) from None
    return "onCalendar" if calendar else "cron"


def _labels(tags: str) -> dict[str, str]:
    """Tags as labels: ``env=prod`` with its value, another with ``true``."""
    labels = {"import": "healthchecks"}
    for tag in tags.split()[:60]:
        name, _, value = tag.partition("=")
        if 0 < len(name) <= 63:
            labels[name] = value[:256] or "true"
    return labels


def _note_rest(check: Mapping[str, Any], name: str, place: str, plan: ImportPlan) -> None:
    if check.get("methods") not in ("", None):
        plan.change(f"{place}.methods", name, "pings by GET and HEAD count as well, not by POST alone")
    if check.get("manual_resume"):
        plan.change(f"{place}.manual_resume", name, "a paused heartbeat is resumed by hand always")
    if check.get("channels"):
        plan.change(f"{place}.channels", name, "its integrations are not in the file; who is told is what --to or --policy says")
    rules = [key for key in _MAIL_RULES if check.get(key)]
    if rules:
        plan.refuse(f"{place}.{rules[0]}", name, "pings by mail with keywords are not taken: " + ", ".join(rules))
