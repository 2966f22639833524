"""Settings of the scheduler."""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from tocsin.config import ServiceSettings, StoreSettings


class SchedulerSettings(StoreSettings, ServiceSettings):
    """Everything that can be set for scheduler_svc."""

    service: ClassVar[str] = "scheduler"

    port: int = Field(9002, ge=0, le=65535, description="gRPC port; 0 takes any free one.")
    metrics_port: int = Field(9102, ge=0, le=65535, description="Port of the Prometheus endpoint /metrics; 0 takes any free one.")

    lease_seconds: float = Field(
        10.0,
        ge=1,
        le=300,
        description="Duration of a shard lease, renewed after a third of it. On PostgreSQL, the alarms of a frozen replica wait this long.",
    )
    horizon_seconds: float = Field(60.0, ge=2, le=3600, description="How far ahead of their due times alarms are loaded into memory.")
    index_limit: int = Field(200_000, ge=1000, description="Maximum number of alarms in memory; the rest stays in the database.")
    tick_milliseconds: float = Field(10.0, ge=1, le=1000, description="Width of a time-index bucket; does not limit precision.")
    heal_seconds: float = Field(1.0, gt=0, le=60, description="Interval of the database query for alarms whose hint was lost.")
    fire_batch_size: int = Field(1000, ge=1, le=10_000, description="Maximum number of alarms per firing transaction.")
    ledger_batch_size: int = Field(
        5000, ge=1, le=50_000, description="Maximum number of ledger rows per firing transaction; matters during catch-up."
    )
    missed_after_seconds: float = Field(30.0, ge=1, description="With catch-up NONE, a due time later than this is skipped as missed.")
    work_batch_size: int = Field(500, ge=1, le=5000, description="Maximum number of jobs per message to a processor.")
    work_lease_seconds: float = Field(
        30.0, ge=1, le=3600, description="How long a processor may hold a firing without a sign of life before it is delivered again."
    )
    result_batch_size: int = Field(2000, ge=1, le=20_000, description="Maximum number of results per transaction.")
    queue_limit: int = Field(
        50_000,
        ge=100,
        description="Maximum number of firings in memory per priority, and of those that wait for a retry; the rest stays in the database.",
    )
    lost_deliveries: int = Field(
        3, ge=1, le=100, description="Consecutive deliveries without a result that count as one failed attempt of a firing."
    )
    create_batch_size: int = Field(500, ge=1, le=5000, description="Maximum number of creates per transaction.")
    ledger_retention_days: float = Field(
        90.0,
        ge=0,
        description="How long finished firings are kept; 0 keeps them for ever. PostgreSQL removes them by whole months.",
    )
    archive_dir: Path | None = Field(
        None,
        description="Folder to which finished firings move, as Parquet files, instead of being removed; without one they are removed.",
    )
    incident_retention_days: float = Field(
        90.0,
        ge=0,
        description="How long incidents that are over are kept, with their alerts and timelines, and silences; 0 keeps them for ever.",
    )
    request_retention_days: float = Field(7.0, gt=0, description="How long the request_id of a create is remembered.")
    inbound_retention_days: float = Field(
        7.0, gt=0, description="How long events, readings and pings stay in the log, and how long a repeated event id is recognised."
    )
    pings_per_minute: int = Field(
        120, ge=0, description="Pings of one heartbeat that a replica takes in a minute; more are refused with 429. 0 takes all."
    )
    outage_seconds: float = Field(
        15.0, ge=3, description="After a longer time without any scheduler, a heartbeat whose ping may have been lost gets a new deadline."
    )
    intake_payloads_per_second: float = Field(
        50.0,
        ge=0.1,
        description="Payloads that one integration may send a second, after ten times as many at once; one costs more for each 64 KiB.",
    )
    cleanup_interval_seconds: float = Field(60.0, ge=1, description="Interval of the housekeeping rounds.")

    @model_validator(mode="after")
    def _archives_something(self) -> Self:
        if self.archive_dir is not None and not self.ledger_retention_days:
            msg = f"{self.setting_name('archive_dir')} has no effect while {self.setting_name('ledger_retention_days')} is 0"
            raise ValueError(msg)
        return self
