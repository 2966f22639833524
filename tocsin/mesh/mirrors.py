"""Which calls are copied to a version of their service that nobody's answers come from, by the policy file or by order."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.api.mesh.v1 import rules_pb2
from tocsin.mesh.patterns import KnownMethods, MethodPatterns, RuleIndex
from tocsin.mesh.policy import MethodKind, MethodPolicy
from tocsin.mesh.policy_errors import invalid
from tocsin.mesh.splits import check_version

_MOST_IN_FLIGHT: Final = 1000
_DEFAULT_IN_FLIGHT: Final = 16


@dataclass(frozen=True, slots=True)
class MirroredMethods(MethodPatterns):
    """The methods whose calls are copied: of those that its patterns match, those that have one answer and no side effects."""

    def about(self, method: MethodPolicy) -> bool:
        """Whether calls of the method are copied."""
        return not _reason_against(method) and MethodPatterns.about(self, method)


@dataclass(frozen=True, slots=True)
class CompiledMirror:
    """A rule that has been checked.

    Attributes:
        rule: as it was given.
        methods: that it is about.
        most: copies of one method that may be under way.
    """

    rule: rules_pb2.MirrorRule
    methods: MirroredMethods
    most: int

    @classmethod
    def of(
        cls,
        rule: rules_pb2.MirrorRule,
        where: str,
        *,
        versions: Callable[[], Collection[str]],
        known: Callable[[], Mapping[str, MethodPolicy]],
    ) -> "CompiledMirror":
        """Compiles a rule.

        Args:
            rule: as it was given.
            where: its place, for errors.
            versions: that the targets of this process have.
            known: the policies of this process, by path.

        Raises:
            RuleInvalid: it makes no sense; the message says where.
        """
        check_version(rule.version, f"{where}.version", versions())
        if not 0 < rule.percent <= 100:  # NaN is not
            raise invalid(f"{where}.percent", f"it must be more than 0 and at most 100, and is {rule.percent:g}")
        if not 0 <= rule.max_in_flight <= _MOST_IN_FLIGHT:
            raise invalid(f"{where}.max_in_flight", f"it must be 1 to {_MOST_IN_FLIGHT}; 0 is {_DEFAULT_IN_FLIGHT}")
        about = MethodPatterns.of(rule.methods, rule.not_methods, where)
        methods = MirroredMethods(about.wanted, about.but)
        for number, text in enumerate(rule.methods):
            if text in known() and (reason := _reason_against(known()[text])):
                raise invalid(f"{where}.methods[{number}]", f"{text} cannot be mirrored: {reason}")
        if any(map(about.about, known().values())) and not any(map(methods.about, known().values())):
            raise invalid(f"{where}.methods", "none of them can be mirrored: they have side effects, or their messages stream")
        return cls(rule, methods, rule.max_in_flight or _DEFAULT_IN_FLIGHT)


def _reason_against(method: MethodPolicy) -> str:
    """Why calls of a method are never copied; empty for none."""
    if method.kind is not MethodKind.UNARY_UNARY:
        return "its requests or answers stream"
    return "" if method.side_effect_free else "the contract does not say that it has no side effects (NO_SIDE_EFFECTS)"


def mirrors_together(rules: RuleIndex[CompiledMirror], known: KnownMethods, where: str) -> None:
    """Refuses rules of which two are about one method.

    Raises:
        RuleInvalid: names both.
    """
    for method in known.all:
        if len(found := rules.about(method)) > 1:
            one, other = sorted(each.rule.name for each in found)[:2]
            raise invalid(where, f"{one} and {other} are both about {method.path}; a method has one mirror")
