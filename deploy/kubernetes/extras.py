"""What a cluster may have: scaling by load, the Prometheus operator, an ingress; each applied only if asked for."""

from typing import Any

import yaml

from deploy.kubernetes.parts import AUTOSCALED, PART_OF, QUEUE_SCALED, SERVICES, metadata, service
from deploy.kubernetes.rendering import ChartOnly, Manifest, Value

_MOST = Value("autoscaling.maxReplicas", 10)
_LEAST = Value("autoscaling.minReplicas", 2)
_PROMETHEUS = Value("keda.prometheusAddress", "http://prometheus-operated.monitoring:9090")


def autoscaling() -> Manifest:
    """The gateway and auth_svc by their CPU. The scheduler's replicas share 256 shards: it is given replicas by hand."""
    return Manifest("autoscaling", [_by_cpu("gateway"), _by_cpu("auth_svc")], when=AUTOSCALED)


def _by_cpu(name: str) -> dict[str, Any]:
    of = service(name)
    kind = "StatefulSet" if name == "gateway" else "Deployment"
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(of.resource, name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": of.resource},
            "minReplicas": _LEAST,
            "maxReplicas": _MOST,
            "metrics": [metric],
            # A gateway that goes ends its streams; clients take them up elsewhere, but not again and again.
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},
        },
    }


def queues() -> Manifest:
    """By KEDA: processors by the firings that wait, mailers by the deliveries that wait."""
    waiting = {"processor_svc": "sum(tocsin_scheduler_queue_depth)", "mailer_svc": "sum(tocsin_delivery_queue_depth)"}
    return Manifest("keda", [_by_queue(name, query) for name, query in waiting.items()], when=QUEUE_SCALED)


def _by_queue(name: str, query: str) -> dict[str, Any]:
    of = service(name)
    waiting = {"serverAddress": _PROMETHEUS, "query": query, "threshold": "1000"}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": metadata(of.resource, name),
        "spec": {
            "scaleTargetRef": {"name": of.resource},
            "minReplicaCount": _LEAST,
            "maxReplicaCount": _MOST,
            "cooldownPeriod": 300,
            "triggers": [
                {"type": "prometheus", "metadata": waiting},
                {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "70"}},
            ],
        },
    }


def monitoring(alerts: str) -> Manifest:
    """For the Prometheus operator: each replica is scraped, by the job names that alerts and dashboards know.

    Args:
        alerts: the rules, as deploy/prometheus/alerts.yaml has them.
    """
    components = {"key": "app.kubernetes.io/component", "operator": "In", "values": [each.name for each in SERVICES]}
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(PART_OF, "monitoring"),
        "spec": {
            "jobLabel": "app.kubernetes.io/component",
            "selector": {"matchLabels": {"app.kubernetes.io/name": PART_OF}, "matchExpressions": [components]},
            "endpoints": [{"port": "metrics", "interval": "15s"}],
        },
    }
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata(PART_OF, "monitoring"),
        # The chart reads the file as it is, for its texts have braces of their own.
        "spec": ChartOnly('.Files.Get "prometheus/alerts.yaml" | nindent 2', otherwise=yaml.safe_load(alerts)),
    }
    return Manifest("monitoring", [monitor, rule], when=".Values.monitoring.enabled")
