"""The parts of auth_svc and how they fit."""

from auth_svc.config import AuthSettings
from auth_svc.domain import Scopes
from auth_svc.handlers import StreamTokenHandlers
from auth_svc.journal import SecurityJournal
from auth_svc.passwords import Argon2Passwords
from auth_svc.secret_files import StateFolder
from auth_svc.service import Authorizer, Installer, SessionHousekeeper, StreamTokens
from auth_svc.signing import KeyFiles, SigningKeys
from auth_svc.store import AuthStore
from auth_svc.stream_signing import StreamTokenSigner
from auth_svc.wiring.identities import Identities
from auth_svc.wiring.logs import Alerting, Auditing
from auth_svc.wiring.mailing import Mailing
from auth_svc.wiring.members import MemberParts, ProgramParts
from auth_svc.wiring.proving import Proving
from auth_svc.wiring.shared import Shared
from auth_svc.wiring.signing_in import SigningIn, token_verifier
from auth_svc.wiring.tenants import TenantParts
from tocsin.api.auth.v1 import stream_token_service_pb2_grpc
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.lifecycle import App
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.mesh.policy import policies
from tocsin.mesh.server import Handler, MeshServer
from tocsin.node import DatabaseGuard, export_pool
from tocsin.state_metrics import export_state
from tocsin.telemetry import Telemetry


def build(settings: AuthSettings, clock: Clock) -> App:
    """Puts the service together; nothing starts. It calls the mailer alone, and verifies tokens with its own keys."""
    telemetry = Telemetry(service=settings.service_name, settings=settings)
    export_state(telemetry.registry, settings.state_dir)
    breakers = BreakerRegistry(clock=clock)
    guard = DatabaseGuard(breakers.get(id="database", target="database"), settings.database_command_timeout_seconds)
    database = Database.of(settings, clock=clock, guard=guard)
    export_pool(telemetry.registry, database)
    store = AuthStore(database=database)
    mesh = Mesh(service=settings.service_name, settings=settings, clock=clock, telemetry=telemetry, breakers=breakers)
    keys = _signing_keys(settings, clock)
    hasher = _hasher(settings, telemetry)

    mailing = Mailing(settings, clock, store, mesh)
    alerting = Alerting(settings, clock, store, telemetry, mailing)
    auditing = Auditing(settings, clock, store, keys, alerting.reporter, telemetry)
    journal = SecurityJournal(registry=telemetry.registry, alerts=alerting.reporter, audit=auditing.journal)
    shared: Shared = {"store": store, "authorizer": _authorizer(settings, clock, store), "log": journal, "clock": clock}

    proving = Proving(settings, shared, hasher=hasher, mailing=mailing)
    signing_in = SigningIn(settings, shared, hasher=hasher, signer=keys, mailing=mailing, proving=proving)
    members = MemberParts(shared, signing_in=signing_in, mailing=mailing)
    programs = ProgramParts(shared, settings=settings, signer=keys, mails=mailing.mails, report=alerting.log.report)
    identities = Identities(shared, settings=settings, breakers=breakers, signing_in=signing_in)
    tenants = TenantParts(settings, shared, database=database, keys=keys, members=members)

    serving = (signing_in, proving, members, programs, tenants, auditing, identities)
    handlers = [each for part in serving for each in part.handlers]
    handlers += [*alerting.handlers(journal), _stream_tokens(settings, clock, store, keys, journal)]
    server = MeshServer(
        service=settings.service_name,
        settings=settings,
        clock=clock,
        telemetry=telemetry,
        mesh=mesh,
        verifier=token_verifier(settings, clock, keys),
        breakers=breakers,
        checks={"database": database.check, "audit log": auditing.journal.check},
        handlers=handlers,
        tenants=tenants.book,
        journal=auditing.journal,
    )
    server.on_drain(signing_in.ended.drain)
    installer = _installer(settings, clock, store=store, hasher=hasher, log=journal)
    housekeeper = SessionHousekeeper(store=store, ended=signing_in.ended, clock=clock)
    first = [telemetry, mesh, keys, database, hasher, installer, tenants.book, housekeeper]
    running = (alerting, auditing, mailing, programs, tenants, identities)
    return App(name=settings.service_name, components=[*first, *(each for part in running for each in part.parts)], server=server)


def _authorizer(settings: AuthSettings, clock: Clock, store: AuthStore) -> Authorizer:
    named = frozenset(policy.scope for policy in policies().values() if policy.scope)
    return Authorizer(store=store, scopes=Scopes(every=named | frozenset(settings.extra_scopes)), clock=clock)


def _stream_tokens(settings: AuthSettings, clock: Clock, store: AuthStore, keys: SigningKeys, log: SecurityJournal) -> Handler:
    codec = StreamTokenSigner(keys=keys, issuer=settings.token_issuer, audience=settings.token_audience, clock=clock)
    tokens = StreamTokens(store=store, codec=codec, signer=keys, log=log, clock=clock)
    return (stream_token_service_pb2_grpc.add_StreamTokenServiceServicer_to_server, StreamTokenHandlers(tokens=tokens))


def _hasher(settings: AuthSettings, telemetry: Telemetry) -> Argon2Passwords:
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
        signing_setting=settings.setting_name("signing_key_file"),
        retired=settings.retired_key_files,
        retired_setting=settings.setting_name("retired_key_files"),
    )
    return SigningKeys(files=files, issuer=settings.token_issuer, audience=settings.token_audience, clock=clock)
