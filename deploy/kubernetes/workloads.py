"""The pods: a StatefulSet for the gateway, whose spool is a file of each replica, Deployments for the others, and the migrations."""

from typing import Any

from deploy.kubernetes.parts import IDENTITY, IMAGE, MESH, PULL, SERVICES, TRUST_DOMAIN, Service, labels, metadata
from deploy.kubernetes.rendering import ChartOnly, ItemWhen, Manifest, Value

LOCKED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": IDENTITY,
    "runAsGroup": IDENTITY,
    "fsGroup": IDENTITY,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_SIGNING_KEY_MODE = 0o640
ZONE_LABEL = "topology.kubernetes.io/zone"
_ZONE = {"fieldRef": {"fieldPath": f"metadata.labels['{ZONE_LABEL}']"}}
STATE = {"name": "state", "mountPath": "/var/lib/tocsin"}
ARCHIVE = "/var/lib/tocsin-archive"
ARCHIVE_CLAIM = "tocsin-archive"
ARCHIVED = ".Values.archive.enabled"
_ARCHIVING = ("scheduler_svc", "mailer_svc")
TMP = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - in the container


def manifest(service: Service) -> Manifest:
    """The workload of a service, with what belongs to it alone."""
    return Manifest(service.short, [_account(service), *_addresses(service), _workload(service), _disruption(service)])


def migrations() -> Manifest:
    """A Job that brings every schema up to date; in the chart before anything else of an installation or upgrade."""
    hook = {
        "helm.sh/hook": ChartOnly('"pre-install,pre-upgrade"'),
        "helm.sh/hook-delete-policy": ChartOnly('"before-hook-creation,hook-succeeded"'),
    }
    containers = [
        {
            "name": service.short,
            "image": IMAGE,
            "imagePullPolicy": PULL,
            "args": ["migrate", service.short],
            "env": [from_secret("TOCSIN_DATABASE_URL", service.resource, "database-url")],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
            "securityContext": LOCKED,
            "volumeMounts": [STATE, TMP],
        }
        for service in SERVICES
        if service.has_database
    ]
    pod: dict[str, Any] = {
        "restartPolicy": "OnFailure",
        "automountServiceAccountToken": False,
        "securityContext": POD_SECURITY,
        "containers": containers,
        "volumes": [{"name": "state", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }
    job: dict[str, Any] = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**metadata("tocsin-migrate", "migrate"), "annotations": hook},
        "spec": {
            "backoffLimit": 10,
            "ttlSecondsAfterFinished": 600,
            "template": {"metadata": {"labels": labels("migrate")}, "spec": pod},
        },
    }
    return Manifest("migrate", [job])


def _account(service: Service) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(service.resource, service.name),
        "automountServiceAccountToken": False,
    }


def _addresses(service: Service) -> list[dict[str, Any]]:
    """Callers watch the addresses of all replicas behind a name (`dns:///`): a Service without an address of its own.

    The gateway has one with an address besides, for clients.
    """
    grpc = {"name": "grpc", "port": service.port, "targetPort": "grpc", "appProtocol": "kubernetes.io/h2c"}
    metrics = {"name": "metrics", "port": service.metrics_port, "targetPort": "metrics"}
    own = [] if service.name == "gateway" else [{"name": "grpc", "port": service.port, "targetPort": "grpc"}]
    name = _headless(service)
    found: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(name, service.name),
            "spec": {"clusterIP": "None", "selector": labels(service.name), "ports": [*own, metrics]},
        }
    ]
    if service.name == "gateway":
        door = {"name": "http", "port": 8000, "targetPort": "http"}
        found.append(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata(service.resource, "door"),
                "spec": {"type": Value("gateway.serviceType", "ClusterIP"), "selector": labels(service.name), "ports": [door, grpc]},
            }
        )
    return found


def _headless(service: Service) -> str:
    return f"{service.resource}-replicas" if service.name == "gateway" else service.resource


def _workload(service: Service) -> dict[str, Any]:
    template = {
        "metadata": {
            "labels": labels(service.name),
            # New settings make new pods; kustomize changes the names of its ConfigMaps instead.
            "annotations": {"checksum/settings": ChartOnly("toJson .Values.settings | sha256sum")},
        },
        "spec": _pod(service),
    }
    shared = {"replicas": service.replicas, "selector": {"matchLabels": labels(service.name)}, "revisionHistoryLimit": 3}
    if service.name == "gateway":
        claim = {
            "metadata": {"name": "state"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": Value("gateway.storageClass", None, unless="(not .Values.gateway.storageClass)"),
                "resources": {"requests": {"storage": Value("gateway.storage", "2Gi")}},
            },
        }
        spec = {**shared, "serviceName": _headless(service), "podManagementPolicy": "Parallel", "template": template}
        return {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata(service.resource, service.name),
            "spec": {**spec, "volumeClaimTemplates": [claim]},
        }
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(service.resource, service.name),
        "spec": {**shared, "strategy": strategy, "template": template},
    }


def _pod(service: Service) -> dict[str, Any]:
    spread = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels(service.name)},
        }
        for key in (ZONE_LABEL, "kubernetes.io/hostname")
    ]
    volumes: list[dict[str, Any] | ItemWhen] = [
        {"name": "mesh", "secret": {"secretName": f"{service.resource}-mesh"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
    ]
    if service.name != "gateway":
        volumes.append({"name": "state", "emptyDir": {"sizeLimit": "1Gi"}})
    if service.name == "auth_svc":
        volumes.append({"name": "signing-key", "secret": {"secretName": "tocsin-signing-key", "defaultMode": _SIGNING_KEY_MODE}})
    if service.name in _ARCHIVING:
        volumes.append(ItemWhen(ARCHIVED, {"name": "archive", "persistentVolumeClaim": {"claimName": ARCHIVE_CLAIM}}))
    return {
        "serviceAccountName": service.resource,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # preStop, then drain_seconds and grace_seconds of the service, and a margin.
        "terminationGracePeriodSeconds": 30,
        "securityContext": POD_SECURITY,
        "topologySpreadConstraints": spread,
        "containers": [_container(service)],
        "volumes": volumes,
    }


def _container(service: Service) -> dict[str, Any]:
    ports = [("http", 8000)] if service.name == "gateway" else []
    mounts: list[dict[str, Any] | ItemWhen] = [
        STATE,
        {"name": "mesh", "mountPath": MESH, "readOnly": True},
        TMP,
    ]
    if service.name == "auth_svc":
        mounts.append({"name": "signing-key", "mountPath": "/var/run/tocsin/keys", "readOnly": True})
    if service.name in _ARCHIVING:
        mounts.append(ItemWhen(ARCHIVED, {"name": "archive", "mountPath": ARCHIVE}))
    return {
        "name": service.short,
        "image": IMAGE,
        "imagePullPolicy": PULL,
        "args": ["serve", service.name],
        "ports": [
            {"name": name, "containerPort": port} for name, port in [*ports, ("grpc", service.port), ("metrics", service.metrics_port)]
        ],
        "envFrom": [{"configMapRef": {"name": f"tocsin-settings-{name}"}} for name in ("shared", service.short)],
        "env": _environment(service),
        "startupProbe": {**_probe("/livez"), "periodSeconds": 2, "failureThreshold": 60},
        # Whether this process takes work; what stands behind it has its own.
        "readinessProbe": {**_probe("/readyz"), "periodSeconds": 5, "failureThreshold": 2},
        "livenessProbe": {**_probe("/livez"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        # Until everybody knows that this pod goes, calls still arrive.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
        "resources": service.resources,
        "securityContext": LOCKED,
        "volumeMounts": mounts,
    }


def _probe(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "metrics"}}


def _environment(service: Service) -> list[dict[str, Any] | ItemWhen]:
    found: list[dict[str, Any] | ItemWhen] = [
        {"name": "TOCSIN_TRUST_DOMAIN", "value": TRUST_DOMAIN},
        {"name": "TOCSIN_TLS_CA_FILE", "value": f"{MESH}/ca.crt"},
        {"name": "TOCSIN_TLS_CERT_FILE", "value": f"{MESH}/tls.crt"},
        {"name": "TOCSIN_TLS_KEY_FILE", "value": f"{MESH}/tls.key"},
        # Where the node's zone is not copied to its pods (before Kubernetes 1.35), the label is missing, and the value is empty: no zone.
        {"name": "TOCSIN_ZONE", "valueFrom": ChartOnly('include "tocsin.zone" .', otherwise=_ZONE)},
        *({"name": f"TOCSIN_{other.short.upper()}_TARGET", "value": _target(other)} for other in SERVICES if other.name != "gateway"),
        # Redis carries limits and live events; without one each replica keeps its own.
        from_secret("TOCSIN_REDIS_URL", "tocsin-redis", "url", optional=True),
        # What a collector of traces, or a vendor's, knows us by.
        from_secret("OTEL_EXPORTER_OTLP_HEADERS", "tocsin-otlp", "headers", optional=True),
    ]
    if service.has_database:
        found += [
            {"name": "TOCSIN_DATABASE_MIGRATE", "value": "false"},
            from_secret("TOCSIN_DATABASE_URL", service.resource, "database-url"),
        ]
    if service.has_secret:
        found.append(from_secret("TOCSIN_SECRET_KEY", service.resource, "secret-key"))
    if service.name == "auth_svc":
        found.append({"name": "TOCSIN_AUTH_SIGNING_KEY_FILE", "value": "/var/run/tocsin/keys/signing.pem"})
    if service.name in _ARCHIVING:
        found.append(ItemWhen(ARCHIVED, {"name": f"TOCSIN_{service.short.upper()}_ARCHIVE_DIR", "value": ARCHIVE}))
    return found


def _target(of: Service) -> ChartOnly:
    """All replicas, in the chart with those of each zone that has a name there."""
    return ChartOnly(f'include "tocsin.target" (list . "{of.short}" {of.port})', otherwise=f"dns:///{of.resource}:{of.port}")


def from_secret(variable: str, name: str, key: str, *, optional: bool = False) -> dict[str, Any]:
    """A variable whose value is a key of a Secret."""
    reference: dict[str, Any] = {"name": name, "key": key}
    return {"name": variable, "valueFrom": {"secretKeyRef": reference | ({"optional": True} if optional else {})}}


def _disruption(service: Service) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(service.resource, service.name),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels(service.name)}},
    }
