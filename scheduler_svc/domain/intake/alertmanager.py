"""Webhooks of Prometheus Alertmanager, version 4, and of Grafana, which has made that form its own. Pure.

Source: prometheus/alertmanager, notify/webhook and template (Message, Data, Alert); Grafana's page on webhook contact points.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from scheduler_svc.domain.incident_words import AlertEvent, IncidentSeverity
from scheduler_svc.domain.intake.alerts import MOST_ALERTS, ReadPayload, ReceivedAlert, digest, fitted, read_each, severity_of
from scheduler_svc.domain.intake.payloads import RawPayload, decoded, part_of, text_of
from tocsin.errors import InvalidInput

_Texts = dict[str, Any] | None
"""Labels or annotations: texts, and whatever a template or a relay on the way has made of them."""
_Status = Literal["firing", "resolved"]
_EVENTS: Final = {"firing": AlertEvent.TRIGGER, "resolved": AlertEvent.RESOLVE}
_SHOWN: Final = 20
_NONE: Final[Mapping[str, str]] = {}


class PrometheusAlert(msgspec.Struct, frozen=True, rename="camel"):
    """An alert of Alertmanager."""

    status: _Status
    labels: _Texts = None
    annotations: _Texts = None
    generator_url: Any = msgspec.field(default=None, name="generatorURL")
    fingerprint: Any = None

    @property
    def page(self) -> str:
        """Where to look at it."""
        return text_of(self.generator_url)

    @property
    def details(self) -> str:
        """What is known of it beside its annotations."""
        return ""


class GrafanaAlert(PrometheusAlert, frozen=True, rename="camel"):
    """An alert of Grafana."""

    dashboard_url: Any = msgspec.field(default=None, name="dashboardURL")
    panel_url: Any = msgspec.field(default=None, name="panelURL")
    value_string: Any = None

    @property
    def page(self) -> str:
        """Where to look at it: the panel, or the dashboard, or the rule."""
        return text_of(self.panel_url) or text_of(self.dashboard_url) or text_of(self.generator_url)

    @property
    def details(self) -> str:
        """The values that it was decided by."""
        return text_of(self.value_string)


AnyAlert = TypeVar("AnyAlert", bound=PrometheusAlert)


class _Webhook(msgspec.Struct, frozen=True, rename="camel"):
    version: str
    status: _Status
    alerts: list[msgspec.Raw] = []
    group_key: str | None = None
    truncated_alerts: Annotated[int, msgspec.Meta(ge=0, le=10**9)] | None = None
    common_labels: _Texts = None
    common_annotations: _Texts = None
    external_url: Any = msgspec.field(default=None, name="externalURL")


_WEBHOOK: Final = msgspec.json.Decoder(_Webhook)
_ALERTMANAGER: Final = msgspec.json.Decoder(PrometheusAlert)
_GRAFANA: Final = msgspec.json.Decoder(GrafanaAlert)


def read_alertmanager(payload: RawPayload, *, by_group: bool = False) -> ReadPayload:
    """The alerts of a webhook of Alertmanager; with ``by_group`` one, of its group.

    Raises:
        InvalidInput: it is none, or of another version.
    """
    return _read(decoded(payload.body, _WEBHOOK), _ALERTMANAGER, version="4", by_group=by_group)


def read_grafana(payload: RawPayload, *, by_group: bool = False) -> ReadPayload:
    """The alerts of a webhook of Grafana; with ``by_group`` one, of its group.

    Raises:
        InvalidInput: it is none, or of another version.
    """
    return _read(decoded(payload.body, _WEBHOOK), _GRAFANA, version="1", by_group=by_group)


def _read(webhook: _Webhook, decoder: "msgspec.json.Decoder[AnyAlert]", *, version: str, by_group: bool) -> ReadPayload:
    if webhook.version != version:
        raise InvalidInput.at("version", f'is {webhook.version[:20]!r}; this is the door of version "{version}"')
    if not webhook.alerts:
        raise InvalidInput.at("alerts", "is empty")
    if len(webhook.alerts) > MOST_ALERTS:
        raise InvalidInput.at("alerts", f"has {len(webhook.alerts)} elements; at most {MOST_ALERTS}")
    left_out = webhook.truncated_alerts
    note = f"The sender left out {left_out} more alerts of the group (max_alerts)." if left_out else ""
    found = list[AnyAlert]()

    def one(part: msgspec.Raw, place: int) -> ReceivedAlert:
        alert = part_of(part, decoder, f"alerts[{place}]")
        found.append(alert)
        return _alert(alert)

    read = read_each(webhook.alerts, one, note=note)
    return read._replace(alerts=[_group(webhook, found)]) if by_group else read


def _alert(alert: PrometheusAlert) -> ReceivedAlert:
    labels, annotations = _texts(alert.labels), _texts(alert.annotations)
    read = ReceivedAlert(
        title=_title(labels, annotations),
        event=_EVENTS[alert.status],
        key=text_of(alert.fingerprint) or digest(*(part for pair in sorted(labels.items()) for part in pair)),
        description=_description(annotations, alert.details),
        severity=_severity(labels),
        labels=labels,
        url=alert.page,
    )
    return fitted(read)


def _texts(said: _Texts) -> Mapping[str, str]:
    return {name: text_of(value) for name, value in said.items()} if said else _NONE


def _severity(labels: Mapping[str, str]) -> IncidentSeverity | None:
    return severity_of(labels.get("severity") or labels.get("priority", ""))


def _title(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    return annotations.get("summary") or annotations.get("title") or labels.get("alertname") or annotations.get("description", "")


def _description(annotations: Mapping[str, str], details: str) -> str:
    text = annotations.get("description") or annotations.get("message", "")
    runbook = annotations.get("runbook_url", "")
    return "\n".join(part for part in (text, details, runbook) if part)


def _group(webhook: _Webhook, alerts: Sequence[PrometheusAlert]) -> ReceivedAlert:
    """The group as one alert, as bad as the worst that fires."""
    if not webhook.group_key:
        raise InvalidInput.at("groupKey", "is missing, and the integration opens an incident for each group")
    labels, annotations = _texts(webhook.common_labels), _texts(webhook.common_annotations)
    firing = [alert for alert in alerts if alert.status == "firing"]
    told = [_title(_texts(alert.labels), _texts(alert.annotations)) for alert in firing or alerts]
    found = [_severity(_texts(alert.labels)) for alert in firing]
    more = f"\n… and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    read = ReceivedAlert(
        title=_title(labels, annotations) or f"{told[0]} (and {len(told) - 1} more)" if len(told) > 1 else told[0],
        event=_EVENTS[webhook.status],
        key=webhook.group_key,
        description="\n".join(told[:_SHOWN]) + more,
        severity=min((severity for severity in found if severity), default=None),
        labels=labels,
        url=text_of(webhook.external_url),
    )
    return fitted(read)
