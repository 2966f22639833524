"""Escalation policies as a check of the actions that name them."""

from collections.abc import Sequence

from scheduler_svc.domain import Finding
from scheduler_svc.ports import Findings
from scheduler_svc.ports.incidents import EscalationPolicyStore
from tocsin.actions import ActionNotice, notice_of
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.errors import TocsinError

_COLLECTION = "escalationPolicies/"


class PolicyChecks:
    """Warns of actions whose policy is not there; see `scheduler_svc.service.checks.KindChecks`. It may be made later (ADR 0030)."""

    def __init__(self, *, policies: EscalationPolicyStore) -> None:
        self._policies = policies

    async def check(self, tenant: str, bodies: Sequence[bytes]) -> Sequence[Findings]:
        """What is doubtful about each of the actions."""
        notices = [notice_of(alarm_pb2.Action.FromString(body)) for body in bodies]
        named = {(tenant, _policy(notice)) for notice in notices if notice and _policy(notice)}
        if not named:
            return [()] * len(notices)
        try:
            missing = {policy for _, policy in await self._policies.missing(named)}
        except TocsinError as error:
            return [_findings(notice, f"was not checked: {error.message}") if notice and _policy(notice) else () for notice in notices]
        absent = "does not exist yet: the alarm is taken, and opens no incident until it does"
        return [_findings(notice, absent) if notice and _policy(notice) in missing else () for notice in notices]


def _policy(notice: ActionNotice) -> str:
    """The id of the policy that it names; empty if it names none."""
    return notice.notify.escalation_policy.removeprefix(_COLLECTION)


def _findings(notice: ActionNotice, reason: str) -> Findings:
    return (Finding(f"{notice.path}.escalationPolicy", reason, tentative=True),)
