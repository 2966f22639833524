"""The parts of auth_svc and how they fit."""

from collections.abc import Sequence
from datetime import timedelta

from auth_svc.config import AuthSettings
from auth_svc.domain import Scopes
from auth_svc.error_reports import ReportFolder
from auth_svc.handlers import (
    AuditLogHandlers,
    SecurityAlertHandlers,
    StreamTokenHandlers,
)
from auth_svc.handlers.tenants import book_answer
from auth_svc.journal import SecurityJournal
from auth_svc.passwords import Argon2Passwords
from auth_svc.secret_files import StateFolder
from auth_svc.service import (
    AlertHousekeeper,
    AlertLog,
    AuditHousekeeper,
    AuditLog,
    Authorizer,
    Installer,
    SessionHousekeeper,
    StreamTokens,
    TenantOffice,
)
from auth_svc.signing import KeyFiles, SigningKeys
from auth_svc.store import AuthStore
from auth_svc.stream_signing import StreamTokenSigner
from auth_svc.wiring.identities import Identities
from auth_svc.wiring.members import MemberParts, ProgramParts, Shared
from auth_svc.wiring.signing_in import Mailing, SigningIn, token_verifier
from auth_svc.wiring.tenants import TenantParts
from tocsin.alerts.reporter import AlertReporter
from tocsin.api.auth.v1 import (
    audit_log_service_pb2_grpc,
    security_alert_service_pb2_grpc,
    stream_token_service_pb2_grpc,
)
from tocsin.api.auth.v1.audit_log_service_pb2 import ReportedAuditLog
from tocsin.audit_log.journal import AuditJournal
from tocsin.audit_log.wire import entry_of
from tocsin.background import Wake
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.lifecycle import App, Component, setting_name
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.mesh.policy import policies
from tocsin.mesh.server import Handler, MeshServer
from tocsin.node import DatabaseGuard
from tocsin.telemetry import Telemetry
from tocsin.tenants.feed import TenantFeed


def build(settings: AuthSettings, clock: Clock) -> App:
    """Puts the service together; nothing starts. It calls the mailer alone, and verifies tokens with its own keys."""
    telemetry = Telemetry(service=settings.service_name, settings=settings)
    breakers = BreakerRegistry(clock=clock)
    guard = DatabaseGuard(breakers.get(id="database", target="database"), settings.database_command_timeout_seconds)
    database = Database.of(settings, clock=clock, guard=guard)
    store = AuthStore(database=database)

    mesh = Mesh(service=settings.service_name, settings=settings, clock=clock, telemetry=telemetry, breakers=breakers)
    mailing = Mailing(settings, clock, store, mesh)

    keys = _signing_keys(settings, clock)
    passwords = _passwords(settings, telemetry)
    alerting = _Alerting(settings, clock, store, telemetry)
    auditing = _Auditing(settings, clock, store, keys, alerting.reporter, telemetry)
    journal = SecurityJournal(registry=telemetry.registry, alerts=alerting.reporter, audit=auditing.journal)
    authorizer = _authorizer(settings, clock, store)

    signing_in = SigningIn(settings, clock, store=store, hasher=passwords, signer=keys, mailing=mailing, authorizer=authorizer, log=journal)
    shared: Shared = {"store": store, "authorizer": authorizer, "log": journal, "clock": clock}
    members = MemberParts(shared, passwords=signing_in.passwords, accounts=signing_in.accounts, tokens=mailing.tokens, mails=mailing.mails)
    identities = Identities(shared, settings=settings, breakers=breakers, sessions=signing_in.sessions)
    office = TenantOffice(store=store, log=journal, clock=clock, defaults=settings.default_quotas)
    book = TenantFeed(fetch=lambda version, token: book_answer(office, version=version, page_token=token), clock=clock, file=None)
    tenants = TenantParts(settings, shared, database=database, keys=keys, book=book, office=office, members=members)
    programs = ProgramParts(shared, settings=settings, signer=keys, mails=mailing.mails, report=alerting.log.report)
    installer = _installer(settings, clock, store=store, hasher=passwords, log=journal)
    housekeeper = SessionHousekeeper(store=store, clock=clock)
    server = MeshServer(
        service=settings.service_name,
        settings=settings,
        clock=clock,
        telemetry=telemetry,
        mesh=mesh,
        verifier=token_verifier(settings, clock, keys),
        breakers=breakers,
        checks={"database": database.check, "audit log": auditing.journal.check},
        handlers=[
            *signing_in.handlers,
            *members.handlers,
            *programs.handlers,
            *tenants.handlers,
            (security_alert_service_pb2_grpc.add_SecurityAlertServiceServicer_to_server, SecurityAlertHandlers(alerts=alerting.log)),
            *auditing.handlers,
            *identities.handlers,
            _stream_tokens(settings, clock, store, keys, journal),
        ],
        tenants=book,
        journal=auditing.journal,
    )
    keeping = [housekeeper, *alerting.parts, *auditing.parts, *mailing.parts, *programs.parts, *tenants.parts, *identities.parts]
    parts = [telemetry, mesh, keys, database, passwords, installer, book, *keeping]
    return App(name=settings.service_name, components=parts, server=server)


class _Alerting:
    """What keeps security alerts; those of this service are told without a call."""

    def __init__(self, settings: AuthSettings, clock: Clock, store: AuthStore, telemetry: Telemetry) -> None:
        written = Wake(clock)
        self.log = AlertLog(store=store, clock=clock, window=timedelta(seconds=settings.alert_window_seconds), written=written)
        self.reporter = AlertReporter(send=self.log.report, clock=clock, registry=telemetry.registry)
        self._housekeeper = AlertHousekeeper(
            store=store,
            files=ReportFolder(folder=settings.state_dir / "error_reports", most=settings.alert_files),
            clock=clock,
            retention=timedelta(days=settings.alert_retention_days),
            written=written,
        )

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self._housekeeper, self.reporter)


class _Auditing:
    """What keeps the audit log; the entries of this service are journalled like those of the others, and told without a call."""

    def __init__(
        self, settings: AuthSettings, clock: Clock, store: AuthStore, keys: SigningKeys, alerts: AlertReporter, telemetry: Telemetry
    ) -> None:
        log = AuditLog(store=store, signer=keys, alerts=alerts, clock=clock)

        async def send(entries: Sequence[ReportedAuditLog]) -> None:
            await log.append([entry_of(each) for each in entries])

        self.journal = AuditJournal(
            folder=settings.state_dir / "audit_log" / settings.service_name,
            most_bytes=settings.audit_journal_max_bytes,
            service=settings.service_name,
            send=send,
            clock=clock,
            registry=telemetry.registry,
        )
        self._housekeeper = AuditHousekeeper(audit=log, clock=clock, retention=timedelta(days=settings.audit_retention_days))
        self.handlers: Sequence[Handler] = [(audit_log_service_pb2_grpc.add_AuditLogServiceServicer_to_server, AuditLogHandlers(audit=log))]

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self._housekeeper, self.journal)


def _authorizer(settings: AuthSettings, clock: Clock, store: AuthStore) -> Authorizer:
    named = frozenset(policy.scope for policy in policies().values() if policy.scope)
    return Authorizer(store=store, scopes=Scopes(every=named | frozenset(settings.extra_scopes)), clock=clock)


def _stream_tokens(settings: AuthSettings, clock: Clock, store: AuthStore, keys: SigningKeys, log: SecurityJournal) -> Handler:
    codec = StreamTokenSigner(keys=keys, issuer=settings.token_issuer, audience=settings.token_audience, clock=clock)
    tokens = StreamTokens(store=store, codec=codec, signer=keys, log=log, clock=clock)
    return (stream_token_service_pb2_grpc.add_StreamTokenServiceServicer_to_server, StreamTokenHandlers(tokens=tokens))


def _passwords(settings: AuthSettings, telemetry: Telemetry) -> Argon2Passwords:
    return Argon2Passwords(
        memory_kib=settings.argon2_memory_kib,
        iterations=settings.argon2_iterations,
        parallelism=settings.argon2_parallelism,
        threads=settings.password_threads,
        queue=settings.password_queue,
        share=settings.password_share,
        registry=telemetry.registry,
    )


def _installer(settings: AuthSettings, clock: Clock, *, store: AuthStore, hasher: Argon2Passwords, log: SecurityJournal) -> Installer:
    return Installer(
        store=store,
        hasher=hasher,
        files=StateFolder(folder=settings.state_dir),
        log=log,
        clock=clock,
        email=settings.bootstrap_email,
        enabled=settings.bootstrap,
    )


def _signing_keys(settings: AuthSettings, clock: Clock) -> SigningKeys:
    files = KeyFiles(
        signing=settings.signing_key_file,
        signing_setting=setting_name(settings, "signing_key_file"),
        retired=settings.retired_key_files,
        retired_setting=setting_name(settings, "retired_key_files"),
    )
    return SigningKeys(files=files, issuer=settings.token_issuer, audience=settings.token_audience, clock=clock)
