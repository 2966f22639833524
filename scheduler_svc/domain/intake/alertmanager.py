"""Webhooks of Prometheus Alertmanager, version 4, and of Grafana, which has made that form its own. Pure.

Source: prometheus/alertmanager, notify/webhook and template (Message, Data, Alert); Grafana's page on webhook contact points.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from scheduler_svc.domain.incident_words import AlertEvent, IncidentSeverity
from scheduler_svc.domain.intake.alerts import MOST_ALERTS, ReadPayload, ReceivedAlert, digest, fitted, severity_of
from scheduler_svc.domain.intake.payloads import RawPayload, decoded
from tocsin.errors import InvalidInput

_Texts = Annotated[dict[str, str], msgspec.Meta(max_length=1000)] | None
_Status = Literal["firing", "resolved"]
_EVENTS: Final = {"firing": AlertEvent.TRIGGER, "resolved": AlertEvent.RESOLVE}
_SHOWN: Final = 20
_NONE: Final[Mapping[str, str]] = {}


class PrometheusAlert(msgspec.Struct, frozen=True, rename="camel"):
    """An alert of Alertmanager."""

    status: _Status
    labels: _Texts = None
    annotations: _Texts = None
    generator_url: str = msgspec.field(default="", name="generatorURL")
    fingerprint: str = ""

    @property
    def page(self) -> str:
        """Where to look at it."""
        return self.generator_url

    @property
    def details(self) -> str:
        """What is known of it beside its annotations."""
        return ""


class GrafanaAlert(PrometheusAlert, frozen=True, rename="camel"):
    """An alert of Grafana."""

    dashboard_url: str | None = msgspec.field(default=None, name="dashboardURL")
    panel_url: str | None = msgspec.field(default=None, name="panelURL")
    value_string: str | None = None

    @property
    def page(self) -> str:
        """Where to look at it: the panel, or the dashboard, or the rule."""
        return self.panel_url or self.dashboard_url or self.generator_url

    @property
    def details(self) -> str:
        """The values that it was decided by."""
        return self.value_string or ""


AnyAlert = TypeVar("AnyAlert", bound=PrometheusAlert)


class _Webhook(msgspec.Struct, frozen=True, rename="camel"):
    version: str
    status: _Status
    group_key: str = ""
    truncated_alerts: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 0
    common_labels: _Texts = None
    common_annotations: _Texts = None
    external_url: str = msgspec.field(default="", name="externalURL")
    receiver: str = ""


class _AlertmanagerWebhook(_Webhook, frozen=True, rename="camel"):
    alerts: list[PrometheusAlert] = []


class _GrafanaWebhook(_Webhook, frozen=True, rename="camel"):
    alerts: list[GrafanaAlert] = []


_ALERTMANAGER: Final = msgspec.json.Decoder(_AlertmanagerWebhook)
_GRAFANA: Final = msgspec.json.Decoder(_GrafanaWebhook)


def read_alertmanager(payload: RawPayload, *, by_group: bool = False) -> ReadPayload:
    """The alerts of a webhook of Alertmanager; with ``by_group`` one, of its group.

    Raises:
        InvalidInput: it is none, or of another version.
    """
    webhook = decoded(payload.body, _ALERTMANAGER)
    return _read(webhook, webhook.alerts, version="4", by_group=by_group)


def read_grafana(payload: RawPayload, *, by_group: bool = False) -> ReadPayload:
    """The alerts of a webhook of Grafana; with ``by_group`` one, of its group.

    Raises:
        InvalidInput: it is none, or of another version.
    """
    webhook = decoded(payload.body, _GRAFANA)
    return _read(webhook, webhook.alerts, version="1", by_group=by_group)


def _read(webhook: _Webhook, alerts: "list[AnyAlert]", *, version: str, by_group: bool) -> ReadPayload:
    if webhook.version != version:
        raise InvalidInput.at("version", f'is {webhook.version[:20]!r}; this is the door of version "{version}"')
    if not alerts:
        raise InvalidInput.at("alerts", "is empty")
    if len(alerts) > MOST_ALERTS:
        raise InvalidInput.at("alerts", f"has {len(alerts)} elements; at most {MOST_ALERTS}")
    left_out = webhook.truncated_alerts
    note = f"The sender left out {left_out} more alerts of the group (max_alerts)." if left_out else ""
    if by_group:
        return ReadPayload([_group(webhook, alerts)], note)
    return ReadPayload([_alert(alert, f"alerts[{place}]") for place, alert in enumerate(alerts)], note)


def _alert(alert: PrometheusAlert, place: str) -> ReceivedAlert:
    labels, annotations = alert.labels or _NONE, alert.annotations or _NONE
    read = ReceivedAlert(
        title=_title(labels, annotations),
        event=_EVENTS[alert.status],
        key=alert.fingerprint or digest(*(part for pair in sorted(labels.items()) for part in pair)),
        description=_description(annotations, alert.details),
        severity=_severity(labels),
        labels=labels,
        url=alert.page,
    )
    return fitted(read, place=place)


def _severity(labels: Mapping[str, str]) -> IncidentSeverity | None:
    return severity_of(labels.get("severity") or labels.get("priority", ""))


def _title(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    return annotations.get("summary") or annotations.get("title") or labels.get("alertname") or annotations.get("description", "")


def _description(annotations: Mapping[str, str], details: str) -> str:
    text = annotations.get("description") or annotations.get("message", "")
    runbook = annotations.get("runbook_url", "")
    return "\n".join(part for part in (text, details, runbook) if part)


def _group(webhook: _Webhook, alerts: "list[AnyAlert]") -> ReceivedAlert:
    """The group as one alert, as bad as the worst that fires."""
    if not webhook.group_key:
        raise InvalidInput.at("groupKey", "is missing, and the integration opens an incident for each group")
    labels, annotations = webhook.common_labels or _NONE, webhook.common_annotations or _NONE
    firing = [alert for alert in alerts if alert.status == "firing"]
    told = [_title(alert.labels or _NONE, alert.annotations or _NONE) for alert in firing or alerts]
    found = [_severity(alert.labels or _NONE) for alert in firing]
    more = f"\n… and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    read = ReceivedAlert(
        title=_title(labels, annotations) or f"{told[0]} (and {len(told) - 1} more)" if len(told) > 1 else told[0],
        event=_EVENTS[webhook.status],
        key=webhook.group_key,
        description="\n".join(told[:_SHOWN]) + more,
        severity=min((severity for severity in found if severity), default=None),
        labels=labels,
        url=webhook.external_url,
    )
    return fitted(read, place="commonLabels")
