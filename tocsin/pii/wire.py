"""Policies on the wire."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tocsin.api.processor.v1 import pii_service_pb2 as pb
from tocsin.pii.findings import PiiKind
from tocsin.pii.policies import Measure, PiiArea, PiiPolicy, PolicyBook, readable
from tocsin.stored import shown

_MEASURES: Final = {pb.PiiPolicy.Measure.Value(member.value): member for member in Measure}
_AREAS: Final = {pb.PiiPolicy.Area.Value(member.value): member for member in PiiArea}
_KINDS: Final = {pb.PiiPolicy.Kind.Value(member.name): member for member in PiiKind}
_STRICTEST: Final = Measure.BLOCK


def to_policy(message: pb.PiiPolicy, *, tenant: str) -> PiiPolicy:
    """The policy; see `readable` for what only a later version knows."""
    policy = pb.PiiPolicy
    return readable(
        tenant=tenant,
        measure=_name(policy.Measure, message.measure),
        area=_name(policy.Area, message.area) if message.area else "",
        subject=message.subject or "*",
        kinds=[_name(policy.Kind, kind) for kind in message.kinds],
    )


def from_policy(policy: PiiPolicy, *, name: str) -> pb.PiiPolicy:
    """The policy on the wire."""
    return pb.PiiPolicy(
        name=name,
        measure=pb.PiiPolicy.Measure.Value(policy.measure.value),
        area=dict(pb.PiiPolicy.Area.items()).get(shown(policy.area), pb.PiiPolicy.AREA_UNSPECIFIED),
        subject=policy.subject,
        kinds=sorted(map(kind_number, policy.kinds)),
    )


def _name(kind: Any, number: int) -> str:
    """The name of an enum's value; its number when there is none."""
    return str(kind.Name(number)) if number in kind.values() else str(number)


def to_kinds(numbers: "Iterable[pb.PiiPolicy.Kind.ValueType]") -> frozenset[PiiKind]:
    """The kinds that this version knows."""
    return frozenset(kind for number in numbers if (kind := _KINDS.get(number)) is not None)


def kind_number(kind: PiiKind) -> "pb.PiiPolicy.Kind.ValueType":
    """A kind on the wire."""
    return pb.PiiPolicy.Kind.Value(kind.name)


def from_defaults(defaults: Mapping[PiiArea, Measure]) -> list[pb.AreaMeasure]:
    """The installation's measures on the wire."""
    return [
        pb.AreaMeasure(area=pb.PiiPolicy.Area.Value(area.value), measure=pb.PiiPolicy.Measure.Value(measure.value))
        for area, measure in defaults.items()
    ]


def to_book(message: pb.GetPolicyBookResponse) -> PolicyBook:
    """The book in an answer, all pages of it together."""
    return PolicyBook(
        (to_policy(each.policy, tenant=each.tenant) for each in message.policies),
        defaults={_AREAS[each.area]: _MEASURES.get(each.measure, _STRICTEST) for each in message.defaults if each.area in _AREAS},
        version=message.version,
    )
