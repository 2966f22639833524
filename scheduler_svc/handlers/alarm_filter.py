"""What a filter on alarms may name."""

from typing import Final

from scheduler_svc import domain
from tocsin.listing import FilterField, FilterKind

ALARM_FILTER: Final = {
    "state": FilterField(kind=FilterKind.CHOICE, choices=tuple(state.name for state in domain.AlarmState)),
    "priority": FilterField(kind=FilterKind.CHOICE, choices=tuple(priority.name for priority in domain.Priority)),
    "display_name": FilterField(),
    "key": FilterField(),
    "labels": FilterField(kind=FilterKind.MAP, operators=("=",)),
}
