"""What a panel and a dashboard are, and their JSON."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
_SERIES: Final = re.compile(r"\b((?:tocsin|process|python|grpc_(?:client|server))_[a-z_0-9]+|up)\b(\{[^}]*\})?(?!\()")
_COLUMNS: Final = 3
_WIDTH: Final = 24 // _COLUMNS
_HEIGHT: Final = 8


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over time.

    Attributes:
        title: what they answer.
        unit: Grafana's name of their unit, such as "s", "ops" or "bytes".
        queries: PromQL with the legend of its lines. Each series is narrowed to ``$instance`` by itself.
    """

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of panels.

    Attributes:
        name: of the file and, after "tocsin-", the identity.
        panels: three in a row.
        by_tenant: whether some of them can be narrowed to tenants.
    """

    name: str
    panels: Sequence[Panel]
    by_tenant: bool = False


def rate(series: str, by: str = "", quantile: float | None = None) -> str:
    """The rate of a counter summed ``by`` labels; of a histogram's buckets, a quantile of it."""
    if quantile is None:
        return f"sum{f' by ({by})' if by else ''} (rate({series}[$__rate_interval]))"
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({quantile}, sum by ({labels}) (rate({series}[$__rate_interval])))"


def quantiles(series: str) -> list[tuple[str, str]]:
    """The median and the tail of a histogram."""
    return [(rate(series, quantile=share), f"p{100 * share:g}") for share in (0.5, 0.95, 0.99)]


def instanced(query: str) -> str:
    """The query of the chosen instances alone."""

    def narrowed(found: re.Match[str]) -> str:
        own = f"{found[2][1:-1]}, " if found[2] else ""
        return f'{found[1]}{{{own}instance=~"$instance"}}'

    return _SERIES.sub(narrowed, query)


def document(dashboard: Dashboard) -> str:
    """The dashboard as Grafana imports it."""
    variables: list[dict[str, Any]] = [
        {"name": "source", "type": "datasource", "query": "prometheus", "label": "Data source"},
        _variable("instance", "Instance", "label_values(tocsin_build_info, instance)"),
    ]
    if dashboard.by_tenant:
        variables.append(_variable("tenant", "Tenant", "label_values(tocsin_gateway_tenant_calls_total, tenant)"))
    content = {
        "uid": f"tocsin-{dashboard.name}",
        "title": f"Tocsin: {dashboard.name}",
        "tags": ["tocsin"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": variables},
        "links": [{"type": "dashboards", "tags": ["tocsin"], "asDropdown": True, "title": "Tocsin"}],
        "panels": [_panel(place, panel) for place, panel in enumerate(dashboard.panels)],
    }
    return json.dumps(content, indent=1) + "\n"


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": _SOURCE,
        "query": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(place: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(place, _COLUMNS)
    targets = [
        {"refId": chr(ord("A") + number), "expr": instanced(query), "legendFormat": legend, "datasource": _SOURCE}
        for number, (query, legend) in enumerate(panel.queries)
    ]
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": column * _WIDTH, "y": row * _HEIGHT},
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
    }
