"""The part of the composition that shows the ledger."""

from typing import Any

from scheduler_svc.handlers import FiringHandlers
from scheduler_svc.service import Audits, Firings
from scheduler_svc.service.summaries import FiringSummaries
from scheduler_svc.store.summaries import SqlFiringCounts
from tocsin.api.scheduler.v1 import firing_service_pb2_grpc
from tocsin.clock import Clock
from tocsin.database import Database


def ledger_handlers(database: Database, clock: Clock, *, firings: Firings, audits: Audits) -> tuple[Any, Any]:
    """What serves FiringService."""
    summaries = FiringSummaries(counts=SqlFiringCounts(database), clock=clock)
    handlers = FiringHandlers(firings=firings, audits=audits, summaries=summaries)
    return (firing_service_pb2_grpc.add_FiringServiceServicer_to_server, handlers)
