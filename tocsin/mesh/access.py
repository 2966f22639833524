"""Who may call what, beyond what the contract says: rules at run time, evaluated as Istio's AuthorizationPolicy is.

A DENY rule that matches refuses. Otherwise, of the ALLOW rules about the method, if there are any, one must match. Rules that are tried
(``dry_run``) refuse nothing. All of it comes after the contract's own callers, token and scope, so that no rule opens what these close.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from tocsin.api.mesh.v1 import rules_pb2
from tocsin.errors import PermissionDenied, Unavailable
from tocsin.mesh.patterns import KnownMethods, MethodPatterns, Patterns, RuleIndex
from tocsin.mesh.policy import MethodPolicy
from tocsin.mesh.policy_errors import invalid
from tocsin.mesh.principal import Principal
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

MOST_RULES: Final = 256
"""Rules about one method: each of its calls asks them in turn. One rule may name a thousand values, which cost no more than one."""
_LOG_SECONDS: Final = 10.0
_NO_RULE: Final = "(no ALLOW rule)"
_SPIFFE: Final = "spiffe://"


class AccessRefused(PermissionDenied):
    """A rule of the mesh does not let this call pass."""


class AccessUnknown(Unavailable):
    """Who may call is not known: the policy file could not be read since the start."""


@dataclass(frozen=True, slots=True)
class _AccessCondition:
    """What a call has of one kind: one of the patterns must match, none of the others may."""

    values: Callable[[str, Principal | None], Iterable[str]]
    wanted: Patterns | None
    but: Patterns | None

    def holds(self, peer: str, principal: Principal | None) -> bool:
        found = tuple(self.values(peer, principal))
        if self.wanted is not None and not self.wanted.match_any(found):
            return False
        return self.but is None or not self.but.match_any(found)


@dataclass(frozen=True, slots=True)
class CompiledAccess:
    """A rule that has been checked.

    Attributes:
        rule: as it was given.
        methods: that it is about.
    """

    rule: rules_pb2.AccessRule
    methods: MethodPatterns
    _conditions: tuple[_AccessCondition, ...]

    @classmethod
    def of(cls, rule: rules_pb2.AccessRule, where: str) -> "CompiledAccess":
        """Compiles a rule.

        Raises:
            RuleInvalid: it makes no sense; the message says where.
        """
        if rule.action not in (rules_pb2.AccessRule.DENY, rules_pb2.AccessRule.ALLOW):
            raise invalid(f"{where}.action", "it must be DENY or ALLOW")
        for name in ("principals", "not_principals"):
            for number, text in enumerate(getattr(rule, name)):
                if not text.startswith((_SPIFFE, "*")) and text:
                    raise invalid(
                        f"{where}.{name}[{number}]",
                        f"{text!r} is no pattern of a SPIFFE id, such as 'spiffe://tocsin.local/gateway' or '*/gateway'",
                    )
        conditions = [*(_condition(rule, name, values, where) for name, values in _VALUES.items()), *_claims(rule, where)]
        return cls(
            rule,
            MethodPatterns.of(rule.methods, rule.not_methods, where),
            tuple(each for each in conditions if each.wanted is not None or each.but is not None),
        )

    def matches(self, peer: str, principal: Principal | None) -> bool:
        """Whether every condition holds for a call of the service ``peer`` (a SPIFFE id or nothing) and a token's principal."""
        return all(condition.holds(peer, principal) for condition in self._conditions)


def _condition(rule: rules_pb2.AccessRule, name: str, values: Callable[..., Iterable[str]], where: str) -> _AccessCondition:
    wanted, but = getattr(rule, name), getattr(rule, f"not_{name}")
    return _AccessCondition(
        values,
        Patterns.of(wanted, f"{where}.{name}") if wanted else None,
        Patterns.of(but, f"{where}.not_{name}") if but else None,
    )


def _claims(rule: rules_pb2.AccessRule, where: str) -> Iterable[_AccessCondition]:
    for number, one in enumerate(rule.claims):
        place = f"{where}.claims[{number}]"
        if not one.claim:
            raise invalid(f"{place}.claim", "it must name a claim of the token")
        if not one.values and not one.not_values:
            raise invalid(place, "it must have values or not_values")
        yield _AccessCondition(
            _claim(one.claim),
            Patterns.of(one.values, f"{place}.values") if one.values else None,
            Patterns.of(one.not_values, f"{place}.not_values") if one.not_values else None,
        )


def _claim(name: str) -> Callable[[str, Principal | None], Iterable[str]]:
    def values(_: str, principal: Principal | None) -> Iterable[str]:
        return () if principal is None else claim_texts(principal.claims.get(name))

    return values


def claim_texts(value: Any) -> Iterable[str]:
    """The texts of a claim; numbers and truth values as JSON has them, of a list each."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return [text for one in cast("list[Any]", value) if not isinstance(one, list | dict) for text in claim_texts(one)]
    return () if value is None or isinstance(value, dict) else (json.dumps(value),)


_VALUES: Final[Mapping[str, Callable[[str, Principal | None], Iterable[str]]]] = {
    "principals": lambda peer, _: (peer,),
    "tenants": lambda _, principal: () if principal is None else (principal.tenant,),
    "subjects": lambda _, principal: () if principal is None else (principal.subject,),
    "scopes": lambda _, principal: () if principal is None else principal.scopes,
}


@dataclass(slots=True)
class MethodAccess:
    """The rules about one method. Belongs to one event loop.

    Attributes:
        deny: that refuse.
        allow: of which one must match, when there are any.
        tried_deny: of the rules that are tried.
        tried_allow: likewise.
    """

    method: str
    deny: Sequence[CompiledAccess]
    allow: Sequence[CompiledAccess]
    tried_deny: Sequence[CompiledAccess]
    tried_allow: Sequence[CompiledAccess]
    _logged: dict[tuple[str, bool], float] = field(default_factory=dict[tuple[str, bool], float])

    @classmethod
    def of(cls, method: MethodPolicy, rules: Sequence[CompiledAccess]) -> "MethodAccess | None":
        """What the rules about a method, which ``rules`` are, make of it; None when there are none."""
        if not rules:
            return None
        found: dict[tuple[int, bool], list[CompiledAccess]] = {}
        for each in rules:
            found.setdefault((each.rule.action, each.rule.dry_run), []).append(each)
        deny, allow = rules_pb2.AccessRule.DENY, rules_pb2.AccessRule.ALLOW
        return cls(
            method.path,
            deny=found.get((deny, False), ()),
            allow=found.get((allow, False), ()),
            tried_deny=found.get((deny, True), ()),
            tried_allow=found.get((allow, True), ()),
        )

    def require(self, peer: str, principal: Principal | None, *, count: Callable[[str, str, str], None], now: float) -> None:
        """Lets a call pass.

        Args:
            peer: SPIFFE id of the service that calls; empty when it shows none.
            principal: of the verified token.
            count: told of a refusal: method, rule, and "enforced" or "tried".
            now: monotonic seconds, for the log.

        Raises:
            AccessRefused: a rule does not let it pass.
        """
        refused = _refusal(self.deny, self.allow, peer, principal)
        if refused is not None:
            self._tell(refused, peer, principal, count, now, tried=False)
            raise AccessRefused
        if self.tried_deny or self.tried_allow:
            tried = _refusal(self.tried_deny, (*self.allow, *self.tried_allow) if self.tried_allow else (), peer, principal)
            if tried is not None:
                self._tell(tried, peer, principal, count, now, tried=True)

    def _tell(
        self, rule: str, peer: str, principal: Principal | None, count: Callable[[str, str, str], None], now: float, *, tried: bool
    ) -> None:
        count(self.method, rule, "tried" if tried else "enforced")
        # A flood of refused calls is no flood of lines: the metric has the number.
        if now - self._logged.get((rule, tried), -_LOG_SECONDS) < _LOG_SECONDS:
            return
        self._logged[rule, tried] = now
        tenant, subject = (principal.tenant, principal.subject) if principal else ("", "")
        _log.warning("access refused", tried=tried, method=self.method, rule=rule, caller=peer, tenant=tenant, subject=subject)


def _refusal(deny: Sequence[CompiledAccess], allow: Sequence[CompiledAccess], peer: str, principal: Principal | None) -> str | None:
    """The name of the rule that refuses; None when the call passes."""
    for each in deny:
        if each.matches(peer, principal):
            return each.rule.name
    return _NO_RULE if allow and not any(each.matches(peer, principal) for each in allow) else None


def check_together(rules: RuleIndex[CompiledAccess], known: KnownMethods, where: str) -> None:
    """Refuses rules that are too many.

    Raises:
        RuleInvalid: more than `MOST_RULES` are about one method.
    """
    for method in known.all:
        if len(rules.about(method)) > MOST_RULES:
            raise invalid(where, f"more than {MOST_RULES} rules are about {method.path}; one rule may name many values")
