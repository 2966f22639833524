"""Firings on their way: queues in memory, leases to processors, results back into the ledger."""

from scheduler_svc.dispatch.asking import ProcessorChecks
from scheduler_svc.dispatch.backlog import Backlog
from scheduler_svc.dispatch.dispatcher import Dispatcher
from scheduler_svc.dispatch.options import DispatchOptions
from scheduler_svc.dispatch.queues import PriorityQueues
from scheduler_svc.dispatch.session import Confirmed, Drain, Jobs, Message, Question, Session

__all__ = [
    "Backlog",
    "Confirmed",
    "DispatchOptions",
    "Dispatcher",
    "Drain",
    "Jobs",
    "Message",
    "PriorityQueues",
    "ProcessorChecks",
    "Question",
    "Session",
]
