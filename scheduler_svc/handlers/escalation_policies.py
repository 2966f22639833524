"""EscalationPolicyService."""

from collections.abc import Sequence
from typing import Any, Final

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask

from scheduler_svc.domain.escalation import DEFAULT_WAIT, EscalationPlan
from scheduler_svc.domain.escalation import EscalationPolicy as StoredPolicy
from scheduler_svc.domain.escalation import EscalationStep as StoredStep
from scheduler_svc.domain.escalation import WeeklyHours as StoredHours
from scheduler_svc.handlers.times import length_of, set_instant, set_length
from scheduler_svc.service.escalation_policies import EscalationPolicies
from tocsin.api.scheduler.v1 import escalation_policy_service_pb2 as pb
from tocsin.api.scheduler.v1 import escalation_policy_service_pb2_grpc as rpc
from tocsin.listing import FilterField, parse_filter
from tocsin.masks import fields_to_change
from tocsin.mesh.context import principal
from tocsin.mesh.validation import RequestValidator
from tocsin.pages import Listing, list_page
from tocsin.stored import int32

Context = grpc.aio.ServicerContext[Any, Any]

_COLLECTION: Final = "escalationPolicies/"
_FILTER: Final = {"text": FilterField(operators=("=",))}
_WRITABLE: Final = ("display_name", "steps", "repeat", "round_robin", "unacknowledge_after", "resolve_after", "time_zone")


class EscalationPolicyHandlers(rpc.EscalationPolicyServiceServicer):
    """Manages escalation policies of the caller's tenant."""

    def __init__(self, *, policies: EscalationPolicies, validator: RequestValidator) -> None:
        self._policies = policies
        self._validator = validator

    async def CreateEscalationPolicy(self, request: pb.CreateEscalationPolicyRequest, context: Context) -> pb.EscalationPolicy:
        """Makes a policy."""
        who, given = principal(), request.escalation_policy
        made = await self._policies.create(
            who.tenant, policy=_id(given.name), display_name=given.display_name, plan=_plan(given, who.time_zone)
        )
        return _policy(made)

    async def GetEscalationPolicy(self, request: pb.GetEscalationPolicyRequest, context: Context) -> pb.EscalationPolicy:
        """Reads a policy."""
        return _policy(await self._policies.get(principal().tenant, _id(request.name)))

    async def ListEscalationPolicies(
        self, request: pb.ListEscalationPoliciesRequest, context: Context
    ) -> pb.ListEscalationPoliciesResponse:
        """Lists policies, by name."""
        tenant = principal().tenant

        wanted = {condition.field: str(condition.value) for condition in parse_filter(request.filter, fields=_FILTER)}

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[StoredPolicy], tuple[str] | None]:
            after = behind[0] if behind else ""
            found, further = await self._policies.page(tenant, after=after, size=most, text=wanted.get("text", ""))
            return found, (further,) if further is not None else None

        listing = Listing(f"escalationPolicies/{tenant} {request.filter}".rstrip(), (str,))
        found, more = await list_page(request, listing, read=read, show=_policy, place=lambda item: (item.id,))
        return pb.ListEscalationPoliciesResponse(escalation_policies=found, next_page_token=more)

    async def UpdateEscalationPolicy(self, request: pb.UpdateEscalationPolicyRequest, context: Context) -> pb.EscalationPolicy:
        """Changes fields of a policy."""
        who, given = principal(), request.escalation_policy
        self._validator.check(pb.GetEscalationPolicyRequest(name=given.name))
        mask = FieldMask(paths=fields_to_change(request.update_mask, given, _WRITABLE))

        def change(stored: StoredPolicy) -> tuple[str, EscalationPlan]:
            whole = _policy(stored)
            mask.MergeMessage(given, whole, replace_message_field=True, replace_repeated_field=True)
            self._validator.check(pb.CreateEscalationPolicyRequest(escalation_policy=whole))
            return whole.display_name, _plan(whole, who.time_zone)

        return _policy(await self._policies.update(who.tenant, _id(given.name), etag=given.etag, change=change))

    async def DeleteEscalationPolicy(self, request: pb.DeleteEscalationPolicyRequest, context: Context) -> Empty:
        """Removes a policy."""
        await self._policies.delete(principal().tenant, _id(request.name), etag=request.etag)
        return Empty()


def _id(name: str) -> str:
    return name.removeprefix(_COLLECTION)


def _plan(message: pb.EscalationPolicy, time_zone: str) -> EscalationPlan:
    return EscalationPlan(
        steps=tuple(map(_step, message.steps)),
        repeat=message.repeat,
        round_robin=message.round_robin,
        unacknowledge_after=length_of(message.unacknowledge_after),
        resolve_after=length_of(message.resolve_after),
        zone=message.time_zone or time_zone,
    )


def _step(message: pb.EscalationStep) -> StoredStep:
    return StoredStep(
        targets=tuple(message.targets),
        wait=length_of(message.wait) if message.HasField("wait") else DEFAULT_WAIT,
        channels=tuple(message.channels),
        hours=tuple(StoredHours(_minutes(hours.start), _minutes(hours.end), tuple(sorted(hours.days))) for hours in message.hours),
        occurrences=message.min_occurrences,
        window=length_of(message.occurrence_window),
    )


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _policy(policy: StoredPolicy) -> pb.EscalationPolicy:
    plan = policy.plan
    message = pb.EscalationPolicy(
        name=f"{_COLLECTION}{policy.id}",
        display_name=policy.display_name,
        steps=map(_step_message, plan.steps),
        repeat=int32(plan.repeat),
        round_robin=plan.round_robin,
        time_zone=plan.zone,
        etag=policy.etag,
    )
    if plan.unacknowledge_after:
        set_length(message.unacknowledge_after, plan.unacknowledge_after)
    if plan.resolve_after:
        set_length(message.resolve_after, plan.resolve_after)
    set_instant(message.create_time, policy.created)
    set_instant(message.update_time, policy.updated)
    return message


def _step_message(step: StoredStep) -> pb.EscalationStep:
    message = pb.EscalationStep(
        targets=step.targets,
        channels=step.channels,
        hours=[pb.WeeklyHours(days=hours.days, start=_clock_time(hours.start), end=_clock_time(hours.end)) for hours in step.hours],
        min_occurrences=int32(step.occurrences),
    )
    set_length(message.wait, step.wait)
    if step.window:
        set_length(message.occurrence_window, step.window)
    return message


def _clock_time(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
