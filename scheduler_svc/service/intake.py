"""Taking what monitoring systems send: one way for every form."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from scheduler_svc.domain import new_id
from scheduler_svc.domain.escalation import EscalationPolicyNotFound
from scheduler_svc.domain.incident_words import AlertEvent, By
from scheduler_svc.domain.incidents import Incident
from scheduler_svc.domain.intake.alerts import ReadPayload, ReceivedAlert, incident_key
from scheduler_svc.domain.intake.integrations import (
    Integration,
    IntegrationKeyUnknown,
    IntegrationKind,
    KeptPayload,
    PayloadOutcome,
    PayloadReceipt,
    hash_of,
    kept_text,
)
from scheduler_svc.domain.intake.mail import ReceivedMail, read_mail
from scheduler_svc.domain.intake.payloads import RawPayload
from scheduler_svc.domain.intake.reading import read_payload
from scheduler_svc.ports.integrations import IntegrationStore
from scheduler_svc.service.incidents import AlertAnswer, AlertDraft, IncidentDraft, Incidents
from scheduler_svc.service.intake_limits import IntakeLimits
from tocsin.clock import Clock
from tocsin.errors import DataLoss, InvalidInput, TocsinError
from tocsin.recurrence import Micros
from tocsin.telemetry import get_logger
from tocsin.tenants import TenantBook

_log = get_logger(__name__)

_SHOWN: Final = 20
_LONGEST_TYPE: Final = 200
_AT_ONCE: Final = 64 * 1024
"""Bytes of the longest payload that is read on the event loop: some milliseconds."""
_TURN: Final = 250
"""Alerts that are prepared between two turns of others."""


class TakenPayload(NamedTuple):
    """What became of a payload: of its alerts, the incidents that they are about, and the key of each within the integration."""

    receipt: PayloadReceipt
    incidents: Sequence[Incident]
    keys: Sequence[str]


_SUSPENDED: Final = "The tenant is suspended: nobody is told before it may work again."


class PayloadIntake:
    """Opens, counts, acknowledges and resolves the incidents of all alerts of a payload in one transaction."""

    def __init__(
        self,
        *,
        store: IntegrationStore,
        incidents: Incidents,
        keep: Callable[[KeptPayload], Awaitable[None]],
        limits: IntakeLimits,
        book: Callable[[], TenantBook],
        clock: Clock,
    ) -> None:
        """Takes what it stands on.

        Args:
            store: knows integrations by their keys.
            incidents: opens incidents.
            keep: keeps what came, together with what comes at the same time.
            limits: how much each may send.
            book: knows which tenants are suspended, or deleted.
            clock: source of time.
        """
        self._store = store
        self._incidents = incidents
        self._keep = keep
        self._limits = limits
        self._book = book
        self._clock = clock

    async def receive(self, key: str, payload: RawPayload, *, kind: IntegrationKind) -> TakenPayload:
        """Takes a payload at the door of a kind.

        Raises:
            IntegrationKeyUnknown: there is no integration of this key.
            TooManyPayloads: it gets more than it may.
            InvalidInput: the payload is none that it takes; nothing of it was done.
        """
        integration = await self._store.by_key(hash_of(key))

        def read() -> ReadPayload:
            if integration.kind is not kind:
                raise InvalidInput.at("key", f"is that of an integration of kind {integration.kind.name}; this is the door of {kind.name}")
            return read_payload(payload, integration)

        return await self._receive(integration, payload, read)

    async def receive_mail(self, key: str, mail: ReceivedMail) -> TakenPayload:
        """Takes a mail.

        Raises:
            IntegrationKeyUnknown: there is no integration of this key that takes mail.
            TooManyPayloads: it gets more than it may.
        """
        integration = await self._store.by_key(hash_of(key.lower()))
        payload = RawPayload(f"From: {mail.sender}\nSubject: {mail.subject}\n\n{mail.text}".encode("utf-8", "replace"), "message/rfc822")

        def read() -> ReadPayload:
            if integration.kind is not IntegrationKind.EMAIL:
                raise InvalidInput.at("key", f"is that of an integration of kind {integration.kind.name}, which takes no mail")
            return read_mail(mail)

        return await self._receive(integration, payload, read)

    async def _receive(self, integration: Integration, payload: RawPayload, read: Callable[[], ReadPayload]) -> TakenPayload:
        if not self._book().serves_keys(integration.tenant):
            raise IntegrationKeyUnknown
        if integration.damaged:
            raise DataLoss(f"{integration.name} is stored, and cannot be read.")
        async with self._limits.place(integration, len(payload.body)):
            kept = self._kept(integration, payload)
            try:
                said = read() if len(payload.body) <= _AT_ONCE else await asyncio.to_thread(read)
            except InvalidInput as error:
                await self._note(_refused(kept, error))
                raise
            if integration.paused:
                receipt = PayloadReceipt(alerts=len(said.alerts), ignored=len(said.alerts))
                await self._note(msgspec.structs.replace(kept, outcome=PayloadOutcome.IGNORED, receipt=receipt, detail=said.note))
                return TakenPayload(receipt, (), [alert.key for alert in said.alerts])
            taken, lost = await self._take(integration, said.alerts)
            waits = "" if self._book().active(integration.tenant) else _SUSPENDED
            detail = " ".join(part for part in (said.note, *lost, waits) if part)
            ids = tuple(dict.fromkeys(incident.id for incident in taken.incidents))[:_SHOWN]
            await self._note(msgspec.structs.replace(kept, receipt=taken.receipt, detail=detail, incidents=ids))
            return taken

    async def _take(self, integration: Integration, alerts: Sequence[ReceivedAlert]) -> tuple[TakenPayload, set[str]]:
        """What became of the alerts, and what else is to be told.

        An incident whose policy is not there any more is opened without one: a route may find it, and it is seen.
        """
        now, told = self._clock.micros(), set[str]()
        drafts, keys = await self._drafts(integration, alerts, now)
        by = By(integration.name, integration.kind.name.lower())
        answers = list(await self._incidents.take(integration.tenant, drafts, by))
        homeless = [place for place, answer in enumerate(answers) if isinstance(answer.incident, EscalationPolicyNotFound)]
        if homeless:
            told.add(f"There is no escalationPolicies/{integration.policy} any more.")
            again = [drafts[place]._replace(draft=drafts[place].draft._replace(policy="")) for place in homeless]
            for place, answer in zip(homeless, await self._incidents.take(integration.tenant, again, by), strict=True):
                answers[place] = answer
        told |= {answer.incident.message for answer in answers if isinstance(answer.incident, TocsinError)}
        found = [answer.incident for answer in answers if isinstance(answer.incident, Incident)]
        return TakenPayload(_receipt(drafts, answers, now), found, keys), told

    async def _drafts(self, integration: Integration, alerts: Sequence[ReceivedAlert], now: Micros) -> tuple[list[AlertDraft], list[str]]:
        drafts, keys = list[AlertDraft](), list[str]()
        for place, alert in enumerate(alerts):
            if place % _TURN == _TURN - 1:
                await self._clock.sleep(0)
            key = alert.key or new_id(now)
            keys.append(key)
            draft = IncidentDraft(
                title=alert.title,
                description=alert.description,
                key=incident_key(integration.id, key),
                severity=alert.severity or integration.severity,
                policy=integration.policy,
                labels=dict(alert.labels),
                url=alert.url,
                source=integration.name,
            )
            drafts.append(AlertDraft(draft, alert.event, f"{integration.name}/{alert.once}" if alert.once else ""))
        return drafts, keys

    def _kept(self, integration: Integration, payload: RawPayload) -> KeptPayload:
        now = self._clock.micros()
        return KeptPayload(
            id=new_id(now),
            tenant=integration.tenant,
            integration=integration.id,
            received=now,
            content_type=payload.content_type[:_LONGEST_TYPE],
            size=len(payload.body),
            body=kept_text(payload.body),
            outcome=PayloadOutcome.TAKEN,
            headers=payload.headers,
        )

    async def _note(self, payload: KeptPayload) -> None:
        """Keeps the payload; its alerts are taken all the same if that fails, and sending them again would count twice."""
        try:
            await self._keep(payload)
        except TocsinError as error:
            _log.warning("payload not kept", tenant=payload.tenant, integration=payload.integration, error=error.message)


def _refused(kept: KeptPayload, error: InvalidInput) -> KeptPayload:
    first = error.violations[0].field if error.violations else ""
    detail = "; ".join(f"{item.field}: {item.description}" for item in error.violations[1:])
    said = error.violations[0].description if error.violations else error.message
    return msgspec.structs.replace(kept, outcome=PayloadOutcome.REFUSED, field=first, detail=f"{said}; {detail}" if detail else said)


def _receipt(drafts: Sequence[AlertDraft], answers: Iterable[AlertAnswer], now: Micros) -> PayloadReceipt:
    counts = Counter(_became(draft, answer, now) for draft, answer in zip(drafts, answers, strict=True))
    return PayloadReceipt(alerts=len(drafts), **counts)


def _became(draft: AlertDraft, answer: AlertAnswer, now: Micros) -> str:
    """What became of an alert, as the receipt names it."""
    if not isinstance(answer.incident, Incident) or answer.incident.updated < now:
        return "ignored"
    if draft.event is not AlertEvent.TRIGGER:
        return "acknowledged" if draft.event is AlertEvent.ACKNOWLEDGE else "resolved"
    return "opened" if answer.opened else "counted"
