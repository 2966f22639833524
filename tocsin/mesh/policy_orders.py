"""What is kept of policies at run time: the orders that hold, what rules make of a policy, and each value with where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.mesh.policy import MethodPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOrder:
    """A rule that an operator gave.

    Attributes:
        rule: what it changes.
        expires: when it ends.
    """

    rule: pb.PolicyRule
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValue:
    """One value of a method's policy.

    Attributes:
        name: such as "timeout" or "retry.max_attempts".
        value: as text.
        source: "default", "service" or "method" (an option of the contract), "file" or "order".
        declared: what the contract says.
    """

    name: str
    value: str
    source: str
    declared: str


class AppliedPolicies:
    """What rules make of what the contract says, worked out once for each method: a change is asked about all of them several times."""

    __slots__ = ("_known", "_work_out")

    def __init__(self, work_out: Callable[[MethodPolicy], MethodPolicy]) -> None:
        """Knows nothing yet."""
        self._work_out = work_out
        self._known: dict[str, tuple[MethodPolicy, MethodPolicy]] = {}

    def of(self, declared: MethodPolicy) -> MethodPolicy:
        """What holds for a method.

        Raises:
            RuleInvalid: its rules together make no sense.
        """
        known = self._known.get(declared.path)
        if known is None or known[0] is not declared:
            known = self._known[declared.path] = declared, self._work_out(declared)
        return known[1]

    def forget(self, *about: str) -> None:
        """Works out anew what these are about: methods, services ("/package.Service/"), or "" for all."""
        for path in [path for path in self._known if path.startswith(about)]:
            del self._known[path]
