"""From a due firing to its result.

The way of one firing: the engine commits it and offers it here (`Dispatcher.offer`); it waits in the queue of its priority (`Backlog`),
where the tenants take turns (`queues`); as soon as a processor has credit, `Routing` picks one that knows its kind of action, and it is
leased (`leases`) and put into that stream's outbox (`Session`). Its result comes back through `Dispatcher.report`, is committed with
others in one batch (`results`), and only then is the lease forgotten and confirmed. What ends without a success goes back into the
backlog, with the time of its next attempt; what does not fit into memory stays in the ledger and is read later.
"""

from scheduler_svc.dispatch.action_checks import ProcessorChecks
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
