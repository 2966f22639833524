"""What the scheduler needs of the world and of the parts around it, by intent; of a store one transaction a method.

A port stands here where the inside must not know who fulfils it: the store, the mesh, Redis and the metrics, or a part of a layer above.
"""

from scheduler_svc.ports.alarms import (
    AlarmHead,
    AlarmStore,
    Imported,
    ImportedAlarm,
    ImportStore,
    Moved,
    NewAlarm,
    Page,
    Reviser,
    TemplateUses,
)
from scheduler_svc.ports.calendars import CalendarStore
from scheduler_svc.ports.checks import Findings, KindChecks
from scheduler_svc.ports.hints import Changes, Events, FiringSink, Hints, Notifier, Schedules
from scheduler_svc.ports.housekeeping import HousekeepingStore
from scheduler_svc.ports.ledger import Due, DueStore, Fired, Ledger, Paused, Pending, Planner, ReportStore
from scheduler_svc.ports.metrics import Counts, CountSink, IncidentObserver, Observer, ProcessUsage
from scheduler_svc.ports.planning import (
    AuditStore,
    ForecastStore,
    Group,
    LedgerRow,
    Move,
    Replan,
    ReplanCandidate,
    ReplanStore,
    RuleInForce,
)
from scheduler_svc.ports.shards import Held, Liveness, Replica, ShardListener, ShardOwner, Shards, ShardStore, TimeSource
from scheduler_svc.ports.signals import Caused, OutageStore, SignalStore

__all__ = [
    "AlarmHead",
    "AlarmStore",
    "AuditStore",
    "CalendarStore",
    "Caused",
    "Changes",
    "CountSink",
    "Counts",
    "Due",
    "DueStore",
    "Events",
    "Findings",
    "Fired",
    "FiringSink",
    "ForecastStore",
    "Group",
    "Held",
    "Hints",
    "HousekeepingStore",
    "ImportStore",
    "Imported",
    "ImportedAlarm",
    "IncidentObserver",
    "KindChecks",
    "Ledger",
    "LedgerRow",
    "Liveness",
    "Move",
    "Moved",
    "NewAlarm",
    "Notifier",
    "Observer",
    "OutageStore",
    "Page",
    "Paused",
    "Pending",
    "Planner",
    "ProcessUsage",
    "Replan",
    "ReplanCandidate",
    "ReplanStore",
    "Replica",
    "ReportStore",
    "Reviser",
    "RuleInForce",
    "Schedules",
    "ShardListener",
    "ShardOwner",
    "ShardStore",
    "Shards",
    "SignalStore",
    "TemplateUses",
    "TimeSource",
]
