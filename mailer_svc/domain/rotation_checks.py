"""What a rotation and an override have to be before they are stored (pure)."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from mailer_svc.domain.rotation_shifts import checked_event
from mailer_svc.domain.rotations import LONGEST, OverrideKind, RotationLayer, RotationOverride, RotationPlan, TurnUnit
from tocsin.clock import DAY
from tocsin.errors import InvalidInput
from tocsin.recurrence.errors import UnknownZone
from tocsin.recurrence.offsets import offsets

MOST_SHIFT_TEXT: Final = 1_048_576
"""Characters of the events of all shifts of a rotation."""
MOST_HOURS: Final = 100
"""Hours of the week that the layers of a rotation have together."""
LONGEST_OVERRIDE: Final = 366 * DAY
"""Microseconds from the start of an override to its end, at most."""


def checked_plan(plan: RotationPlan, *, field: str = "rotation") -> RotationPlan:
    """The plan, if a schedule can be made of it.

    Raises:
        InvalidInput: it cannot, with the field below ``field`` and the reason.
    """
    checked_zone(plan.time_zone, field=field)
    if not plan.layers:
        raise InvalidInput.at(f"{field}.layers", "must have at least one layer")
    if sum(len(layer.hours) for layer in plan.layers) > MOST_HOURS:
        raise InvalidInput.at(f"{field}.layers", f"must have at most {MOST_HOURS} hours of the week together")
    for place, layer in enumerate(plan.layers):
        if layer.by_calendar:
            _check_shifts(layer, plan.time_zone, f"{field}.layers[{place}]")
        else:
            _check_layer(layer, f"{field}.layers[{place}]")
    if sum(len(shift.event) for layer in plan.layers for shift in layer.shifts) > MOST_SHIFT_TEXT:
        raise InvalidInput.at(f"{field}.layers", f"must have shifts of at most {MOST_SHIFT_TEXT // 1024} KiB together")
    return plan


def checked_zone(name: str, *, field: str = "rotation") -> str:
    """The name of a time zone that there is.

    Raises:
        InvalidInput: there is none.
    """
    if not name:
        raise InvalidInput.at(f"{field}.timeZone", "must be given, such as Europe/Paris")
    try:
        offsets(name)
    except UnknownZone as error:
        raise InvalidInput.at(f"{field}.timeZone", error.violations[0].description if error.violations else error.message) from None
    return name


def _check_shifts(layer: RotationLayer, zone: str, field: str) -> None:
    if not layer.shifts and not layer.calendar_url and not layer.unmatched:
        raise InvalidInput.at(f"{field}.participants", "must have at least one participant; or give shifts, calendar_url or ics")
    if layer.end is not None and layer.end <= layer.start:
        raise InvalidInput.at(f"{field}.end", "must be after the start")
    for place, shift in enumerate(layer.shifts):
        _check_people(shift.people, f"{field}.shifts[{place}].recipients")
        try:
            checked_event(shift.event, zone=zone)
        except InvalidInput as error:
            why = error.violations[0].description if error.violations else error.message
            raise InvalidInput.at(f"{field}.shifts[{place}].event", why) from None


def _check_layer(layer: RotationLayer, field: str) -> None:
    if layer.shifts or layer.calendar_url or layer.ics:
        raise InvalidInput.at(f"{field}.shifts", "go without participants: give one of participants, shifts, calendar_url and ics")
    for place, together in enumerate(layer.participants):
        _check_people(together, f"{field}.participants[{place}].recipients")
    if layer.unit not in LONGEST:
        raise InvalidInput.at(f"{field}.turnUnit", "must be HOURS, DAYS or WEEKS")
    most = LONGEST[layer.unit]
    if not 1 <= layer.count <= most:
        raise InvalidInput.at(f"{field}.turnCount", f"must be 1 to {most} {layer.unit.name.lower()}")
    if layer.weekday and layer.unit is not TurnUnit.WEEKS:
        raise InvalidInput.at(f"{field}.handOverWeekday", "goes with turns of weeks")
    if layer.end is not None and layer.end <= layer.start:
        raise InvalidInput.at(f"{field}.end", "must be after the start")


def checked_override(override: RotationOverride, *, now: int, field: str = "override") -> RotationOverride:
    """The override, if it can ever hold.

    Raises:
        InvalidInput: it cannot, with the field below ``field`` and the reason.
    """
    if override.kind not in tuple(OverrideKind):
        raise InvalidInput.at(f"{field}.kind", "must be ADD, REMOVE or REPLACE")
    _check_people(override.recipients, f"{field}.recipients")
    if override.end <= override.start:
        raise InvalidInput.at(f"{field}.endTime", "must be after the start")
    if override.end - override.start > LONGEST_OVERRIDE:
        raise InvalidInput.at(
            f"{field}.endTime", f"must be at most {LONGEST_OVERRIDE // DAY} days after the start; change the rotation instead"
        )
    if override.end <= now:
        raise InvalidInput.at(f"{field}.endTime", "must be in the future: what is past stays as it was")
    return override


def _check_people(people: Sequence[str], field: str) -> None:
    if not people:
        raise InvalidInput.at(field, "must have at least one recipient")
    one, count = Counter(people).most_common(1)[0]
    if count > 1:
        raise InvalidInput.at(f"{field}[{len(people) - 1 - people[::-1].index(one)}]", f"recipients/{one} is named twice")
