"""What a cluster may have: scaling by load, the Prometheus operator, backups, an ingress; each applied only if asked for."""

from typing import Any

import yaml

from deploy.kubernetes.network import to_the_database
from deploy.kubernetes.parts import AUTOSCALED, PART_OF, PULL, QUEUE_SCALED, SERVICES, TRUST_DOMAIN, labels, metadata, service
from deploy.kubernetes.rendering import ChartOnly, Manifest, Value
from deploy.kubernetes.workloads import ARCHIVE_CLAIM, ARCHIVED, LOCKED, POD_SECURITY, STATE, TMP, from_secret

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


_BACKUP = "tocsin-backup"
_ARCHIVES = "/var/backups/tocsin"
_EVERY_NIGHT = Value("backup.schedule", "15 3 * * *")


def backups() -> Manifest:
    """A CronJob that backs the databases up into a volume.

    The signing key and the certificates are Secrets: whoever keeps the cluster backs them up.
    """
    job: dict[str, Any] = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(_BACKUP, "backup"),
        "spec": {
            "schedule": _EVERY_NIGHT,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {"backoffLimit": 2, "template": {"metadata": {"labels": labels("backup")}, "spec": _backup_pod()}},
            },
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata("tocsin-backups", "backup"),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": Value("backup.storageClass", None, unless="(not .Values.backup.storageClass)"),
            "resources": {"requests": {"storage": Value("backup.storage", "20Gi")}},
        },
    }
    return Manifest("backup", [job, claim, to_the_database(_BACKUP, "backup")], when=".Values.backup.enabled")


def archive() -> Manifest:
    """The volume that scheduler_svc and mailer_svc archive to: all replicas of both, on whatever nodes they are."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(ARCHIVE_CLAIM, "archive"),
        "spec": {
            "accessModes": [Value("archive.accessMode", "ReadWriteMany")],
            "storageClassName": Value("archive.storageClass", None, unless="(not .Values.archive.storageClass)"),
            "resources": {"requests": {"storage": Value("archive.storage", "50Gi")}},
        },
    }
    return Manifest("archive", [claim], when=ARCHIVED)


def _backup_pod() -> dict[str, Any]:
    stores = [each for each in SERVICES if each.has_database]
    container = {
        "name": "backup",
        "image": Value("backup.image", "tocsin-backup:local"),
        "imagePullPolicy": PULL,
        "args": ["backup", f"{_ARCHIVES}/", "--keep", Value("backup.keep", "14")],
        # What a restore has to have as it was: the issuer of tokens stands among them.
        "envFrom": [{"configMapRef": {"name": f"tocsin-settings-{name}"}} for name in ("shared", *(each.short for each in SERVICES))],
        "env": [
            {"name": "TOCSIN_TRUST_DOMAIN", "value": TRUST_DOMAIN},
            *(from_secret(f"TOCSIN_{each.short.upper()}_DATABASE_URL", each.resource, "database-url") for each in stores),
            from_secret("TOCSIN_SECRET_KEY", service("auth_svc").resource, "secret-key"),
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": LOCKED,
        "volumeMounts": [STATE, TMP, {"name": "backups", "mountPath": _ARCHIVES}],
    }
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": [
            {"name": "state", "emptyDir": {"sizeLimit": "64Mi"}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "backups", "persistentVolumeClaim": {"claimName": "tocsin-backups"}},
        ],
    }
