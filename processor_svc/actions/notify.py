"""The action `notify`: hands one message for each address and channel to the mailer, and one for all recipients.

One that names an escalation policy tells nobody itself: it opens an incident, or resolves it, and the scheduler takes the policy's steps.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, NamedTuple, cast

from processor_svc.domain import (
    ActionProblem,
    DeliveryAck,
    IncidentTrigger,
    Job,
    JobFailed,
    JobReleased,
    JobResult,
    JobSucceeded,
    Json,
    Message,
)
from processor_svc.ports import IncidentTriggers, Mailer
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.errors import DeadlineExceeded, ResourceExhausted, Unavailable
from tocsin.telemetry import current_traceparent

_SHORTEST_WAIT: Final = 0.2
_LONGEST_WAIT: Final = 2.0
_UNSUPPORTED: Final = "UNSUPPORTED_CHANNEL"
_SIGNALS: Final = {"RAISED": "TRIGGER", "RESOLVED": "RESOLVE"}
"""Origins of firings that are about one thing which lasts, the alarm's, and what the message says of it."""
_ESCALATION: Final = "ESCALATION"
_STATES: Final = {"ACKNOWLEDGED": "ACKNOWLEDGE", "RESOLVED": "RESOLVE"}
"""States of an incident of which everybody hears who was told, and what the message says of it; a step says that it goes on."""
_URGENT: Final = ("CRITICAL", "ERROR")
_RESOLVED: Final = "Resolved: "
_LONGEST_SUBJECT: Final = 900  # characters, as in the contract
_LONGEST_TITLE: Final = 500  # likewise, of an incident


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyAction:
    """Send a message to people: a template with variables, or inline text."""

    kind: ClassVar[str] = "notify"

    to: tuple[str, ...]
    subject: str
    text: str
    html: str
    template: str
    variables: Mapping[str, str]
    channels: tuple[str, ...]
    resolved_subject: str = ""
    resolved_text: str = ""
    resolved_html: str = ""
    recipients: tuple[str, ...] = ()
    category: str = ""
    escalation_policy: str = ""
    incident: str = ""


class _IncidentFacts(NamedTuple):
    name: str = ""
    event: str = ""
    urgent: bool = False


class NotifyKind:
    """Notify actions. The mailer stores a message once, however often it is sent."""

    name = NotifyAction.kind

    def __init__(self, *, mailer: Mailer, incidents: IncidentTriggers) -> None:
        self._mailer = mailer
        self._incidents = incidents

    def decode(self, message: alarm_pb2.Notify) -> NotifyAction:
        """The action."""
        return NotifyAction(
            to=tuple(message.to),
            subject=message.subject,
            text=message.text,
            html=message.html,
            template=message.template,
            variables=dict(message.variables),
            channels=tuple(message.channels),
            resolved_subject=message.resolved_subject,
            resolved_text=message.resolved_text,
            resolved_html=message.resolved_html,
            recipients=tuple(message.recipients),
            category=message.category,
            escalation_policy=message.escalation_policy,
            incident=message.incident,
        )

    async def validate(self, action: NotifyAction, tenant: str = "") -> Sequence[ActionProblem]:
        """Finds nothing: the scheduler asks the mailer, which owns templates and channels."""
        del action, tenant
        return ()

    def describe(self, action: NotifyAction) -> str:
        """No label: addresses and templates are too many, and personal."""
        del action
        return ""

    async def run(self, job: Job, action: NotifyAction) -> JobResult:
        """Hands the messages over; the output names the deliveries, and the notification of the recipients."""
        if action.escalation_policy:
            return await self._escalate(job, action)
        context = _context_text(job) if action.template else ""
        said = _resolution(job, action) if job.origin == "RESOLVED" and not action.template else action
        messages = [_message(job, said, context, to, channel) for to in action.to for channel in action.channels or ("",)]
        if action.recipients:
            whom = {"recipients": action.recipients, "channels": action.channels}
            messages.append(replace(_message(job, said, context, "", ""), **whom))
        try:
            answers = await self._mailer.deliver(messages)
        except (Unavailable, DeadlineExceeded, ResourceExhausted) as error:
            return _released(error.message, error.retry_after)
        return _end(messages, answers)

    async def _escalate(self, job: Job, action: NotifyAction) -> JobResult:
        """Opens an incident of the alarm, or resolves it; the output names it."""
        trigger = IncidentTrigger(
            tenant=job.tenant,
            firing=job.lease.firing,
            alarm=job.alarm,
            priority=job.priority,
            policy=action.escalation_policy,
            title=action.subject[:_LONGEST_TITLE],
            description=action.text,
            resolved=job.origin == "RESOLVED",
        )
        try:
            answer = await self._incidents.trigger(trigger)
        except (Unavailable, DeadlineExceeded, ResourceExhausted) as error:
            return _released(error.message, error.retry_after, service="scheduler_svc")
        if answer.reason:
            return JobFailed(reason=answer.reason, message=answer.message, retryable=answer.retryable)
        return JobSucceeded({"incident": answer.incident} if answer.incident else {})


def _message(job: Job, action: NotifyAction, context: str, to: str, channel: str) -> Message:
    incident = _incident(job, action)
    return Message(
        tenant=job.tenant,
        firing=job.lease.firing,
        alarm=job.alarm,
        to=to,
        channel=channel,
        priority=job.priority,
        subject=action.subject,
        text=action.text,
        html=action.html,
        template=action.template,
        variables=action.variables,
        context=context,
        traceparent=current_traceparent() or job.traceparent,
        category=action.category,
        incident=action.incident,
        dedup_key=incident.name or (job.alarm if job.origin in _SIGNALS else ""),
        event=incident.event or _SIGNALS.get(job.origin, ""),
        urgent=incident.urgent,
    )


def _incident(job: Job, action: NotifyAction) -> _IncidentFacts:
    """What the firing of an escalation is about; nothing for any other firing."""
    if job.origin != _ESCALATION:
        return _IncidentFacts()
    told = cast("Mapping[str, Json]", job.context.get("incident", {}))
    event = "TRIGGER" if action.incident else _STATES.get(str(told.get("state")), "")
    return _IncidentFacts(str(told.get("name", "")), event, told.get("severity") in _URGENT)


def _end(messages: Sequence[Message], answers: Sequence[DeliveryAck]) -> JobResult:
    refused = [(message, answer) for message, answer in zip(messages, answers, strict=True) if not (answer.delivery or answer.notification)]
    if not refused:
        return JobSucceeded(_output(answers))
    # A message that the mailer could not store now is not at fault: an outage of its database costs no attempt.
    put_off = next((answer for _, answer in refused if answer.retryable and answer.reason != _UNSUPPORTED), None)
    if put_off is not None:
        return _released(put_off.message)
    return JobFailed(
        reason=refused[0][1].reason,
        message="; ".join(f"{message.to or 'recipients'}: {answer.message}" for message, answer in refused[:10]),
        # A channel that this mailer does not know: another mailer may, and attempts bound how often one is looked for.
        retryable=all(answer.retryable for _, answer in refused),
    )


def _output(answers: Sequence[DeliveryAck]) -> dict[str, Json]:
    found: dict[str, Json] = {"deliveries": [answer.delivery for answer in answers if answer.delivery]}
    notifications: list[Json] = [answer.notification for answer in answers if answer.notification]
    return {**found, "notifications": notifications} if notifications else found


def _released(message: str, retry_after: float | None = None, *, service: str = "mailer_svc") -> JobReleased:
    """Releases the job for a short time, as the breaker makes a further try cheap; random, to spread the retries."""
    wait = retry_after or random.uniform(_SHORTEST_WAIT, _LONGEST_WAIT)  # noqa: S311 - jitter, not cryptography
    return JobReleased(message=f"{service}: {message}", retry_after=min(wait, _LONGEST_WAIT))


def _context_text(job: Job) -> str:
    """What a template may use in addition to its variables: the firing's context and ``origin``, as a JSON object."""
    return json.dumps({"origin": job.origin, **job.context}, ensure_ascii=False, separators=(",", ":"))


def _resolution(job: Job, action: NotifyAction) -> NotifyAction:
    """The inline message for a resolved signal: the action's own texts, or what resolved and when."""
    subject = action.resolved_subject or f"{_RESOLVED}{action.subject}"[:_LONGEST_SUBJECT]
    text, html = action.resolved_text, action.resolved_html
    if not (text or html):
        text = "\n".join([f"This is over: {action.subject}", "", *_facts(job.context)]).rstrip() + "\n"
    return replace(action, subject=subject, text=text, html=html)


def _facts(context: Mapping[str, Json]) -> Iterator[str]:
    reading, heartbeat, check = (_object(context.get(name)) for name in ("reading", "heartbeat", "check"))
    if "subject" in check:
        yield f"{check['subject']} works again."
    if "metric" in reading:
        yield f"{reading['metric']} is {reading.get('value', '')} since {reading.get('time', '')}."
    if "raisedTime" in heartbeat:
        yield f"It was raised at {heartbeat['raisedTime']}."
    if "pingTime" in heartbeat:
        yield f"The last ping came at {heartbeat['pingTime']}."


def _object(value: Json) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", value) if isinstance(value, dict) else {}
