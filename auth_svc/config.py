"""The settings of auth_svc."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from auth_svc.domain import LEAST, LONGEST, normalize_email
from tocsin.config import EgressSettings, ServiceSettings, StoreSettings
from tocsin.errors import InvalidInput
from tocsin.tenants import Quotas

_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]{1,253}(?::[0-9]{1,5})?")
_LOCALHOST: Final = "localhost"
_SCOPE: Final = re.compile(r"[a-z][a-z0-9_-]*:[a-z][a-z0-9_-]*\Z")


class AuthSettings(ServiceSettings, StoreSettings, EgressSettings):
    """What auth_svc needs besides the shared settings."""

    service: ClassVar[str] = "auth"

    port: int = Field(9001, ge=0, le=65535, description="gRPC port; 0 takes any free one.")
    metrics_port: int = Field(9101, ge=0, le=65535, description="Port of the Prometheus endpoint /metrics; 0 takes any free one.")

    signing_key_file: Path = Field(
        Path("{state_dir}/keys/signing.pem"),
        description="Ed25519 private key (PEM, mode 0600 or 0640) that signs tokens; made at the first start. Replicas share it.",
    )
    retired_key_files: tuple[Path, ...] = Field(
        (),
        description="Ed25519 public keys (PEM), or folders of them, published along with the signing key: retired keys, or the next one.",
    )
    access_token_seconds: int = Field(
        900, ge=30, le=3600, description="Life of an access token; gateways are told of sessions that end before."
    )
    refresh_token_seconds: int = Field(
        30 * 86400, ge=300, description="Life of a refresh token; each use begins it anew, until the session ends."
    )
    session_seconds: int = Field(90 * 86400, ge=300, description="Life of a session, however often it is continued.")
    tell_new_clients: bool = Field(
        True, description="Tells users by mail, and administrators by a security alert, of a sign-in by a client that was never seen."
    )
    registration: Literal["closed", "open", "unconfirmed"] = Field(
        "closed",
        description="Whether strangers may register a tenant of their own: open, once a mail has confirmed their address; unconfirmed, at "
        "once, which is for closed networks: with a mail server anybody could send through it.",
    )
    requests_per_hour: int = Field(
        20, ge=1, description="Registrations and password resets that one client address may ask for in an hour, at one replica."
    )
    bootstrap: bool = Field(
        True, description="Makes a tenant, an administrator and a development API key at the first start; see <state_dir>/dev-api-key."
    )
    bootstrap_email: str = Field("admin@example.com", description="Address that the first administrator signs in with.")

    passkey_rp_id: str = Field(
        "",
        max_length=253,
        description="Domain that passkeys are of (WebAuthn's relying party id); empty: the host of TOCSIN_PUBLIC_URL, and "
        "localhost where that is an address of this machine. Who changes it loses every passkey.",
    )
    passkey_origins: tuple[str, ...] = Field(
        (), description="Origins of pages that may use passkeys, such as https://console.example.com; none: that of TOCSIN_PUBLIC_URL."
    )

    password_min_length: int = Field(
        15,
        ge=LEAST,
        le=LONGEST,
        description="Characters that a new password needs: 15 where it is the only factor (NIST SP 800-63B-4), 8 at least.",
    )
    argon2_memory_kib: int = Field(19456, ge=7168, description="Memory that hashing one password takes, in KiB (OWASP: 19456).")
    argon2_iterations: int = Field(2, ge=1, description="Argon2id's passes over that memory (OWASP: 2).")
    argon2_parallelism: int = Field(1, ge=1, le=16, description="Argon2id's degree of parallelism (OWASP: 1).")
    password_threads: int = Field(2, ge=1, le=64, description="Passwords that are hashed at a time.")
    password_queue: int = Field(64, ge=0, description="Passwords that may wait for a thread; more are refused with a time to come back.")
    password_share: int = Field(8, ge=1, description="Passwords of one client address that may wait; clients are served in turn.")

    login_free_failures: int = Field(
        5, ge=1, description="Failed sign-ins to one account by one client before each further one has to wait."
    )
    login_client_failures: int = Field(30, ge=1, description="Failed sign-ins by one client address before each further one has to wait.")
    login_account_failures: int = Field(
        50,
        ge=1,
        description="Failed sign-ins to one account by all before each further one has to wait, unless its client has signed in before.",
    )
    login_longest_wait_seconds: float = Field(30.0, ge=1, le=300, description="Bound of that wait, which doubles from one second.")
    login_window_seconds: float = Field(900.0, ge=1, description="Time without an attempt after which failures are forgotten.")
    login_accounts: int = Field(
        10_000, ge=1, description="Accounts, clients, and pairs of both, whose failures one replica remembers, of each so many."
    )

    extra_scopes: tuple[str, ...] = Field(
        (),
        description="Scopes of other services behind the gateway, such as billing:read: administrators have them "
        "and may give them to keys.",
    )

    alert_window_seconds: int = Field(600, ge=1, description="Within so long the same security alert is one row with a count.")
    alert_retention_days: int = Field(90, ge=1, description="How long a security alert is kept after it last happened.")
    alert_files: int = Field(
        1000, ge=0, description="Files of security alerts in <state_dir>/error_reports; the oldest goes when there are more. 0 writes none."
    )

    audit_retention_days: int = Field(365, ge=1, description="How long an entry of the audit log is kept.")

    tenant_grace_days: float = Field(
        7.0, ge=0, le=365, description="For so long a tenant that was deleted can be undeleted, and may sign in and read."
    )

    quota_alarms: int = Field(0, ge=0, description="Alarms that a tenant may have; 0 is without bound.")
    quota_fires_per_minute: int = Field(0, ge=0, description="Firings of a tenant that may begin in a minute; 0 is without bound.")
    quota_messages_per_day: int = Field(0, ge=0, description="Messages of a tenant that may be sent in a day (UTC); 0 is without bound.")
    quota_storage_bytes: int = Field(0, ge=0, description="Bytes of records that a tenant may store; 0 is without bound.")

    @field_validator("extra_scopes")
    @classmethod
    def _are_scopes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [scope for scope in value if not _SCOPE.match(scope)]:
            msg = f"{', '.join(wrong)}: a scope is written as in billing:read"
            raise ValueError(msg)
        return value

    @field_validator("bootstrap_email")
    @classmethod
    def _is_email(cls, value: str) -> str:
        try:
            return normalize_email(value)
        except InvalidInput as error:
            raise ValueError(error.violations[0].description) from None

    @field_validator("passkey_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [origin for origin in value if not _ORIGIN.fullmatch(origin)]:
            msg = f"{', '.join(wrong)}: an origin is written as in https://console.example.com:8443"
            raise ValueError(msg)
        return value

    @property
    def relying_party(self) -> str:
        """The domain that passkeys are of; empty if there is none: an IP address is no domain, but this machine has a name."""
        host = self.passkey_rp_id or (urlsplit(self.public_url).hostname or "")
        address = _ip_address_of(host)
        if address is None:
            return host
        return _LOCALHOST if address.is_loopback else ""

    @property
    def relying_origins(self) -> tuple[str, ...]:
        """The origins of pages that may use passkeys."""
        url = urlsplit(self.public_url)
        if self.passkey_origins or not url.netloc:
            return self.passkey_origins
        address = _ip_address_of(url.hostname or "")
        if address is None or not address.is_loopback:
            return (f"{url.scheme}://{url.netloc}".lower(),)
        return (f"{url.scheme}://{_LOCALHOST}{'' if url.port is None else f':{url.port}'}",)

    @property
    def default_quotas(self) -> Quotas:
        """What a tenant may use unless the operator says otherwise."""
        return Quotas(
            alarms=self.quota_alarms,
            fires_per_minute=self.quota_fires_per_minute,
            messages_per_day=self.quota_messages_per_day,
            storage_bytes=self.quota_storage_bytes,
        )


def _ip_address_of(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
