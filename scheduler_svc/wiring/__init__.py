"""Composition root of the scheduler: storage, then the engine of time, then the use cases, then the server; each knows those before it."""

import platform
import random
from collections.abc import Callable, Sequence

from ulid import ULID

from scheduler_svc.clients import NotifyChecks, PolicyChecks
from scheduler_svc.config import SchedulerSettings
from scheduler_svc.contexts import event_topic, packed
from scheduler_svc.dispatch import Dispatcher, ProcessorChecks
from scheduler_svc.domain import Alarm, Firing
from scheduler_svc.engine import Engine
from scheduler_svc.engine.outages import Finisher, Outages
from scheduler_svc.engine.replanner import Replanner
from scheduler_svc.handlers import (
    AlarmHandlers,
    CalendarHandlers,
    DispatchHandlers,
    EventScreen,
    ForecastHandlers,
    SchedulerHandlers,
    TriggerHandlers,
)
from scheduler_svc.handlers.bulk import AlarmCodecs, Bulk
from scheduler_svc.hints import ChangeNotifier, HintPublisher
from scheduler_svc.metrics import SchedulerMetrics
from scheduler_svc.ports import NewAlarm
from scheduler_svc.service import Alarms, Audits, Backfills, BulkChanges, CalendarRefresher, Calendars, Exports, Firings, Imports, Previews
from scheduler_svc.service.checks import ActionChecks, CombinedChecks
from scheduler_svc.service.forecast import Forecasts
from scheduler_svc.service.housekeeping import Housekeeper
from scheduler_svc.service.invalidation import ForecastInvalidator
from scheduler_svc.service.ping_keys import PingLimit
from scheduler_svc.service.replan import Replans
from scheduler_svc.service.reports import DeliveryReports
from scheduler_svc.service.signals import Intake, Triggers
from scheduler_svc.shards import Ownership, ShardKeeper
from scheduler_svc.status import RedisMemory, StatusReader
from scheduler_svc.store import (
    ProcessLock,
    SqlAlarmStore,
    SqlAuditStore,
    SqlCalendarStore,
    SqlDeliveryReports,
    SqlDueStore,
    SqlEscalationPolicyStore,
    SqlForecastStore,
    SqlHousekeepingStore,
    SqlImportStore,
    SqlIncidentAuditStore,
    SqlLedger,
    SqlOutages,
    SqlReplanStore,
    SqlShardStore,
    SqlSignalStore,
    SqlTemplateUses,
)
from scheduler_svc.tracing import FiringTraces, TracedObserver
from scheduler_svc.triggers import EventAnswer, Measured, PingAnswer, Pinged, Published, ReadingAnswer
from scheduler_svc.wiring.answers import Answers
from scheduler_svc.wiring.archiving import archiver, purger
from scheduler_svc.wiring.ledger import ledger_handlers
from scheduler_svc.wiring.liveness import liveness
from scheduler_svc.wiring.options import dispatch_options, engine_options, housekeeping_options
from scheduler_svc.wiring.quotas import TenantBounds
from scheduler_svc.wiring.suspending import suspending
from scheduler_svc.wiring.watching import Watching
from tocsin.actions import action_kinds
from tocsin.api.scheduler.v1 import (
    alarm_service_pb2_grpc,
    calendar_service_pb2_grpc,
    dispatch_service_pb2_grpc,
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
from tocsin.mesh.server import MeshServer
from tocsin.mesh.validation import shared_validator
from tocsin.node import Node
from tocsin.pii import PiiGuard
from tocsin.pii.feed import PolicyFeed
from tocsin.redis import EventBus, Redis


def build(settings: SchedulerSettings, clock: Clock, *, jwks: JwksSource | None = None, leases: Clock | None = None) -> App:
    """Puts the scheduler together; nothing starts.

    Args:
        settings: of this service.
        clock: of this machine.
        jwks: replaces auth_svc as the source of keys.
        leases: replaces the database's clock, by which leases of shards end and this machine's clock is judged; for tests.
    """
    node = Node(settings=settings, clock=clock, jwks=jwks)
    storage = _Storage(node, settings, clock, leases)
    engine = _TimeEngine(node, settings, clock, storage)
    cases = _UseCases(node, settings, clock, storage, engine)
    server = _server(node, clock, storage, engine, cases)
    return App(name=node.name, components=[*node.components, *storage.parts, *cases.parts, *engine.parts], server=server)


class _Storage:
    """What is kept, and who may keep it: database, Redis, the locks, and a store for each subject."""

    def __init__(self, node: Node, settings: SchedulerSettings, clock: Clock, leases: Clock | None) -> None:
        self.database = node.database(settings, idle_transaction_timeout=settings.lease_seconds)
        self.redis = Redis.of(settings, clock=clock, registry=node.telemetry.registry)
        self.events = EventBus(redis=self.redis, clock=clock)
        self.lock = ProcessLock.of(settings.resolved_database_url, clock=clock)
        self.owner = str(ULID())
        self.liveness = liveness(settings, self.owner, clock, self.database) if self.lock is None else None
        self.bounds = TenantBounds(node, self.database, clock)
        self.alarms = SqlAlarmStore(self.database, self.bounds.alarms)
        self.calendars = SqlCalendarStore(self.database)
        self.due = SqlDueStore(self.database)
        self.housekeeping = SqlHousekeepingStore(self.database)
        self.imports = SqlImportStore(self.database, self.bounds.alarms)
        self.ledger = SqlLedger(self.database)
        self.replans = SqlReplanStore(self.database)
        self.shards = SqlShardStore(self.database, clock=leases)

    @property
    def parts(self) -> Sequence[Component]:
        """What is opened first, in this order."""
        return [part for part in (self.lock, self.database, self.liveness, self.redis, self.events) if part is not None]


class _TimeEngine:
    """What fires alarms in time and hands firings out, and who owns which shard."""

    def __init__(self, node: Node, settings: SchedulerSettings, clock: Clock, storage: _Storage) -> None:
        self.metrics, self.traces = SchedulerMetrics(node.telemetry.registry), FiringTraces(node.telemetry, clock)
        self.ownership = Ownership(owner=storage.owner, clock=clock)
        self.notifier = ChangeNotifier(events=storage.events)
        self.dispatcher = Dispatcher(
            ledger=storage.ledger,
            shards=self.ownership,
            changes=self.notifier,
            observer=self.metrics,
            clock=clock,
            options=dispatch_options(settings),
            draw=random.Random(),  # noqa: S311  jitter, not a secret
        )
        options = engine_options(settings)
        self.outages = Outages(store=SqlOutages(storage.database), clock=clock, outage_seconds=settings.outage_seconds)
        self.engine = Engine(
            store=storage.due,
            shards=self.ownership,
            sink=self.dispatcher,
            changes=self.notifier,
            observer=TracedObserver(self.metrics, self.traces),
            clock=clock,
            options=options,
            outage=self.outages.outage,
            fires=storage.bounds.fires,
        )
        self.publisher = HintPublisher(
            events=storage.events,
            shards=self.ownership,
            schedules=self.engine,
            sink=self.dispatcher,
            notifier=self.notifier,
            clock=clock,
            horizon=options.horizon,
        )
        self.replanner = Replanner(store=storage.replans, shards=self.ownership, schedules=self.engine, clock=clock)
        self.keeper = self._keeper(settings, clock, storage)
        self.housekeeper = Housekeeper(
            store=storage.housekeeping,
            sink=self.metrics,
            clock=clock,
            options=housekeeping_options(settings),
            archiver=archiver(node, settings, storage.database, self.ownership, self.metrics, clock),
        )
        self.redis_memory = RedisMemory(redis=storage.redis, clock=clock)
        self._watch()

    def _keeper(self, settings: SchedulerSettings, clock: Clock, storage: _Storage) -> ShardKeeper:
        return ShardKeeper(
            store=storage.shards,
            ownership=self.ownership,
            listeners=(self.engine, self.dispatcher, self.replanner),
            busy=self.dispatcher.leases.shards,
            events=storage.events,
            liveness=storage.liveness,
            clock=clock,
            lease_seconds=settings.lease_seconds,
            address=f"{platform.node()}:{settings.port}",
            alone=storage.lock is not None,
        )

    def _watch(self) -> None:
        """Lets the metrics read the parts when they are asked."""
        self.metrics.watch(engine=self.engine, dispatcher=self.dispatcher, shards=self.ownership)
        self.metrics.watch_replicas(lambda: self.keeper.replicas)
        self.metrics.watch_clock(lambda: self.keeper.clocks.offset)
        self.metrics.watch_redis(lambda: self.redis_memory.bytes)

    async def check_work(self) -> None:
        """Whether what is fired goes to anybody.

        Raises:
            Unavailable: no processor is connected.
        """
        if not self.dispatcher.sessions:
            raise Unavailable("no processor is connected; fired alarms wait")

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start: shards are taken when everybody who works on them is there."""
        return (
            *(self.outages, self.housekeeper, self.dispatcher, self.engine),
            *(self.publisher, self.replanner, self.keeper, self.redis_memory),
        )


class _UseCases:
    """What callers may ask for."""

    def __init__(self, node: Node, settings: SchedulerSettings, clock: Clock, storage: _Storage, engine: _TimeEngine) -> None:
        self._ledger, self._ownership = storage.ledger, engine.ownership
        creates = GroupCommit[NewAlarm, Alarm](flush=storage.alarms.create, max_batch=settings.create_batch_size)
        enqueues = GroupCommit[Firing, Firing](flush=self._enqueue, max_batch=settings.create_batch_size)
        self.forecasts = Forecasts(store=SqlForecastStore(storage.database), clock=clock)
        hints = ForecastInvalidator(hints=engine.publisher, forecasts=self.forecasts)
        self.checks = _action_checks(node, clock, engine.dispatcher, storage.database)
        self.refresher = CalendarRefresher(store=storage.calendars, hints=hints, clock=clock)
        self.calendars = Calendars(store=storage.calendars, refresher=self.refresher, clock=clock)
        self.alarms = Alarms(
            store=storage.alarms,
            create=creates.submit,
            hints=hints,
            clock=clock,
            offset_chooser=self.forecasts.placing,
            checks=self.checks,
            calendars=self.calendars,
        )
        self.firings = Firings(
            ledger=storage.ledger,
            alarms=storage.alarms,
            enqueue=enqueues.submit,
            shards=engine.ownership,
            hints=engine.publisher,
            follow=engine.notifier.follow,
            fires=storage.bounds.fires,
            clock=clock,
        )
        days = settings.ledger_retention_days
        audited = SqlIncidentAuditStore(storage.database)
        self.audits = Audits(
            store=SqlAuditStore(storage.database),
            incidents=audited,
            clock=clock,
            ledger_days=days,
            incident_days=settings.incident_retention_days,
        )
        self.backfills = Backfills(
            alarms=storage.alarms,
            enqueue=self._enqueue,
            shards=engine.ownership,
            hints=engine.publisher,
            fires=storage.bounds.fires,
            clock=clock,
            ledger_days=days,
        )
        self.imports = Imports(store=storage.imports, hints=hints, checks=self.checks, clock=clock, offset_chooser=self.forecasts.placing)
        self.exports = Exports(store=storage.imports)
        self.bulk_changes = BulkChanges(store=storage.alarms, hints=hints, clock=clock)
        self.replans = Replans(store=storage.replans)
        self.answers = Answers(
            storage.database,
            engine.ownership,
            engine.publisher,
            engine.notifier,
            engine.metrics.incidents,
            clock,
            settings,
            book=node.tenants.book,
        )
        limit = PingLimit(per_minute=settings.pings_per_minute, clock=clock)
        self.triggers, intake = _triggers(storage, engine, clock, limit, node.tenants.serves_keys)
        self.watching = Watching(storage.database, clock, node.tenants.serves_keys)
        self.policies = PolicyFeed(mesh=node.mesh, clock=clock, file=settings.state_dir / "pii" / f"{node.name}.bin")
        self.screen = EventScreen(guard=PiiGuard(book=self.policies.book, alerts=node.alerts))
        self.reports = DeliveryReports(
            store=SqlDeliveryReports(storage.database),
            publish=self.triggers.publish,
            topic_of=event_topic,
            body_of=packed,
            changed=engine.notifier.changed,
            clock=clock,
        )
        self.status = _status(settings, clock, storage, engine)
        stops = (engine.engine, engine.dispatcher, self.answers.escalator)
        suspensions = suspending(node, storage.database, hints, clock, stops)
        own = (self.policies, creates, enqueues, *intake, self.refresher)
        ends = (storage.bounds.storage, purger(node, settings, storage.database, clock))
        waits = (suspensions, storage.bounds.waiting(engine.ownership, hints), *ends)
        self.parts: Sequence[Component] = (*own, *self.answers.parts, *waits)
        """What knows policies, what commits together what came together, what keeps copies of calendars fresh, and what stops tenants."""

    async def _enqueue(self, batch: Sequence[Firing]) -> Sequence[Firing | TocsinError]:
        return await self._ledger.enqueue(batch, owner=self._ownership.owner, held=self._ownership.held)


def _server(node: Node, clock: Clock, storage: _Storage, engine: _TimeEngine, cases: _UseCases) -> MeshServer:
    validator = shared_validator()
    codecs = AlarmCodecs(validator, codec=node.json_codec)
    alarm_handlers = AlarmHandlers(
        alarms=cases.alarms,
        firings=cases.firings,
        previews=Previews(clock=clock, calendars=cases.calendars),
        checks=cases.checks,
        backfills=cases.backfills,
        bulk_changes=cases.bulk_changes,
        bulk=Bulk(imports=cases.imports, exports=cases.exports, calendars=cases.calendars, codecs=codecs),
        validator=validator,
    )
    scheduler_handlers = SchedulerHandlers(
        views=cases.status, replans=cases.replans, uses=SqlTemplateUses(storage.database), usage=storage.bounds.usage
    )
    dispatch_handlers = DispatchHandlers(dispatcher=engine.dispatcher, firings=cases.firings, reports=cases.reports, traces=engine.traces)
    server = node.server(
        checks={
            "database": storage.database.check,
            "work": optional(engine.check_work),
            "clock": engine.keeper.clocks.check,
            "redis": optional(storage.redis.check),
        },
        handlers=[
            (alarm_service_pb2_grpc.add_AlarmServiceServicer_to_server, alarm_handlers),
            (
                trigger_service_pb2_grpc.add_TriggerServiceServicer_to_server,
                TriggerHandlers(
                    triggers=cases.triggers,
                    keys=cases.watching.keys,
                    alarms=cases.alarms,
                    screen=cases.screen,
                    clock=clock,
                    active=lambda tenant: node.tenants.book().active(tenant),
                ),
            ),
            ledger_handlers(storage.database, clock, firings=cases.firings, audits=cases.audits),
            (calendar_service_pb2_grpc.add_CalendarServiceServicer_to_server, CalendarHandlers(calendars=cases.calendars)),
            (forecast_service_pb2_grpc.add_ForecastServiceServicer_to_server, ForecastHandlers(forecasts=cases.forecasts)),
            (scheduler_service_pb2_grpc.add_SchedulerServiceServicer_to_server, scheduler_handlers),
            (dispatch_service_pb2_grpc.add_DispatchServiceServicer_to_server, dispatch_handlers),
            *cases.answers.handlers(validator),
            *cases.watching.handlers(),
        ],
    )
    for drain in (engine.dispatcher.drain, engine.notifier.drain, cases.imports.drain):
        server.on_drain(drain)
    return server


def _action_checks(node: Node, clock: Clock, dispatcher: Dispatcher, database: Database) -> ActionChecks:
    """Asks a processor what is wrong with an action; of a message, the mailer and our own policies; of a check, which may send one, all."""
    by_processor = {kind: ProcessorChecks(kind=kind, sessions=dispatcher.connected) for kind in action_kinds()}
    policies = PolicyChecks(policies=SqlEscalationPolicyStore(database))
    messages = CombinedChecks(NotifyChecks(mesh=node.mesh, clock=clock), policies)
    checks = CombinedChecks(by_processor["check"], messages)
    return ActionChecks(kinds={**by_processor, "notify": messages, "check": checks}, clock=clock)


def _status(settings: SchedulerSettings, clock: Clock, storage: _Storage, engine: _TimeEngine) -> StatusReader:
    return StatusReader(
        engine=engine.engine,
        dispatcher=engine.dispatcher,
        shards=engine.ownership,
        ownership=storage.shards,
        due=storage.due,
        housekeeping=storage.housekeeping,
        counts=engine.metrics,
        clock=clock,
        horizon_seconds=settings.horizon_seconds,
    )


def _triggers(
    storage: _Storage, engine: _TimeEngine, clock: Clock, limit: PingLimit, serves: Callable[[str], bool]
) -> tuple[Triggers, Sequence[Component]]:
    """What takes events, readings and pings, and the parts of it that run."""
    store = SqlSignalStore(storage.database)
    intake = Intake(store=store, shards=engine.ownership, hints=engine.publisher, clock=clock, fires=storage.bounds.fires, serves=serves)
    events = GroupCommit[Published, EventAnswer](flush=intake.events)
    readings = GroupCommit[Measured, ReadingAnswer](flush=intake.readings)
    pings = GroupCommit[Pinged, PingAnswer](flush=intake.pings)
    triggers = Triggers(store=store, publish=events.submit, record=readings.submit, ping=pings.submit, limit=limit, clock=clock)
    return triggers, (events, readings, pings, Finisher(events=store, finish=intake.finish, clock=clock))
