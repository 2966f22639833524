"""Many alarms at once: lines of text become drafts here, in one place for REST, the command line and gRPC."""

from scheduler_svc.handlers.bulk.reader import AlarmCodecs
from scheduler_svc.handlers.bulk.rpcs import Bulk

__all__ = ["AlarmCodecs", "Bulk"]
