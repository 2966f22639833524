"""Settings: names, precedence, files, and errors that say what to change."""

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr, ValidationError

from tocsin.config import ConfigError, ServiceSettings, Settings, StoreSettings, describe, load


class SchedulerSettings(StoreSettings, ServiceSettings):
    service: ClassVar[str] = "scheduler"
    port: int = Field(default=9002, ge=0, le=65535, description="gRPC port.")
    shards: int = Field(default=256, ge=1, description="Shards.")
    zones: tuple[str, ...] = Field(default=("UTC", "CET"), description="Zones to warm up.")
    signing_key: SecretStr | None = Field(default=None, description="A secret of its own.")


class GatewaySettings(ServiceSettings):
    service: ClassVar[str] = "gateway"


def problems(env: dict[str, str], kind: type[Settings] = SchedulerSettings) -> list[str]:
    """What `load` finds wrong with an environment."""
    with pytest.raises(ConfigError) as caught:
        load(kind, env)
    return list(caught.value.problems)


def test_defaults_follow_the_state_folder() -> None:
    """Paths that are not set lie under the state folder and bear the service's name."""
    settings = load(SchedulerSettings, {"TOCSIN_STATE_DIR": "/srv/tocsin"})
    assert settings.service_name == "scheduler_svc"
    assert settings.tls_ca_file == Path("/srv/tocsin/pki/ca.pem")
    assert settings.tls_cert_file == Path("/srv/tocsin/pki/scheduler_svc.pem")
    assert settings.tls_key_file == Path("/srv/tocsin/pki/scheduler_svc-key.pem")
    assert settings.resolved_database_url == "sqlite+aiosqlite:////srv/tocsin/scheduler_svc.db"
    assert settings.resolved_database_schema == "scheduler_svc"
    assert load(GatewaySettings, {}).tls_cert_file == Path("var/pki/gateway.pem")


def test_direct_construction_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that makes settings itself gets what it asked for, whatever the environment holds."""
    monkeypatch.setenv("TOCSIN_PORT", "1")
    monkeypatch.setenv("PORT", "1")
    assert SchedulerSettings(state_dir=Path("/x"), port=7).port == 7
    assert SchedulerSettings(state_dir=Path("/x")).tls_ca_file == Path("/x/pki/ca.pem")


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mapping, `load` reads the process's environment."""
    monkeypatch.setenv("TOCSIN_SCHEDULER_SHARDS", "8")
    assert load(SchedulerSettings).shards == 8


@pytest.mark.parametrize(
    ("env", "host"),
    [
        ({}, "127.0.0.1"),
        ({"TOCSIN_HOST": ""}, "127.0.0.1"),
        ({"TOCSIN_HOST": "a"}, "a"),
        ({"TOCSIN_HOST": "a", "TOCSIN_SCHEDULER_HOST": "b"}, "b"),
        ({"TOCSIN_HOST": "a", "TOCSIN_SCHEDULER_HOST": ""}, "a"),
        ({"TOCSIN_MAILER_HOST": "c"}, "127.0.0.1"),
    ],
)
def test_precedence(env: dict[str, str], host: str) -> None:
    """The service's own name wins over the shared one; an empty value is no value; other services' names do not matter."""
    assert load(SchedulerSettings, env).host == host


def test_types() -> None:
    """Numbers, lists and choices are read from their text."""
    settings = load(
        SchedulerSettings,
        {
            "TOCSIN_SCHEDULER_PORT": "9100",
            "TOCSIN_DRAIN_SECONDS": "0.5",
            "TOCSIN_SCHEDULER_ZONES": "Europe/Paris, UTC,",
            "TOCSIN_LOG_FORMAT": "console",
            "TOCSIN_SCHEDULER_DATABASE_MIGRATE": "false",
        },
    )
    assert (settings.port, settings.drain_seconds, settings.log_format) == (9100, 0.5, "console")
    assert settings.zones == ("Europe/Paris", "UTC")
    assert settings.database_migrate is False


def test_a_shared_name_without_use_is_accepted() -> None:
    """One environment file serves all services, so the gateway accepts the shared name of a database it does not have."""
    load(GatewaySettings, {"TOCSIN_DATABASE_URL": "postgresql://db/tocsin", "TOCSIN_AUTH_TARGET": "auth:9001"})


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("TOCSIN_STATE_DIRR", "TOCSIN_STATE_DIR"),
        ("TOCSIN_SCHEDULER_SHARD", "TOCSIN_SCHEDULER_SHARDS"),
        ("TOCSIN_REDIS_URL_FILES", "TOCSIN_REDIS_URL_FILE"),
        ("tocsin_state_dir", "TOCSIN_STATE_DIR"),
        ("TOCSIN_SHARDS", "TOCSIN_SCHEDULER_SHARDS"),
    ],
)
def test_an_unknown_name_stops_the_start(name: str, suggestion: str) -> None:
    """A name that nobody reads is refused with the nearest that exists."""
    assert problems({name: "1"}) == [f"{name}: there is no such setting; did you mean {suggestion}?"]


def test_nonsense_gets_no_suggestion() -> None:
    """A name that resembles nothing is refused without a guess."""
    assert problems({"TOCSIN_XYZZY_QUUX_PLUGH": "1"}) == ["TOCSIN_XYZZY_QUUX_PLUGH: there is no such setting"]


def test_each_service_vouches_for_its_own_names() -> None:
    """A name with another service's prefix is that service's business."""
    load(SchedulerSettings, {"TOCSIN_MAILER_NONSENSE": "1", "TOCSIN_GATEWAY_HTTP_PORT": "8000"})
    assert problems({"TOCSIN_GATEWAY_NONSENSE": "1"}, GatewaySettings)


def test_everything_wrong_is_reported_at_once() -> None:
    """Each bad value is named by the variable it came from, with the reason."""
    found = problems(
        {
            "TOCSIN_SCHEDULER_PORT": "abc",
            "TOCSIN_METRICS_PORT": "70000",
            "TOCSIN_LOG_LEVEL": "loud",
            "TOCSIN_STATE_DIRR": "x",
            "TOCSIN_SCHEDULER_DATABASE_SCHEMA": "No Such",
        }
    )
    assert sorted(line.split(":")[0] for line in found) == [
        "TOCSIN_LOG_LEVEL",
        "TOCSIN_METRICS_PORT",
        "TOCSIN_SCHEDULER_DATABASE_SCHEMA",
        "TOCSIN_SCHEDULER_PORT",
        "TOCSIN_STATE_DIRR",
    ]
    assert any("valid integer" in line and "'abc'" in line for line in found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOCSIN_REDIS_URL", "http://user:hunter2@redis"),
        ("TOCSIN_SCHEDULER_DATABASE_URL", "mysql://user:hunter2@db/x"),
        ("TOCSIN_DATABASE_URL", "hunter2"),
    ],
)
def test_a_secret_is_never_shown(name: str, value: str) -> None:
    """A refused URL is named, and its password stays out of the message and of the settings' representation."""
    (found,) = problems({name: value})
    assert found.startswith(f"{name}: must be a URL that begins with ")
    assert "hunter2" not in found
    assert "hunter2" not in repr(load(SchedulerSettings, {"TOCSIN_REDIS_URL": "redis://:hunter2@redis"}))


def test_a_secret_may_be_a_file(tmp_path: Path) -> None:
    """`<NAME>_FILE` is read and its line end dropped, with the same precedence as the name itself."""
    file = tmp_path / "url"
    file.write_text("redis://:secret@redis/0\n")
    settings = load(SchedulerSettings, {"TOCSIN_REDIS_URL": "redis://shared", "TOCSIN_SCHEDULER_REDIS_URL_FILE": str(file)})
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://:secret@redis/0"


def test_a_secret_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The variable, the path and the reason are named."""
    missing = tmp_path / "missing"
    assert problems({"TOCSIN_REDIS_URL_FILE": str(missing)}) == [f"TOCSIN_REDIS_URL_FILE: cannot read {missing}: No such file or directory"]
    assert problems({"TOCSIN_REDIS_URL_FILE": str(tmp_path)}) == [f"TOCSIN_REDIS_URL_FILE: cannot read {tmp_path}: Is a directory"]
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    assert problems({"TOCSIN_REDIS_URL_FILE": str(binary)}) == [f"TOCSIN_REDIS_URL_FILE: cannot read {binary}: it is not UTF-8 text"]


def test_a_secret_given_twice(tmp_path: Path) -> None:
    """A value and a file for the same name contradict each other."""
    file = tmp_path / "url"
    file.write_text("redis://a")
    assert problems({"TOCSIN_REDIS_URL": "redis://b", "TOCSIN_REDIS_URL_FILE": str(file)}) == [
        "TOCSIN_REDIS_URL: set it or TOCSIN_REDIS_URL_FILE, not both"
    ]


def test_services_do_not_share_a_sqlite_file() -> None:
    """A SQLite file under the shared name would be every service's; PostgreSQL has a schema for each."""
    (found,) = problems({"TOCSIN_DATABASE_URL": "sqlite:///all.db"})
    assert "TOCSIN_SCHEDULER_DATABASE_URL" in found
    load(SchedulerSettings, {"TOCSIN_SCHEDULER_DATABASE_URL": "sqlite:///own.db"})
    load(SchedulerSettings, {"TOCSIN_DATABASE_URL": "postgresql://db/tocsin"})


def test_settings_do_not_change() -> None:
    """Settings are immutable, and take no unknown argument."""
    settings = SchedulerSettings()
    with pytest.raises(ValidationError):
        settings.port = 1
    with pytest.raises(ValidationError):
        SchedulerSettings(prot=1)  # pyright: ignore[reportCallIssue]  that it is refused is the point


def test_a_field_needs_a_description() -> None:
    """A setting that the READMEs could not explain is refused when its class is made."""
    with pytest.raises(TypeError, match=r"Bare\.value needs a description"):

        class Bare(Settings):  # pyright: ignore[reportUnusedClass]  making it is the test
            value: int = 1


def test_describe() -> None:
    """Documentation gets every setting's name, type, default and description."""
    rows = {row.name: row for row in describe(SchedulerSettings)}
    assert rows["TOCSIN_SCHEDULER_PORT"].default == "9002"
    assert rows["TOCSIN_SCHEDULER_ZONES"].default == "UTC,CET"
    assert rows["TOCSIN_SCHEDULER_ZONES"].type == "list, comma-separated"
    assert rows["TOCSIN_TLS_KEY_FILE"].default == "<state_dir>/pki/scheduler_svc-key.pem"
    assert rows["TOCSIN_LOG_FORMAT"].type == "json | console"
    assert rows["TOCSIN_DATABASE_URL"].type == "secret"
    assert rows["TOCSIN_DATABASE_MIGRATE"].default == "true"
    assert len(rows) == len(SchedulerSettings.model_fields)
    assert all(row.description for row in rows.values())


@pytest.mark.parametrize("kind", [SchedulerSettings, GatewaySettings, ServiceSettings])
def test_every_described_default_is_valid(kind: type[Settings]) -> None:
    """A default copied from the documentation into the environment is accepted."""
    env = {row.name: row.default for row in describe(kind) if "<" not in row.default}
    assert load(kind, env) == load(kind, {})
