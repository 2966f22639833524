"""What an integration makes of a payload: the form of its kind, in one table. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from scheduler_svc.domain.intake.alertmanager import read_alertmanager, read_grafana
from scheduler_svc.domain.intake.alerts import ReadPayload, ReceivedAlert
from scheduler_svc.domain.intake.cloudevents import CloudEvent, read_cloudevents
from scheduler_svc.domain.intake.generic import PayloadMapping, alert_of, read_generic
from scheduler_svc.domain.intake.integrations import Integration, IntegrationKind
from scheduler_svc.domain.intake.pagerduty import read_pagerduty
from scheduler_svc.domain.intake.payloads import NotJsonPayload, RawPayload
from scheduler_svc.domain.intake.repair import REPLACED, is_too_deep, repaired
from tocsin.errors import FailedPrecondition, InvalidInput

PayloadReader = Callable[[RawPayload, Integration], ReadPayload]

MAPPED: Final = frozenset({IntegrationKind.GENERIC, IntegrationKind.CLOUDEVENTS})
"""Kinds that a mapping may read."""


def read_payload(payload: RawPayload, integration: Integration) -> ReadPayload:
    """The alerts in a payload, by the kind of its integration.

    One that is JSON but for an odd value somewhere is read without that: the others of its alerts ring.

    Raises:
        InvalidInput: it is not of that form; the error names the field.
        FailedPrecondition: the integration takes none.
    """
    reader = _READERS.get(integration.kind)
    if reader is None:
        raise FailedPrecondition(f"{integration.name} takes mails, not payloads.")
    try:
        read = reader(payload, integration)
    except NotJsonPayload as error:
        found = _repaired(reader, payload, integration, error)
        if found is None:
            raise
        return found
    return (is_too_deep(payload.body) and _repaired(reader, payload, integration, None)) or read


def _repaired(reader: PayloadReader, payload: RawPayload, integration: Integration, error: NotJsonPayload | None) -> ReadPayload | None:
    """What is read of a payload without what JSON cannot say; None if it is no JSON.

    Raises:
        InvalidInput: what is left is not of that form; it is ``error``, if there was one before.
    """
    body = repaired(payload.body)
    if body is None:
        return None
    try:
        read = reader(payload._replace(body=body), integration)
    except InvalidInput as refused:
        raise error or refused from None
    return read._replace(note=f"{read.note} {REPLACED}".lstrip())


def _cloudevents(payload: RawPayload, integration: Integration) -> ReadPayload:
    mapping = integration.mapping
    if mapping is None:
        return read_cloudevents(payload)

    def mapped(event: CloudEvent, place: str) -> ReceivedAlert:
        return alert_of(event, mapping, f" of event {place}" if place else "")

    return read_cloudevents(payload, mapped)


def _generic(payload: RawPayload, integration: Integration) -> ReadPayload:
    return read_generic(payload, integration.mapping or PayloadMapping())


_READERS: Final[Mapping[IntegrationKind, PayloadReader]] = {
    IntegrationKind.ALERTMANAGER: lambda payload, integration: read_alertmanager(payload, by_group=integration.by_group),
    IntegrationKind.GRAFANA: lambda payload, integration: read_grafana(payload, by_group=integration.by_group),
    IntegrationKind.PAGERDUTY: lambda payload, _: read_pagerduty(payload),
    IntegrationKind.CLOUDEVENTS: _cloudevents,
    IntegrationKind.GENERIC: _generic,
}
