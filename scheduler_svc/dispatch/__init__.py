"""From a due firing to its result.

The way of one firing: the engine commits it and offers it here (`Dispatcher.offer`); it waits in the queue of its priority (`Backlog`),
where the tenants take turns (`queues`). As soon as a processor has credit, `Routing` picks one that knows its kind of action; the firing is
leased (`leases`) and put into the outbox of that stream (`ProcessorSession`). Its result comes back through `Dispatcher.report` and is
committed with others in one batch (`results`); only then is the lease removed and the result confirmed. A firing that ends without success
returns to the backlog with the time of its next attempt; one that does not fit into memory stays in the ledger and is read later.
"""

from scheduler_svc.dispatch.action_checks import ProcessorChecks
from scheduler_svc.dispatch.backlog import Backlog
from scheduler_svc.dispatch.dispatcher import Dispatcher
from scheduler_svc.dispatch.options import DispatchOptions
from scheduler_svc.dispatch.queues import PriorityQueues
from scheduler_svc.dispatch.session import CancelJobs, Confirmed, Drain, Jobs, Message, ProcessorSession, Question

__all__ = [
    "Backlog",
    "CancelJobs",
    "Confirmed",
    "DispatchOptions",
    "Dispatcher",
    "Drain",
    "Jobs",
    "Message",
    "PriorityQueues",
    "ProcessorChecks",
    "ProcessorSession",
    "Question",
]
