"""The scheduler's RPCs: protobuf in, protobuf out, no logic."""

from scheduler_svc.handlers.alarms import AlarmHandlers
from scheduler_svc.handlers.dispatch import DispatchHandlers
from scheduler_svc.handlers.firings import FiringHandlers

__all__ = ["AlarmHandlers", "DispatchHandlers", "FiringHandlers"]
