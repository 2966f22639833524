"""compose.yaml, .env.example and the Dockerfile against the code. Docker itself is not needed, and not tried."""

import fnmatch
import itertools
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from deploy.healthcheck import settings_kind
from deploy.passwords import main as make_passwords
from tests.unit.deploy.conftest import pairs
from tocsin.backups.installation import BackedUpInstallation
from tocsin.config import ServiceSettings, load

ROOT = Path(__file__).resolve().parents[3]
SERVICES = ("gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")


def settings_in_container(
    service: str, compose: dict[str, Any], optional: dict[str, dict[str, str]], image_env: dict[str, str]
) -> ServiceSettings:
    """What the service would read in its container: the image's, then its files below settings/, then compose's variables."""
    own = {name: re.sub(r"\$\{[^}]*\}", "secret" * 8, str(value)) for name, value in compose["services"][service]["environment"].items()}
    return load(settings_kind(service), {**image_env, **optional[service], **own})


def aliases(compose: dict[str, Any], service: str) -> set[str]:
    """Every name under which the service is reached."""
    networks = compose["services"][service].get("networks", {})
    return {service, *(alias for network in networks.values() for alias in network.get("aliases", ()))}


def test_the_services_are_the_packages_of_the_project(compose: dict[str, Any]) -> None:
    """Each of the five runs its own service from one image, and each is a package that is shipped."""
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(shipped) == {"tocsin", *SERVICES}
    for service in SERVICES:
        assert compose["services"][service]["command"] == ["serve", service]
        assert compose["services"][service]["image"] == compose["services"]["gateway"]["image"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_exists_and_is_valid(
    service: str, compose: dict[str, Any], optional: dict[str, dict[str, str]], image_env: dict[str, str]
) -> None:
    """The service would start with exactly these variables: unknown names and bad values stop it."""
    settings = settings_in_container(service, compose, optional, image_env)
    assert settings.host == "0.0.0.0"
    assert str(settings.state_dir) in {
        volume.split(":")[1] for volume in compose["services"][service]["volumes"] if isinstance(volume, str)
    }


@pytest.mark.parametrize("service", [service for service in SERVICES if service != "gateway"])
def test_every_target_leads_to_the_port_of_a_service(
    service: str, compose: dict[str, Any], optional: dict[str, dict[str, str]], image_env: dict[str, str]
) -> None:
    """Callers watch every replica behind a name that exists, at the port that the service listens on."""
    own = settings_in_container(service, compose, optional, image_env)
    for caller in SERVICES:
        target = getattr(settings_in_container(caller, compose, optional, image_env), f"{service.removesuffix('_svc')}_target")
        match = re.fullmatch(r"dns:///([a-z]+):(\d+)", target)
        assert match is not None
        assert match[1] in aliases(compose, service)
        assert int(match[2]) == own.port


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_have_replicas(service: str, compose: dict[str, Any]) -> None:
    """Nothing that only one container can have stands in the way of --scale."""
    assert not {"container_name", "ports", "hostname"} & compose["services"][service].keys()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_sees_its_own_keys_alone(
    service: str, compose: dict[str, Any], optional: dict[str, dict[str, str]], image_env: dict[str, str]
) -> None:
    """The part of the certificates' volume that is mounted is the service's own, and where its settings look."""
    settings = settings_in_container(service, compose, optional, image_env)
    mounts = [volume for volume in compose["services"][service]["volumes"] if isinstance(volume, dict)]
    assert [(mount["source"], mount["volume"]["subpath"], mount["read_only"]) for mount in mounts] == [("pki", service, True)]
    assert settings.tls_key_file == Path(mounts[0]["target"]) / f"{service}-key.pem"
    assert settings.tls_ca_file == Path(mounts[0]["target"]) / "ca.pem"


def test_waiting_for_health_needs_a_health_check(compose: dict[str, Any]) -> None:
    """A `service_healthy` on a service without a health check would wait for ever; the five wait for none of the five."""
    for name, service in compose["services"].items():
        for other, rule in service.get("depends_on", {}).items():
            if rule["condition"] == "service_healthy":
                assert "test" in compose["services"][other]["healthcheck"]
            assert name not in SERVICES or other not in SERVICES


def test_every_volume_is_declared_and_used(compose: dict[str, Any]) -> None:
    """The named volumes at the end are those that are mounted."""
    used: set[str] = set()
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            used.add(volume["source"] if isinstance(volume, dict) else volume.split(":")[0])
    assert {name for name in used if not name.startswith(".")} == set(compose["volumes"])


def test_everything_runs_without_privileges(compose: dict[str, Any]) -> None:
    """Our containers have no capabilities, a read-only file system, and never run as root."""
    for name in (*SERVICES, "backup", "certificates", "nginx", "prometheus", "alertmanager", "grafana", "mailpit"):
        service = compose["services"][name]
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", compose["services"]["nginx"]["user"])


def test_everything_has_bounds(compose: dict[str, Any]) -> None:
    """No container takes all memory, all process ids or the whole disk for its log, and each comes back and says how it is."""
    for name, service in compose["services"].items():
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name
        assert service["restart"] == ("no" if name in ("certificates", "backup") else "unless-stopped"), name
        assert "test" in service["healthcheck"] or name in ("certificates", "backup"), name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_what_is_optional_is_a_profile(compose: dict[str, Any]) -> None:
    """Without a profile the product alone runs; each third program stands in one, by a pinned version."""
    profiles = {name: tuple(service.get("profiles", ())) for name, service in compose["services"].items()}
    assert {name for name, own in profiles.items() if not own} == {*SERVICES, "certificates", "nginx", "postgres", "redis"}
    assert set(itertools.chain(*profiles.values())) == {"monitoring", "brokers", "mail", "backup"}
    for name, own in profiles.items():
        assert not own or own == ("backup",) or re.search(r":v?\d+\.\d+", compose["services"][name]["image"]), name


def test_the_databases_are_reached_by_the_services_alone(compose: dict[str, Any]) -> None:
    """They stand in a network of their own, from which nothing leads outside."""
    assert compose["networks"]["data"] == {"internal": True}
    there = {name for name, service in compose["services"].items() if "data" in service.get("networks", ())}
    assert there == {*SERVICES, "backup", "postgres", "redis"}
    assert compose["services"]["postgres"]["networks"] == compose["services"]["redis"]["networks"] == ["data"]


def test_every_variable_is_documented(compose: dict[str, Any], dotenv: dict[str, str]) -> None:
    """.env.example names what compose.yaml asks for, and each example says above each line what it is."""
    text = (ROOT / "deploy/compose.yaml").read_text("utf-8")
    assert set(re.findall(r"\$\{(\w+)", text)) == dotenv.keys()
    named = {entry["path"] for service in SERVICES for entry in compose["services"][service]["env_file"]}
    examples = sorted((ROOT / "deploy/settings").glob("*.example"))
    assert {f"settings/{path.stem}" for path in examples} <= named
    for path in (ROOT / "deploy/.env.example", *examples):
        for above, line in itertools.pairwise(path.read_text("utf-8").splitlines()):
            assert above or not re.match(r"\w+=", line), f"{path.name}: {line}"


def test_a_backup_covers_what_every_service_keeps(compose: dict[str, Any], image_env: dict[str, str]) -> None:
    """Its settings are those of all services; the state folder of each is its volume, and every schema is in one database."""
    own = compose["services"]["backup"]
    given = {name: re.sub(r"\$\{[^}]*\}", "secret" * 8, str(value)) for name, value in own["environment"].items()}
    installation = BackedUpInstallation.of({**image_env, **given})
    mounted = dict(volume.split(":") for volume in own["volumes"])
    assert {mounted[service.removesuffix("_svc")] for service in SERVICES} == set(map(str, installation.folders))
    assert mounted["pki"] == str(installation.state / "pki")
    assert {store.url for store in installation.stores} == {given["TOCSIN_DATABASE_URL"]}
    assert installation.key_is_set
    assert own["command"][1].rstrip("/") == mounted["backups"]
    dockerfile = (ROOT / "deploy/backup.Dockerfile").read_text("utf-8")
    assert mounted["backups"] in dockerfile
    (server,) = re.findall(r"^postgres:(\d+)", compose["services"]["postgres"]["image"])
    assert f"ARG POSTGRES_VERSION={server}\n" in dockerfile


def test_a_service_is_given_its_own_secrets_alone(compose: dict[str, Any], optional: dict[str, dict[str, str]]) -> None:
    """No container has a password that it has no use for, and no setting of another service."""
    for service in SERVICES:
        name = service.removesuffix("_svc").upper()
        own = compose["services"][service]
        assert [entry["path"] for entry in own["env_file"]] == ["settings/shared.env", f"settings/{name.lower()}.env"]
        given = set(re.findall(r"\$\{(\w+)", " ".join(map(str, own["environment"].values()))))
        database = set() if service == "gateway" else {f"{name}_DATABASE_PASSWORD"}
        assert given == {"REDIS_PASSWORD"} | database | ({"SECRET_KEY"} if service in ("auth_svc", "mailer_svc") else set())
        others = tuple(f"TOCSIN_{other.removesuffix('_svc').upper()}_" for other in SERVICES if other != service)
        assert not [variable for variable in optional[service] if variable.startswith(others)]
    assert "TOCSIN_MAILER_SMTP_PASSWORD" in optional["mailer_svc"]


def test_passwords_are_made_once(tmp_path: Path) -> None:
    """Each empty place gets one of its own; the file is its owner's, and is never made again."""
    (tmp_path / ".env.example").write_text((ROOT / "deploy/.env.example").read_text("utf-8"), "utf-8")
    make_passwords(tmp_path)
    made = pairs(tmp_path / ".env")
    secret = {name: value for name, value in made.items() if name.endswith("_PASSWORD") or name == "SECRET_KEY"}
    assert len(secret) == 9
    assert len(set(secret.values())) == len(secret)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in secret.values())
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SystemExit, match="stays as it is"):
        make_passwords(tmp_path)
    assert pairs(tmp_path / ".env") == made


def test_the_image_runs_as_an_ordinary_user() -> None:
    """The last USER is a number other than 0, so that Kubernetes can check it, and it owns the state folder."""
    dockerfile = (ROOT / "deploy/Dockerfile").read_text("utf-8")
    user, group = re.findall(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)[-1]
    assert int(user) > 0
    assert f"install -d -o {user} -g {group}" in dockerfile
    assert dockerfile.rindex("\nUSER ") < dockerfile.rindex("\nENTRYPOINT ")


def test_the_image_holds_everything_that_it_needs() -> None:
    """Each COPY finds its source, each source passes .dockerignore, and every shipped package is copied."""
    dockerfile = (ROOT / "deploy/Dockerfile").read_text("utf-8")
    sources = [word for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE) for word in line.split()[:-1]]
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in allowed), source
    assert {"tocsin", *SERVICES} <= set(sources)


def test_the_image_can_archive(compose: dict[str, Any]) -> None:
    """What writes Parquet is among what is installed, and the volume of the archive belongs to the user of the image."""
    dockerfile = (ROOT / "deploy/Dockerfile").read_text("utf-8")
    (lock,) = re.findall(r"--requirement (requirements/runtime\S+)", dockerfile)
    assert re.search(r"^pyarrow==", (ROOT / lock).read_text("utf-8"), re.MULTILINE)
    mounted = {
        name: [each for each in service.get("volumes", ()) if str(each).startswith("archive:")]
        for name, service in compose["services"].items()
    }
    ((place,),) = {tuple(each) for each in mounted.values() if each}
    assert {name for name, each in mounted.items() if each} == {"scheduler_svc", "mailer_svc"}
    assert f"install -d -o 10001 -g 10001 -m 0750 {place.partition(':')[2]}" in dockerfile


def test_the_image_holds_no_secret(image_env: dict[str, str]) -> None:
    """No variable of the image and no build argument carries a password, key or token."""
    arguments = re.findall(r"^ARG (\w+)", (ROOT / "deploy/Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert not [name for name in [*arguments, *image_env] if re.search("PASSWORD|SECRET|TOKEN|KEY|URL", name)]


def test_the_exposed_ports_are_the_default_ports(
    compose: dict[str, Any], optional: dict[str, dict[str, str]], image_env: dict[str, str]
) -> None:
    """EXPOSE lists each port that a service listens on when nothing is set."""
    line = re.search(r"^EXPOSE (.+)$", (ROOT / "deploy/Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert line is not None
    listening: set[int] = set()
    for service in SERVICES:
        settings = settings_in_container(service, compose, optional, image_env).model_dump()
        listening |= {settings[name] for name in ("port", "http_port", "grpc_port", "metrics_port") if settings.get(name)}
    assert {int(port) for port in line[1].split()} == listening
