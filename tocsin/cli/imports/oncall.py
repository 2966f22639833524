"""Grafana OnCall: what its HTTP API answers, in one JSON object, and the .ics of a schedule.

    {"users": …, "schedules": …, "on_call_shifts": …, "escalation_chains": …, "escalation_policies": …, "integrations": …, "routes": …}

Each is a page of the API, a list of pages, or a list of items.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from tocsin import zones
from tocsin.cli.imports.oncall_policies import take_chains
from tocsin.cli.imports.oncall_rules import personal_rules
from tocsin.cli.imports.oncall_shifts import OnCallShift, layers_of, shift_of
from tocsin.cli.imports.plan import ImportPlan, one_line
from tocsin.cli.imports.reading import items, members, read_json, text_of, texts_of, wrong
from tocsin.errors import InvalidInput

MOST_ITEMS: Final = 20_000

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+=~-]{0,63}")
_KINDS: Final = {
    "alertmanager": "ALERTMANAGER",
    "grafana_alerting": "GRAFANA",
    "grafana": "GRAFANA",
    "inbound_email": "EMAIL",
    "pagerduty": "PAGERDUTY",
    "webhook": "GENERIC",
    "formatted_webhook": "GENERIC",
}
# What a webhook of OnCall takes (its documentation: "Inbound webhook").
_MAPPING: Final = {
    "title": {"paths": ["title"]},
    "description": {"paths": ["message"]},
    "dedupKey": {"paths": ["alert_uid"]},
    "state": {"paths": ["state"]},
    "states": {"alerting": "TRIGGER", "ok": "RESOLVE"},
    "url": {"paths": ["link_to_upstream_details"]},
}
_PARTS: Final = (
    "users",
    "schedules",
    "on_call_shifts",
    "escalation_chains",
    "escalation_policies",
    "integrations",
    "routes",
    "personal_notification_rules",
)
_IGNORED: Final = frozenset(("teams", "organizations", "slack_channels", "user_groups"))


@dataclass(slots=True)
class OnCallExport:
    """The parts of a file, and what the plan knows of them already.

    Attributes:
        parts: items with their places.
        plan: what becomes of them.
        people: names of recipients by ids of users.
        rotations: names of rotations by ids of schedules.
        policies: names of escalation policies by ids of chains.
    """

    parts: Mapping[str, Sequence[tuple[Mapping[str, Any], str]]]
    plan: ImportPlan = field(default_factory=ImportPlan)
    people: dict[str, str] = field(default_factory=dict[str, str])
    rotations: dict[str, str] = field(default_factory=dict[str, str])
    policies: dict[str, str] = field(default_factory=dict[str, str])

    def each(self, part: str, take: Callable[[Mapping[str, Any], str], None]) -> None:
        """Takes the items of a part; one that cannot be taken costs only itself."""
        for item, place in self.parts.get(part, ()):
            try:
                take(item, place)
            except InvalidInput as error:
                violation = error.violations[0]
                self.plan.refuse(
                    violation.field, one_line(str(item.get("name") or item.get("username") or ""), most=80), violation.description
                )


def read_oncall(text: str, *, name: str, now: int) -> ImportPlan:
    """What an export becomes.

    Args:
        text: the JSON, or an .ics of a schedule.
        name: of the rotation of an .ics.
        now: microseconds since the epoch.

    Raises:
        InvalidInput: it is neither.
    """
    if text.lstrip()[:15].upper() == "BEGIN:VCALENDAR":
        return _schedule_file(text, name)
    document = members(read_json(text), "$")
    known = [part for part in _PARTS if part in document]
    if not known:
        raise wrong("$", f"holds none of {', '.join(_PARTS)}")
    plan = ImportPlan()
    parts = {part: list(_items(document[part], part, plan)) for part in known}
    export = OnCallExport(parts, plan)
    for other in document:
        if other not in _PARTS and other not in _IGNORED:
            plan.refuse(one_line(other, most=80), "", "is not known")
    rules = personal_rules(export.parts.get("personal_notification_rules", ()), plan)
    export.each("users", lambda item, place: _take_user(item, place, export, rules))
    shifts = {text_of(item, "id", place): (item, place) for item, place in export.parts.get("on_call_shifts", ())}
    export.each("schedules", lambda item, place: _take_schedule(item, place, export, shifts, now))
    take_chains(export.parts, export.plan, people=export.people, rotations=export.rotations, policies=export.policies)
    export.each("integrations", lambda item, place: _take_integration(item, place, export))
    for item, place in export.parts.get("routes", ()):
        if not item.get("is_the_last_route"):
            regex = one_line(str(item.get("routing_regex") or ""), most=60)
            plan.refuse(place, regex, "routes by a regular expression over the payload are not taken: make one by labels")
    return plan


def _items(value: object, part: str, plan: ImportPlan) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The items of a part, however its pages are nested."""
    pages = cast("list[object]", value) if isinstance(value, list) else [value]
    count = 0
    for number, page in enumerate(pages):
        place = f"{part}[{number}]"
        found = members(page, place)
        if "results" not in found:
            rows: list[tuple[object, str]] = [(found, place)]
        else:
            within = f"{place}.results" if isinstance(value, list) else f"{part}.results"
            rows = [(row, f"{within}[{at}]") for at, row in enumerate(items(found["results"], within))]
            if found.get("next") and number == len(pages) - 1:
                plan.refuse(f"{within[:-8]}.next", part, "there are more pages, which are not in the file")
        for row, at in rows:
            count += 1
            if count > MOST_ITEMS:
                raise wrong(part, f"has more than {MOST_ITEMS} items")
            yield members(row, at), at


def _take_user(user: Mapping[str, Any], place: str, export: OnCallExport, rules: Mapping[str, dict[str, Any]]) -> None:
    identity, username, email = (text_of(user, key, place) for key in ("id", "username", "email"))
    own = next((one for one in (username, identity) if _ID.fullmatch(one)), None)
    if own is None:
        raise wrong(f"{place}.id", "has neither an id nor a name")
    name = f"recipients/{own}"
    export.people[identity] = name
    addresses = [{"channel": "email", "value": email, "state": "ACTIVE"}] if email else []
    if not addresses:
        export.plan.change(place, own, "has no mail address: add one, or nothing reaches them")
    body = {
        "displayName": one_line(text_of(user, "name", place) or username),
        "timeZone": _zone(user, "timezone", place),
        "addresses": addresses,
        "rules": rules.get(identity, {}),
    }
    export.plan.take("recipients", name, {"name": name, **body}, place)
    for key, words in (("slack", "Slack"), ("is_phone_number_verified", "the verified phone number")):
        if user.get(key):
            export.plan.change(f"{place}.{key}", own, f"{words} is not in the export in a form that can be delivered to: add the address")


def _zone(source: Mapping[str, Any], key: str, place: str) -> str:
    """A time zone, if it is one."""
    name = text_of(source, key, place)
    try:
        return zones.zone(name).key if name else ""
    except zones.NoSuchZone:
        raise wrong(f"{place}.{key}", f"{name[:60]!r} is no time zone") from None


def _take_schedule(
    schedule: Mapping[str, Any], place: str, export: OnCallExport, shifts: Mapping[str, tuple[Mapping[str, Any], str]], now: int
) -> None:
    identity, kind = text_of(schedule, "id", place), text_of(schedule, "type", place)
    if not _ID.fullmatch(identity):
        raise wrong(f"{place}.id", "must be an id")
    name, zone = f"rotations/{identity}", _zone(schedule, "time_zone", place) or "UTC"
    title = one_line(text_of(schedule, "name", place))
    read: list[OnCallShift] = []
    for shift_id in texts_of(schedule, "shifts", place):
        found = shifts.get(shift_id)
        if found is None:
            export.plan.refuse(f"{place}.shifts", title, f"its shift {shift_id[:40]!r} is not in the file")
            continue
        try:
            shift = shift_of(*found, zone=zone, people=export.people)
            zones.zone(shift.zone)
            read.append(shift)
        except InvalidInput as error:
            export.plan.refuse(error.violations[0].field, title, error.violations[0].description)
        except zones.NoSuchZone as error:
            export.plan.refuse(f"{found[1]}.time_zone", title, str(error))
    layers = layers_of([one for one in read if one.kind != "override"], zone=zone, note=lambda at, why: export.plan.change(at, title, why))
    primary, overriding = text_of(schedule, "ical_url_primary", place), text_of(schedule, "ical_url_overrides", place)
    if kind == "ical" and primary:
        layers.append({"displayName": "Calendar", "calendarUrl": primary})
    if overriding:
        layers.append({"displayName": "Overrides", "calendarUrl": overriding})
    if not layers:
        raise wrong(place, "has no shift that can be taken, and no calendar")
    if len(layers) > 20:
        raise wrong(place, "has more than 20 levels")
    export.rotations[identity] = name
    export.plan.take("rotations", name, {"name": name, "displayName": title, "timeZone": zone, "layers": layers}, place)
    for shift in read:
        if shift.kind == "override":
            _take_override(shift, name, export.plan, now)


def _take_override(shift: OnCallShift, rotation: str, plan: ImportPlan, now: int) -> None:
    zone: ZoneInfo = zones.zone(shift.zone)
    start = shift.start.replace(tzinfo=zone).astimezone(UTC)
    end = start + timedelta(seconds=shift.seconds)
    if end.timestamp() * 1e6 <= now:
        plan.change(shift.place, shift.name, "is an override that is over, and left out")
        return
    body = {
        "kind": "REPLACE",
        "recipients": sorted({one for group in shift.groups for one in group}),
        "startTime": _instant(start),
        "endTime": _instant(end),
        "comment": shift.name or "imported",
    }
    plan.take("overrides", rotation, body, shift.place)


def _instant(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _take_integration(integration: Mapping[str, Any], place: str, export: OnCallExport) -> None:
    identity, kind = text_of(integration, "id", place), text_of(integration, "type", place)
    if not _ID.fullmatch(identity):
        raise wrong(f"{place}.id", "must be an id")
    title = one_line(text_of(integration, "name", place) or kind)
    route = members(integration.get("default_route") or {}, f"{place}.default_route")
    chain = text_of(route, "escalation_chain_id", f"{place}.default_route")
    if chain and chain not in export.policies:
        export.plan.change(
            f"{place}.default_route", title, f"its chain {chain[:40]!r} was not taken: nobody is told until you name a policy"
        )
    if kind not in _KINDS:
        export.plan.change(f"{place}.type", title, f"{kind[:40]} becomes a generic one: say by a mapping what its payload means")
    body: dict[str, Any] = {
        "kind": _KINDS.get(kind, "GENERIC"),
        "mapping": {} if kind in _KINDS and _KINDS[kind] != "GENERIC" else _MAPPING,
        "displayName": title,
        "escalationPolicy": export.policies.get(chain, ""),
    }
    export.plan.take("integrations", f"integrations/{identity}", {"name": f"integrations/{identity}", **body}, place)
    export.plan.change(f"{place}.link", title, "has a new URL: give it to whoever sends")


def _schedule_file(text: str, name: str) -> ImportPlan:
    """A rotation whose shifts are the events of a file."""
    if not _ID.fullmatch(name):
        raise wrong("--name", f"{name[:60]!r} is no id of a rotation: letters, digits and _.@+=~-, 64 at most")
    plan = ImportPlan()
    full = f"rotations/{name}"
    plan.take("rotations", full, {"name": full, "timeZone": "UTC", "layers": [{"displayName": "Calendar", "ics": text}]}, "line 1")
    return plan
