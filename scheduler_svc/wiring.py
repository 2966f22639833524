"""Composition root of the scheduler: a parts list."""

import platform
import random
from collections.abc import Sequence

from ulid import ULID

from scheduler_svc.clients import NotifyChecks
from scheduler_svc.config import SchedulerSettings
from scheduler_svc.contexts import event_topic, packed
from scheduler_svc.dispatch import Dispatcher, DispatchOptions, ProcessorChecks
from scheduler_svc.domain import Alarm, Firing
from scheduler_svc.engine import Engine, EngineOptions
from scheduler_svc.engine.outages import Finisher, Outages
from scheduler_svc.engine.replanner import Replanner
from scheduler_svc.handlers import AlarmHandlers, DispatchHandlers, FiringHandlers, ForecastHandlers, SchedulerHandlers, TriggerHandlers
from scheduler_svc.handlers.bulk import Bulk
from scheduler_svc.hints import ChangeNotifier, HintPublisher
from scheduler_svc.metrics import SchedulerMetrics
from scheduler_svc.ports import Hints, NewAlarm
from scheduler_svc.service import Alarms, Audits, Backfills, Exports, Firings, Imports, Previews
from scheduler_svc.service.checks import ActionChecks
from scheduler_svc.service.forecast import Forecasts
from scheduler_svc.service.housekeeping import Housekeeper, HousekeepingOptions
from scheduler_svc.service.invalidation import ForecastInvalidator
from scheduler_svc.service.replan import Replans
from scheduler_svc.service.reports import DeliveryReports
from scheduler_svc.service.signals import Intake, Triggers
from scheduler_svc.shards import Ownership, ShardKeeper
from scheduler_svc.status import RedisMemory, StatusReader
from scheduler_svc.store import (
    ProcessLock,
    SessionLock,
    SqlAlarmStore,
    SqlAuditStore,
    SqlDeliveryReports,
    SqlDueStore,
    SqlForecastStore,
    SqlHousekeepingStore,
    SqlImportStore,
    SqlLedger,
    SqlOutages,
    SqlReplanStore,
    SqlShardStore,
    SqlSignalStore,
    SqlTemplateUses,
)
from scheduler_svc.triggers import EventAnswer, Measured, PingAnswer, Pinged, Published, ReadingAnswer
from tocsin.actions import action_kinds
from tocsin.api.scheduler.v1 import (
    alarm_service_pb2_grpc,
    dispatch_service_pb2_grpc,
    firing_service_pb2_grpc,
    forecast_service_pb2_grpc,
    scheduler_service_pb2_grpc,
    trigger_service_pb2_grpc,
)
from tocsin.clock import Clock
from tocsin.database import Database, GroupCommit
from tocsin.errors import TocsinError, Unavailable
from tocsin.lifecycle import App, Component
from tocsin.mesh.health import optional
from tocsin.mesh.jwks import JwksSource
from tocsin.mesh.validation import RequestValidator
from tocsin.node import Node
from tocsin.redis import EventBus, Redis

_SECOND = 1_000_000


def build(settings: SchedulerSettings, clock: Clock, *, jwks: JwksSource | None = None, leases: Clock | None = None) -> App:
    """Puts the scheduler together; nothing starts.

    Args:
        settings: of this service.
        clock: of this machine.
        jwks: replaces auth_svc as the source of keys.
        leases: replaces the database's clock, by which leases of shards end and this machine's clock is judged; for tests.
    """
    node = Node(settings=settings, clock=clock, jwks=jwks)
    database = node.database(settings, idle_transaction_timeout=settings.lease_seconds)
    redis = Redis.of(settings, clock=clock)
    events = EventBus(redis=redis, clock=clock)
    lock = ProcessLock.of(settings.resolved_database_url, clock=clock)

    alarm_store, ledger = SqlAlarmStore(database), SqlLedger(database)
    ownership = Ownership(owner=str(ULID()), clock=clock)
    metrics = SchedulerMetrics(node.telemetry.registry)
    notifier = ChangeNotifier(events=events)
    dispatcher = Dispatcher(
        ledger=ledger,
        shards=ownership,
        changes=notifier,
        observer=metrics,
        clock=clock,
        options=_dispatch_options(settings),
        draw=random.Random(),  # noqa: S311  jitter, not a secret
    )
    outages = Outages(store=SqlOutages(database), clock=clock, outage_seconds=settings.outage_seconds)
    due_store = SqlDueStore(database)
    engine = Engine(
        store=due_store,
        shards=ownership,
        sink=dispatcher,
        changes=notifier,
        observer=metrics,
        clock=clock,
        options=engine_options(settings),
        outage=outages.outage,
    )
    metrics.watch(engine=engine, dispatcher=dispatcher, shards=ownership)
    publisher = HintPublisher(
        events=events,
        shards=ownership,
        schedules=engine,
        sink=dispatcher,
        notifier=notifier,
        clock=clock,
        horizon=engine_options(settings).horizon,
    )
    replans = SqlReplanStore(database)
    replanner = Replanner(store=replans, shards=ownership, schedules=engine, clock=clock)
    liveness = _liveness(settings, ownership.owner, clock) if lock is None else None
    shard_store = SqlShardStore(database, clock=leases)
    keeper = ShardKeeper(
        store=shard_store,
        ownership=ownership,
        listeners=(engine, dispatcher, replanner),
        busy=dispatcher.leases.shards,
        events=events,
        liveness=liveness,
        clock=clock,
        lease_seconds=settings.lease_seconds,
        address=f"{platform.node()}:{settings.port}",
        alone=lock is not None,
    )
    metrics.watch_replicas(lambda: keeper.replicas)
    metrics.watch_clock(lambda: keeper.clocks.offset)
    housekeeping = SqlHousekeepingStore(database)
    housekeeper = Housekeeper(store=housekeeping, sink=metrics, clock=clock, options=_housekeeping_options(settings))

    async def enqueue_all(batch: Sequence[Firing]) -> Sequence[Firing | TocsinError]:
        return await ledger.enqueue(batch, owner=ownership.owner, held=ownership.held)

    creates = GroupCommit[NewAlarm, Alarm](flush=alarm_store.create, max_batch=settings.create_batch_size)
    enqueues = GroupCommit[Firing, Firing](flush=enqueue_all, max_batch=settings.create_batch_size)
    forecasts = Forecasts(store=SqlForecastStore(database), clock=clock)
    hints = ForecastInvalidator(hints=publisher, forecasts=forecasts)
    by_processor = {kind: ProcessorChecks(kind=kind, sessions=dispatcher.connected) for kind in action_kinds()}
    kinds = {**by_processor, "notify": NotifyChecks(mesh=node.mesh, clock=clock)}
    checks = ActionChecks(kinds=kinds, clock=clock)
    alarms = Alarms(store=alarm_store, create=creates.submit, hints=hints, clock=clock, offset_chooser=forecasts.placing, checks=checks)
    firings = Firings(
        ledger=ledger,
        alarms=alarm_store,
        enqueue=enqueues.submit,
        shards=ownership,
        hints=publisher,
        follow=notifier.follow,
        clock=clock,
    )
    audits = Audits(store=SqlAuditStore(database), clock=clock, ledger_days=settings.ledger_retention_days)
    backfills = Backfills(
        alarms=alarm_store,
        enqueue=enqueue_all,
        shards=ownership,
        hints=publisher,
        clock=clock,
        ledger_days=settings.ledger_retention_days,
    )

    triggers, intake = _triggers(database, ownership, publisher, clock)

    reports = DeliveryReports(
        store=SqlDeliveryReports(database),
        publish=triggers.publish,
        topic_of=event_topic,
        body_of=packed,
        changed=notifier.changed,
        clock=clock,
    )

    redis_memory = RedisMemory(redis=redis, clock=clock)
    metrics.watch_redis(lambda: redis_memory.bytes)
    views = StatusReader(
        engine=engine,
        dispatcher=dispatcher,
        shards=ownership,
        ownership=shard_store,
        due=due_store,
        housekeeping=housekeeping,
        counts=metrics,
        clock=clock,
        horizon_seconds=settings.horizon_seconds,
    )

    async def check_work() -> None:
        if not dispatcher.sessions:
            raise Unavailable("no processor is connected: what is fired waits")

    validator = RequestValidator()
    import_store = SqlImportStore(database)
    imports = Imports(store=import_store, hints=hints, checks=checks, clock=clock, offset_chooser=forecasts.placing)
    alarm_handlers = AlarmHandlers(
        alarms=alarms,
        firings=firings,
        previews=Previews(clock=clock),
        checks=checks,
        backfills=backfills,
        bulk=Bulk(imports=imports, exports=Exports(store=import_store), validator=validator),
        validator=validator,
    )
    server = node.server(
        checks={"database": database.check, "work": optional(check_work), "clock": keeper.clocks.check, "redis": optional(redis.check)},
        handlers=[
            (alarm_service_pb2_grpc.add_AlarmServiceServicer_to_server, alarm_handlers),
            (trigger_service_pb2_grpc.add_TriggerServiceServicer_to_server, TriggerHandlers(triggers=triggers, clock=clock)),
            (firing_service_pb2_grpc.add_FiringServiceServicer_to_server, FiringHandlers(firings=firings, audits=audits)),
            (forecast_service_pb2_grpc.add_ForecastServiceServicer_to_server, ForecastHandlers(forecasts=forecasts)),
            (
                scheduler_service_pb2_grpc.add_SchedulerServiceServicer_to_server,
                SchedulerHandlers(views=views, replans=Replans(store=replans), uses=SqlTemplateUses(database)),
            ),
            (
                dispatch_service_pb2_grpc.add_DispatchServiceServicer_to_server,
                DispatchHandlers(dispatcher=dispatcher, firings=firings, reports=reports),
            ),
        ],
    )
    server.on_drain(dispatcher.drain)
    server.on_drain(notifier.drain)
    server.on_drain(imports.drain)
    opened = [part for part in (lock, database, liveness) if part is not None]
    parts = (
        *(redis, events, creates, enqueues, *intake, outages, housekeeper, dispatcher, engine, publisher, replanner, keeper, redis_memory),
    )
    return App(name=node.name, components=[*node.components, *opened, *parts], server=server)


def _triggers(database: Database, shards: Ownership, hints: Hints, clock: Clock) -> tuple[Triggers, Sequence[Component]]:
    """What takes events, readings and pings, and the parts of it that run."""
    store = SqlSignalStore(database)
    intake = Intake(store=store, shards=shards, hints=hints, clock=clock)
    events = GroupCommit[Published, EventAnswer](flush=intake.events)
    readings = GroupCommit[Measured, ReadingAnswer](flush=intake.readings)
    pings = GroupCommit[Pinged, PingAnswer](flush=intake.pings)
    triggers = Triggers(store=store, publish=events.submit, record=readings.submit, ping=pings.submit, clock=clock)
    return triggers, (events, readings, pings, Finisher(events=store, finish=intake.finish, clock=clock))


def _liveness(settings: SchedulerSettings, owner: str, clock: Clock) -> SessionLock:
    database = Database(
        url=settings.resolved_database_url,
        clock=clock,
        schema=settings.resolved_database_schema,
        pool_size=1,
        connect_timeout=settings.database_connect_timeout_seconds,
    )
    return SessionLock(database=database, owner=owner)


def _dispatch_options(settings: SchedulerSettings) -> DispatchOptions:
    return DispatchOptions(
        batch_size=settings.work_batch_size,
        result_batch=settings.result_batch_size,
        queue_limit=settings.queue_limit,
        lease_seconds=settings.work_lease_seconds,
        lost_deliveries=settings.lost_deliveries,
    )


def engine_options(settings: SchedulerSettings) -> EngineOptions:
    """The bounds of the engine that the settings name."""
    return EngineOptions(
        batch_size=settings.fire_batch_size,
        ledger_batch=settings.ledger_batch_size,
        horizon=round(settings.horizon_seconds * _SECOND),
        index_limit=settings.index_limit,
        heal_seconds=settings.heal_seconds,
        near=round((settings.heal_seconds + 1) * _SECOND),
        grace=round(settings.missed_after_seconds * _SECOND),
        tick=round(settings.tick_milliseconds * 1000),
    )


def _housekeeping_options(settings: SchedulerSettings) -> HousekeepingOptions:
    return HousekeepingOptions(
        interval_seconds=settings.cleanup_interval_seconds,
        ledger_days=settings.ledger_retention_days,
        request_days=settings.request_retention_days,
        inbound_days=settings.inbound_retention_days,
    )
