"""What goes on at both doors while every process is replaced: calls over gRPC, events, and a watch that hears what they fire."""

import asyncio
import itertools
import json
import random
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc

from tests.chaos.account import Account
from tocsin.api.auth.v1 import api_key_service_pb2, api_key_service_pb2_grpc
from tocsin.api.mailer.v1 import template_service_pb2, template_service_pb2_grpc
from tocsin.api.processor.v1 import record_service_pb2, record_service_pb2_grpc
from tocsin.api.scheduler.v1 import alarm_service_pb2, alarm_service_pb2_grpc, trigger_service_pb2, trigger_service_pb2_grpc
from tocsin.mesh.policy import MethodKind, policies
from tocsin.testing.waiting import eventually
from tocsin_client import AsyncClient
from tocsin_client.calls import RetryRule
from tocsin_client.models import Firing

PATIENT: Final = RetryRule(attempts=10_000, patience=600.0, longest_wait=1.0)
"""For clients of the library: on a machine that is loaded, a process takes long to come back."""

_TOPIC: Final = "rolling.update"
_CALL_SECONDS: Final = 120.0
_LATER: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)
"""After what a call is sent again that changes nothing by it, as `tocsin_client` does."""


def long_deadlines() -> str:
    """A policy file in which no unary call has less than two minutes: how busy the machine is decides nothing."""
    unary = (each for each in policies().values() if each.kind is MethodKind.UNARY_UNARY)
    rules = [{"method": each.path, "policy": {"timeout": f"{max(_CALL_SECONDS, each.timeout):g}s"}} for each in unary]
    return json.dumps({"rules": rules})  # which is YAML as well


class GrpcDoors:
    """The gRPC doors of two gateways, as a client has them that knows both: calls in turn, a door that does not report SERVING is left.

    gRPC's core (1.85) cancels what crosses the end of its server (grpc/grpc#24237): whoever does not watch loses calls to a restart.

    Attributes:
        again: calls that were sent again, by what was answered first.
    """

    def __init__(self, addresses: Sequence[str], key: str) -> None:
        """Connects with the first call."""
        turns = json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}})
        options = [("grpc.service_config", turns), ("grpc.enable_http_proxy", 0), ("grpc.max_reconnect_backoff_ms", 1000)]
        self._channel = grpc.aio.insecure_channel("ipv4:" + ",".join(addresses), options)
        self._sent: Any = {"metadata": (("authorization", f"Bearer {key}"),), "timeout": _CALL_SECONDS, "wait_for_ready": True}
        self.again = Counter[str]()
        alarms: Any = alarm_service_pb2_grpc.AlarmServiceStub(self._channel)
        records: Any = record_service_pb2_grpc.RecordServiceStub(self._channel)
        templates: Any = template_service_pb2_grpc.TemplateServiceStub(self._channel)
        keys: Any = api_key_service_pb2_grpc.ApiKeyServiceStub(self._channel)
        triggers: Any = trigger_service_pb2_grpc.TriggerServiceStub(self._channel)
        self._publish = triggers.PublishEvent
        self._calls = (
            lambda number: (records.SetRecord, record_service_pb2.SetRecordRequest(key=f"rolling-{number % 500}", value=str(number))),
            lambda _: (alarms.ListAlarms, alarm_service_pb2.ListAlarmsRequest(page_size=5)),
            lambda _: (templates.ListTemplates, template_service_pb2.ListTemplatesRequest(page_size=5)),
            lambda _: (keys.ListApiKeys, api_key_service_pb2.ListApiKeysRequest(page_size=5)),
            lambda _: (records.ListRecords, record_service_pb2.ListRecordsRequest(page_size=5)),
        )

    async def call(self, number: int) -> str:
        """A call to one of the four services behind the gateways, each in its turn."""
        method, request = self._calls[number % len(self._calls)](number)
        await self._answered(method, request)
        return type(request).__name__

    async def publish(self, event: str) -> None:
        """Publishes an event."""
        await self._answered(
            self._publish, trigger_service_pb2.PublishEventRequest(event=trigger_service_pb2.PublishedEvent(id=event, topic=_TOPIC))
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._channel.close()

    async def _answered(self, method: Any, request: Any) -> None:
        for attempt in itertools.count(1):
            try:
                await method(request, **self._sent)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _LATER or attempt == PATIENT.attempts:
                    raise
                self.again[f"{type(request).__name__}: {error.code().name}: {error.details()}"] += 1
            else:
                return
            await asyncio.sleep(random.uniform(0.05, 0.2))


class Events:
    """Events that an alarm listens to, published at every door in turn, and what a watch hears of their firings.

    Attributes:
        account: the events that were published, and those whose firings stand in the ledger as SUCCEEDED.
        heard: how often the watch told of the success of an event's firing.
        changes: how often it told each change, by its resume token.
    """

    def __init__(self, doors: GrpcDoors, clients: Sequence[AsyncClient]) -> None:
        """Publishes nothing yet."""
        self._doors = doors
        self._clients = clients
        self._alarm = ""
        self._mark = uuid.uuid4().hex[:8]
        self.account = Account()
        self.heard = Counter[str]()
        self.changes = Counter[str]()

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Makes the alarm; until the end of the context one watch listens."""
        made = await self._clients[0].create_alarm({"trigger": {"event": {"topic": _TOPIC}}, "action": {"task": {"handler": "noop"}}})
        self._alarm = made.name
        async with self._clients[0].watch_firings(alarm=made.name) as changes:
            listening = asyncio.create_task(self._listen(changes))
            try:
                yield
            finally:
                listening.cancel()
                await asyncio.wait([listening])
        if not listening.cancelled():
            listening.result()

    async def _listen(self, changes: Any) -> None:
        async for change in changes:
            self.changes[change.resume_token] += 1
            if change.firing.state == "SUCCEEDED":
                self.heard[_event_of(change.firing)] += 1
        msg = "the watch ended by itself"
        raise AssertionError(msg)

    async def publish(self, number: int) -> str:
        """Publishes one: over gRPC, or over REST at one of the gateways."""
        event = f"{self._mark}-{number}"
        self.account.attempted.add(event)
        door = number % (1 + len(self._clients))
        if door == 0:
            await self._doors.publish(event)
        else:
            await self._clients[door - 1].publish_event({"id": event, "topic": _TOPIC})
        self.account.accepted.add(event)
        return "gRPC" if door == 0 else "REST"

    async def settle(self, *, seconds: float = 300.0) -> None:
        """Waits until each has fired and was heard of, and completes the account."""
        try:
            await eventually(self._all_heard, seconds=seconds, what="that the watch has heard of every event")
        finally:
            fired = [each async for each in self._clients[0].list_firings(filter=f'alarm="{self._alarm}"', page_size=1000)]
            self.account.deliver(_event_of(each) for each in fired if each.state == "SUCCEEDED")
            self.account.unaccounted = sum(each.state != "SUCCEEDED" for each in fired)

    def _all_heard(self) -> bool:
        return self.account.accepted <= self.heard.keys()


def _event_of(firing: Firing) -> str:
    assert firing.context is not None
    event: Any = firing.context["event"]
    return str(event["id"])
