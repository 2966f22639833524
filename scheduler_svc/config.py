"""Settings of the scheduler."""

from typing import ClassVar

from pydantic import Field

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
        description="Length of a shard lease, renewed at a third: how long the alarms of a frozen replica wait on PostgreSQL.",
    )
    horizon_seconds: float = Field(60.0, ge=2, le=3600, description="How far ahead alarms are kept in memory.")
    index_limit: int = Field(200_000, ge=1000, description="Alarms in memory, at most; the others wait in the database.")
    tick_milliseconds: float = Field(10.0, ge=1, le=1000, description="Width of a bucket of the time index; does not bound the precision.")
    heal_seconds: float = Field(1.0, gt=0, le=60, description="Interval of the search for alarms whose hint was lost.")
    fire_batch_size: int = Field(1000, ge=1, le=10_000, description="Alarms that one firing transaction fires, at most.")
    ledger_batch_size: int = Field(
        5000, ge=1, le=50_000, description="Ledger rows that one firing transaction writes, at most; matters when catching up."
    )
    missed_after_seconds: float = Field(
        30.0, ge=1, description="With catch-up NONE, a due time that could not be fired within this is skipped as missed."
    )
    work_batch_size: int = Field(500, ge=1, le=5000, description="Jobs in one message to a processor, at most.")
    work_lease_seconds: float = Field(30.0, ge=1, le=3600, description="How long a processor may be silent about a firing.")
    result_batch_size: int = Field(2000, ge=1, le=20_000, description="Results that one transaction commits, at most.")
    queue_limit: int = Field(
        50_000, ge=100, description="Firings of one priority in memory, and as many that wait for a retry; the others wait in the database."
    )
    lost_deliveries: int = Field(
        3, ge=1, le=100, description="Deliveries in a row without a result that count as one failed attempt of a firing."
    )
    create_batch_size: int = Field(500, ge=1, le=5000, description="Creates that share one transaction, at most.")
    ledger_retention_days: float = Field(
        90.0,
        ge=0,
        description="How long finished firings are kept; 0 keeps them for ever. On PostgreSQL a month goes when all of it is over.",
    )
    request_retention_days: float = Field(7.0, gt=0, description="How long the request_id of a create is remembered.")
    inbound_retention_days: float = Field(
        7.0, gt=0, description="How long events, readings and pings are kept in the log, and the id of an event is known again."
    )
    outage_seconds: float = Field(
        15.0, ge=3, description="A longer time without any scheduler does not count against a heartbeat whose ping it may have swallowed."
    )
    cleanup_interval_seconds: float = Field(60.0, ge=1, description="Interval of the rounds that remove what is too old.")
