"""Settings of the mailer."""

from pathlib import Path
from types import new_class
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, field_validator, model_validator

from mailer_svc.channels import table
from mailer_svc.channels.limits import HttpSettings, numbers
from tocsin.channels import CHANNELS, EMAIL_ADDRESS
from tocsin.config import EgressSettings, ServiceSettings, StoreSettings

if TYPE_CHECKING:
    from mailer_svc.channels.email import EmailSettings
    from mailer_svc.channels.push import PushSettings

    class ChannelSettings(EmailSettings, PushSettings):
        """Those that wiring reads."""
else:
    # Those of every channel in the table, less those that others hold already.
    _KINDS = dict.fromkeys(channel.settings for channel in table().values())
    ChannelSettings = new_class("ChannelSettings", tuple(kind for kind in _KINDS if not any(kind in other.__mro__[1:] for other in _KINDS)))


class MailerSettings(ChannelSettings, HttpSettings, EgressSettings, StoreSettings, ServiceSettings):
    """Everything that can be set for mailer_svc."""

    service: ClassVar[str] = "mailer"

    port: int = Field(9004, ge=0, le=65535, description="gRPC port; 0 takes any free one.")
    metrics_port: int = Field(9104, ge=0, le=65535, description="Port of the Prometheus endpoint /metrics; 0 takes any free one.")
    default_channel: str = Field("", description='Channel of messages that name none; empty: "email" if smtp_host is set, else "inbox".')
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
    archive_dir: Path | None = Field(
        None,
        description="Folder to which finished deliveries move, as Parquet files, instead of being removed; without one they are removed.",
    )
    rotation_retention_seconds: float = Field(
        400 * 86400.0, gt=0, description="What rotations were, and overrides that have ended, are kept this long."
    )
    bounce_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port that takes mail, by SMTP or LMTP: what comes back to TOCSIN_MAILER_SMTP_RETURN_PATH, replies to mails about "
        "incidents, and alerts for TOCSIN_MAILER_INTAKE_DOMAIN; 0: none is taken.",
    )
    intake_domain: str = Field(
        "",
        max_length=253,
        pattern=r"^([A-Za-z0-9]([A-Za-z0-9-]{0,62}\.)*[A-Za-z0-9-]{0,63})?$",
        description="Domain of the mail addresses of integrations, <key>@<domain>; mail to it has to reach TOCSIN_MAILER_BOUNCE_PORT. "
        "Empty: alerts do not come by mail.",
    )
    cleanup_interval_seconds: float = Field(3600.0, gt=0, description="How often what is too old is removed.")

    @field_validator("default_channel")
    @classmethod
    def _known_channel(cls, value: str) -> str:
        taking = [name for name in table() if CHANNELS[name] == EMAIL_ADDRESS]
        if value and value not in taking:
            raise ValueError(f"must be {' or '.join(taking)}, a channel that takes email addresses")
        return value

    @model_validator(mode="after")
    def _return_path(self) -> "MailerSettings":
        if self.bounce_port and not (self.smtp_return_path or self.intake_domain):
            raise ValueError(
                "TOCSIN_MAILER_BOUNCE_PORT needs TOCSIN_MAILER_SMTP_RETURN_PATH, the address of what comes there, or "
                "TOCSIN_MAILER_INTAKE_DOMAIN"
            )
        if self.intake_domain and not self.bounce_port:
            raise ValueError("TOCSIN_MAILER_INTAKE_DOMAIN needs TOCSIN_MAILER_BOUNCE_PORT, the port that its mail comes to")
        return self

    @model_validator(mode="after")
    def _complete(self) -> "MailerSettings":
        default = table().get(self.default_channel)
        if default is not None and not default.ready(self):
            raise ValueError(f"TOCSIN_MAILER_DEFAULT_CHANNEL: {default.missing}")
        bounded = (channel for channel in table().values() if issubclass(channel.settings, HttpSettings))
        names = {name for channel in bounded for name, _, _ in channel.configured(self)}
        for setting, entries in (("RATES", self.provider_rates), ("CONCURRENCY", self.provider_concurrency)):
            if unknown := numbers(entries).keys() - names:
                raise ValueError(
                    f"TOCSIN_MAILER_PROVIDER_{setting}: no provider {min(unknown)!r} is configured; there is {', '.join(sorted(names))}"
                )
        return self

    @property
    def reply_address(self) -> str:
        """What the addresses are made of that people answer mails about incidents at; empty: nobody reads answers."""
        return self.smtp_return_path if self.bounce_port else ""

    @property
    def resolved_default_channel(self) -> str:
        """The channel in force of messages that name none: the first of the contract that takes email addresses and can be used."""
        usable = (name for name, channel in table().items() if CHANNELS[name] == EMAIL_ADDRESS and channel.ready(self))
        return self.default_channel or next(usable)
