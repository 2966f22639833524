"""Every end that an action can come to."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from processor_svc.actions.notify import NotifyAction, NotifyKind
from processor_svc.actions.task import TaskAction, TaskKind
from processor_svc.domain import (
    DeliveryAck,
    IncidentAnswer,
    IncidentTrigger,
    Job,
    JobAction,
    JobFailed,
    JobLease,
    JobReleased,
    JobResult,
    JobSucceeded,
    Message,
)
from processor_svc.hosting import HostOptions, Packages
from processor_svc.registry import Registry, handlers_of
from tests.unit.processor import sample_tasks
from tests.unit.processor.kinds import NO_INCIDENTS, Reports
from tocsin.errors import CircuitOpen, DeadlineExceeded, Unavailable
from tocsin.priority import Priority
from tocsin.testing.clock import FakeClock


def job(action: JobAction, *, origin: str = "SCHEDULE", context: Mapping[str, Any] | None = None) -> Job:
    """A job that runs ``action`` at its second attempt."""
    return Job(
        lease=JobLease("f1", 1),
        lease_seconds=30.0,
        tenant="t1",
        alarm="alarms/a1",
        attempt=2,
        priority=Priority.NORMAL,
        action=action,
        traceparent="",
        origin=origin,
        context=context or {},
    )


@pytest.fixture
def packages(clock: FakeClock) -> Packages:
    """None but our own."""
    return Packages([], options=HostOptions(), clock=clock)


async def run_task(packages: Packages, handler: str, arguments: dict[str, Any]) -> JobResult:
    """How a run of ``handler`` ends."""
    action = TaskAction(handler=handler, input=arguments)
    return await TaskKind(registry=Registry(handlers_of(sample_tasks)), packages=packages, progress=Reports()).run(job(action), action)


@pytest.mark.parametrize(
    ("handler", "arguments", "reason", "retryable"),
    [
        ("nope", {}, "HANDLER_NOT_FOUND", False),
        ("sample.add", {}, "INPUT_INVALID", False),
        ("sample.slow", {}, "HANDLER_TIMEOUT", True),
        ("sample.broken", {}, "HANDLER_FAILED", True),
        ("sample.cancels", {}, "HANDLER_FAILED", True),
        ("sample.final", {}, "TASK_FAILED", False),
        ("sample.later", {}, "TASK_FAILED", True),
    ],
)
async def test_each_failure_of_a_handler_has_its_reason(
    packages: Packages, handler: str, arguments: dict[str, Any], reason: str, retryable: bool
) -> None:
    """A handler's failure is an outcome, never an exception of the worker."""
    end = await run_task(packages, handler, arguments)
    assert isinstance(end, JobFailed)
    assert (end.reason, end.retryable) == (reason, retryable)


async def test_a_handler_says_when_to_try_again(packages: Packages) -> None:
    """The wait that a handler asks for reaches the scheduler."""
    end = await run_task(packages, "sample.later", {})
    assert isinstance(end, JobFailed)
    assert end.retry_after == 7.0


async def test_a_handler_may_wait_as_often_as_it_likes(packages: Packages) -> None:
    """It runs on from each of its waits, with what they bring: values, errors, tasks of its own."""
    assert await run_task(packages, "sample.steps", {}) == JobSucceeded({"value": ["begun", "late", "done"]})


async def test_a_cancelled_run_cancels_its_handler(packages: Packages) -> None:
    """A processor that stops does not report an end of what it cut off."""
    running = asyncio.create_task(run_task(packages, "sample.slow", {}))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_jobs_of_one_action_share_nothing_that_a_handler_can_change(packages: Packages) -> None:
    """Each gets the arguments of the action, whatever the one before did to its own."""
    runner = TaskKind(registry=Registry(handlers_of(sample_tasks)), packages=packages, progress=Reports())
    grow, add = TaskAction(handler="sample.grow", input={"items": [1]}), TaskAction(handler="sample.add", input={"left": 1, "right": 2})
    for _ in range(2):
        assert await runner.run(job(grow), grow) == JobSucceeded({"value": [1, 0]})
        assert await runner.run(job(add), add) == JobSucceeded({"value": 3})


async def test_a_plain_value_is_stored_as_an_object(packages: Packages) -> None:
    """A result is always a JSON object."""
    assert await run_task(packages, "sample.add", {"left": 2.0, "right": 3.0}) == JobSucceeded({"value": 5})


class ScriptedMailer:
    """Answers as told, and keeps what it was handed."""

    def __init__(self, answer: Exception | Sequence[DeliveryAck]) -> None:
        self.answer = answer
        self.messages: list[Message] = []

    async def deliver(self, messages: Sequence[Message]) -> Sequence[DeliveryAck]:
        self.messages.extend(messages)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def notify(*, to: tuple[str, ...] = ("a@example.com",), channels: tuple[str, ...] = ()) -> NotifyAction:
    """A short text to ``to``."""
    return NotifyAction(to=to, subject="s", text="t", html="", template="", variables={}, channels=channels)


async def test_each_address_and_channel_gets_one_message() -> None:
    """Two addresses on two channels make four messages, whose answers become the result."""
    mailer = ScriptedMailer([DeliveryAck(delivery=f"deliveries/{n}") for n in range(4)])
    action = notify(to=("a@example.com", "b@example.com"), channels=("email", "inbox"))
    end = await NotifyKind(mailer=mailer, incidents=NO_INCIDENTS).run(job(action), action)
    assert end == JobSucceeded({"deliveries": [f"deliveries/{n}" for n in range(4)]})
    assert len({(message.to, message.channel) for message in mailer.messages}) == 4
    assert {message.firing for message in mailer.messages} == {"f1"}


async def test_recipients_get_one_message_together() -> None:
    """Beside those to addresses; its channels and its category go with it, and the result names the notification."""
    mailer = ScriptedMailer([DeliveryAck(delivery="deliveries/1"), DeliveryAck(delivery="", notification="notifications/2")])
    action = replace(notify(channels=("email",)), recipients=("recipients/ann", "groups/ops"), category="categories/ops")
    end = await NotifyKind(mailer=mailer, incidents=NO_INCIDENTS).run(job(action), action)
    assert end == JobSucceeded({"deliveries": ["deliveries/1"], "notifications": ["notifications/2"]})
    asked = [(message.to, message.channel, message.recipients, message.channels, message.category) for message in mailer.messages]
    assert asked == [
        ("a@example.com", "email", (), (), "categories/ops"),
        ("", "", ("recipients/ann", "groups/ops"), ("email",), "categories/ops"),
    ]


@pytest.mark.parametrize(
    ("incident", "state", "severity", "event", "urgent"),
    [
        ("incidents/7", "TRIGGERED", "CRITICAL", "TRIGGER", True),
        ("incidents/7", "RESOLVED", "ERROR", "TRIGGER", True),
        ("", "ACKNOWLEDGED", "WARNING", "ACKNOWLEDGE", False),
        ("", "RESOLVED", "INFO", "RESOLVE", False),
        ("", "SOMETHING_NEW", "INFO", "", False),
    ],
)
async def test_a_step_and_an_update_say_which_incident_and_how_it_stands(
    incident: str, state: str, severity: str, event: str, urgent: bool
) -> None:
    """So that PagerDuty opens, acknowledges and resolves one alert. A step triggers, whatever has happened since."""
    mailer = ScriptedMailer([DeliveryAck(delivery="", notification="notifications/2")])
    action = replace(notify(to=()), recipients=("recipients/ann",), incident=incident)
    about = {"incident": {"name": "incidents/7", "state": state, "severity": severity}}
    await NotifyKind(mailer=mailer, incidents=NO_INCIDENTS).run(job(action, origin="ESCALATION", context=about), action)
    (message,) = mailer.messages
    assert (message.dedup_key, message.event, message.urgent, message.incident) == ("incidents/7", event, urgent, incident)


@pytest.mark.parametrize("error", [Unavailable("away"), CircuitOpen(), DeadlineExceeded(), Unavailable("away", retry_after=60.0)])
async def test_a_mailer_that_is_away_costs_no_attempt(error: Exception) -> None:
    """The firing is given back with a short wait, however long the dependency asks for."""
    action = notify()
    end = await NotifyKind(mailer=ScriptedMailer(error), incidents=NO_INCIDENTS).run(job(action), action)
    assert isinstance(end, JobReleased)
    assert 0 < end.retry_after <= 2.0


async def test_a_refused_message_fails_the_firing_with_the_reason() -> None:
    """What the mailer says of one address is told with that address."""
    answers = [
        DeliveryAck(delivery="deliveries/1"),
        DeliveryAck(delivery="", reason="TEMPLATE_NOT_FOUND", message="no such template"),
    ]
    action = notify(to=("a@example.com", "b@example.com"))
    end = await NotifyKind(mailer=ScriptedMailer(answers), incidents=NO_INCIDENTS).run(job(action), action)
    assert end == JobFailed(reason="TEMPLATE_NOT_FOUND", message="b@example.com: no such template", retryable=False)


async def test_a_mailer_that_cannot_store_costs_no_attempt() -> None:
    """While its database is away the firing waits, also beside a message that will never be taken: that is told when the rest is stored."""
    answers = [
        DeliveryAck(delivery="", reason="TEMPLATE_NOT_FOUND", message="no such template"),
        DeliveryAck(delivery="", reason="UNAVAILABLE", message="the disk is full", retryable=True),
    ]
    action = notify(to=("a@example.com", "b@example.com"))
    end = await NotifyKind(mailer=ScriptedMailer(answers), incidents=NO_INCIDENTS).run(job(action), action)
    assert isinstance(end, JobReleased)
    assert end.message == "mailer_svc: the disk is full"
    assert 0 < end.retry_after <= 2.0


async def test_a_channel_that_no_mailer_knows_ends_the_firing() -> None:
    """Another mailer may know it, so the firing is attempted again; attempts bound how often."""
    answers = [DeliveryAck(delivery="", reason="UNSUPPORTED_CHANNEL", message="unknown", retryable=True)]
    action = notify(channels=("pigeon",))
    end = await NotifyKind(mailer=ScriptedMailer(answers), incidents=NO_INCIDENTS).run(job(action), action)
    assert end == JobFailed(reason="UNSUPPORTED_CHANNEL", message="a@example.com: unknown", retryable=True)


EVENT = {"event": {"id": "e1", "topic": "orders.paid", "data": {"amount": 12.0, "order-id": "x", "lines": [1.0, 2.5], "note": None}}}


@pytest.mark.parametrize("context", [{}, {"signal": "RAISED", "reading": {"metric": "temperature", "value": 21.5}}, EVENT])
async def test_a_template_may_say_what_the_firing_is_about(context: Mapping[str, Any]) -> None:
    """The whole context, and where the firing comes from; inline text needs none of it."""
    action = replace(notify(), template="templates/t", variables={"name": "Ann"}, subject="", text="")
    for chosen, expected in ((action, {"origin": "EVENT", **context}), (notify(), None)):
        mailer = ScriptedMailer([DeliveryAck(delivery="deliveries/1")])
        await NotifyKind(mailer=mailer, incidents=NO_INCIDENTS).run(job(chosen, origin="EVENT", context=context), chosen)
        (message,) = mailer.messages
        assert (json.loads(message.context) if message.context else None, message.variables) == (expected, chosen.variables)


HEARTBEAT = {"signal": "RESOLVED", "heartbeat": {"raisedTime": "2026-11-29T03:00:00Z", "pingTime": "2026-11-29T03:05:00Z"}}
READING = {"signal": "RESOLVED", "reading": {"metric": "temperature", "value": 21.5, "time": "2026-11-29T03:00:00Z"}}


@pytest.mark.parametrize(
    ("origin", "context", "fields", "expected"),
    [
        ("RAISED", HEARTBEAT, {"resolved_text": "no"}, ("Backup missed", "The backup did not ping.", "<b>no</b>")),
        (
            "RESOLVED",
            HEARTBEAT,
            {},
            (
                "Resolved: Backup missed",
                "This is over: Backup missed\n\nIt was raised at 2026-11-29T03:00:00Z.\nThe last ping came at 2026-11-29T03:05:00Z.\n",
                "",
            ),
        ),
        (
            "RESOLVED",
            READING,
            {},
            ("Resolved: Backup missed", "This is over: Backup missed\n\ntemperature is 21.5 since 2026-11-29T03:00:00Z.\n", ""),
        ),
        ("RESOLVED", {"reading": "odd"}, {"resolved_subject": "Well"}, ("Well", "This is over: Backup missed\n", "")),
        ("RESOLVED", HEARTBEAT, {"resolved_text": "It pings."}, ("Resolved: Backup missed", "It pings.", "")),
        ("RESOLVED", HEARTBEAT, {"resolved_html": "<b>pings</b>"}, ("Resolved: Backup missed", "", "<b>pings</b>")),
        ("RESOLVED", {}, {"subject": "x" * 900}, ("Resolved: " + "x" * 890, f"This is over: {'x' * 900}\n", "")),
        ("RESOLVED", {}, {"subject": "", "text": "", "html": "", "template": "templates/t"}, ("", "", "")),
    ],
)
async def test_a_signal_that_resolved_says_so(
    origin: str, context: Mapping[str, Any], fields: dict[str, str], expected: tuple[str, str, str]
) -> None:
    """In words of its own, or in ours; never in those of the alarm. A template has the variable ``origin`` for it."""
    action = replace(notify(), **{"subject": "Backup missed", "text": "The backup did not ping.", "html": "<b>no</b>", **fields})
    mailer = ScriptedMailer([DeliveryAck(delivery="deliveries/1")])
    await NotifyKind(mailer=mailer, incidents=NO_INCIDENTS).run(job(action, origin=origin, context=context), action)
    (message,) = mailer.messages
    assert (message.subject, message.text, message.html) == expected


@pytest.mark.parametrize(
    ("origin", "expected"),
    [("SCHEDULE", ("", "")), ("EVENT", ("", "")), ("RAISED", ("alarms/a1", "TRIGGER")), ("RESOLVED", ("alarms/a1", "RESOLVE"))],
)
async def test_a_signal_is_one_alert_elsewhere(origin: str, expected: tuple[str, str]) -> None:
    """What is raised and what is over are about the alarm's own; whatever is due by itself is about itself."""
    mailer = ScriptedMailer([DeliveryAck(delivery="deliveries/1")])
    await NotifyKind(mailer=mailer, incidents=NO_INCIDENTS).run(job(notify(), origin=origin), notify())
    (message,) = mailer.messages
    assert (message.dedup_key, message.event) == expected


async def test_a_handler_that_asks_for_its_context_learns_what_the_firing_is_about(packages: Packages) -> None:
    """Where it comes from, and the event or reading it answers to."""
    action = TaskAction(handler="sample.about", input={})
    runner = TaskKind(registry=Registry(handlers_of(sample_tasks)), packages=packages, progress=Reports())
    end = await runner.run(job(action, origin="EVENT", context=EVENT), action)
    assert end == JobSucceeded({"alarm": "alarms/a1", "origin": "EVENT", "topic": "orders.paid"})


class ScriptedIncidents:
    """Answers as told, and keeps what was triggered."""

    def __init__(self, answer: Exception | IncidentAnswer) -> None:
        self.answer = answer
        self.seen: list[IncidentTrigger] = []

    async def trigger(self, trigger: IncidentTrigger) -> IncidentAnswer:
        self.seen.append(trigger)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("origin", "answer", "end"),
    [
        ("RAISED", IncidentAnswer(incident="incidents/i"), JobSucceeded({"incident": "incidents/i"})),
        ("RESOLVED", IncidentAnswer(), JobSucceeded({})),
        (
            "RAISED",
            IncidentAnswer(reason="ESCALATION_POLICY_NOT_FOUND", message="none"),
            JobFailed(reason="ESCALATION_POLICY_NOT_FOUND", message="none", retryable=False),
        ),
    ],
)
async def test_a_policy_makes_an_incident_and_no_message(origin: str, answer: IncidentAnswer, end: JobResult) -> None:
    """Its firing, its alarm and whether it is over go to the scheduler, and what that says is the end of the job."""
    action = NotifyAction(
        to=(), subject="s" * 900, text="t", html="", template="", variables={}, channels=(), escalation_policy="escalationPolicies/p"
    )
    incidents, mailer = ScriptedIncidents(answer), ScriptedMailer([])
    assert await NotifyKind(mailer=mailer, incidents=incidents).run(job(action, origin=origin), action) == end
    [seen] = incidents.seen
    assert (seen.firing, seen.alarm, seen.policy, seen.resolved) == ("f1", "alarms/a1", "escalationPolicies/p", origin == "RESOLVED")
    assert seen.title == "s" * 500
    assert mailer.messages == []


async def test_an_incident_waits_for_the_scheduler() -> None:
    """While it is away no attempt is spent."""
    action = NotifyAction(to=(), subject="s", text="t", html="", template="", variables={}, channels=(), escalation_policy="p")
    end = await NotifyKind(mailer=ScriptedMailer([]), incidents=ScriptedIncidents(Unavailable("away"))).run(job(action), action)
    assert isinstance(end, JobReleased)
    assert "scheduler_svc: away" in end.message
