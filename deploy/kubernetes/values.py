"""The chart's values.yaml: every `Value` of the manifests, with its default and what it means."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from deploy.kubernetes.parts import SERVICES
from deploy.kubernetes.rendering import Manifest, Text, Value
from deploy.kubernetes.workloads import ZONE_LABEL

_SETTINGS: Final = "settings"
MEANINGS: Final = {
    "image": "The image to run, with its tag or digest.",
    "imagePullPolicy": "When it is pulled.",
    "trustDomain": "SPIFFE trust domain of the mesh, as in spiffe://<trustDomain>/gateway.",
    "replicas": "Replicas of each service, where nothing below scales them.",
    "resources": "What each service is given of a node.",
    "gateway.serviceType": "Kind of the Service that clients reach: ClusterIP, LoadBalancer or NodePort.",
    "gateway.storage": "Size of the volume of each gateway: calls that wait while the scheduler is away, and answers by Idempotency-Key.",
    "gateway.storageClass": "Its storage class; null takes the cluster's default.",
    "settings.shared": "Settings of every service (TOCSIN_*; OTEL_* for traces). Values are texts: put numbers in quotes. No secrets here.",
    **{f"settings.{each.short}": f"Settings of {each.name} alone; its README lists them." for each in SERVICES},
    "zones.label": "The label of a pod that says in which zone it runs; Kubernetes copies this one from the node from 1.35 on.",
    "zones.names": "Zones that calls prefer when they begin there, such as [eu-central-1a, eu-central-1b]; empty: no difference.",
    "certificates.byCertManager": "Makes the mesh's certificates by cert-manager; otherwise the Secrets tocsin-<service>-mesh are yours.",
    "network.policies": "Whether NetworkPolicies bound who talks to whom.",
    "network.databasePort": "Port of PostgreSQL, or of its pooler.",
    "network.redisPort": "Port of Redis.",
    "network.otlpPort": "Port of the collector of traces: 4317 by gRPC, usually 4318 by HTTP.",
    "ingress.host": "Host name of an Ingress for REST and the console; empty: none is made.",
    "ingress.className": "Its class.",
    "ingress.tlsSecret": "Secret with its certificate; empty: no TLS.",
    "ingress.annotations": "Its annotations.",
    "autoscaling.enabled": "Scales the gateway and auth_svc by their CPU; needs metrics-server.",
    "autoscaling.minReplicas": "Fewest replicas of what is scaled, by KEDA as well.",
    "autoscaling.maxReplicas": "Most replicas of what is scaled, by KEDA as well.",
    "keda.enabled": "Scales processor_svc and mailer_svc by what waits for them; needs KEDA.",
    "keda.prometheusAddress": "Where KEDA asks how much waits.",
    "backup.enabled": "Makes a CronJob that backs the databases up into a volume of its own.",
    "backup.image": "Its image: the image above with the programs of PostgreSQL (deploy/backup.Dockerfile).",
    "backup.schedule": "When, as cron has it.",
    "backup.keep": "How many of the newest archives are kept, as a text.",
    "backup.storage": "Size of the volume for them.",
    "backup.storageClass": "Its storage class; null takes the cluster's default.",
    "archive.enabled": "Moves old firings and deliveries into Parquet files in a volume instead of removing them (docs/archive.md).",
    "archive.accessMode": "How that volume is mounted: ReadWriteMany, or ReadWriteOnce where all pods of both services are on one node.",
    "archive.storage": "Its size.",
    "archive.storageClass": "Its storage class; null takes the cluster's default.",
    "monitoring.enabled": "Makes a ServiceMonitor, a PrometheusRule, and ConfigMaps with the dashboards; needs the Prometheus operator.",
}
"""What each value means, in the order of the file; a name that ends a level earlier speaks for all below it."""

_OF_THE_CHART: Final[Mapping[str, Any]] = {
    "settings.shared": {},
    **{f"settings.{each.short}": {} for each in SERVICES},
    "zones.label": ZONE_LABEL,
    "zones.names": [],
    "certificates.byCertManager": True,
    "network.policies": True,
    "ingress.host": "",
    "ingress.className": "",
    "ingress.tlsSecret": "",
    "ingress.annotations": {},
    "autoscaling.enabled": False,
    "keda.enabled": False,
    "backup.enabled": False,
    "archive.enabled": False,
    "monitoring.enabled": False,
}
"""Those that templates written by hand read."""


def document(manifests: Iterable[Manifest], header: str) -> str:
    """The text of values.yaml.

    Raises:
        KeyError: a value has no meaning in `MEANINGS`, or one there is of no value.
    """
    defaults: dict[str, Any] = {
        value.path: value.default for manifest in manifests for value in _values(manifest.resources)
    } | _OF_THE_CHART
    lines: list[str] = []
    level = ""
    for name, meaning in MEANINGS.items():
        own = [path for path in defaults if path == name or path.startswith(f"{name}.")]
        if not own:
            raise KeyError(name)
        group, _, last = name.partition(".")
        if last and group != level:
            lines.append(f"{group}:")
        level, indent = group, "  " if last else ""
        lines.append(f"{indent}# {meaning}")
        if own == [name]:
            lines.append(f"{indent}{last or name}: {json.dumps(defaults[name])}")
        else:
            lines += [f"{name}:", *(f"  {path.removeprefix(f'{name}.')}: {json.dumps(defaults[path])}" for path in own)]
        for path in own:
            del defaults[path]
    if defaults:
        raise KeyError(*defaults)
    return header + "\n".join(lines) + "\n"


def _values(tree: Any) -> Iterator[Value]:
    if isinstance(tree, Value):
        yield tree
    elif isinstance(tree, Text):
        yield tree.value
    elif isinstance(tree, Mapping):
        for value in tree.values():  # pyright: ignore[reportUnknownVariableType]
            yield from _values(value)
    elif isinstance(tree, Sequence) and not isinstance(tree, str):
        for value in tree:  # pyright: ignore[reportUnknownVariableType]
            yield from _values(value)
