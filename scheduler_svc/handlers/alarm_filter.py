"""What a filter on alarms may name."""

from typing import Final

from scheduler_svc.domain import PLAIN_FIELDS, AlarmState, Priority
from tocsin.listing import FilterField, FilterKind

_KINDS: Final[dict[type, FilterKind]] = {str: FilterKind.TEXT, int: FilterKind.INTEGER, bool: FilterKind.BOOLEAN}

ALARM_FILTER: Final = {
    "state": FilterField(kind=FilterKind.CHOICE, choices=tuple(state.name for state in AlarmState)),
    "priority": FilterField(kind=FilterKind.CHOICE, choices=tuple(priority.name for priority in Priority)),
    "pause_reason": FilterField(),
    "labels": FilterField(kind=FilterKind.MAP, operators=("=",)),
    "text": FilterField(operators=("=",)),
    **{name: FilterField(kind=_KINDS[kind]) for name, kind in PLAIN_FIELDS.items()},
}
