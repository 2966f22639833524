"""The mailer as a check of the messages that actions send: their templates, variables and channels, and whom and what they name."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from scheduler_svc.domain import Finding
from scheduler_svc.ports import Findings
from tocsin.actions import ActionNotice, notice_of
from tocsin.api.mailer.v1 import delivery_service_pb2, delivery_service_pb2_grpc, template_service_pb2, template_service_pb2_grpc
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.mesh.client import Mesh

_SECONDS: Final = 5.0
_REMEMBERED: Final = 4096
_ASKED: Final = 1000  # templates, and names, in one question, as in the contract
_ROTATIONS: Final = "rotations/"
_ABSENT: Final = "does not exist yet: the alarm is taken, and "


class _ContentFacts(NamedTuple):
    """What the mailer says of the templates and channels that some actions use, and whom and what they name that is not there."""

    templates: "dict[str, _TemplateFacts]"
    channels: Sequence[str]
    missing: Collection[str]


class _TemplateFacts(NamedTuple):
    """The variables that a template requires, and those that it takes; if it declares none, it takes any."""

    required: Sequence[str]
    declared: Sequence[str]


class SentMessages:
    """Implements `scheduler_svc.ports.usage.MessageCounts`."""

    def __init__(self, *, mesh: Mesh) -> None:
        self._stub = delivery_service_pb2_grpc.DeliveryServiceStub(mesh.channel("mailer_svc"))

    async def messages(self, tenant: str) -> int:
        """How many a tenant has sent today."""
        return (await self._stub.CountMessages(delivery_service_pb2.CountMessagesRequest(tenant=tenant))).messages


class NotifyChecks:
    """Checks the messages of actions; see `scheduler_svc.service.checks.KindChecks`.

    What the mailer has is remembered for a moment: an import brings the same template in every line. What it does not have is asked for
    again, so that a template is there as soon as it is made. While the mailer is away, that is a tentative finding.
    """

    def __init__(self, *, mesh: Mesh, clock: Clock) -> None:
        self._stub = template_service_pb2_grpc.TemplateServiceStub(mesh.channel("mailer_svc"))
        self._clock = clock
        self._templates: OrderedDict[tuple[str, str], tuple[float, _TemplateFacts]] = OrderedDict()
        self._channels: tuple[float, Sequence[str]] = (0.0, ())
        self._names: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def check(self, tenant: str, bodies: Sequence[bytes]) -> Sequence[Findings]:
        """What is wrong with each of the actions."""
        notices = [notice_of(alarm_pb2.Action.FromString(body)) for body in bodies]
        asking = [notice for notice in notices if notice is not None and _asks(notice.notify)]
        if not asking:
            return [()] * len(notices)
        templates = {notice.notify.template: None for notice in asking if notice.notify.template}
        names = {name: None for notice in asking for name in _named(notice.notify)}
        try:
            facts = await self._facts(tenant, templates, names)
        except TocsinError as error:
            words = f"was not checked, because mailer_svc did not answer: {error.message}"
            return [(Finding(notice.path, words, tentative=True),) if notice and notice in asking else () for notice in notices]
        return [tuple(_findings(notice, facts)) if notice else () for notice in notices]

    async def _facts(self, tenant: str, templates: Iterable[str], names: Iterable[str]) -> _ContentFacts:
        fresh = self._clock.monotonic() - _SECONDS
        found: dict[str, _TemplateFacts] = {}
        unknown: list[str] = []
        for name in templates:
            known = self._templates.get((tenant, name))
            if known is not None and known[0] > fresh:
                found[name] = known[1]
            else:
                unknown.append(name)
        old = self._channels[0] <= fresh or not self._channels[1]
        asked = [name for name in names if self._names.get((tenant, name), fresh) <= fresh]
        missing: set[str] = set()
        for start in range(0, max(len(unknown), len(asked), int(old)), _ASKED):
            part = slice(start, start + _ASKED)
            missing |= await self._ask(tenant, unknown[part], asked[part], found)
        return _ContentFacts(found, self._channels[1], missing)

    async def _ask(self, tenant: str, templates: Sequence[str], names: Sequence[str], found: dict[str, _TemplateFacts]) -> set[str]:
        """Adds what the mailer says to ``found``; returns the names that are of nothing."""
        request = template_service_pb2.DescribeContentRequest(tenant=tenant, templates=templates, names=names)
        answer = await self._stub.DescribeContent(request)
        now = self._clock.monotonic()
        self._channels = (now, tuple(answer.channels))
        missing = set(answer.missing)
        for name in names:
            if name not in missing:
                self._names[tenant, name] = now
                self._names.move_to_end((tenant, name))
        for template in answer.templates:
            declared = tuple(variable.name for variable in template.declared_variables)
            found[template.name] = _TemplateFacts(tuple(template.required_variables), declared)
            self._templates[tenant, template.name] = (now, found[template.name])
            self._templates.move_to_end((tenant, template.name))
        for remembered in (self._templates, self._names):
            while len(remembered) > _REMEMBERED:
                remembered.popitem(last=False)
        return missing


def _named(action: alarm_pb2.Notify) -> list[str]:
    """Whom and what an action names that the mailer keeps."""
    people = [name for name in action.recipients if name.startswith(("recipients/", "groups/", _ROTATIONS))]
    return [*people, action.category] if action.category else people


def _asks(action: alarm_pb2.Notify) -> bool:
    """Whether it says anything that the mailer knows better."""
    return bool(action.template or action.channels or _named(action))


def _absent(notice: ActionNotice, missing: Collection[str]) -> Iterator[Finding]:
    """Warnings of names that are of nothing: people may be imported after the alarms that ring for them."""
    path, action = notice
    for place, name in enumerate(action.recipients):
        if name in missing:
            why = "NOBODY_ON_CALL" if name.startswith(_ROTATIONS) else "UNKNOWN_RECIPIENT"
            reason = f"{name} {_ABSENT}its message will be SUPPRESSED as {why} until it does"
            yield Finding(f"{path}.recipients[{place}]", reason, tentative=True)
    if action.category in missing:
        reason = f"{action.category} {_ABSENT}its messages count as transactional until it does"
        yield Finding(f"{path}.category", reason, tentative=True)


def _findings(notice: ActionNotice, facts: _ContentFacts) -> Iterator[Finding]:
    path, action = notice
    yield from _absent(notice, facts.missing)
    for place, channel in enumerate(action.channels):
        if channel not in facts.channels:
            yield Finding(f"{path}.channels[{place}]", f"there is no provider for {channel}; the mailer has {', '.join(facts.channels)}")
    if not action.template:
        return
    template = facts.templates.get(action.template)
    if template is None:
        yield Finding(f"{path}.template", f"there is no template {action.template}")
        return
    missing = [name for name in template.required if name not in action.variables]
    if missing:
        yield Finding(f"{path}.variables", f"{action.template} requires {', '.join(missing)}")
    unknown = [name for name in action.variables if name not in template.declared] if template.declared else []
    if unknown:
        yield Finding(f"{path}.variables", f"{action.template} declares no variable {', '.join(unknown)}")
