"""Who may talk to whom (the arrows of docs/architecture.md), and the certificates by which they know each other."""

from typing import Any

from deploy.kubernetes.parts import SERVICES, TRUST_DOMAIN, Service, labels, metadata, service, spiffe_id
from deploy.kubernetes.rendering import Manifest, Text, Value

_DNS = {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}
_DATABASE = Value("network.databasePort", 5432)
_REDIS = Value("network.redisPort", 6379)
_COLLECTOR = Value("network.otlpPort", 4317)


def policies() -> Manifest:
    """Nothing may be reached but what is named; what reaches out may go anywhere, for its targets are the users' own."""
    every = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata("tocsin-nothing-else", "network"),
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "tocsin"}},
            "policyTypes": ["Ingress", "Egress"],
        },
    }
    return Manifest(
        "network",
        [every, *(_policy(each) for each in SERVICES), to_the_database("tocsin-migrate", "migrate")],
        when=".Values.network.policies",
    )


def _policy(of: Service) -> dict[str, Any]:
    callers = [each for each in SERVICES if of.name in each.calls]
    metrics: dict[str, Any] = {"ports": [{"port": of.metrics_port}], "from": [{"namespaceSelector": {}}]}
    ingress: list[dict[str, Any]] = [metrics]
    if of.name == "gateway":
        ingress.append({"ports": [{"port": 8000}, {"port": of.port}]})
    if callers:
        peers = [{"podSelector": {"matchLabels": labels(each.name)}} for each in callers]
        ingress.append({"ports": [{"port": of.port}], "from": peers})
    called = [{"ports": [{"port": service(name).port}], "to": [{"podSelector": {"matchLabels": labels(name)}}]} for name in of.calls]
    if of.reaches_out:
        egress: list[dict[str, Any]] = [{}]
    else:
        stores = [{"port": _DATABASE}] if of.has_database else []
        egress = [_DNS, *called, {"ports": [*stores, {"port": _REDIS}, {"port": _COLLECTOR}]}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(of.resource, of.name),
        "spec": {
            "podSelector": {"matchLabels": labels(of.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }


def to_the_database(name: str, component: str) -> dict[str, Any]:
    """A policy for pods that reach the database and nothing else, and that nobody reaches."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(name, component),
        "spec": {
            "podSelector": {"matchLabels": labels(component)},
            "policyTypes": ["Egress"],
            "egress": [_DNS, {"ports": [{"port": _DATABASE}]}],
        },
    }


def certificates() -> Manifest:
    """By cert-manager: an authority of the mesh, and a certificate with a SPIFFE id for each service, renewed in time."""
    authority = _certificate(
        "tocsin-mesh-authority",
        "mesh",
        {
            "isCA": True,
            "commonName": Text("{} mesh", TRUST_DOMAIN),
            "secretName": "tocsin-mesh-authority",
            "duration": "87600h",
            "issuerRef": {"name": "tocsin-mesh-root", "kind": "Issuer"},
        },
    )
    return Manifest(
        "certificates",
        [
            _issuer("tocsin-mesh-root", {"selfSigned": {}}),
            authority,
            _issuer("tocsin-mesh", {"ca": {"secretName": "tocsin-mesh-authority"}}),
            *(_leaf(each) for each in SERVICES),
        ],
        when=".Values.certificates.byCertManager",
    )


def _issuer(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": metadata(name, "mesh"), "spec": spec}


def _leaf(of: Service) -> dict[str, Any]:
    spec = {
        "secretName": f"{of.resource}-mesh",
        "duration": "2160h",
        "renewBefore": "720h",
        "usages": ["digital signature", "server auth", "client auth"],
        "uris": [spiffe_id(of)],
        # The name that a caller expects, whatever address it dialled.
        "dnsNames": [of.name],
        "issuerRef": {"name": "tocsin-mesh", "kind": "Issuer"},
    }
    return _certificate(f"{of.resource}-mesh", of.name, spec)


def _certificate(name: str, component: str, spec: dict[str, Any]) -> dict[str, Any]:
    key = {"algorithm": "ECDSA", "size": 256, "encoding": "PKCS8", "rotationPolicy": "Always"}
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": metadata(name, component),
        "spec": {**spec, "privateKey": key},
    }
