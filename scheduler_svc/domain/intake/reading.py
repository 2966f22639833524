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
from scheduler_svc.domain.intake.repair import REPLACED, repaired
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
        return reader(payload, integration)
    except NotJsonPayload as error:
        body = repaired(payload.body)
        if body is None:
            raise
        try:
            read = reader(payload._replace(body=body), integration)
        except InvalidInput:
            raise error from None
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
