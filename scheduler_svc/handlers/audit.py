"""Audits as clients see them."""

from scheduler_svc.handlers.times import set_instant
from scheduler_svc.service.audit import AuditFinding, Summary
from tocsin.api.scheduler.v1 import firing_service_pb2
from tocsin.stored import int32


def audit_message(told: AuditFinding | Summary) -> firing_service_pb2.AuditFiringsResponse:
    """A difference, or the summary."""
    message = firing_service_pb2.AuditFiringsResponse()
    if isinstance(told, AuditFinding):
        finding = message.finding
        finding.kind = firing_service_pb2.AuditFiringsResponse.Finding.Kind.ValueType(told.kind)
        finding.alarm = f"alarms/{told.alarm}" if told.alarm else ""
        finding.incident = f"incidents/{told.incident}" if told.incident else ""
        finding.step = int32(told.step)
        finding.detail = told.detail
        finding.firing = f"firings/{told.firing}" if told.firing else ""
        set_instant(finding.due_time, told.due)
    else:
        _set_summary(message.summary, told)
    return message


def _set_summary(message: firing_service_pb2.AuditFiringsResponse.Summary, told: Summary) -> None:
    message.alarms = told.alarms
    message.incidents = told.incidents
    message.steps = told.steps
    message.expected = told.expected
    message.found = told.found
    message.missing = told.missing
    message.unexpected = told.unexpected
    message.unreadable = told.unreadable
    message.outcomes.update(told.outcomes)
    set_instant(message.start_time, told.start)
    set_instant(message.end_time, told.end)
    message.SetInParent()
