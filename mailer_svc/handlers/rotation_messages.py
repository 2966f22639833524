"""Messages of rotations: from protobuf to the domain and back."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from mailer_svc.domain.rotation_schedules import DutyInterval
from mailer_svc.domain.rotations import (
    CalendarReading,
    OverrideKind,
    Rotation,
    RotationLayer,
    RotationOverride,
    RotationPlan,
    RotationShift,
    TurnUnit,
)
from mailer_svc.domain.weeks import WeeklyWindow
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.service import OnCallAnswer, RotationSchedule
from tocsin.api.mailer.v1 import rotation_service_pb2 as pb
from tocsin.errors import InvalidInput
from tocsin.stored import int32, known

PEOPLE: Final = "recipients/"
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  local times have no zone
_HOUR: Final = 60
_DAY: Final = 86_400
_THURSDAY: Final = 3  # 1970-01-01 was one; Monday is 0


def changed_plan(plan: RotationPlan, given: pb.Rotation, names: Collection[str]) -> RotationPlan:
    """The plan with the fields of ``names`` as they are given.

    Raises:
        InvalidInput: a local time does not exist.
    """
    changes: dict[str, object] = {name: getattr(given, name) for name in ("display_name", "time_zone", "owner") if name in names}
    if "layers" in names:
        changes["layers"] = tuple(_layer(layer, f"rotation.layers[{place}]") for place, layer in enumerate(given.layers))
    return msgspec.structs.replace(plan, **changes)


def _layer(given: pb.RotationLayer, field: str) -> RotationLayer:
    if not given.participants and (given.shifts or given.calendar_url or given.ics):
        return _calendar_layer(given, field)
    start = _wall(given.start, f"{field}.start")
    weeks = given.turn_unit == pb.RotationLayer.WEEKS
    weekday = given.hand_over_weekday or (weeks and (start // _DAY + _THURSDAY) % 7 + 1)
    return RotationLayer(
        display_name=given.display_name,
        participants=tuple(tuple(one.removeprefix(PEOPLE) for one in each.recipients) for each in given.participants),
        unit=known(TurnUnit, given.turn_unit),
        count=given.turn_count,
        hand_over=minutes_of(given.hand_over_time) if given.hand_over_time else start % _DAY // 60,
        weekday=int(weekday),
        start=start,
        end=_wall(given.end, f"{field}.end") if given.end else None,
        hours=_hours(given),
        shifts=_shifts(given),
        calendar_url=given.calendar_url,
        ics=given.ics,
    )


def _calendar_layer(given: pb.RotationLayer, field: str) -> RotationLayer:
    """A layer of shifts. What it shall be made of is one thing; shifts beside a URL are those that were read from it."""
    if given.ics and (given.calendar_url or given.shifts):
        raise InvalidInput.at(f"{field}.ics", "is given instead of shifts and calendar_url")
    for name in ("turn_unit", "turn_count", "hand_over_time", "hand_over_weekday"):
        if getattr(given, name):
            raise InvalidInput.at(f"{field}.{name}", "goes with participants")
    return RotationLayer(
        display_name=given.display_name,
        start=_wall(given.start, f"{field}.start") if given.start else 0,
        end=_wall(given.end, f"{field}.end") if given.end else None,
        hours=_hours(given),
        shifts=_shifts(given),
        calendar_url=given.calendar_url,
        ics=given.ics,
    )


def _hours(given: pb.RotationLayer) -> tuple[WeeklyWindow, ...]:
    return tuple(WeeklyWindow(each.weekday, minutes_of(each.start), minutes_of(each.end)) for each in given.hours)


def _shifts(given: pb.RotationLayer) -> tuple[RotationShift, ...]:
    return tuple(
        RotationShift(people=tuple(one.removeprefix(PEOPLE) for one in each.recipients), event=each.event, level=each.level)
        for each in given.shifts
    )


def _wall(text: str, field: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        reason = f"{text} does not exist" if text else "must be given, such as 2027-01-04T09:00"
        raise InvalidInput.at(field, reason) from None
    if not 1970 <= found.year <= 9000:
        raise InvalidInput.at(field, "must be in the years 1970 to 9000")
    return (found - _EPOCH) // timedelta(seconds=1)


def minutes_of(text: str) -> int:
    """Minutes after midnight of a local time such as "09:00"."""
    hour, _, minute = text.partition(":")
    return int(hour) * _HOUR + int(minute)


def clock_of(minutes: int) -> str:
    """The local time of minutes after midnight."""
    return f"{minutes // _HOUR:02}:{minutes % _HOUR:02}"


def rotation_message(item: Rotation) -> pb.Rotation:
    """The rotation as clients see it; of a row that nobody can read, what else it has."""
    message = pb.Rotation(
        name=f"rotations/{item.id}",
        create_time=timestamp(item.created),
        update_time=timestamp(item.updated),
        revision=int32(item.revision),
    )
    if item.plan is not None:
        message.display_name, message.time_zone, message.owner = item.plan.display_name, item.plan.time_zone, item.plan.owner
        message.layers.extend(_shown_layer(layer, item.calendars) for layer in item.plan.layers)
    return message


def _shown_layer(layer: RotationLayer, calendars: Mapping[str, CalendarReading]) -> pb.RotationLayer:
    if layer.by_calendar:
        return _shown_calendar(layer, calendars)
    return pb.RotationLayer(
        display_name=layer.display_name,
        participants=[pb.RotationLayer.Participant(recipients=[PEOPLE + one for one in each]) for each in layer.participants],
        turn_unit=pb.RotationLayer.TurnUnit.ValueType(int(layer.unit)),
        turn_count=layer.count,
        hand_over_time=clock_of(layer.hand_over),
        hand_over_weekday=layer.weekday,
        start=_local_text(layer.start),
        end=_local_text(layer.end) if layer.end is not None else "",
        hours=[pb.WeeklyWindow(weekday=each.weekday, start=clock_of(each.start), end=clock_of(each.end)) for each in layer.hours],
    )


def _shown_calendar(layer: RotationLayer, calendars: Mapping[str, CalendarReading]) -> pb.RotationLayer:
    message = pb.RotationLayer(
        display_name=layer.display_name,
        start=_local_text(layer.start) if layer.start else "",
        end=_local_text(layer.end) if layer.end is not None else "",
        hours=[pb.WeeklyWindow(weekday=each.weekday, start=clock_of(each.start), end=clock_of(each.end)) for each in layer.hours],
        shifts=[
            pb.RotationLayer.Shift(recipients=[PEOPLE + one for one in each.people], event=each.event, level=each.level)
            for each in layer.shifts
        ],
        calendar_url=layer.calendar_url,
    )
    reading = calendars.get(layer.calendar_url)
    if reading is not None or layer.unmatched:
        message.calendar_state.unmatched.extend(layer.unmatched)
    if reading is not None:
        message.calendar_state.error = reading.error
        if reading.read is not None:
            message.calendar_state.read_time.CopyFrom(timestamp(reading.read))
    return message


def _local_text(wall: int) -> str:
    return (_EPOCH + timedelta(seconds=wall)).isoformat()


def override_of(given: pb.RotationOverride, author: str) -> RotationOverride:
    """The override that a client asks for, without an id.

    Raises:
        InvalidInput: it has no start or no end.
    """
    if not given.HasField("start_time"):
        raise InvalidInput.at("override.startTime", "must be given")
    if not given.HasField("end_time"):
        raise InvalidInput.at("override.endTime", "must be given")
    return RotationOverride(
        id="",
        kind=known(OverrideKind, given.kind),
        recipients=tuple(one.removeprefix(PEOPLE) for one in given.recipients),
        start=given.start_time.ToMicroseconds(),
        end=given.end_time.ToMicroseconds(),
        comment=given.comment,
        author=author,
    )


def override_message(rotation: str, item: RotationOverride) -> pb.RotationOverride:
    """The override as clients see it."""
    return pb.RotationOverride(
        name=f"rotations/{rotation}/overrides/{item.id}",
        kind=pb.RotationOverride.Kind.ValueType(int32(item.kind)),
        recipients=[PEOPLE + one for one in item.recipients],
        start_time=timestamp(item.start),
        end_time=timestamp(item.end),
        comment=item.comment,
        author=item.author,
        create_time=timestamp(item.created),
    )


def interval_message(rotation: str, item: DutyInterval) -> pb.DutyInterval:
    """A stretch of the schedule as clients see it."""
    return pb.DutyInterval(
        start_time=timestamp(item.start),
        end_time=timestamp(item.end),
        recipients=[PEOPLE + one for one in item.recipients],
        layer=item.layer,
        layer_display_name=item.layer_name,
        overridden_layers=item.hidden,
        overrides=[f"rotations/{rotation}/overrides/{one}" for one in item.overrides],
        labels=[pb.DutyInterval.Label.ValueType(int(label)) for label in item.labels],
    )


def on_call_message(answer: OnCallAnswer) -> pb.OnCall:
    """Who is on call, as clients see it."""
    message = pb.OnCall(rotation=f"rotations/{answer.rotation}", at=timestamp(answer.at))
    if answer.interval is not None:
        message.revision = int32(answer.interval.revision)
        message.interval.CopyFrom(interval_message(answer.rotation, answer.interval))
    return message


def schedule_message(item: RotationSchedule) -> pb.RotationSchedule:
    """The schedule of a rotation as clients see it."""
    rotation = item.rotation
    return pb.RotationSchedule(
        rotation=f"rotations/{rotation.id}",
        display_name=rotation.plan.display_name if rotation.plan else "",
        time_zone=rotation.plan.time_zone if rotation.plan else "",
        intervals=[interval_message(rotation.id, each) for each in item.intervals],
        error=item.error,
    )
