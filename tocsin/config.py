"""Settings: one strict, documented type per service, read from the environment.

A shared setting ``state_dir`` is ``TOCSIN_STATE_DIR``; for the scheduler alone it is ``TOCSIN_SCHEDULER_STATE_DIR``, which wins. A
service's own settings exist with its prefix only. A secret may be a file instead: ``TOCSIN_REDIS_URL_FILE`` names one that holds the
value of ``TOCSIN_REDIS_URL``, as Docker and Kubernetes mount secrets. An empty value counts as not set. A list is written with commas.
Everything that is wrong is reported at once.
"""

import inspect
import os
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, cast

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tocsin.errors import InvalidInput

PREFIX = "TOCSIN_"
SERVICES = ("gateway", "auth", "scheduler", "processor", "mailer")
"""The short names; each gives a prefix such as ``TOCSIN_SCHEDULER_``."""

_SEQUENCES = (tuple, list, set, frozenset)
_DATABASES = ("sqlite", "sqlite+aiosqlite", "postgresql", "postgresql+asyncpg")
_REDIS = ("redis", "rediss", "unix")


class ConfigError(InvalidInput):
    """The settings are not valid."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Takes every problem found: each a line that names the environment variable and the reason."""
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


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
        return _service_name(self.service)


class MeshSettings(Settings):
    """How services find, trust and bound one another."""

    trust_domain: str = Field(
        default="tocsin.local", description="SPIFFE trust domain of the certificates, as in spiffe://<trust-domain>/<service>."
    )
    tls_ca_file: Path = Field(default=Path("{state_dir}/pki/ca.pem"), description="Certificates (PEM) of the authorities that are trusted.")
    tls_cert_file: Path = Field(default=Path("{state_dir}/pki/{service}.pem"), description="This service's certificate chain (PEM).")
    tls_key_file: Path = Field(default=Path("{state_dir}/pki/{service}-key.pem"), description="This service's private key (PEM).")
    auth_target: str = Field(default="127.0.0.1:9001", description="gRPC target of auth_svc, such as host:port or dns:///host:port.")
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
    drain_seconds: float = Field(
        default=3.0, ge=0.5, description="Time between reporting NOT_SERVING and refusing new calls, when stopping."
    )
    grace_seconds: float = Field(default=10.0, ge=0, description="Time that running calls get to end, after drain_seconds.")
    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1024, description="Largest gRPC message sent or accepted.")
    max_metadata_bytes: int = Field(default=16 * 1024, ge=1024, description="Largest metadata of a gRPC call.")
    max_concurrent_streams: int = Field(default=1000, ge=1, description="Calls that one connection may have open at a time.")
    max_streams: int = Field(default=800, ge=1, description="Streams of all tenants at one process; keep it below max_concurrent_streams.")
    tenant_streams: int = Field(default=50, ge=1, description="Watches and uploads of one tenant at one process.")
    tenant_bulk_streams: int = Field(default=4, ge=1, description="Imports, exports and audits of one tenant at one process.")
    tenant_compute_calls: int = Field(
        default=2, ge=1, description="Previews and the like of one tenant at a time; eight times as many wait."
    )
    tenant_list_calls: int = Field(default=4, ge=1, description="Lists of one tenant at a time at one process; eight times as many wait.")
    stream_stall_seconds: float = Field(default=60.0, gt=0, description="A stream whose reader takes nothing for so long is ended.")
    shed_lag_seconds: float = Field(
        default=0.5, gt=0, description="While the event loop lags by more than this, calls beyond what the service can do are refused."
    )
    loop_lag_warning_seconds: float = Field(
        default=0.1, ge=0.01, description="An event loop that stands for longer is told in the log, with the stack of what keeps it."
    )
    faults_enabled: bool = Field(default=False, description="Lets operators inject faults (delay, abort, drop) into calls; for tests.")
    keepalive_seconds: float = Field(default=30.0, ge=1, description="Interval of keepalive pings on idle connections.")


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
    otlp_endpoint: str | None = Field(
        default=None, description="OTLP/gRPC endpoint for traces, such as http://collector:4317; none: no export."
    )
    trace_sample_ratio: float = Field(default=1.0, ge=0, le=1, description="Share of new traces that are recorded, 0 to 1.")


class ServiceSettings(MeshSettings, RedisSettings, TelemetrySettings):
    """What every service has. A subclass sets ``service`` to its short name and gives the two ports their defaults."""

    state_dir: Path = Field(default=Path("./var"), description="Folder for databases, keys, certificates and the development inbox.")
    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 in a container.")
    port: int = Field(default=0, ge=0, le=65535, description="gRPC port; 0 takes any free one.")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="Port of the Prometheus endpoint /metrics; 0 takes any free one.")

    @model_validator(mode="before")
    @classmethod
    def _fill_paths(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """Fills ``{state_dir}`` and ``{service}`` into the default paths."""
        filled = dict(data)
        words = {"state_dir": filled.get("state_dir", cls.model_fields["state_dir"].default), "service": _service_name(cls.service)}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting, as documentation shows it."""

    name: str
    type: str
    default: str
    description: str


S = TypeVar("S", bound=Settings)


def load(kind: type[S], env: Mapping[str, str] | None = None) -> S:
    """Reads the settings of ``kind`` from ``env``, the process environment unless given.

    Raises:
        ConfigError: a name is unknown, a value is not valid, or a secret's file cannot be read.
    """
    source = _Environment(kind, os.environ if env is None else env)
    values = source()
    problems = [*source.unknown(), *source.problems]
    try:
        settings = kind(**values)
    except ValidationError as error:
        raise ConfigError([*problems, *source.explain(error)]) from None
    if problems:
        raise ConfigError(problems)
    return settings


def describe(kind: type[Settings]) -> list[Row]:
    """Every setting of ``kind``, in the order of its fields, by the name under which it is usually set."""
    own = set(inspect.get_annotations(kind)) if kind.service else set[str]()
    return [
        Row(
            name=_names(kind, name)[0] if name in own else _names(kind, name)[-1],
            type=_type_name(field.annotation),
            default=_default(kind, field),
            description=field.description or "",
        )
        for name, field in kind.model_fields.items()
    ]


class _Environment(PydanticBaseSettingsSource):
    """Finds the fields of a settings type in a set of environment variables, and remembers what each came from."""

    def __init__(self, kind: type[Settings], env: Mapping[str, str]) -> None:
        super().__init__(kind)
        self._kind = kind
        self._env = {name: value for name, value in env.items() if name.upper().startswith(PREFIX) and value}
        self._origin: dict[str, str] = {}
        self.problems: list[str] = []

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field in self._kind.model_fields.items():
            value, origin, _ = self.get_field_value(field, name)
            if value is not None:
                self._origin[name] = origin
                found[name] = value
        return found

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        for name in _names(self._kind, field_name):
            raw = self._read(name, secret=_is_secret(field.annotation))
            if raw is not None:
                self._check_own_file(name, field_name, raw)
                return self._parse(name, field, raw), name, False
        return None, field_name, False

    def _read(self, name: str, *, secret: bool) -> str | None:
        """The text of ``name``, or of the file that ``<name>_FILE`` points at."""
        value, path = self._env.get(name), self._env.get(f"{name}_FILE") if secret else None
        if path is None:
            return value
        if value is not None:
            self.problems.append(f"{name}: set it or {name}_FILE, not both")
            return value
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8 text"
            self.problems.append(f"{name}_FILE: cannot read {path}: {reason}")
            return None

    def _check_own_file(self, name: str, field_name: str, raw: str) -> None:
        """A SQLite file belongs to one service; services that shared one would mix up their tables."""
        if field_name == "database_url" and self._kind.service and name == _shared_name(field_name) and raw.startswith("sqlite"):
            own = _names(self._kind, field_name)[0]
            self.problems.append(f"{name}: services cannot share a SQLite file; set {own} or TOCSIN_STATE_DIR")

    def _parse(self, name: str, field: FieldInfo, raw: str) -> Any:
        if typing.get_origin(field.annotation) in _SEQUENCES:
            return [part.strip() for part in raw.split(",") if part.strip()]
        if not self.field_is_complex(field):
            return raw
        try:
            return self.decode_complex_value(name, field, raw)
        except ValueError as error:
            self.problems.append(f"{name}: not valid JSON: {error}")
            return None

    def unknown(self) -> Iterator[str]:
        """A line for each name that nobody reads, with the nearest one that exists."""
        known = _known(self._kind)
        # What the command and the SDK read (TOCSIN_CLIENT_URL, TOCSIN_CLIENT_API_KEY) may stand in the environment of a service.
        others = tuple(f"{PREFIX}{owner.upper()}_" for owner in (*SERVICES, "client") if owner != self._kind.service)
        for name in sorted(self._env):
            if name in known or name.startswith(others):
                continue
            near = self._nearest(name.upper(), known)
            yield f"{name}: there is no such setting" + (f"; did you mean {near}?" if near else "")

    def _nearest(self, name: str, known: set[str]) -> str | None:
        prefixed = name.replace(PREFIX, f"{PREFIX}{self._kind.service.upper()}_", 1)
        exact = [candidate for candidate in (name, prefixed) if candidate in known]
        return next(iter(exact or get_close_matches(name, known, n=1)), None)

    def explain(self, error: ValidationError) -> Iterator[str]:
        """A line for each value that was refused; a secret's value is never shown."""
        for item in error.errors(include_url=False):
            field_name = str(item["loc"][0]) if item["loc"] else ""
            reason = item["msg"].removeprefix("Value error, ")
            field = self._kind.model_fields.get(field_name)
            if field is None:
                yield reason
                continue
            name = self._origin.get(field_name) or _names(self._kind, field_name)[0]
            shown = "" if item["type"] == "missing" or _is_secret(field.annotation) else f" (got {self._env.get(name, '')!r})"
            yield f"{name}: {reason}{shown}"


def _service_name(service: str) -> str:
    return service if service in {"", "gateway"} else f"{service}_svc"


def _shared_name(field: str) -> str:
    return PREFIX + field.upper()


def _names(kind: type[Settings], field: str) -> list[str]:
    """The environment names of a field, the winner first."""
    own = [f"{PREFIX}{kind.service.upper()}_{field.upper()}"] if kind.service else []
    return [*own, _shared_name(field)] if field in _shared() or not own else own


def _shared() -> set[str]:
    """The fields that may be set for all services at once."""
    return {*ServiceSettings.model_fields, *StoreSettings.model_fields}


def _known(kind: type[Settings]) -> set[str]:
    """Every name that a service of this kind accepts; a shared one that it has no use for is another's."""
    fields = {**ServiceSettings.model_fields, **StoreSettings.model_fields, **kind.model_fields}
    names = {name: fields[field] for field in fields for name in [*_names(kind, field), *_shared_names(field)]}
    return {*names, *(f"{name}_FILE" for name, field in names.items() if _is_secret(field.annotation))}


def _shared_names(field: str) -> list[str]:
    return [_shared_name(field)] if field in _shared() else []


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in typing.get_args(annotation)


def _with_scheme(value: SecretStr | None, schemes: Sequence[str]) -> SecretStr | None:
    """Refuses a URL of another scheme, without showing it: it may hold a password."""
    if value is not None and value.get_secret_value().partition("://")[0] not in schemes:
        msg = f"must be a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
        raise ValueError(msg)
    return value


def _type_name(annotation: Any) -> str:
    """What a person calls the type."""
    if typing.get_origin(annotation) is Literal:
        return " | ".join(str(choice) for choice in typing.get_args(annotation))
    if typing.get_origin(annotation) in _SEQUENCES:
        return "list, comma-separated"
    inner = [part for part in typing.get_args(annotation) if part is not type(None)]
    if len(inner) == 1:
        return _type_name(inner[0])
    words = {str: "text", SecretStr: "secret", Path: "path", bool: "true | false", int: "integer", float: "number"}
    return words.get(annotation, "JSON")


def _default(kind: type[Settings], field: FieldInfo) -> str:
    """The default as it would be written in the environment; empty when there is none."""
    default: Any = None if field.is_required() else field.get_default(call_default_factory=False)
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, _SEQUENCES):
        return ",".join(str(part) for part in cast("Sequence[object]", default))
    return str(default).replace("{state_dir}", "<state_dir>").replace("{service}", _service_name(kind.service) or "<service>")
