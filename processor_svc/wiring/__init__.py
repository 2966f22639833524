"""Composition root of the processor: builds its parts."""

from ulid import ULID

from processor_svc.actions import NotifyKind, TaskKind, builtin, every_action
from processor_svc.clients import EventProgress, MailerStreams, SchedulerIncidents, SchedulerQueue, SchedulerWork
from processor_svc.config import ProcessorSettings
from processor_svc.handlers import PiiHandlers, RecordHandlers, SensorTestHandlers, TaskHandlers
from processor_svc.hosting import HostOptions, Packages, plugins
from processor_svc.metrics import JobMetrics
from processor_svc.registry import Registry, handlers_of
from processor_svc.service import PolicyKeeper, RecordService, SensorTests, TaskService
from processor_svc.store import SqlPolicyStore, SqlRecordStore, metadata, tenant_rows
from processor_svc.tracing import TracedRunner
from processor_svc.wiring.messaging import Messaging
from processor_svc.wiring.outside import Outside
from processor_svc.worker import Worker
from tocsin.api.processor.v1 import pii_service_pb2_grpc, record_service_pb2_grpc, sensor_test_service_pb2_grpc, task_service_pb2_grpc
from tocsin.clock import Clock
from tocsin.errors import Unavailable
from tocsin.lifecycle import App
from tocsin.mesh.health import Check, optional
from tocsin.mesh.jwks import JwksSource
from tocsin.node import Node
from tocsin.pii import PiiGuard, measures_of
from tocsin.redis import EventBus, Redis


def build(settings: ProcessorSettings, clock: Clock, *, jwks: JwksSource | None = None) -> App:
    """Builds the processor; starts nothing. ``jwks`` replaces auth_svc as the source of keys."""
    node = Node(settings=settings, clock=clock, jwks=jwks)
    database = node.database(settings)
    store = SqlRecordStore(database=database)
    redis = Redis.of(settings, clock=clock, registry=node.telemetry.registry)
    events = EventBus(redis=redis, clock=clock)
    progress = EventProgress(events=events)
    mailer = MailerStreams(
        mesh=node.mesh, clock=clock, batch_size=settings.delivery_batch_size, timeout_seconds=settings.delivery_timeout_seconds
    )
    incidents = SchedulerIncidents(mesh=node.mesh)
    notify = NotifyKind(mailer=mailer, incidents=incidents)
    outside = Outside(node, settings, clock, notify)
    messaging = Messaging(node, settings, clock)
    registry = Registry([*handlers_of(builtin), outside.http_request, outside.sensor_test])
    options = HostOptions(
        processes=settings.worker_processes, reserve=settings.worker_critical_processes, load_seconds=settings.package_load_seconds
    )
    packages = Packages(plugins(), options=options, clock=clock)
    task_kind = TaskKind(registry=registry, packages=packages, progress=progress)
    policies = PolicyKeeper(store=SqlPolicyStore(database=database), defaults=measures_of(settings.pii_defaults), clock=clock)
    guard = PiiGuard(book=policies.book, alerts=node.alerts)
    tasks = TaskService(queue=SchedulerQueue(mesh=node.mesh), checks=task_kind, guard=guard, progress=progress)
    records = RecordService(store=store, tasks=tasks, clock=clock, guard=guard)

    actions = every_action(notify=notify, tasks=task_kind, webhooks=outside.webhooks, checks=outside.checks, publish=messaging.publish)
    metrics = JobMetrics(node.telemetry.registry, actions=actions)
    worker = Worker(
        source=SchedulerWork(mesh=node.mesh, worker=str(ULID()), reserve=settings.worker_critical_reserve, actions=actions),
        runner=TracedRunner(runner=actions, telemetry=node.telemetry),
        observer=metrics,
        clock=clock,
        concurrency=settings.worker_concurrency,
        grace_seconds=settings.grace_seconds,
    )
    metrics.watch(worker=worker, packages=packages)
    node.tenants.listen(lambda book: worker.purge_tenants(book.purging))

    server = node.server(
        checks={"database": database.check, "redis": optional(redis.check), **_optional_checks(worker, packages), **messaging.checks},
        handlers=[
            (task_service_pb2_grpc.add_TaskServiceServicer_to_server, TaskHandlers(tasks=tasks, registry=registry, packages=packages)),
            (record_service_pb2_grpc.add_RecordServiceServicer_to_server, RecordHandlers(records=records)),
            (sensor_test_service_pb2_grpc.add_SensorTestServiceServicer_to_server, SensorTestHandlers(tests=SensorTests(tasks=tasks))),
            (pii_service_pb2_grpc.add_PiiServiceServicer_to_server, PiiHandlers(policies=policies)),
        ],
    )
    return App(
        name=node.name,
        components=[
            *node.components,
            node.installation_key,
            redis,
            events,
            database,
            node.storage_meter(database, metadata),
            policies,
            store,
            mailer,
            incidents,
            packages,
            outside,
            messaging,
            worker,
            node.purger(tenant_rows(database)),
        ],
        server=server,
    )


def _optional_checks(worker: Worker, packages: Packages) -> dict[str, Check]:
    """What degrades the health of this service without taking it out of work."""

    async def check_work() -> None:
        if not worker.connected:
            raise Unavailable("no Work stream to a scheduler is open: this processor gets no jobs")

    async def check_packages() -> None:
        if failed := packages.failed():
            raise Unavailable("; ".join(f"the package {package.name} did not load: {package.error}" for package in failed))

    return {"work": optional(check_work), "packages": optional(check_packages)}
