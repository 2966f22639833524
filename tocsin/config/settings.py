"""The types of settings that every service builds on."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tocsin.config.features import DatabaseFeature
from tocsin.egress.addresses import AllowedTargets
from tocsin.otlp import endpoint_problem
from tocsin.setting_names import PREFIX

_FEWEST_SECRET = 32
_URL = re.compile(r"[a-z]+://[A-Za-z0-9.:\[\]-]{1,253}(/[A-Za-z0-9._~/-]{0,200})?")
_DATABASES = ("sqlite", "sqlite+aiosqlite", "postgresql", "postgresql+asyncpg")
_REDIS = ("redis", "rediss", "unix")


class Settings(BaseSettings):
    """The root of every settings type: immutable, and unknown names are refused.

    Made directly, it takes keyword arguments alone and never looks at the environment; `load` does.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    service: ClassVar[str] = ""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuses a field without a description: it would be missing from the READMEs."""
        super().__pydantic_init_subclass__(**kwargs)
        for name, field in cls.model_fields.items():
            if not field.description:
                msg = f"{cls.__name__}.{name} needs a description"
                raise TypeError(msg)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leaves keyword arguments as the only source."""
        return (init_settings,)

    @property
    def service_name(self) -> str:
        """The package's name, which is also the name on certificates and logs: "gateway", "auth_svc", ..."""
        return service_name(self.service)

    def setting_name(self, field: str) -> str:
        """The environment variable that sets ``field`` for this service alone."""
        return f"{PREFIX}{self.service.upper()}_{field.upper()}"


class MeshSettings(Settings):
    """How services find, trust and bound one another."""

    trust_domain: str = Field(
        default="tocsin.local", description="SPIFFE trust domain of the certificates, as in spiffe://<trust-domain>/<service>."
    )
    tls_ca_file: Path = Field(default=Path("{state_dir}/pki/ca.pem"), description="Certificates (PEM) of the authorities that are trusted.")
    tls_cert_file: Path = Field(default=Path("{state_dir}/pki/{service}.pem"), description="This service's certificate chain (PEM).")
    tls_key_file: Path = Field(default=Path("{state_dir}/pki/{service}-key.pem"), description="This service's private key (PEM).")
    auth_target: str = Field(
        default="127.0.0.1:9001", description="gRPC target of auth_svc: host:port, dns:///host:port; or a list of them with zones."
    )
    scheduler_target: str = Field(default="127.0.0.1:9002", description="gRPC target of scheduler_svc.")
    processor_target: str = Field(default="127.0.0.1:9003", description="gRPC target of processor_svc.")
    mailer_target: str = Field(default="127.0.0.1:9004", description="gRPC target of mailer_svc.")
    token_issuer: str = Field(default="https://tocsin.local", description="The issuer (iss) that tokens are signed with and checked for.")
    token_audience: str = Field(default="tocsin", description="The audience (aud) that tokens are signed for and checked for.")
    jwks_max_age_seconds: float = Field(
        default=300.0,
        ge=1,
        description="Published signing keys are fetched again after so long; one that was withdrawn then counts no more.",
    )
    audit_journal_max_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=0,
        description="Bytes of the audit log that may wait on the disk while auth_svc is away; what finds no room is counted.",
    )
    drain_seconds: float = Field(
        default=3.0, ge=0.5, description="Time between reporting NOT_SERVING and refusing new calls, when stopping."
    )
    grace_seconds: float = Field(default=10.0, ge=0, description="Time that running calls get to end, after drain_seconds.")
    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1024, description="Largest gRPC message sent or accepted.")
    max_metadata_bytes: int = Field(default=16 * 1024, ge=1024, description="Largest metadata of a gRPC call.")
    max_concurrent_streams: int = Field(default=1000, ge=1, description="Calls that one connection may have open at a time.")
    connection_age_seconds: float = Field(
        default=0.0,
        ge=0,
        description="Age at which connections to this process are renewed, so that calls reach new replicas; 0: never.",
    )
    max_streams: int = Field(default=800, ge=1, description="Streams of all tenants at one process; keep it below max_concurrent_streams.")
    tenant_streams: int = Field(default=50, ge=1, description="Watches and uploads of one tenant at one process.")
    tenant_bulk_streams: int = Field(default=4, ge=1, description="Imports, exports and audits of one tenant at one process.")
    tenant_compute_calls: int = Field(
        default=2, ge=1, description="Previews and the like of one tenant at a time; eight times as many wait."
    )
    tenant_list_calls: int = Field(default=4, ge=1, description="Lists of one tenant at a time at one process; eight times as many wait.")
    stream_stall_seconds: float = Field(default=60.0, gt=0, description="A stream whose reader takes nothing for so long is ended.")
    shed_lag_seconds: float = Field(
        default=0.5, gt=0, description="While the event loop lags by more than this, or a burst waits for twice as long, calls are refused."
    )
    adaptive_concurrency: bool = Field(
        default=False, description="Limits calls under way by how long calls take, whatever the event loop does (gradient)."
    )
    carriers: bool = Field(
        default=True,
        description="Lets calls ride on one stream between two processes where the contract says so; off, each goes by itself.",
    )
    loop_lag_warning_seconds: float = Field(
        default=0.1, ge=0.01, description="An event loop that stands for longer is told in the log, with the stack of what keeps it."
    )
    channelz: bool = Field(
        default=False,
        description="Serves what gRPC's core knows of servers, channels and sockets, to tokens with mesh:read (docs/howto/channelz.md).",
    )
    faults_enabled: bool = Field(default=False, description="Lets operators inject faults (delay, abort, drop) into calls; for tests.")
    mesh_policy_file: Path | None = Field(
        default=None, description="Rules that change policies of the mesh at run time (docs/mesh.md); watched."
    )
    keepalive_seconds: float = Field(default=30.0, ge=1, description="Interval of keepalive pings on idle connections.")
    zone: str = Field(
        default="", description="Where this process runs, such as eu-central-1a; calls prefer endpoints whose target says the same."
    )

    @property
    def service_targets(self) -> Mapping[str, str]:
        """gRPC targets of the services, by their names on certificates."""
        return {
            "auth_svc": self.auth_target,
            "scheduler_svc": self.scheduler_target,
            "processor_svc": self.processor_target,
            "mailer_svc": self.mailer_target,
        }


class RedisSettings(Settings):
    """The shared Redis, which is never the only copy of anything."""

    redis_url: SecretStr | None = Field(default=None, description="Redis URL; without one every limit and live event stays in the process.")
    redis_timeout_seconds: float = Field(default=1.0, gt=0, description="Longest wait for Redis to connect or to answer.")

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, value: SecretStr | None) -> SecretStr | None:
        return _with_scheme(value, _REDIS)


class TelemetrySettings(Settings):
    """Logs, traces and metrics."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least severe log line written.")
    log_format: Literal["json", "console"] = Field(default="json", description="JSON for machines, or colours for a terminal.")
    otlp_endpoint: str | None = Field(default=None, description="OTLP endpoint for traces, such as http://collector:4317; none: no export.")
    trace_sample_ratio: float = Field(default=1.0, ge=0, le=1, description="Share of new traces that are recorded, 0 to 1.")

    @field_validator("otlp_endpoint")
    @classmethod
    def _grpc_endpoint(cls, value: str | None) -> str | None:
        if value and (problem := endpoint_problem(value)):
            raise ValueError(problem)
        return value


class JsonSettings(Settings):
    """How JSON is converted (`tocsin.protojson.converters`)."""

    json_codec: Literal["protobuf-py", "protobuf"] = Field(
        default="protobuf-py",
        description="What converts JSON: protobuf-py, or google.protobuf (slow), which also steps in where protobuf-py cannot be imported.",
    )


class ServiceSettings(MeshSettings, RedisSettings, TelemetrySettings, JsonSettings):
    """What every service has. A subclass sets ``service`` to its short name and gives the two ports their defaults."""

    state_dir: Path = Field(default=Path("./var"), description="Folder for databases, keys, certificates and the development inbox.")
    secret_key: SecretStr | None = Field(
        default=None,
        description="Secret of the installation, from which keys are derived: 32 characters or more, the same for all replicas; none: "
        "<state_dir>/secret-key, made at the first start.",
    )
    public_url: str = Field(
        default="", description="Where people reach the gateway, as in https://alarms.example.com; empty: mails have no links to it."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    port: int = Field(default=0, ge=0, le=65535, description="gRPC port; 0 takes any free one.")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="Port of the Prometheus endpoint /metrics; 0 takes any free one.")

    @field_validator("secret_key")
    @classmethod
    def _long_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _FEWEST_SECRET:
            msg = f"must have {_FEWEST_SECRET} characters or more"
            raise ValueError(msg)
        return value

    @field_validator("public_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or not _URL.fullmatch(value)):
            msg = "must be a URL such as https://alarms.example.com, without a query"
            raise ValueError(msg)
        return value.rstrip("/")

    def public_link(self, path: str) -> str:
        """The URL at which people find ``path`` of the gateway, which begins with a slash; empty if nobody knows it."""
        return f"{self.public_url}{path}" if self.public_url else ""

    @model_validator(mode="before")
    @classmethod
    def _fill_paths(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """Fills ``{state_dir}`` and ``{service}`` into the default paths."""
        filled = dict(data)
        words = {"state_dir": filled.get("state_dir", cls.model_fields["state_dir"].default), "service": service_name(cls.service)}
        for name, field in cls.model_fields.items():
            if name not in filled and isinstance(field.default, Path):
                filled[name] = Path(str(field.default).format(**words))
        return filled


class StoreSettings(Settings):
    """A service's own database: a SQLite file, or a schema of a PostgreSQL database."""

    database_url: SecretStr | None = Field(
        default=None, description="postgresql://user:password@host/name or sqlite:///path; none: <state_dir>/<service>.db (SQLite)."
    )
    database_schema: str = Field(
        default="", pattern="^([a-z_][a-z0-9_]{0,62})?$", description="PostgreSQL schema of the service; empty: the service's name."
    )
    database_pool_size: int = Field(default=10, ge=1, le=1000, description="Connections that one process may open to the database.")
    database_connect_timeout_seconds: float = Field(default=5.0, gt=0, description="Longest wait for a connection to the database.")
    database_command_timeout_seconds: float = Field(default=30.0, gt=0, description="Longest wait for one statement on PostgreSQL.")
    database_migrate: bool = Field(default=True, description="Migrates the schema at start; otherwise `tocsin migrate` does.")
    database_without: tuple[DatabaseFeature, ...] = Field(
        default=(),
        description="Features of PostgreSQL to do without: advisory_locks, partitions, session_settings, transaction_ids. "
        "`partitions` and `transaction_ids` are settled by the first start on a database.",
    )

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        return _with_scheme(value, _DATABASES)

    @property
    def resolved_database_url(self) -> str:
        """The URL in force, in plain text."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        folder = getattr(self, "state_dir", Path("./var"))
        return f"sqlite+aiosqlite:///{folder / self.service_name}.db"

    @property
    def resolved_database_schema(self) -> str:
        """The PostgreSQL schema in force."""
        return self.database_schema or self.service_name


class EgressSettings(Settings):
    """HTTP requests to addresses that users give: webhooks and the like."""

    egress_allow: tuple[str, ...] = Field(
        default=(),
        description="Where requests to addresses that users give may go besides the public internet: networks such as 10.1.0.0/16, "
        "addresses, host names, or names below one such as .corp.example.",
    )

    @field_validator("egress_allow")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        AllowedTargets.parse(value)
        return value

    @property
    def allowed_targets(self) -> AllowedTargets:
        """What ``egress_allow`` says."""
        return AllowedTargets.parse(self.egress_allow)


def service_name(service: str) -> str:
    """The package of a service, which is also the name on certificates and logs."""
    return service if service in {"", "gateway"} else f"{service}_svc"


def _with_scheme(value: SecretStr | None, schemes: Sequence[str]) -> SecretStr | None:
    """Refuses a URL of another scheme, without showing it: it may hold a password."""
    if value is not None and value.get_secret_value().partition("://")[0] not in schemes:
        msg = f"must be a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
        raise ValueError(msg)
    return value
