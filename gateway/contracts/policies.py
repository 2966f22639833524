"""The file of policies for contracts of other teams: what their methods may, how long they take, how they are shown.

Layers, of which a later one wins field by field: the defaults here, the options in the contract (tocsin/api/mesh/v1/policy.proto), the
rules of the file in their order. Who may call is never a default: a method that neither names a scope nor is public stops the start.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway.contracts.files import ContractRefused
from tocsin.durations import FORMS, seconds_of

MAX_BYTES: Final = 1024 * 1024
_MOST_PROBLEMS: Final = 20


def _seconds(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"must be {FORMS}")
    if (found := seconds_of(str(value))) is None:
        raise ValueError(f"must be {FORMS}")
    return float(found)


Seconds: TypeAlias = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=86_400)]
HeaderName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
Glob: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.*?/]+$", max_length=500)]
Scope: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*:[a-z][a-z0-9_-]*$", max_length=100)]


class _Strict(BaseModel):
    """A part of the file: nothing in it is unknown, and nothing is made to fit."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PrintingRules(_Strict):
    """How answers are written; see `tocsin.protojson.printing`."""

    names: Literal["json", "proto"] | None = None
    enums: Literal["names", "numbers"] | None = None
    defaults: Literal["never", "always"] | None = None
    int64: Literal["strings", "numbers"] | None = None
    indent: bool | None = None
    by_client: bool | None = None


class TranscodingRules(_Strict):
    """How requests are read and answers shown; see `gateway.transcoding.options`. What is None is said elsewhere."""

    status: Annotated[int, Field(ge=200, le=299)] | None = None
    unknown_parameters: Literal["refuse", "ignore"] | None = None
    ignored_parameters: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = None
    unknown_fields: Literal["refuse", "ignore"] | None = None
    enums: Literal["exact", "any-case"] | None = None
    fields_parameter: Annotated[str, Field(pattern=r"^\$?[A-Za-z][A-Za-z0-9_.-]*$", max_length=100)] | None = None
    forms: bool | None = None
    streams: Literal["lines", "array", "events"] | None = None
    printing: PrintingRules = PrintingRules()


class RetryRules(_Strict):
    """See `tocsin.mesh.retry.RetryRule`."""

    max_attempts: Annotated[int, Field(ge=1, le=10)] | None = None
    initial_backoff: Seconds | None = None
    max_backoff: Seconds | None = None
    codes: Annotated[frozenset[str], Field(min_length=1)] | None = None
    attempt_timeout: Seconds | None = None


class BreakerRules(_Strict):
    """See `tocsin.mesh.breaker.BreakerRule`."""

    window: Seconds | None = None
    minimum_calls: Annotated[int, Field(ge=1)] | None = None
    failure_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    slow_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    consecutive_failures: Annotated[int, Field(ge=1)] | None = None
    open: Seconds | None = None
    max_open: Seconds | None = None
    half_open_permits: Annotated[int, Field(ge=1)] | None = None


class MethodRules(_Strict):
    """What the file says of the methods that a pattern matches. What is None is said elsewhere."""

    exposed: bool | None = None
    public: bool | None = None
    scope: Scope | None = None
    timeout: Seconds | None = None
    rate_class: str | None = None
    criticality: Literal["critical", "normal", "sheddable"] | None = None
    idempotency: Literal["none", "idempotent", "no_side_effects"] | None = None
    max_request_bytes: Annotated[int, Field(ge=1)] | None = None
    retry: RetryRules = RetryRules()
    breaker: BreakerRules = BreakerRules()
    http: TranscodingRules = TranscodingRules()


class TlsRules(_Strict):
    """TLS to a service: whom it trusts, what its certificate must be for, what is shown of one's own."""

    ca_file: str | None = None
    server_name: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


class ContractRules(_Strict):
    """What the file says of one contract."""

    services: list[Glob] | None = None
    prefix: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)+$", max_length=200)] | None = None
    identity: Literal["headers", "token", "none"] = "headers"
    request_headers: list[HeaderName] = []
    response_headers: list[HeaderName] = []
    tls: TlsRules | bool = False
    health_check: bool = False
    http: TranscodingRules = TranscodingRules()


class Policies(_Strict):
    """The whole file."""

    contracts: dict[str, ContractRules] = {}
    methods: dict[Glob, MethodRules] = {}


def read_policies(path: Path) -> Policies:
    """The file of policies.

    Raises:
        ContractRefused: it cannot be read, or says what it must not; a line for each place.
    """
    try:
        raw = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        raise ContractRefused(f"it cannot be read: {error.strerror}") from error
    if raw is None:
        raise ContractRefused(f"it is larger than {MAX_BYTES:,} bytes")
    return parse_policies(raw)


def parse_policies(raw: bytes) -> Policies:
    """The policies in YAML.

    Raises:
        ContractRefused: as `read_policies`.
    """
    try:
        value: Any = yaml.load(raw.decode(), Loader=_PolicyLoader)  # noqa: S506 - a SafeLoader that refuses repeated keys
    except UnicodeDecodeError as error:
        raise ContractRefused("it is not UTF-8") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ContractRefused(f"it is not YAML: {' '.join(str(error).split())[:300]}") from error
    try:
        return Policies.model_validate({} if value is None else value)
    except ValidationError as error:
        raise ContractRefused("; ".join(_explained(error))) from error


def _explained(error: ValidationError) -> list[str]:
    found: dict[str, str] = {}
    for item in error.errors(include_url=False, include_input=False, include_context=False)[:_MOST_PROBLEMS]:
        place = ".".join(str(part) for part in item["loc"] if part not in ("TlsRules", "bool")) or "the file"
        reason = "there is no such key" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
        found.setdefault(place, f"{place}: {reason}")
    return list(found.values())


class _PolicyLoader(yaml.SafeLoader):
    """YAML without aliases, which could grow beyond any bound, and without repeated keys, of which only the last would count."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node.

        Raises:
            YAMLError: it is an alias.
        """
        parser: Any = self
        if parser.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not supported")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping.

        Raises:
            YAMLError: a key is there twice.
        """
        found: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        if len(found) != len(node.value):
            keys: list[str] = [str(key.value) for key, _ in node.value]
            twice = sorted({key for key in keys if keys.count(key) > 1})
            raise yaml.YAMLError(f"given twice: {', '.join(twice)} (line {node.start_mark.line + 1})")
        return found
