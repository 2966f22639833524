"""Who is calling, for the use cases."""

from scheduler_svc.service import Caller
from tocsin.mesh.context import principal
from tocsin.telemetry import current_traceparent


def caller() -> Caller:
    """The tenant of the verified token, its zone, and the trace of the call."""
    who = principal()
    return Caller(tenant=who.tenant, time_zone=who.time_zone, traceparent=current_traceparent() or "")
