"""What is shown of policies: the orders that hold, and each value with where it comes from."""

from dataclasses import dataclass
from datetime import datetime

from tocsin.api.mesh.v1 import mesh_service_pb2 as pb


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
