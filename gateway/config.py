"""The settings of the gateway."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from gateway.limits import ADDRESS_DEFAULTS, TENANT_DEFAULTS
from gateway.secret_cache import KeyCacheRule
from gateway.trusted_proxies import ForwardedHeader, TrustedProxies
from tocsin.config import ServiceSettings
from tocsin.mesh.limits import LimitRule, parse_limits
from tocsin.mesh.policy import policies


class GatewaySettings(ServiceSettings):
    """What the gateway needs besides the shared settings. Its gRPC port is the edge's."""

    service: ClassVar[str] = "gateway"

    port: int = Field(8001, ge=0, le=65535, description="Port of the gRPC edge; 0 takes any free one.")
    metrics_port: int = Field(9100, ge=0, le=65535, description="Port of the Prometheus endpoint /metrics; 0 takes any free one.")
    http_port: int = Field(8000, ge=0, le=65535, description="Port of the HTTP server; 0 takes any free one.")
    http_backlog: int = Field(2048, ge=1, description="Connections that may wait to be accepted.")
    http_keep_alive_seconds: float = Field(75.0, ge=1, description="How long an idle HTTP connection stays open.")
    http_connections: int = Field(20_000, ge=1, description="Connections that the HTTP server takes in all; one more is answered 503.")
    http_address_connections: int = Field(
        1000,
        ge=1,
        description="How many of those may come from one address (IPv6: from one /64) that is no trusted proxy; one more is answered 429.",
    )
    grpc_connections: int = Field(20_000, ge=1, description="Connections that the gRPC edge takes in all; one more is closed at once.")
    grpc_address_connections: int = Field(
        1000,
        ge=1,
        description="How many of those may come from one address (IPv6: from one /64) that is no trusted proxy; the newest beyond are "
        "closed within seconds.",
    )
    grpc_idle_seconds: float = Field(
        300.0, ge=1, description="How long a connection of the gRPC edge without a call stays open; clients connect anew by themselves."
    )
    http_head_seconds: float = Field(
        10.0, gt=0, description="How long the head of a request may take, from the begin of its connection or from its first byte."
    )
    max_body_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, description="Largest request body over HTTP, whatever the contract allows a method."
    )
    body_timeout_seconds: float = Field(30.0, gt=0, description="How long a request body may take to arrive.")
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses and networks (10.0.0.0/8) of the proxies in front: what they say of a client's address is believed, "
        "and nobody else.",
    )
    forwarded_header: ForwardedHeader = Field(
        "x-forwarded-for", description="Which header those proxies write: x-forwarded-for or forwarded (RFC 7239); the other is not read."
    )
    public_tls_cert_file: Path | None = Field(
        None,
        description="Certificate chain (PEM) that both doors show to clients, which makes them speak TLS; read again when it changes. "
        "(TOCSIN_TLS_CERT_FILE is the one that services show each other.)",
    )
    public_tls_key_file: Path | None = Field(None, description="Its private key (PEM), without a passphrase.")
    cors_allow_origins: tuple[str, ...] = Field(
        (), description='Origins whose browsers may read answers, as in https://app.example.com; "*" for any; none unless set.'
    )
    contracts: tuple[str, ...] = Field(
        (),
        description="Contracts of other services to serve as well, as FILE@TARGET: a descriptor set, and its gRPC target, "
        "as in billing.binpb@dns:///billing:50051.",
    )
    policies: Path | None = Field(
        None, description="YAML file that says who may call the methods of TOCSIN_GATEWAY_CONTRACTS, how long they may take, and so on."
    )
    stream_hold_seconds: float = Field(
        1.0, ge=0, description="How long the head of a stream waits for its first message, so that an early error has its own status."
    )
    open_streams: int = Field(
        12_000, ge=1, description="Streams of all tenants that both doors have open at a time; an idle watch takes some 25 KB."
    )
    tenant_open_streams: int = Field(1000, ge=1, description="How many of those may be of one tenant.")
    stream_heartbeat_seconds: float = Field(15.0, ge=1, description="Silence on a stream after which a sign of life is sent.")
    api_key_cache_seconds: float = Field(
        60.0, ge=0, description="How long a known API key is not asked about again; one that lost a scope has it for that long."
    )
    api_key_stale_seconds: float = Field(600.0, ge=0, description="How long a known API key works while auth_svc cannot be asked.")
    api_key_refused_seconds: float = Field(5.0, ge=0, description="How long the refusal of an API key holds.")
    api_key_retry_seconds: float = Field(
        5.0, ge=0, description="Pause between two questions about one known API key while auth_svc cannot be asked."
    )
    api_key_capacity: int = Field(10_000, ge=1, description="Most API keys remembered.")
    session_cache_seconds: float = Field(
        2.0,
        ge=0,
        description="How long the session of a browser is not asked about again.",
    )
    health_cache_seconds: float = Field(1.0, ge=0, description="How long GET /health shows the same picture.")
    health_timeout_seconds: float = Field(1.0, ge=0.2, description="How long a service may take to tell its health.")
    spool_file: Path = Field(
        Path("{state_dir}/gateway-spool.db"),
        description="SQLite file of events, readings and pings that wait for the scheduler; a second gateway takes <name>-2.db.",
    )
    spool_limit: int = Field(100_000, ge=1, description="How many may wait; more are refused with 503. A quarter as many may be set aside.")
    spool_max_bytes: int = Field(256 * 1024 * 1024, ge=1024, description="Bytes of the requests that may wait.")
    spool_tenant_limit: int = Field(25_000, ge=1, description="How many calls of one tenant may wait.")
    spool_tenant_max_bytes: int = Field(64 * 1024 * 1024, ge=1024, description="Bytes of the requests of one tenant that may wait.")
    spool_stranger_limit: int = Field(2000, ge=0, description="How many pings without a token may wait; they take no place of tenants.")
    spool_address_limit: int = Field(200, ge=0, description="How many of those may come from one address (IPv6: from one /64).")
    idempotency_limit: int = Field(
        500_000, ge=1, description="Answers to requests with an Idempotency-Key that are kept for a day; the oldest beyond them go."
    )
    idempotency_tenant_limit: int = Field(200_000, ge=1, description="How many of those may be of one tenant.")
    idempotency_max_bytes: int = Field(512 * 1024 * 1024, ge=1024, description="Bytes of those answers.")
    rate_limits: str = Field(
        TENANT_DEFAULTS,
        description="Most calls of one tenant by rate class, over all replicas and both doors, as in read=1000/s,bulk=20/10m; "
        "unlimited lifts one; what is not named stays.",
    )
    address_rate_limits: str = Field(
        ADDRESS_DEFAULTS,
        description="The same for one client address (IPv6: one /64): sign-ins and the like (auth), other methods that need no token "
        "(public), and credentials that are not valid.",
    )
    access_log: bool = Field(True, description="Whether each request is logged, at level info.")

    @field_validator("trusted_proxies")
    @classmethod
    def _known_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        TrustedProxies(networks=value, header="forwarded")
        return value

    @field_validator("contracts")
    @classmethod
    def _whole_targets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """A target may name several addresses with commas between them."""
        found: list[str] = []
        for part in value:
            if "@" in part or not found:
                found.append(part)
            else:
                found[-1] += f",{part}"
        return tuple(found)

    @model_validator(mode="after")
    def _whole_certificate(self) -> "GatewaySettings":
        if (self.public_tls_cert_file is None) is not (self.public_tls_key_file is None):
            msg = "TOCSIN_GATEWAY_PUBLIC_TLS_CERT_FILE and TOCSIN_GATEWAY_PUBLIC_TLS_KEY_FILE: set both or neither"
            raise ValueError(msg)
        return self

    @field_validator("cors_allow_origins")
    @classmethod
    def _known_form(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            scheme, separator, rest = origin.partition("://")
            if origin != "*" and (scheme not in ("http", "https") or not separator or not rest or "/" in rest.rstrip("/")):
                msg = f"{origin!r} is not an origin such as https://app.example.com"
                raise ValueError(msg)
        return value

    @field_validator("rate_limits")
    @classmethod
    def _known_classes(cls, value: str) -> str:
        parse_limits(value, defaults=TENANT_DEFAULTS, known=_classes())
        return value

    @field_validator("address_rate_limits")
    @classmethod
    def _known_address_limits(cls, value: str) -> str:
        parse_limits(value, defaults=ADDRESS_DEFAULTS, known=_address_limits())
        return value

    @property
    def tenant_limits(self) -> Mapping[str, LimitRule]:
        """What ``rate_limits`` says, by rate class."""
        return parse_limits(self.rate_limits, defaults=TENANT_DEFAULTS, known=_classes())

    @property
    def address_limits(self) -> Mapping[str, LimitRule]:
        """What ``address_rate_limits`` says, by rate class, "public" and "credentials"."""
        return parse_limits(self.address_rate_limits, defaults=ADDRESS_DEFAULTS, known=_address_limits())

    def key_cache_rule(self, fresh_seconds: float) -> KeyCacheRule:
        """How long answers about secrets hold that are asked about again after ``fresh_seconds``."""
        return KeyCacheRule(
            fresh_seconds=fresh_seconds,
            stale_seconds=self.api_key_stale_seconds,
            refused_seconds=self.api_key_refused_seconds,
            retry_seconds=min(self.api_key_retry_seconds, fresh_seconds),
            capacity=self.api_key_capacity,
        )


def _classes() -> set[str]:
    """The rate classes of the contract's methods that the gateway serves."""
    return {policy.rate_class for policy in policies().values() if not policy.internal}


def _address_limits() -> set[str]:
    return {policy.rate_class for policy in policies().values() if policy.public} | {"public", "credentials"}
