"""What the scheduler needs of the world, by intent: one transaction a method."""

from scheduler_svc.ports.alarms import AlarmStore, Imported, ImportedAlarm, ImportStore, NewAlarm, Page, Reviser, TemplateUses
from scheduler_svc.ports.housekeeping import Changes, Hints, HousekeepingStore, Moved, Notifier, Observer
from scheduler_svc.ports.ledger import Due, DueStore, Fired, Ledger, Paused, Pending, Planner
from scheduler_svc.ports.shards import Held, Replica, ShardOwner, Shards, ShardStore

__all__ = [
    "AlarmStore",
    "Changes",
    "Due",
    "DueStore",
    "Fired",
    "Held",
    "Hints",
    "HousekeepingStore",
    "ImportStore",
    "Imported",
    "ImportedAlarm",
    "Ledger",
    "Moved",
    "NewAlarm",
    "Notifier",
    "Observer",
    "Page",
    "Paused",
    "Pending",
    "Planner",
    "Replica",
    "Reviser",
    "ShardOwner",
    "ShardStore",
    "Shards",
    "TemplateUses",
]
