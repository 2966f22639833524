"""The action `publish`: one message to a broker that the operator named, confirmed by it."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from processor_svc.actions.outgoing import JSON_TYPE, away, content_of, what_fired
from processor_svc.brokers import BrokerAway, BrokerMessage, Brokers, BrokerSpec, MessageRefused, reserved_headers
from processor_svc.domain import ActionProblem, Job, JobFailed, JobReleased, JobResult, JobSucceeded
from processor_svc.turns import NoTurn, TenantTurns
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.clock import SECOND, Clock
from tocsin.errors import CircuitOpen

_SHORTEST_WAIT: Final = 0.5
_TURN_WAIT: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishAction:
    """Publish a message; without ``content`` it says what fired."""

    kind: ClassVar[str] = "publish"

    broker: str
    to: str
    exchange: str
    key: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    content_type: str


class PublishKind:
    """Publish actions. Consumers know a message by its id, so that it may be sent again when nobody confirmed it."""

    name = PublishAction.kind

    def __init__(
        self, *, brokers: Brokers, turns: TenantTurns, count: Callable[[str, str], None], clock: Clock, draw: random.Random
    ) -> None:
        """Sends nothing yet.

        Args:
            brokers: send.
            turns: how many are under way at once.
            count: takes the name of a broker and how a message to it ended: "confirmed", "refused" or "away".
            clock: tells how old a firing is.
            draw: source of jitter.
        """
        self._brokers = brokers
        self._turns = turns
        self._count = count
        self._clock = clock
        self._draw = draw

    def decode(self, message: alarm_pb2.Publish) -> PublishAction:
        """The action; raises ValueError for a body that JSON cannot express."""
        content, content_type = content_of(message)
        return PublishAction(
            broker=message.broker,
            to=message.to,
            exchange=message.exchange,
            key=message.key,
            headers=dict(message.headers),
            content=content,
            content_type=content_type,
        )

    async def validate(self, action: PublishAction, tenant: str = "") -> Sequence[ActionProblem]:
        """A broker that is not there, which another processor may know, and what it does not let this tenant do."""
        spec = self._brokers.specs.get(action.broker)
        return [ActionProblem("broker", self._missing(action.broker), tentative=True)] if spec is None else _problems(spec, action, tenant)

    def _missing(self, name: str) -> str:
        return f"no broker is named {name!r}; the operator names them (TOCSIN_PROCESSOR_BROKERS)"

    def describe(self, action: PublishAction) -> str:
        """The broker; "(none)" for a name that none has, so that callers cannot make labels."""
        return action.broker if action.broker in self._brokers.specs else "(none)"

    async def run(self, job: Job, action: PublishAction) -> JobResult:
        """Sends the message once; the output says where it is, as far as the broker tells."""
        spec = self._brokers.specs.get(action.broker)
        if spec is None:
            return JobFailed(reason="NO_SUCH_BROKER", message=self._missing(action.broker), retryable=True)
        if problems := _problems(spec, action, job.tenant):
            return JobFailed(reason="DESTINATION_REFUSED", message=f"{problems[0].field}: {problems[0].reason}", retryable=False)
        try:
            async with self._turns.turn(job.tenant):
                end = await self._sent(job, action)
        except NoTurn:
            wait = self._draw.uniform(_SHORTEST_WAIT, _TURN_WAIT)
            return JobReleased(message="too many messages of this tenant are under way", retry_after=wait)
        return end

    async def _sent(self, job: Job, action: PublishAction) -> JobResult:
        try:
            place = await self._brokers.send(action.broker, _message(job, action))
        except MessageRefused as error:
            self._count(action.broker, "refused")
            return JobFailed(reason=error.reason, message=f"{error}", retryable=error.retryable)
        except (BrokerAway, CircuitOpen) as error:
            self._count(action.broker, "away")
            age = self._clock.micros() / SECOND - job.due
            return away(age, "BROKER_AWAY", error.message, retry_after=error.retry_after, draw=self._draw)
        self._count(action.broker, "confirmed")
        return JobSucceeded(
            {"broker": action.broker, **({"exchange": action.exchange} if action.exchange else {}), "to": action.to, **place}
        )


def _problems(spec: BrokerSpec, action: PublishAction, tenant: str) -> list[ActionProblem]:
    """What this broker does not take, or not from this tenant."""
    kind = spec.address.kind
    found = [ActionProblem(*refusal)] if (refusal := spec.refusal(tenant, to=action.to, exchange=action.exchange)) else []
    if action.key and kind != "kafka":
        found.append(ActionProblem("key", f"is for Kafka, and {spec.name} is none"))
    reserved = reserved_headers(kind)
    found += [ActionProblem("headers", f"{name} has a meaning of its own there") for name in action.headers if name.lower() in reserved]
    return found


def _message(job: Job, action: PublishAction) -> BrokerMessage:
    said = action.content is not None
    return BrokerMessage(
        id=job.lease.firing,
        to=action.to,
        exchange=action.exchange,
        key=action.key,
        headers=action.headers,
        body=action.content if action.content is not None else what_fired(job),
        content_type=action.content_type if said else JSON_TYPE,
    )
