"""Settings of the processor."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator

from processor_svc.brokers.spec import BrokerSpec, SourceSpec, parse_brokers, parse_sources
from tocsin.config import EgressSettings, ServiceSettings, StoreSettings
from tocsin.pii import measures_of


class ProcessorSettings(EgressSettings, StoreSettings, ServiceSettings):
    """Everything that can be set for processor_svc."""

    service: ClassVar[str] = "processor"

    port: int = Field(9003, ge=0, le=65535, description="gRPC port; 0 takes any free one.")
    metrics_port: int = Field(9103, ge=0, le=65535, description="Port of the Prometheus endpoint /metrics; 0 takes any free one.")
    worker_concurrency: int = Field(1000, ge=1, le=100_000, description="Jobs of one scheduler that may be here at a time.")
    worker_critical_reserve: int = Field(
        100, ge=0, le=100_000, description="Critical jobs of one scheduler that are taken beyond the concurrency, so that they never wait."
    )
    worker_processes: int = Field(8, ge=1, le=1000, description="Processes for handlers of packages that are not async; each runs one.")
    worker_critical_processes: int = Field(2, ge=1, le=1000, description="Processes beside them that run handlers of critical jobs alone.")
    package_load_seconds: float = Field(30.0, gt=0, le=600, description="Longest time that a package of handlers may take to load.")
    delivery_batch_size: int = Field(200, ge=1, le=1000, description="Messages handed to the mailer in one batch, at most.")
    delivery_timeout_seconds: float = Field(10.0, gt=0, description="Longest wait for the mailer to store a message.")
    webhook_concurrency: int = Field(
        200, ge=1, le=10_000, description="Webhooks that are under way at once; each tenant has a quarter at most."
    )
    check_concurrency: int = Field(
        400, ge=1, le=10_000, description="Checks that are under way at once; each tenant has a quarter at most."
    )
    publish_concurrency: int = Field(
        200, ge=1, le=10_000, description="Messages to brokers that are under way at once; each tenant has a quarter at most."
    )
    brokers: SecretStr | None = Field(
        None, description="Brokers that publish actions may name: name=url with blanks between; see docs/brokers.md."
    )
    sources: SecretStr | None = Field(
        None, description="Streams, queues and topics whose messages become events: name=url with blanks between; see docs/brokers.md."
    )
    pii_defaults: tuple[str, ...] = Field(
        ("records=flag", "tasks=flag", "events=allow", "messages=allow"),
        description="What is done about personal data where no policy says anything: allow, flag, redact or block, by area.",
    )

    @field_validator("brokers")
    @classmethod
    def _broker_urls(cls, value: SecretStr | None) -> SecretStr | None:
        parse_brokers(value.get_secret_value() if value else "")
        return value

    @field_validator("sources")
    @classmethod
    def _source_urls(cls, value: SecretStr | None) -> SecretStr | None:
        parse_sources(value.get_secret_value() if value else "")
        return value

    @property
    def named_brokers(self) -> Mapping[str, BrokerSpec]:
        """What ``brokers`` says, by name."""
        return parse_brokers(self.brokers.get_secret_value() if self.brokers else "")

    @property
    def named_sources(self) -> Sequence[SourceSpec]:
        """What ``sources`` says."""
        return parse_sources(self.sources.get_secret_value() if self.sources else "")

    @field_validator("pii_defaults")
    @classmethod
    def _known_measures(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        measures_of(value)
        return value
