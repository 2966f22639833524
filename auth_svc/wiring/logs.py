"""What keeps the audit log and security alerts. This service tells its own without a call, and like those of the others."""

from collections.abc import Sequence
from datetime import timedelta

from auth_svc.config import AuthSettings
from auth_svc.error_reports import ReportFolder
from auth_svc.handlers import AuditLogHandlers, SecurityAlertHandlers
from auth_svc.journal import SecurityJournal
from auth_svc.service import AlertHousekeeper, AlertLog, AlertPolicies, AlertTelling, AuditHousekeeper, AuditLog
from auth_svc.signing import SigningKeys
from auth_svc.store import AuthStore
from auth_svc.wiring.mailing import Mailing
from tocsin.alerts.reporter import AlertReporter
from tocsin.api.auth.v1 import audit_log_service_pb2_grpc, security_alert_service_pb2_grpc
from tocsin.api.auth.v1.audit_log_service_pb2 import ReportedAuditLog
from tocsin.audit_log.journal import AuditJournal
from tocsin.audit_log.wire import entry_of
from tocsin.clock import Clock
from tocsin.lifecycle import Component
from tocsin.mesh.server import Handler
from tocsin.telemetry import Telemetry
from tocsin.wake import Wake


class Alerting:
    """Security alerts.

    Attributes:
        log: takes those of every service.
        reporter: gathers those of this one.
    """

    def __init__(self, settings: AuthSettings, clock: Clock, store: AuthStore, telemetry: Telemetry, mailing: Mailing) -> None:
        self._store, self._clock, self._readers = store, clock, mailing.readers
        to_file, to_tell = Wake(clock), Wake(clock)
        window = timedelta(seconds=settings.alert_window_seconds)
        self.log = AlertLog(store=store, clock=clock, window=window, written=(to_file, to_tell))
        self.reporter = AlertReporter(send=self.log.report, clock=clock, registry=telemetry.registry)
        self._housekeeper = AlertHousekeeper(
            store=store,
            files=ReportFolder(folder=settings.state_dir / "error_reports", most=settings.alert_files),
            clock=clock,
            retention=timedelta(days=settings.alert_retention_days),
            written=to_file,
        )
        self._telling = AlertTelling(store=store, mails=mailing.mails, clock=clock, written=to_tell)

    def handlers(self, log: SecurityJournal) -> Sequence[Handler]:
        """What serves them; ``log`` is told of changed policies."""
        policies = AlertPolicies(store=self._store, readers=self._readers, log=log, clock=self._clock)
        handlers = SecurityAlertHandlers(alerts=self.log, policies=policies)
        return ((security_alert_service_pb2_grpc.add_SecurityAlertServiceServicer_to_server, handlers),)

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self._housekeeper, self._telling, self.reporter)


class Auditing:
    """The audit log; `handlers` serve it, and `journal` takes the entries of this service."""

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
        self.handlers: Sequence[Handler] = (
            (audit_log_service_pb2_grpc.add_AuditLogServiceServicer_to_server, AuditLogHandlers(audit=log)),
        )

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self._housekeeper, self.journal)
