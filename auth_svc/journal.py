"""The security log: one structured line and one count for each event."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry

from auth_svc.domain import SecurityEvent
from auth_svc.metrics import SecurityMetrics
from tocsin.alerts import AlertKind, Alerts
from tocsin.audit_log.journal import AuditJournal
from tocsin.mesh.context import current
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_ALARMING: Final = frozenset(
    {
        SecurityEvent.LOGIN_FAILED,
        SecurityEvent.LOGIN_DELAYED,
        SecurityEvent.KEY_REFUSED,
        SecurityEvent.SESSION_REFUSED,
        SecurityEvent.STREAM_TOKEN_REFUSED,
        SecurityEvent.REFRESH_REUSED,
        SecurityEvent.FACTOR_REFUSED,
        SecurityEvent.PASSKEY_CLONED,
        SecurityEvent.OIDC_LOGOUT_REFUSED,
    }
)

# What the gateway sees of credentials it reports itself, with the route: keys that nobody knows, tokens that nobody signed.
_ALERTS: Final = {
    (SecurityEvent.LOGIN_DELAYED, "pair"): AlertKind.SIGN_IN_THROTTLED,
    (SecurityEvent.LOGIN_DELAYED, "client"): AlertKind.CLIENT_GUESSES,
    (SecurityEvent.LOGIN_DELAYED, "account"): AlertKind.ACCOUNT_GUESSED,
    (SecurityEvent.LOGIN_SUCCEEDED, "new client"): AlertKind.NEW_CLIENT,
    (SecurityEvent.TENANT_SUSPENDED, ""): AlertKind.TENANT_SUSPENDED,
    (SecurityEvent.ADDRESS_REVERTED, ""): AlertKind.ADDRESS_REVERTED,
    (SecurityEvent.REFRESH_REUSED, "reused"): AlertKind.REFRESH_TOKEN_REUSED,
    (SecurityEvent.SESSION_REFUSED, "unknown"): AlertKind.TOKEN_INVALID,
}
_PLACES: Final = {
    SecurityEvent.LOGIN_SUCCEEDED: "AuthService/IssueToken",
    SecurityEvent.LOGIN_DELAYED: "AuthService/IssueToken",
    SecurityEvent.REFRESH_REUSED: "AuthService/RefreshToken",
    SecurityEvent.SESSION_REFUSED: "AuthService/RefreshToken",
    SecurityEvent.ADDRESS_REVERTED: "AccountService/RevertAddressChange",
    SecurityEvent.TENANT_SUSPENDED: "TenantService/SuspendTenant",
}


class SecurityJournal:
    """Implements `auth_svc.ports.SecurityLog`. The line's text is the event's stable name; so is the metric's label."""

    def __init__(self, *, registry: CollectorRegistry, alerts: Alerts, audit: AuditJournal) -> None:
        self._metrics = SecurityMetrics(registry)
        self._alerts = alerts
        self._audit = audit

    def record(self, event: SecurityEvent, **facts: str) -> None:
        """Writes the line, counts, and raises the alarm where somebody should look."""
        self._metrics.happened(event)
        self._note(event, facts)
        write = _log.warning if event in _ALARMING else _log.info
        origin = _origin()
        write(event.value, **{**origin, **facts})
        kind = _ALERTS.get((event, facts.get("why", "")))
        if kind is not None:
            known = {"account": facts.get("account"), "from": origin.get("client_address")}
            self._alerts.report(
                kind=kind,
                place=_PLACES[event],
                tenant=facts.get("tenant", ""),
                subject=facts.get("subject", ""),
                latest=", ".join(f"{name} {text}" for name, text in known.items() if text),
                detail=event.value,
            )

    def _note(self, event: SecurityEvent, facts: Mapping[str, str]) -> None:
        """Tells the audit log: the event is what happened in the call that is being served, or an entry of its own outside of one."""
        call = current()
        if call is None:
            self._audit.happened(event.value, tenant=facts.get("tenant", ""), subject=facts.get("subject", ""), detail=facts.get("why", ""))
        elif (note := call.note) is not None:
            note.detail = event.value
            note.tenant, note.subject = facts.get("tenant", note.tenant), facts.get("subject", note.subject)
            note.session = facts.get("session", note.session)
            if account := facts.get("account"):
                note.resource = f"accounts/{account}"


def _origin() -> dict[str, str]:
    """Who calls, and from where."""
    call = current()
    if call is None:
        return {}
    found = {"client_address": call.client_address, "user_agent": call.user_agent}
    if call.principal is not None:
        found["by"] = call.principal.subject
    return {name: text for name, text in found.items() if text}
