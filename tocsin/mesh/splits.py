"""Which share of the calls to methods goes to which version of their service, by the policy file or by order."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.api.mesh.v1 import rules_pb2
from tocsin.mesh.labels import LABEL_FORM, is_label
from tocsin.mesh.patterns import KnownMethods, MethodPatterns, RuleIndex
from tocsin.mesh.policy_errors import invalid

_MOST_VERSIONS: Final = 16
_WHOLE: Final = 100.0
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class CompiledSplit:
    """A rule that has been checked.

    Attributes:
        rule: as it was given.
        methods: that it is about.
        weights: percent of the calls, by version.
    """

    rule: rules_pb2.SplitRule
    methods: MethodPatterns
    weights: Mapping[str, float]

    @classmethod
    def of(cls, rule: rules_pb2.SplitRule, where: str, *, versions: Callable[[], Collection[str]]) -> "CompiledSplit":
        """Compiles a rule.

        Args:
            rule: as it was given.
            where: its place, for errors.
            versions: that the targets of this process have.

        Raises:
            RuleInvalid: it makes no sense; the message says where.
        """
        if not 1 <= len(rule.versions) <= _MOST_VERSIONS:
            raise invalid(f"{where}.versions", f"it must name 1 to {_MOST_VERSIONS} versions")
        weights: dict[str, float] = {}
        for number, one in enumerate(rule.versions):
            place = f"{where}.versions[{number}]"
            check_version(one.version, f"{place}.version", versions())
            if one.version in weights:
                raise invalid(f"{place}.version", f"{one.version!r} stands there twice")
            if not 0 <= one.percent <= _WHOLE:  # NaN is none of them
                raise invalid(f"{place}.percent", f"it must be 0 to 100, and is {one.percent:g}")
            weights[one.version] = one.percent
        if (total := sum(weights.values())) > _WHOLE + _ROUNDING:
            raise invalid(f"{where}.versions", f"they are {total:g} % together; 100 are the most")
        return cls(rule, MethodPatterns.of(rule.methods, rule.not_methods, where), weights)


def check_version(version: str, where: str, known: Collection[str]) -> None:
    """Refuses what no target of this process calls a version.

    Raises:
        RuleInvalid: names it.
    """
    if not is_label(version):
        raise invalid(where, f"{version!r} is no version: {LABEL_FORM}")
    if version not in known:
        there_are = f"there are {', '.join(sorted(known))}" if known else "none says a version"
        raise invalid(where, f"no target of this process has the version {version!r}; {there_are}")


def splits_together(rules: RuleIndex[CompiledSplit], known: KnownMethods, where: str) -> None:
    """Refuses rules of which two are about one method.

    Raises:
        RuleInvalid: names both.
    """
    for method in known.all:
        if len(found := rules.about(method)) > 1:
            one, other = sorted(each.rule.name for each in found)[:2]
            raise invalid(where, f"{one} and {other} are both about {method.path}; a method has one split")
