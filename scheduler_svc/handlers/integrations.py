"""IntegrationService."""

from collections.abc import Sequence
from typing import Any, Final

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask

from scheduler_svc.domain.incident_words import AlertEvent, IncidentSeverity
from scheduler_svc.domain.intake.alerts import ReceivedAlert as ReadAlert
from scheduler_svc.domain.intake.generic import PayloadMapping as StoredMapping
from scheduler_svc.domain.intake.generic import ValueSource as StoredSource
from scheduler_svc.domain.intake.integrations import Integration as StoredIntegration
from scheduler_svc.domain.intake.integrations import IntegrationKind, KeptPayload
from scheduler_svc.domain.intake.integrations import PayloadReceipt as StoredReceipt
from scheduler_svc.handlers.times import set_instant
from scheduler_svc.service.integrations import Integrations, IntegrationSpec
from tocsin.api.scheduler.v1 import incident_service_pb2
from tocsin.api.scheduler.v1 import integration_service_pb2 as pb
from tocsin.api.scheduler.v1 import integration_service_pb2_grpc as rpc
from tocsin.listing import FilterField, parse_filter
from tocsin.masks import fields_to_change
from tocsin.mesh.context import principal
from tocsin.mesh.validation import RequestValidator
from tocsin.pages import Listing, list_page
from tocsin.stored import int32

Context = grpc.aio.ServicerContext[Any, Any]
Severity = incident_service_pb2.Incident.Severity

_COLLECTION: Final = "integrations/"
_POLICIES: Final = "escalationPolicies/"
_FILTER: Final = {"text": FilterField(operators=("=",))}
_WRITABLE: Final = ("display_name", "kind", "escalation_policy", "default_severity", "mapping", "by_group", "paused")
_SOURCES: Final = (
    ("title", "title"),
    ("description", "description"),
    ("severity", "severity"),
    ("key", "dedup_key"),
    ("state", "state"),
    ("url", "url"),
)
_SHOWN: Final = 100
_JSON: Final = "-H 'Content-Type: application/json'"
_ALERT: Final = '{"status": "firing", "labels": {"alertname": "Test"}, "fingerprint": "test"}'
_EXAMPLES: Final = {
    IntegrationKind.ALERTMANAGER: (
        f"""curl "$URL/v1/integrations/$KEY/alertmanager" {_JSON} -d '{{"version": "4", "status": "firing", "alerts": [{_ALERT}]}}'"""
    ),
    IntegrationKind.GRAFANA: (
        f"""curl "$URL/v1/integrations/$KEY/grafana" {_JSON} -d '{{"version": "1", "status": "firing", "alerts": [{_ALERT}]}}'"""
    ),
    IntegrationKind.PAGERDUTY: (
        f"""curl "$URL/v2/enqueue" {_JSON} -d '{{"routing_key": "'"$KEY"'", "event_action": "trigger", "dedup_key": "test", """
        """"payload": {"summary": "Test", "source": "curl", "severity": "info"}}'"""
    ),
    IntegrationKind.CLOUDEVENTS: (
        """curl "$URL/v1/integrations/$KEY/cloudevents" -H 'Content-Type: application/cloudevents+json' """
        """-d '{"specversion": "1.0", "id": "1", "source": "/curl", "type": "test.firing", "subject": "test"}'"""
    ),
    IntegrationKind.GENERIC: f"""curl "$URL/v1/integrations/$KEY/generic" {_JSON} -d '{{}}'""",
    IntegrationKind.EMAIL: "curl --url smtp://$HOST --mail-from test@example.com --mail-rcpt $KEY@$HOST -T mail.txt",
}


class IntegrationHandlers(rpc.IntegrationServiceServicer):
    """Manages integrations of the caller's tenant."""

    def __init__(self, *, integrations: Integrations, validator: RequestValidator) -> None:
        self._integrations = integrations
        self._validator = validator

    async def CreateIntegration(self, request: pb.CreateIntegrationRequest, context: Context) -> pb.Integration:
        """Makes an integration."""
        given = request.integration
        made, key = await self._integrations.create(principal().tenant, integration=_id(given.name), spec=_spec(given))
        return integration_message(made, key=key)

    async def GetIntegration(self, request: pb.GetIntegrationRequest, context: Context) -> pb.Integration:
        """Reads an integration."""
        return integration_message(await self._integrations.get(principal().tenant, _id(request.name)))

    async def ListIntegrations(self, request: pb.ListIntegrationsRequest, context: Context) -> pb.ListIntegrationsResponse:
        """Lists integrations, by name."""
        tenant = principal().tenant

        wanted = {condition.field: str(condition.value) for condition in parse_filter(request.filter, fields=_FILTER)}

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[StoredIntegration], tuple[str] | None]:
            after = behind[0] if behind else ""
            found, further = await self._integrations.page(tenant, after=after, size=most, text=wanted.get("text", ""))
            return found, (further,) if further is not None else None

        listing = Listing(f"integrations/{tenant} {request.filter}".rstrip(), (str,))
        found, more = await list_page(request, listing, read=read, show=integration_message, place=lambda item: (item.id,))
        return pb.ListIntegrationsResponse(integrations=found, next_page_token=more)

    async def UpdateIntegration(self, request: pb.UpdateIntegrationRequest, context: Context) -> pb.Integration:
        """Changes fields of an integration."""
        given = request.integration
        self._validator.check(pb.GetIntegrationRequest(name=given.name))
        mask = FieldMask(paths=fields_to_change(request.update_mask, given, _WRITABLE))

        def change(stored: StoredIntegration) -> IntegrationSpec:
            whole = integration_message(stored)
            mask.MergeMessage(given, whole, replace_message_field=True, replace_repeated_field=True)
            self._validator.check(pb.CreateIntegrationRequest(integration=whole))
            return _spec(whole)

        tenant = principal().tenant
        return integration_message(await self._integrations.update(tenant, _id(given.name), etag=given.etag, change=change))

    async def DeleteIntegration(self, request: pb.DeleteIntegrationRequest, context: Context) -> Empty:
        """Removes an integration and its payloads."""
        await self._integrations.delete(principal().tenant, _id(request.name), etag=request.etag)
        return Empty()

    async def RotateIntegrationKey(self, request: pb.RotateIntegrationKeyRequest, context: Context) -> pb.Integration:
        """Gives an integration another key."""
        changed, key = await self._integrations.rotate(principal().tenant, _id(request.name))
        return integration_message(changed, key=key)

    async def TryIntegration(self, request: pb.TryIntegrationRequest, context: Context) -> pb.TryIntegrationResponse:
        """Shows what a payload would do."""
        read = await self._integrations.attempt(
            principal().tenant,
            _id(request.name),
            payload=request.payload,
            content_type=request.content_type,
            mapping=_mapping(request.mapping) if request.HasField("mapping") else None,
        )
        return pb.TryIntegrationResponse(alerts=map(_alert, read.alerts[:_SHOWN]), total=len(read.alerts))

    async def ListIntegrationPayloads(
        self, request: pb.ListIntegrationPayloadsRequest, context: Context
    ) -> pb.ListIntegrationPayloadsResponse:
        """Lists the last payloads of an integration."""
        tenant, integration = principal().tenant, _id(request.name)

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[KeptPayload], None]:
            return await self._integrations.payloads(tenant, integration, before=behind[0] if behind else "", size=most), None

        listing = Listing(f"integrations/payloads/{tenant}/{integration}", (str,))
        found, more = await list_page(request, listing, read=read, show=_payload, place=lambda item: (item.id,))
        return pb.ListIntegrationPayloadsResponse(payloads=found, next_page_token=more)


def integration_message(integration: StoredIntegration, *, key: str = "") -> pb.Integration:
    """An integration as clients see it; with its key only when that was just made."""
    message = pb.Integration(
        name=integration.name,
        display_name=integration.display_name,
        kind=pb.Integration.Kind.ValueType(int32(integration.kind)),
        key=key,
        escalation_policy=f"{_POLICIES}{integration.policy}" if integration.policy else "",
        default_severity=Severity.ValueType(int32(integration.severity)),
        by_group=integration.by_group,
        paused=integration.paused,
        example=_EXAMPLES.get(integration.kind, ""),
        etag=integration.etag,
        damaged=integration.damaged,
    )
    if integration.mapping is not None:
        message.mapping.CopyFrom(_mapping_message(integration.mapping))
    set_instant(message.create_time, integration.created)
    set_instant(message.update_time, integration.updated)
    set_instant(message.last_payload_time, integration.received)
    return message


def receipt_message(receipt: StoredReceipt) -> pb.PayloadReceipt:
    """A receipt as clients see it."""
    return pb.PayloadReceipt(
        alerts=int32(receipt.alerts),
        opened=int32(receipt.opened),
        counted=int32(receipt.counted),
        acknowledged=int32(receipt.acknowledged),
        resolved=int32(receipt.resolved),
        ignored=int32(receipt.ignored),
    )


def _spec(message: pb.Integration) -> IntegrationSpec:
    return IntegrationSpec(
        kind=IntegrationKind(message.kind),
        display_name=message.display_name,
        policy=message.escalation_policy.removeprefix(_POLICIES),
        severity=IncidentSeverity(message.default_severity) if message.default_severity else IncidentSeverity.ERROR,
        mapping=_mapping(message.mapping) if message.HasField("mapping") else None,
        by_group=message.by_group,
        paused=message.paused,
    )


def _mapping(message: pb.PayloadMapping) -> StoredMapping:
    return StoredMapping(
        items=message.items,
        labels={name: _source(source) for name, source in message.labels.items()},
        severities={word.strip().lower(): IncidentSeverity(severity) for word, severity in message.severities.items()},
        states={word.strip().lower(): AlertEvent(event) for word, event in message.states.items()},
        **{name: _source(getattr(message, field)) for name, field in _SOURCES},
    )


def _source(message: pb.ValueSource) -> StoredSource:
    return StoredSource(tuple(message.paths), message.default)


def _mapping_message(mapping: StoredMapping) -> pb.PayloadMapping:
    message = pb.PayloadMapping(
        items=mapping.items,
        labels={name: _source_message(source) for name, source in mapping.labels.items()},
        severities={word: Severity.ValueType(int32(severity)) for word, severity in mapping.severities.items()},
        states={word: pb.ReceivedAlert.Event.ValueType(int32(event)) for word, event in mapping.states.items()},
    )
    for name, field in _SOURCES:
        if source := getattr(mapping, name):
            getattr(message, field).CopyFrom(_source_message(source))
    return message


def _source_message(source: StoredSource) -> pb.ValueSource:
    return pb.ValueSource(paths=source.paths, default=source.default)


def _alert(alert: ReadAlert) -> pb.ReceivedAlert:
    return pb.ReceivedAlert(
        event=pb.ReceivedAlert.Event.ValueType(alert.event),
        dedup_key=alert.key,
        title=alert.title,
        description=alert.description,
        severity=Severity.ValueType(alert.severity or 0),
        labels=alert.labels,
        url=alert.url,
    )


def _payload(payload: KeptPayload) -> pb.IntegrationPayload:
    message = pb.IntegrationPayload(
        name=f"{_COLLECTION}{payload.integration}/payloads/{payload.id}",
        content_type=payload.content_type,
        size=int32(payload.size),
        body=payload.body,
        truncated=payload.truncated,
        outcome=pb.IntegrationPayload.Outcome.ValueType(int32(payload.outcome)),
        field=payload.field,
        detail=payload.detail,
        receipt=receipt_message(payload.receipt),
        incidents=[f"incidents/{incident}" for incident in payload.incidents],
        headers=payload.headers,
    )
    set_instant(message.receive_time, payload.received)
    return message


def _id(name: str) -> str:
    return name.removeprefix(_COLLECTION)
