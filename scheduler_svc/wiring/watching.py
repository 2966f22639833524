"""The part of the composition that tells how heartbeats, checks and thresholds stand."""

from collections.abc import Callable, Sequence
from typing import Any

from scheduler_svc.contexts import check_metric
from scheduler_svc.handlers.status import StatusHandlers
from scheduler_svc.service.ping_keys import PingKeys
from scheduler_svc.service.standings import Standings, StatusPages
from scheduler_svc.store import SqlPingKeyStore, SqlPingLog, SqlStandingStore, SqlStatusPageStore
from tocsin.api.scheduler.v1 import status_service_pb2_grpc
from tocsin.clock import Clock
from tocsin.database import Database


class Watching:
    """Standings, status pages and badges, and the keys of pings by slug."""

    def __init__(self, database: Database, clock: Clock, serves: Callable[[str], bool]) -> None:
        self._clock = clock
        self._standings = Standings(
            store=SqlStandingStore(database),
            log=SqlPingLog(database),
            metric_of=lambda alarm: check_metric(alarm.id, alarm.action.body),
            clock=clock,
        )
        self._pages = StatusPages(store=SqlStatusPageStore(database), standings=self._standings, clock=clock, serves=serves)
        self.keys = PingKeys(store=SqlPingKeyStore(database))

    def handlers(self) -> Sequence[tuple[Any, Any]]:
        """What serves it."""
        handlers = StatusHandlers(standings=self._standings, pages=self._pages, clock=self._clock)
        return [(status_service_pb2_grpc.add_StatusServiceServicer_to_server, handlers)]
