"""The manifests, the chart, the pod and the units by the programs that read them: kubectl, helm, systemd-analyze."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy import cluster_secrets
from tocsin.mesh.client.targets import parts, problems
from tocsin.mesh.labels import NO_LABELS

pytestmark = pytest.mark.operate

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
CHART = DEPLOY / "helm/tocsin"
CUSTOM = {"Certificate", "Issuer", "PrometheusRule", "ScaledObject", "ServiceMonitor"}
"""Kinds of cert-manager, of the Prometheus operator and of KEDA, which Kubernetes itself has no schema of."""
EVERYTHING = (
    "monitoring.enabled=true",
    "autoscaling.enabled=true",
    "keda.enabled=true",
    "backup.enabled=true",
    "archive.enabled=true",
    "ingress.host=a.example.com",
    "ingress.tlsSecret=a",
)
INSTALL = {
    "helm": "make deploy-check, which brings it, or https://helm.sh/docs/intro/install",
    "kubectl": "make deploy-check, which brings it, or https://kubernetes.io/docs/tasks/tools",
    "systemd-analyze": "apt-get install --yes --no-install-recommends systemd",
}


def run(program: str, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Runs a program of the system; without it the test fails with what installs it."""
    found = shutil.which(program)
    if found is None:
        pytest.fail(f"there is no {program}; install one: {INSTALL[program]}")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


def documents(text: str) -> list[dict[str, Any]]:
    """What a stream of YAML holds."""
    return [document for document in yaml.safe_load_all(text) if document]


def by_name(found: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Resources by kind and name, of which there is one each."""
    named = {(each["kind"], each["metadata"]["name"]): each for each in found}
    assert len(named) == len(found)
    return named


def require_valid(found: list[dict[str, Any]]) -> None:
    """Each is what Kubernetes' schemas say, without an unknown field; of other kinds there are those that are known."""
    for each in found:
        try:
            kubernetes_validate.validate(each, "1.34", strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            assert each["kind"] in CUSTOM


def chart(*values: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """`helm template` with some values set."""
    return run("helm", "template", "tocsin", str(CHART), *(f"--set={value}" for value in values), check=check)


@pytest.mark.parametrize("overlay", ["base", "overlays/dev", "overlays/production"])
def test_an_overlay_is_valid(overlay: str, tmp_path: Path) -> None:
    """Kubectl puts it together, and each resource is what the schemas say."""
    copy = shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets", ".env"), symlinks=True)
    cluster_secrets.main(copy / "k8s/overlays/dev/secrets")
    found = documents(run("kubectl", "kustomize", str(copy / "k8s" / overlay)).stdout)
    require_valid(found)
    assert {("StatefulSet", "tocsin-gateway"), ("Deployment", "tocsin-auth"), ("Job", "tocsin-migrate")} <= by_name(found).keys()


def test_production_scales_and_is_watched(tmp_path: Path) -> None:
    """Who is scaled has no number of replicas that the next apply would set again; rules and every dashboard are there."""
    found = by_name(documents(run("kubectl", "kustomize", str(DEPLOY / "k8s/overlays/production")).stdout))
    scaled = {
        each["spec"]["scaleTargetRef"]["name"] for (kind, _), each in found.items() if kind in ("HorizontalPodAutoscaler", "ScaledObject")
    }
    assert scaled == {"tocsin-gateway", "tocsin-auth", "tocsin-processor", "tocsin-mailer"}
    for (kind, name), each in found.items():
        if kind in ("Deployment", "StatefulSet"):
            assert ("replicas" in each["spec"]) is (name not in scaled)
    shown = {name for kind, name in found if kind == "ConfigMap" and name.startswith("tocsin-dashboard-")}
    assert shown == {f"tocsin-dashboard-{path.stem}" for path in (DEPLOY / "grafana").glob("*.json")}
    assert found["PrometheusRule", "tocsin"]["spec"] == yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text("utf-8"))


def test_the_chart_passes_its_linter() -> None:
    """With warnings as errors."""
    assert "0 chart(s) failed" in run("helm", "lint", "--strict", str(CHART)).stdout


@pytest.mark.parametrize(
    "values",
    [
        (),
        EVERYTHING,
        ("certificates.byCertManager=false", "network.policies=false"),
        (
            "gateway.storageClass=fast",
            "gateway.serviceType=LoadBalancer",
            "replicas.scheduler=3",
            "settings.mailer.TOCSIN_MAILER_SMTP_HOST=a",
        ),
    ],
    ids=["plain", "everything", "little", "changed"],
)
def test_the_chart_is_valid(values: tuple[str, ...]) -> None:
    """Whatever is switched on or off, each resource is what the schemas say."""
    require_valid(documents(chart(*values).stdout))


def test_the_chart_and_the_base_are_the_same() -> None:
    """Unless something is set, Helm and kustomize make the same resources: only what each does its own way differs."""
    ours = by_name(documents(run("kubectl", "kustomize", str(DEPLOY / "k8s/base")).stdout))
    theirs = by_name(documents(chart().stdout))

    def comparable(found: dict[tuple[str, str], dict[str, Any]]) -> dict[tuple[str, str], str]:
        """Without settings, whose names kustomize makes, and without annotations."""
        kept = {key: each for key, each in found.items() if key[0] != "ConfigMap"}
        for each in kept.values():
            for part in (each, each.get("spec", {}).get("template", {})):
                part.get("metadata", {}).pop("annotations", None)
            for container in each.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
                container.pop("envFrom", None)
        return {key: yaml.safe_dump(each) for key, each in kept.items()}

    assert comparable(theirs) == comparable(ours)


def test_an_archive_is_the_same_by_the_chart_and_by_the_component(tmp_path: Path) -> None:
    """The two services that archive have the volume and the setting that names it, and nobody else has either."""
    copy = shutil.copytree(DEPLOY / "k8s", tmp_path / "k8s")
    overlay = copy / "overlays/archive"
    overlay.mkdir()
    said = {"kind": "Kustomization", "resources": ["../../base"], "components": ["../../components/archive"]}
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump({"apiVersion": "kustomize.config.k8s.io/v1beta1", **said}), "utf-8")
    made = {"kubectl": documents(run("kubectl", "kustomize", str(overlay)).stdout), "helm": documents(chart("archive.enabled=true").stdout)}
    shapes: dict[str, Any] = {}
    for program, found in made.items():
        require_valid(found)
        resources = by_name(found)
        shapes[program] = {name: archiving(each) for (kind, name), each in resources.items() if kind == "Deployment"}
        assert resources["PersistentVolumeClaim", "tocsin-archive"]["spec"]["accessModes"] == ["ReadWriteMany"]
    assert shapes["helm"] == shapes["kubectl"]
    assert {name for name, shape in shapes["helm"].items() if any(shape)} == {"tocsin-scheduler", "tocsin-mailer"}


def archiving(workload: dict[str, Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """What a pod has of the archive: volumes, mounts and variables."""
    spec = workload["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    named = (spec["volumes"], container["volumeMounts"])
    volumes, mounts = ([each for each in parts if each["name"] == "archive"] for parts in named)
    return volumes, mounts, [each for each in container["env"] if each["name"].endswith("_ARCHIVE_DIR")]


def environment(workload: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The variables of its one container, by their names."""
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each for each in container["env"]}


def test_zones_with_a_name_are_called_first() -> None:
    """Each target lists all replicas and those of each zone, as the mesh reads it; each part is a Service that selects them."""
    done = chart("zones.names={eu-1a,eu-1b}", "zones.label=example.com/zone")
    found = by_name(documents(done.stdout))
    require_valid(list(found.values()))
    variables = environment(found["Deployment", "tocsin-mailer"])
    assert variables["TOCSIN_ZONE"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['example.com/zone']"
    targets = {name: each["value"] for name, each in variables.items() if name.endswith("_TARGET")}
    assert len(targets) == 4
    assert list(problems(targets, {})) == []
    for target in targets.values():
        everywhere, *zones = parts(target)
        assert everywhere.labels == NO_LABELS
        assert [part.labels.zone for part in zones] == ["eu-1a", "eu-1b"]
        for part in (everywhere, *zones):
            name, _, port = part.target.removeprefix("dns:///").rpartition(":")
            spec = found["Service", name]["spec"]
            base = found["Service", everywhere.target.removeprefix("dns:///").rpartition(":")[0]]["spec"]
            zone = {"example.com/zone": part.labels.zone} if part.labels.zone else {}
            assert (spec["clusterIP"], spec["selector"]) == ("None", base["selector"] | zone)
            assert {"name": "grpc", "port": int(port), "targetPort": "grpc"} in spec["ports"]


def test_a_zone_that_the_settings_name_wins() -> None:
    """What is the same for every pod of an installation stands in the settings; a variable of a pod would hide it."""
    found = by_name(documents(chart("settings.shared.TOCSIN_ZONE=rack-7").stdout))
    reference = {"name": "tocsin-settings-shared", "key": "TOCSIN_ZONE"}
    for kind, name in (("StatefulSet", "tocsin-gateway"), ("Deployment", "tocsin-auth")):
        assert environment(found[kind, name])["TOCSIN_ZONE"]["valueFrom"] == {"configMapKeyRef": reference}
    assert found["ConfigMap", reference["name"]]["data"]["TOCSIN_ZONE"] == "rack-7"


def test_every_service_is_told_how_to_export_its_spans() -> None:
    """Endpoint, protocol and attributes by the settings, headers by a Secret that may be missing; a service would start with them."""
    said = {
        "TOCSIN_OTLP_ENDPOINT": "http://collector:4318",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=production",
    }
    done = chart(*(f"settings.shared.{name}={value}" for name, value in said.items()), "network.otlpPort=4318")
    found = by_name(documents(done.stdout))
    require_valid(list(found.values()))
    assert found["ConfigMap", "tocsin-settings-shared"]["data"] == said
    secret = {"secretKeyRef": {"name": "tocsin-otlp", "key": "headers", "optional": True}}
    for (kind, _), each in found.items():
        if kind in ("Deployment", "StatefulSet"):
            assert environment(each)["OTEL_EXPORTER_OTLP_HEADERS"]["valueFrom"] == secret
            (container,) = each["spec"]["template"]["spec"]["containers"]
            assert {"configMapRef": {"name": "tocsin-settings-shared"}} in container["envFrom"]
    egress = found["NetworkPolicy", "tocsin-gateway"]["spec"]["egress"]
    assert any({"port": 4318} in rule.get("ports", ()) for rule in egress)


def test_the_chart_reads_alerts_and_dashboards_as_they_are() -> None:
    """Their braces are Prometheus' and Grafana's, and not Helm's."""
    found = by_name(documents(chart(*EVERYTHING).stdout))
    assert found["PrometheusRule", "tocsin"]["spec"] == yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text("utf-8"))
    for path in (DEPLOY / "grafana").glob("*.json"):
        assert found["ConfigMap", f"tocsin-dashboard-{path.stem}"]["data"] == {path.name: path.read_text("utf-8")}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("settings.shared.TOCSIN_TENANT_STREAMS=5", "must be a text: put it in quotes"),
        ("settings.shared.LOG_LEVEL=debug", "begin with TOCSIN_"),
        ("settings.shared.OTEL_EXPORTER_OTLP_HEADERS=a=b", "belongs into the Secret tocsin-otlp"),
        ("settings.shared.OTEL_EXPORTER_OTLP_TIMEOUT=5", "put it in quotes"),
        ("zones.names={a_b}", "zones.names: a_b cannot be part of the name of a Service"),
        ("zones.names={Zone}", "lower-case letters"),
        ("zones.names={-a}", "lower-case letters"),
        ("zones.names={7}", "zones.names: 7 cannot"),
    ],
)
def test_the_chart_refuses_settings_that_are_none(value: str, said: str) -> None:
    """A number that YAML would write its own way, a name that no service reads, a zone that no name can end with."""
    done = chart(value, check=False)
    assert done.returncode != 0
    assert said in done.stderr


def test_the_pod_is_valid() -> None:
    """It is a Pod of Kubernetes, which podman plays."""
    require_valid(documents((DEPLOY / "pod.yaml").read_text("utf-8")))


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units beside each other, with programs that exist."""
    copy = shutil.copytree(DEPLOY / "systemd", tmp_path / "units")
    for path in copy.glob("*.service"):
        text = path.read_text("utf-8").replace("/opt/tocsin/bin/tocsin", "/bin/true").replace("/opt/tocsin/bin/python", "/bin/true")
        path.write_text(text, "utf-8")
    return copy


def test_systemd_reads_the_units(units: Path) -> None:
    """No unit has a word that systemd does not know, and each that one names is there."""
    names = [
        "tocsin.target",
        "tocsin-certificates.service",
        "tocsin-certificates.timer",
        "tocsin-backup.service",
        "tocsin-backup.timer",
        "tocsin@gateway.service",
        "tocsin@auth_svc.service",
    ]
    for name in names[-2:]:
        shutil.copy(units / "tocsin@.service", units / name)
    done = run("systemd-analyze", "verify", "--man=no", *(str(units / name) for name in names), check=False)
    ours = [line for line in done.stderr.splitlines() if "tocsin" in line]
    assert not ours, done.stderr


@pytest.mark.parametrize("name", ["tocsin@.service", "tocsin-certificates.service", "tocsin-backup.service"])
def test_a_unit_may_do_little(units: Path, name: str) -> None:
    """By systemd's own measure (0 is safe, 10 is not) it has next to nothing to lose."""
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", str(units / name), check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]
