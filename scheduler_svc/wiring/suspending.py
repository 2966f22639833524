"""The part of the composition that stops what works by itself for tenants that may not work."""

from collections.abc import Sequence

from scheduler_svc.ports import Hints
from scheduler_svc.ports.suspensions import TenantStops
from scheduler_svc.service.suspensions import Suspensions
from scheduler_svc.store.suspensions import SqlSuspensions
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.node import Node


def suspending(node: Node, database: Database, hints: Hints, clock: Clock, stops: Sequence[TenantStops]) -> Suspensions:
    """Follows the book of tenants; ``stops`` are told who is stopped."""
    made = Suspensions(store=SqlSuspensions(database), hints=hints, stops=stops, clock=clock)
    node.tenants.listen(lambda book: made.follow(book.stopped))
    return made
