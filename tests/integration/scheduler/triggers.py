"""Callers of TriggerService, and what they say."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from tests.integration.scheduler.support import SCOPES, Rig
from tocsin.api.scheduler.v1 import (
    alarm_pb2,
    trigger_service_pb2,
    trigger_service_pb2_grpc,
)

ALL = (*SCOPES, "events:read", "events:write")


class Outside:
    """Callers of TriggerService."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        channel: Any = rig.mesh("gateway").channel("scheduler_svc")
        self.stub: Any = trigger_service_pb2_grpc.TriggerServiceStub(channel)

    def user(self, tenant: str = "t1") -> Any:
        """The context in which a user of the tenant calls."""
        return self.rig.user(tenant, scopes=ALL)

    async def publish(self, topic: str = "a.b", *, id: str = "", tenant: str = "t1", **data: Any) -> Any:  # noqa: A002  the contract's word
        """Publishes an event."""
        with self.user(tenant):
            return await self.stub.PublishEvent(trigger_service_pb2.PublishEventRequest(event=made(topic, id=id, **data)))

    async def record(self, value: float, *, metric: str = "m", **fields: Any) -> Any:
        """Records a reading."""
        reading = trigger_service_pb2.Reading(metric=metric, value=value, **fields)
        with self.user():
            return await self.stub.RecordReading(trigger_service_pb2.RecordReadingRequest(reading=reading))

    async def ping(self, key: str, *, tenant: str | None = None, scopes: Iterable[str] = ALL) -> Any:
        """Pings, without a token unless a tenant is given."""
        request = trigger_service_pb2.PingRequest(key=key)
        if tenant is None:
            return await self.stub.Ping(request)
        with self.rig.user(tenant, scopes=scopes):
            return await self.stub.Ping(request)

    async def logs(self, **query: Any) -> Any:
        """A page of the log."""
        with self.user():
            return await self.stub.ListTriggerLogs(trigger_service_pb2.ListTriggerLogsRequest(**query))

    async def stats(self, tenant: str = "t1") -> Any:
        """The counts."""
        with self.user(tenant):
            return await self.stub.GetTriggerStats(trigger_service_pb2.GetTriggerStatsRequest())


def made(topic: str = "a.b", *, id: str = "", **data: Any) -> trigger_service_pb2.PublishedEvent:  # noqa: A002  the contract's word
    """An event."""
    event = trigger_service_pb2.PublishedEvent(topic=topic, id=id)
    if data:
        event.data.update(data)
    return event


def on(topic: str, condition: str = "", **fields: Any) -> alarm_pb2.Trigger:
    """A trigger by events."""
    return alarm_pb2.Trigger(event=alarm_pb2.Event(topic=topic, filter=condition), **fields)


def above(value: float, *, seconds: float = 0, **fields: Any) -> alarm_pb2.Trigger:
    """A trigger by readings of the metric m."""
    threshold = alarm_pb2.Threshold(metric="m", comparison=alarm_pb2.Threshold.GREATER_THAN, value=value, **fields)
    threshold.for_duration.FromTimedelta(timedelta(seconds=seconds))
    return alarm_pb2.Trigger(threshold=threshold)


def beating(seconds: float, *, key: str = "", grace: float = 0, **fields: Any) -> alarm_pb2.Trigger:
    """A trigger by missing pings."""
    heartbeat = alarm_pb2.Heartbeat(key=key, **fields)
    heartbeat.every.FromTimedelta(timedelta(seconds=seconds))
    heartbeat.grace.FromTimedelta(timedelta(seconds=grace))
    return alarm_pb2.Trigger(heartbeat=heartbeat)
