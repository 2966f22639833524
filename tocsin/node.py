"""The parts that every service process has, put together in one way."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import Column, MetaData, Table

from tocsin.alerts.reporter import AlertReporter
from tocsin.alerts.wire import sender
from tocsin.audit_log.journal import AuditJournal
from tocsin.audit_log.wire import audit_sender
from tocsin.clock import Clock
from tocsin.config import ServiceSettings, StoreSettings
from tocsin.database import Database, DatabaseUnavailable, TenantRows
from tocsin.installation_key import InstallationKey
from tocsin.lifecycle import Component
from tocsin.mesh.breaker import Breaker, BreakerRegistry, failing_on
from tocsin.mesh.client import ForeignService, Mesh
from tocsin.mesh.health import Check
from tocsin.mesh.jwks import JwksCache, JwksSource
from tocsin.mesh.policy import MethodPolicy
from tocsin.mesh.server import Handler, MeshServer
from tocsin.mesh.tokens import TokenVerifier
from tocsin.protojson.converters import JsonCodec
from tocsin.published_keys import mesh_source
from tocsin.state_metrics import export_state
from tocsin.telemetry import Telemetry
from tocsin.tenants.feed import TenantFeed, over_mesh, purge_teller
from tocsin.tenants.purge import PurgeElsewhere, TenantPurger
from tocsin.tenants.quotas import QuotaAlerts
from tocsin.tenants.storage import StorageMeter, stored_over_mesh
from tocsin.unfinished_restore import RestoreGuard


class Node:
    """Telemetry, breakers, the way to other services, the verifier of users' tokens, the book of tenants, and what tells security alerts.

    `components` are to be started first, in their order; a service that derives keys starts `installation_key`, too.
    """

    def __init__(
        self,
        *,
        settings: ServiceSettings,
        clock: Clock,
        jwks: JwksSource | None = None,
        methods: Mapping[str, MethodPolicy] | None = None,
        foreign: Mapping[str, ForeignService] | None = None,
    ) -> None:
        """Puts the parts together; nothing starts.

        Args:
            settings: of the service.
            clock: the source of time.
            jwks: where the keys that verify tokens come from; auth_svc unless given.
            methods: policies of methods that are called, beyond those of the contract.
            foreign: services outside of the mesh that are called, by name.
        """
        self.name = settings.service_name
        self.json_codec: JsonCodec = settings.json_codec
        self._settings = settings
        self._clock = clock
        self._guard = RestoreGuard(settings.state_dir)
        self.telemetry = Telemetry(service=self.name, settings=settings)
        export_state(self.telemetry.registry, settings.state_dir)
        self.breakers = BreakerRegistry(clock=clock)
        self.installation_key = InstallationKey.of(settings)
        self.mesh = Mesh(
            service=self.name,
            settings=settings,
            clock=clock,
            telemetry=self.telemetry,
            breakers=self.breakers,
            methods=methods,
            foreign=foreign,
        )
        self.alerts = AlertReporter(send=sender(self.mesh), clock=clock, registry=self.telemetry.registry)
        self.tenants = TenantFeed(fetch=over_mesh(self.mesh), clock=clock, file=settings.state_dir / "tenants" / f"{self.name}.bin")
        self.journal = AuditJournal(
            folder=settings.state_dir / "audit_log" / self.name,
            most_bytes=settings.audit_journal_max_bytes,
            service=self.name,
            send=audit_sender(self.mesh),
            clock=clock,
            registry=self.telemetry.registry,
        )
        self._meter: StorageMeter | None = None
        source = jwks or mesh_source(self.mesh.channel("auth_svc"))
        file, max_age = settings.state_dir / "jwks" / f"{self.name}.json", settings.jwks_max_age_seconds
        self.keys = JwksCache(source=source, file=file, clock=clock, max_age=max_age, pause=min(5.0, max_age))
        self.verifier = TokenVerifier(
            keys=self.keys,
            issuer=settings.token_issuer,
            audience=settings.token_audience,
            clock=clock,
            remembered=min(60.0, settings.jwks_max_age_seconds),
        )

    @property
    def components(self) -> Sequence[Component]:
        """What has to run before anything else of the process."""
        return (self._guard, self.telemetry, self.mesh, self.keys, self.alerts, self.tenants, self.journal)

    def database(self, settings: StoreSettings, *, idle_transaction_timeout: float = 30.0) -> Database:
        """The service's own database, behind a breaker.

        Args:
            settings: name the database.
            idle_transaction_timeout: seconds after which a transaction in which nothing happens is ended.
        """
        guard = DatabaseGuard(self.breakers.get(id="database", target="database"), settings.database_command_timeout_seconds)
        database = Database.of(settings, clock=self._clock, guard=guard, idle_transaction_timeout=idle_transaction_timeout)
        export_pool(self.telemetry.registry, database)
        return database

    def purger(self, rows: TenantRows, *, place: Callable[[], str] = str, elsewhere: Sequence[PurgeElsewhere] = ()) -> TenantPurger:
        """What removes everything of tenants that are deleted; to be started after the database.

        Args:
            rows: of the service's own database.
            place: names the database where every replica has its own; empty where they share one.
            elsewhere: removes what the service has beside it.
        """
        tell = purge_teller(self.mesh, place=place)
        made = TenantPurger(store=rows, book=self.tenants.book, tell=tell, clock=self._clock, elsewhere=elsewhere)
        self.tenants.listen(made.follow)
        return made

    def storage_meter(
        self,
        database: Database,
        metadata: MetaData,
        *,
        alerts: QuotaAlerts | None = None,
        parts: Sequence[tuple[Table, Column[Any], Column[Any]]] = (),
    ) -> StorageMeter:
        """What counts the bytes that this service keeps of tenants, and holds them to their quotas; see `StorageMeter`."""
        self._meter = StorageMeter(
            database=database,
            metadata=metadata,
            book=self.tenants.book,
            peers=stored_over_mesh(self.mesh, service=self.name),
            clock=self._clock,
            alerts=alerts,
            parts=parts,
        )
        self.tenants.add_rule(self._meter.require)
        return self._meter

    def server(self, *, checks: Mapping[str, Check], handlers: Sequence[Handler]) -> MeshServer:
        """The service's gRPC server.

        Args:
            checks: what the service needs, by name.
            handlers: pairs of the generated registration function and the servicer.
        """
        return MeshServer(
            service=self.name,
            settings=self._settings,
            clock=self._clock,
            telemetry=self.telemetry,
            mesh=self.mesh,
            verifier=self.verifier,
            breakers=self.breakers,
            checks={**checks, "audit log": self.journal.check},
            handlers=handlers,
            tenants=self.tenants,
            journal=self.journal,
            stored=lambda: {} if self._meter is None else self._meter.own,
        )


def export_pool(registry: CollectorRegistry, database: Database) -> None:
    """Shows how much of a database's pool is in use."""
    pool = Gauge("tocsin_database_connections", "Connections of the pool: in use, and at most.", ("which",), registry=registry)
    pool.labels("in_use").set_function(lambda: database.pool_use[0])
    pool.labels("most").set_function(lambda: database.pool_use[1])


class DatabaseGuard:
    """Puts a breaker around each use of a database: only a database that cannot work counts as a failure."""

    def __init__(self, breaker: Breaker, timeout_seconds: float) -> None:
        """Takes the breaker, and the time that one use may take."""
        self._breaker = breaker
        self._timeout = timeout_seconds
        self._classify = failing_on(DatabaseUnavailable)

    def guard(self) -> AbstractAsyncContextManager[object]:
        """Surrounds one use; raises CircuitOpen instead of it while the circuit is open."""
        return self._breaker.guard(self._classify, timeout=self._timeout)
