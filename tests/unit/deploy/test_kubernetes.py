"""The manifests of Kubernetes against the code: what is written is fresh, and the pods would start and be reached."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from deploy import cluster_secrets
from deploy.healthcheck import settings_kind
from deploy.kubernetes.__main__ import FOLDER, files, stale
from deploy.kubernetes.parts import SERVICES, Service, labels
from deploy.kubernetes.rendering import ItemWhen, Manifest, Text, Value, plain, template
from deploy.kubernetes.values import document
from tocsin.backups.installation import BackedUpInstallation
from tocsin.config import load
from tocsin.mesh.policy import policies

BASE = [
    resource
    for path, text in files().items()
    if path.parent == Path("k8s/base") and path.name != "kustomization.yaml"
    for resource in yaml.safe_load_all(text)
]


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    """The resources of the base of some kinds."""
    return [each for each in BASE if each["kind"] in kinds]


def named(kind: str, name: str) -> dict[str, Any]:
    """One resource of the base."""
    return next(each for each in of_kind(kind) if each["metadata"]["name"] == name)


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each pod with the name of what makes it."""
    for each in of_kind("Deployment", "StatefulSet", "Job"):
        yield each["metadata"]["name"], each["spec"]["template"]["spec"]


def pod(service: Service) -> dict[str, Any]:
    """The pod of a service."""
    return dict(pods())[service.resource]


def test_what_is_written_is_fresh(tmp_path: Path) -> None:
    """Nobody edits what is generated; the check sees a file that was changed, and one that is gone."""
    assert stale() == []
    copy = shutil.copytree(FOLDER, tmp_path / "deploy", symlinks=True)
    (copy / "k8s/base/auth.yaml").write_text("changed", "utf-8")
    (copy / "helm/tocsin/values.yaml").unlink()
    assert sorted(stale(copy)) == ["helm/tocsin/values.yaml", "k8s/base/auth.yaml"]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_service_would_start_with_its_settings(service: Service) -> None:
    """Every variable is one that the service reads, its files are where they are mounted, and its ports are those that are probed."""
    (container,) = pod(service)["containers"]
    secrets = {"database-url": "postgresql://a:b@c/d", "secret-key": "k" * 64, "url": "redis://a", "headers": "api-key=a"}

    def value(of: dict[str, Any]) -> str:
        source = of["valueFrom"]
        return "eu-central-1a" if "fieldRef" in source else secrets[source["secretKeyRef"]["key"]]

    given = {each["name"]: each["value"] if "value" in each else value(each) for each in container["env"]}
    image = {"TOCSIN_HOST": "0.0.0.0", "TOCSIN_STATE_DIR": "/var/lib/tocsin"}
    settings = load(settings_kind(service.name), {**image, **given})
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert (ports["grpc"], ports["metrics"]) == (settings.port, settings.metrics_port) == (service.port, service.metrics_port)
    assert ports.get("http") == getattr(settings, "http_port", None)
    assert container["args"] == ["serve", service.name]
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    wanted = [settings.tls_ca_file, settings.tls_cert_file, settings.tls_key_file, getattr(settings, "signing_key_file", None)]
    assert {str(file.parent) for file in wanted if file} | {str(settings.state_dir)} <= mounted
    assert getattr(settings, "database_migrate", False) is False
    assert settings.zone == "eu-central-1a"


def test_the_zone_is_that_of_the_pods_spread() -> None:
    """The label that a process reads its zone from is the one by which the scheduler spreads replicas."""
    for service in SERVICES:
        spec = pod(service)
        (zone,) = [each for each in spec["containers"][0]["env"] if each["name"] == "TOCSIN_ZONE"]
        label = spec["topologySpreadConstraints"][0]["topologyKey"]
        assert zone["valueFrom"] == {"fieldRef": {"fieldPath": f"metadata.labels['{label}']"}}


def test_the_chart_has_a_service_for_each_that_is_called() -> None:
    """The one template with ports that is written by hand says the same ones as the others."""
    text = (FOLDER / "helm/tocsin/templates/zones.yaml").read_text("utf-8")
    assert re.findall(r'"(\w+)" (\d+)', text) == [(each.short, str(each.port)) for each in SERVICES if each.name != "gateway"]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_target_leads_to_all_replicas(service: Service) -> None:
    """A target is a Service without an address of its own, whose selector is the pods' labels and whose port they listen on."""
    template = next(
        each["spec"]["template"] for each in of_kind("Deployment", "StatefulSet") if each["metadata"]["name"] == service.resource
    )
    assert template["metadata"]["labels"] == labels(service.name)
    for variable in pod(service)["containers"][0]["env"]:
        if variable["name"].endswith("_TARGET"):
            match = re.fullmatch(r"dns:///([a-z-]+):(\d+)", variable["value"])
            assert match is not None
            target = named("Service", match[1])["spec"]
            called = next(each for each in SERVICES if labels(each.name) == target["selector"])
            assert variable["name"] == f"TOCSIN_{called.short.upper()}_TARGET"
            assert target["clusterIP"] == "None"
            assert {"name": "grpc", "port": int(match[2]), "targetPort": "grpc"} in target["ports"]


def test_who_may_call_whom_is_what_the_contract_says() -> None:
    """Every arrow of the contract's internal methods is open, and no other; the gateway calls everybody."""
    arrows: dict[str, set[str]] = {"gateway": {each.name for each in SERVICES if each.name != "gateway"}}
    for path, policy in policies().items():
        owner = f"{path.split('.')[2]}_svc"
        if owner != "mesh_svc":
            for caller in policy.callers:
                arrows.setdefault(caller, set()).add(owner)
    assert {each.name: set(each.calls) for each in SERVICES} == arrows


def test_the_network_is_bounded_by_those_arrows() -> None:
    """A policy lets in exactly the callers, at the gRPC port, and everybody at the metrics port; the default is nothing at all."""
    everything = named("NetworkPolicy", "tocsin-nothing-else")["spec"]
    assert everything["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & everything.keys()
    for service in SERVICES:
        rules = named("NetworkPolicy", service.resource)["spec"]["ingress"]
        found = {
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
            for rule in rules
            if {"port": service.port} in rule["ports"]
            for peer in rule.get("from", ())
        }
        assert found == {each.name for each in SERVICES if service.name in each.calls}


@pytest.mark.parametrize(("name", "spec"), list(pods()), ids=[name for name, _ in pods()])
def test_every_pod_is_restricted(name: str, spec: dict[str, Any]) -> None:
    """Pod security "restricted", a read-only file system, no token of the cluster, and bounds."""
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        locked = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert container["securityContext"] == locked
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        if name != "tocsin-migrate":
            assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
            assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] == 120


def test_draining_fits_into_the_grace() -> None:
    """PreStop, drain_seconds and grace_seconds end before a pod is killed."""
    for service in SERVICES:
        spec, fields = pod(service), settings_kind(service.name).model_fields
        pause = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
        assert pause + fields["drain_seconds"].default + fields["grace_seconds"].default < spec["terminationGracePeriodSeconds"]


def test_only_the_gateway_has_a_volume_of_its_own() -> None:
    """Its spool is a file of each replica; whatever the others must keep lies in the database."""
    assert [each["metadata"]["name"] for each in of_kind("StatefulSet")] == ["tocsin-gateway"]
    assert {each["metadata"]["name"] for each in of_kind("PodDisruptionBudget")} == {each.resource for each in SERVICES}


def test_an_archive_is_a_volume_of_those_who_archive() -> None:
    """By a setting that the service has; in the base there is none, and the component adds what the chart has under its condition."""
    assert not [name for name, spec in pods() if "archive" in {each["name"] for each in spec["volumes"]}]
    component = yaml.safe_load((FOLDER / "k8s/components/archive/kustomization.yaml").read_text("utf-8"))
    (claim,) = yaml.safe_load_all(files()[Path("k8s/components/archive/archive.yaml")])
    for patch in component["patches"]:
        volume, mount, variable = (each["value"] for each in yaml.safe_load(patch["patch"]))
        service = next(each for each in SERVICES if each.resource == patch["target"]["name"])
        assert volume["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
        assert (variable["value"], mount["name"]) == (mount["mountPath"], volume["name"])
        settings: Any = load(settings_kind(service.name), {variable["name"]: variable["value"]})
        assert settings.archive_dir == Path(mount["mountPath"])
        chart = files()[Path(f"helm/tocsin/templates/{service.short}.yaml")]
        for part in (volume, mount, variable):
            assert f"- {json.dumps(part)}" in chart
    assert {patch["target"]["name"] for patch in component["patches"]} == {"tocsin-scheduler", "tocsin-mailer"}


def test_certificates_say_who_a_service_is() -> None:
    """The SPIFFE id that servers look for, and the name that clients look for, in the Secret that is mounted."""
    for service in SERVICES:
        spec = named("Certificate", f"{service.resource}-mesh")["spec"]
        assert spec["uris"] == [f"spiffe://tocsin.local/{service.name}"]
        assert spec["dnsNames"] == [service.name]
        assert {"name": "mesh", "secret": {"secretName": spec["secretName"]}} in pod(service)["volumes"]


def test_migrations_are_a_job_of_every_database() -> None:
    """One container for each service with a database, which is given that database's URL and no other secret."""
    containers = dict(pods())["tocsin-migrate"]["containers"]
    assert [each["args"] for each in containers] == [["migrate", each.short] for each in SERVICES if each.has_database]
    for container in containers:
        (variable,) = container["env"]
        assert variable["valueFrom"]["secretKeyRef"] == {"name": f"tocsin-{container['name']}", "key": "database-url"}


def test_a_backup_covers_every_database() -> None:
    """The CronJob's variables are settings of the services: each database by its own URL, with the secret of the installation."""
    job, claim, policy = yaml.safe_load_all(files()[Path("k8s/components/backup/backup.yaml")])
    spec = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    secrets = {"secret-key": "k" * 64}
    given = {
        each["name"]: each["value"]
        if "value" in each
        else secrets.get((of := each["valueFrom"]["secretKeyRef"])["key"], f"postgresql://a@{of['name']}/d")
        for each in container["env"]
    }
    installation = BackedUpInstallation.of({"TOCSIN_STATE_DIR": "/var/lib/tocsin", **given})
    assert {store.service: store.url for store in installation.stores} == {
        each.name: f"postgresql://a@{each.resource}/d" for each in SERVICES if each.has_database
    }
    assert installation.key_is_set
    mounted = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in spec["volumes"]}
    assert volumes[mounted[container["args"][1].rstrip("/")]]["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert policy["spec"]["podSelector"]["matchLabels"] == job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_a_value_is_a_lookup_in_the_chart_and_itself_in_the_base() -> None:
    """Both forms of one tree; a line that a condition leaves out is framed by it, and every value is documented."""
    tree = {
        "a": Value("image", "x:1"),
        "b": Value("replicas.auth", 2, unless=".Values.c"),
        "d": Text("s://{}/e", Value("trustDomain", "t")),
        "f": ["g", ItemWhen(".Values.h", {"i": "j"}), Value("image", "x:1")],
    }
    made = Manifest("m", [tree], when=".Values.on")
    assert plain(made, "# h\n") == "# h\na: x:1\nb: 2\nd: s://t/e\nf:\n- g\n- x:1\n"
    assert template(made, "# h\n").splitlines() == [
        "# h",
        "{{- if .Values.on }}",
        "a: {{ .Values.image | toJson }}",
        "{{- if not .Values.c }}",
        "b: {{ .Values.replicas.auth | toJson }}",
        "{{- end }}",
        'd: {{ printf "s://%s/e" .Values.trustDomain | toJson }}',
        "f:",
        "- g",
        "{{- if .Values.h }}",
        '- {"i": "j"}',
        "{{- end }}",
        "- {{ .Values.image | toJson }}",
        "{{- end }}",
    ]
    with pytest.raises(KeyError):
        document([Manifest("m", [{"a": Value("nobody.says.what", 1)}])], "")


def test_secrets_of_a_development_cluster_are_made_once(tmp_path: Path) -> None:
    """Their files are their owner's, the services would take them, and they are never made again."""
    folder = tmp_path / "secrets"
    cluster_secrets.main(folder)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    named_by_overlay = re.findall(r"secrets/([\w.]+)", (FOLDER / "k8s/overlays/dev/kustomization.yaml").read_text("utf-8"))
    assert {path.name for path in folder.iterdir()} == set(named_by_overlay)
    pem = (folder / "signing.pem").read_bytes()
    assert type(load_pem_private_key(pem, None)).__name__ == "Ed25519PrivateKey"
    with pytest.raises(SystemExit, match="stays as it is"):
        cluster_secrets.main(folder)
    assert (folder / "signing.pem").read_bytes() == pem
