"""Settings of the mailer."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from mailer_svc.smtp_urls import parse_urls
from tocsin.addresses import parse_mailbox
from tocsin.config import ServiceSettings, StoreSettings
from tocsin.errors import InvalidInput

_PORTS = {"none": 25, "starttls": 587, "implicit": 465}


class MailerSettings(StoreSettings, ServiceSettings):
    """Everything that can be set for mailer_svc."""

    service: ClassVar[str] = "mailer"

    port: int = Field(9004, ge=0, le=65535, description="gRPC port; 0 takes any free one.")
    metrics_port: int = Field(9104, ge=0, le=65535, description="Port of the Prometheus endpoint /metrics; 0 takes any free one.")
    default_channel: Literal["", "email", "inbox"] = Field(
        "", description='Channel of messages that name none; empty: "email" if smtp_host is set, else "inbox".'
    )
    smtp_host: str = Field("", max_length=253, description="SMTP server; empty: there is no provider for email.")
    smtp_port: int = Field(0, ge=0, le=65535, description="Its port; 0: 587 with starttls, 465 with implicit, 25 with none.")
    smtp_tls: Literal["none", "starttls", "implicit"] = Field(
        "starttls", description="Encryption: STARTTLS (mandatory then), TLS from the first byte, or none."
    )
    smtp_ca_file: Path | None = Field(None, description="Certificates (PEM) to trust for the SMTP server instead of the system's.")
    smtp_username: str = Field("", description="User for AUTH; empty: no AUTH.")
    smtp_password: SecretStr | None = Field(None, description="The user's password.")
    smtp_fallbacks: SecretStr | None = Field(
        None,
        description="Further SMTP servers, each used while those before it do not work: URLs with blanks between, "
        "smtps://user:password@host:465, smtp+starttls://user:password@host:587 or smtp://host:25.",
    )
    smtp_from: str = Field("Tocsin <tocsin@localhost>", description='Sender: "ann@example.com" or "Ann <ann@example.com>".')
    smtp_helo: str = Field("", pattern=r"^[A-Za-z0-9.:\[\]-]*$", description="Name given with EHLO; empty: this host's.")
    smtp_connections: int = Field(16, ge=1, le=1000, description="Connections to the SMTP server at most; each carries one mail at a time.")
    smtp_connection_messages: int = Field(500, ge=1, description="Mails on one connection before it is replaced.")
    smtp_idle_seconds: float = Field(30.0, gt=0, description="An idle connection is closed after this long.")
    smtp_connect_timeout_seconds: float = Field(15.0, gt=0, description="Longest wait for a connection that is ready for mail.")
    smtp_command_timeout_seconds: float = Field(30.0, gt=0, description="Longest wait for the reply to a command.")
    smtp_end_timeout_seconds: float = Field(120.0, gt=0, description="Longest wait for the reply to a complete mail.")
    retry_initial_seconds: float = Field(
        60.0, gt=0, description="Upper bound of the wait before a mail is tried again that the server put off; doubles each time."
    )
    retry_longest_seconds: float = Field(1800.0, gt=0, description="Upper bound of the wait between attempts.")
    retry_critical_factor: float = Field(0.5, gt=0, description="Critical mails wait so many times as long between attempts.")
    retry_bulk_factor: float = Field(4.0, gt=0, description="Bulk mails wait so many times as long between attempts.")
    retry_attempts: int = Field(
        0, ge=0, description="Attempts at a mail that the server puts off before it is dead; 0: as many as fit before it expires."
    )
    expiry_seconds: float = Field(5 * 86400.0, gt=0, description="A mail that still waits this long after it was accepted is dead.")
    lease_seconds: float = Field(30.0, ge=3, description="Mails that a dead replica had claimed are taken over after this long.")
    render_processes: int = Field(
        2, ge=1, le=64, description="Processes that render templates which take long, at most; one tenant never has all of several."
    )
    render_cpu_seconds: float = Field(
        2.0, ge=1, le=60, description="Processor time of one rendering; what takes more is killed, and the message is dead."
    )
    render_megabytes: int = Field(256, ge=128, le=4096, description="Memory of a process that renders templates (its address space).")
    inbox_retention_seconds: float = Field(7 * 86400.0, gt=0, description="Messages of the inbox are kept this long.")
    delivery_retention_seconds: float = Field(
        30 * 86400.0, gt=0, description="Finished deliveries are kept this long; until then a repeated message is recognised."
    )
    cleanup_interval_seconds: float = Field(3600.0, gt=0, description="How often what is too old is removed.")

    @field_validator("smtp_fallbacks")
    @classmethod
    def _servers(cls, value: SecretStr | None) -> SecretStr | None:
        parse_urls(value.get_secret_value() if value else "")
        return value

    @field_validator("smtp_from")
    @classmethod
    def _one_sender(cls, value: str) -> str:
        try:
            parse_mailbox(value, field="it")
        except InvalidInput as error:
            raise ValueError(error.violations[0].description) from None
        return value

    @model_validator(mode="after")
    def _complete(self) -> "MailerSettings":
        if self.default_channel == "email" and not self.smtp_host:
            raise ValueError("TOCSIN_MAILER_DEFAULT_CHANNEL: email needs TOCSIN_MAILER_SMTP_HOST")
        if self.smtp_password is not None and not self.smtp_username:
            raise ValueError("TOCSIN_MAILER_SMTP_PASSWORD needs TOCSIN_MAILER_SMTP_USERNAME")
        if self.smtp_fallbacks is not None and not self.smtp_host:
            raise ValueError("TOCSIN_MAILER_SMTP_FALLBACKS needs TOCSIN_MAILER_SMTP_HOST, the server to use first")
        if self.smtp_username and self.smtp_tls == "none":
            raise ValueError("TOCSIN_MAILER_SMTP_USERNAME: a password is not sent without TLS; set TOCSIN_MAILER_SMTP_TLS")
        return self

    @property
    def resolved_smtp_port(self) -> int:
        """The port in force."""
        return self.smtp_port or _PORTS[self.smtp_tls]
