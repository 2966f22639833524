"""What the mailer asks of other services, and tells them and the callers of notifications."""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urljoin

from mailer_svc.domain import DeliveryState, PendingReport
from mailer_svc.ports import Uses
from mailer_svc.ports.incidents import IncidentFacts, IncidentKey, IncidentStanding, LinkAnswer, PersonalAnswer
from mailer_svc.ports.rotation_calendars import CalendarUnreadable
from mailer_svc.ports.status_callbacks import CallbackAttempt, CallbackResult, StatusCallback
from tocsin.api.scheduler.v1 import (
    dispatch_service_pb2,
    dispatch_service_pb2_grpc,
    firing_service_pb2,
    incident_service_pb2,
    incident_service_pb2_grpc,
    intake_service_pb2,
    intake_service_pb2_grpc,
    scheduler_service_pb2,
    scheduler_service_pb2_grpc,
)
from tocsin.clock import SECOND, Clock
from tocsin.egress.client import HttpClient, HttpRequest, NoAnswer, NotConnected, RequestRefused
from tocsin.installation_key import InstallationKey
from tocsin.mesh.client import Mesh
from tocsin.standard_webhooks import WebhookSecret, signed, tenant_secret

_GONE = 410
_MOVED = (301, 302, 303, 307, 308)
_REDIRECTIONS = 3
_ANSWER = incident_service_pb2.AnswerIncidentRequest
_ANSWERS = {
    LinkAnswer.ASK: _ANSWER.ANSWER_UNSPECIFIED,
    LinkAnswer.ACKNOWLEDGE: _ANSWER.ACKNOWLEDGE,
    LinkAnswer.RESOLVE: _ANSWER.RESOLVE,
    LinkAnswer.SNOOZE: _ANSWER.SNOOZE,
    LinkAnswer.NOTE: _ANSWER.NOTE,
}
_STANDINGS = {
    incident_service_pb2.Incident.ACKNOWLEDGED: IncidentStanding.ACKNOWLEDGED,
    incident_service_pb2.Incident.RESOLVED: IncidentStanding.RESOLVED,
}
_STATE = firing_service_pb2.DeliverySummary
_STATES = {
    DeliveryState.DEAD: _STATE.DEAD,
    DeliveryState.OUTCOME_UNKNOWN: _STATE.OUTCOME_UNKNOWN,
    DeliveryState.SUPPRESSED: _STATE.SUPPRESSED,
    DeliveryState.BOUNCED: _STATE.BOUNCED,
    DeliveryState.COMPLAINED: _STATE.COMPLAINED,
}


class SchedulerUses:
    """The scheduler as the one who knows which alarms use a template; see `mailer_svc.ports.AlarmUses`."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub = scheduler_service_pb2_grpc.SchedulerServiceStub(mesh.channel("scheduler_svc"))

    async def breaking(self, *, tenant: str, code: str, required: Sequence[str], allowed: Sequence[str]) -> Uses:
        """The alarms that a change would break."""
        request = scheduler_service_pb2.FindTemplateUsesRequest(
            tenant=tenant, template=f"templates/{code}", required=required, allowed=allowed
        )
        answer = await self._stub.FindTemplateUses(request)
        return Uses(tuple(answer.alarms), answer.more)


class SchedulerClient:
    """The scheduler as the one who asked for the messages, and is told what became of them; see `mailer_svc.ports.Scheduler`."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub: Any = dispatch_service_pb2_grpc.DispatchServiceStub(mesh.channel("scheduler_svc"))

    async def report(self, reports: Sequence[PendingReport]) -> None:
        """Tells any replica of the scheduler."""
        messages = [
            dispatch_service_pb2.DeliveryReport(
                tenant=report.tenant,
                firing=report.firing,
                delivery=f"deliveries/{report.delivery}",
                state=_STATES.get(report.state, _STATE.ACCEPTED),
                attempts=report.attempts,
                channel=report.channel,
                to=report.to,
                reason=report.reason,
            )
            for report in reports
        ]
        await self._stub.ReportDeliveries(dispatch_service_pb2.ReportDeliveriesRequest(reports=messages))


class IncidentClient:
    """The scheduler as the one who has the incidents; see `mailer_svc.ports.incidents`."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub: Any = incident_service_pb2_grpc.IncidentServiceStub(mesh.channel("scheduler_svc"))

    async def answer(self, key: IncidentKey, *, actor: str, via: str, answer: PersonalAnswer) -> IncidentFacts:
        """Passes an answer on."""
        request = incident_service_pb2.AnswerIncidentRequest(
            tenant=key.tenant,
            name=f"incidents/{key.incident}",
            actor=actor,
            via=via,
            answer=_ANSWERS[answer.kind],
            note=answer.note,
            message_id=answer.message_id,
        )
        if answer.snooze:
            request.snooze.FromMicroseconds(answer.snooze)
        incident = await self._stub.AnswerIncident(request)
        standing = _STANDINGS.get(incident.state, IncidentStanding.WAITING)
        return IncidentFacts(incident.title, standing, incident.resolved_by or incident.acknowledged_by)

    async def waiting(self, keys: Sequence[IncidentKey]) -> Sequence[bool]:
        """Which of them wait."""
        return list((await self._check(keys)).waiting)

    async def telling(self, keys: Sequence[IncidentKey]) -> Sequence[bool]:
        """Of which people are being told; a scheduler of an older version does not say."""
        return list((await self._check(keys)).telling) or [False] * len(keys)

    async def _check(self, keys: Sequence[IncidentKey]) -> incident_service_pb2.CheckIncidentsResponse:
        asked = [incident_service_pb2.CheckIncidentsRequest.Asked(tenant=key.tenant, name=f"incidents/{key.incident}") for key in keys]
        return await self._stub.CheckIncidents(incident_service_pb2.CheckIncidentsRequest(incidents=asked))


class IntakeClient:
    """The scheduler as the one that takes alerts; see `mailer_svc.ports.incidents.MailIntake`."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub: Any = intake_service_pb2_grpc.IntakeServiceStub(mesh.channel("scheduler_svc"))

    async def receive(self, *, key: str, message_id: str, sender: str, subject: str, text: str) -> None:
        """Hands a mail over."""
        mail = {"key": key, "message_id": message_id, "from": sender, "subject": subject, "text": text}
        await self._stub.ReceiveMail(intake_service_pb2.ReceiveMailRequest(**mail))


class StatusCallbackPoster:
    """Posts status callbacks, to URLs that callers give; a component.

    They are signed after Standard Webhooks. Every tenant has a secret of its own, which derives from the installation's.
    """

    def __init__(self, *, client: HttpClient, key: InstallationKey, clock: Clock) -> None:
        self._client = client
        self._key = key
        self._clock = clock

    async def start(self) -> None:
        """Connects to nothing yet."""

    async def stop(self) -> None:
        """Closes the connections."""
        await self._client.close()

    def secret(self, tenant: str) -> WebhookSecret:
        """What the callbacks of a tenant are signed with."""
        return tenant_secret(self._key.derive, tenant)

    async def post(self, callback: StatusCallback) -> CallbackAttempt:
        """One attempt."""
        body = callback.body.encode()
        headers = signed(callback.id, body, secrets=[self.secret(callback.tenant)], seconds=self._clock.micros() // SECOND)
        request = HttpRequest(url=callback.url, headers={"content-type": "application/json", **headers}, body=body)
        try:
            answer = await self._client.send(request)
        except (RequestRefused, NotConnected, NoAnswer) as error:
            return CallbackAttempt(callback=callback, result=CallbackResult.AGAIN, detail=str(error))
        if answer.ok:
            return CallbackAttempt(callback=callback, result=CallbackResult.TAKEN)
        if answer.status == _GONE:
            return CallbackAttempt(callback=callback, result=CallbackResult.UNWANTED, detail="410")
        return CallbackAttempt(
            callback=callback,
            result=CallbackResult.AGAIN,
            detail=str(answer.status),
            retry_after=_retry_after(answer.headers.get("retry-after")),
        )


def _retry_after(text: str | None) -> float | None:
    """Seconds that the far end asks to wait (RFC 9110, 10.2.3); a date is not heeded."""
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else None


class HttpCalendars:
    """Calendars of users behind URLs, as text; see `mailer_svc.ports.rotation_calendars.CalendarSource`. A component."""

    def __init__(self, *, client: HttpClient, seconds: float = 30.0) -> None:
        """Takes what sends requests, and how long a calendar may take, its redirections included."""
        self._client = client
        self._seconds = seconds

    async def start(self) -> None:
        """Connects to nothing yet."""

    async def stop(self) -> None:
        """Closes every connection."""
        await self._client.close()

    async def fetch(self, url: str) -> str:
        """The text of a calendar, behind three redirections at most, each of which is checked as the URL is."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._fetched(url)
        except TimeoutError:
            raise CalendarUnreadable("no answer: not in time") from None

    async def _fetched(self, url: str) -> str:
        for _ in range(_REDIRECTIONS + 1):
            request = HttpRequest(method="GET", url=url, headers={"accept": "text/calendar, */*;q=0.1", "user-agent": "tocsin"})
            try:
                answer = await self._client.send(request)
            except RequestRefused as error:
                raise CalendarUnreadable(f"it may not be read: {error}") from None
            except (NotConnected, NoAnswer) as error:
                raise CalendarUnreadable(f"no answer: {error}") from None
            if answer.status in _MOVED and answer.headers.get("location"):
                url = _moved(url, answer.headers["location"])
                continue
            if not answer.ok:
                raise CalendarUnreadable(f"the server answered {answer.status}")
            if not answer.whole:
                raise CalendarUnreadable("it is larger than 1 MiB")
            try:
                return answer.body.decode("utf-8-sig")
            except UnicodeDecodeError:
                raise CalendarUnreadable("it is not UTF-8") from None
        raise CalendarUnreadable(f"it is moved more than {_REDIRECTIONS} times")


def _moved(url: str, location: str) -> str:
    """Where a redirection leads.

    Raises:
        CalendarUnreadable: nowhere.
    """
    try:
        return urljoin(url, location)
    except ValueError:  # brackets without an address
        raise CalendarUnreadable("it is moved to what is no URL") from None
