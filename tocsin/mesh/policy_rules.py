"""What a rule at run time says: how it is read, what makes sense, what becomes of a policy with it (pure)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, Final, cast

import yaml
from google.protobuf import json_format

from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.api.mesh.v1 import policy_pb2
from tocsin.mesh.breaker import BreakerRule
from tocsin.mesh.policy import Balance, Criticality, MethodPolicy, given, in_seconds
from tocsin.mesh.policy_errors import RuleInvalid, invalid
from tocsin.mesh.retry import RetryRule

_CHANGEABLE: Final = frozenset({"timeout", "retry", "breaker", "hedge", "balance", "criticality", "concurrent_calls"})
_LONGEST_SECONDS: Final = 3600.0
_ACCESS: Final = re.compile(r"""access["']?[ \t]{0,20}:""")
_GROUPS: Final = ("retry", "breaker")


def parse(text: str) -> pb.PolicyRules:
    """The rules of a file in YAML: ``rules:``, ``access:`` and ``rates:``, as PolicyRules has them.

    Raises:
        RuleInvalid: it is no such file; the message says where.
    """
    if not text.strip():
        # A file is empty for a moment while it is written.
        raise RuleInvalid("it is empty; `rules: []` is a file without rules")
    try:
        found: Any = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
        return json_format.ParseDict(found, pb.PolicyRules())
    except yaml.YAMLError as error:
        raise RuleInvalid(" ".join(str(error).split())) from error
    except (json_format.ParseError, TypeError, AttributeError, ValueError) as error:
        raise RuleInvalid(f"it is no list of rules: {error}") from error


def has_access(text: str) -> bool:
    """Whether a file that cannot be used may hold rules of access."""
    return _ACCESS.search(text) is not None


def applied(declared: MethodPolicy, rules: Iterable[pb.PolicyRule]) -> MethodPolicy:
    """The policy with the rules on top of it, one after the other.

    Raises:
        RuleInvalid: the values together make no sense.
    """
    found = declared
    for rule in rules:
        own, changed = rule.policy, dict[str, Any]()
        if own.HasField("timeout"):
            changed["timeout"] = in_seconds(own.timeout)
        if own.balance:
            changed["balance"] = Balance(own.balance)
        if own.criticality:
            changed["criticality"] = Criticality(own.criticality)
        if own.concurrent_calls:
            changed["concurrent_calls"] = own.concurrent_calls
        if own.HasField("hedge"):
            changed["hedged"] = own.hedge.enabled
            changed["hedge_delay"] = in_seconds(own.hedge.delay) if own.hedge.HasField("delay") else found.hedge_delay
        try:
            if own.HasField("retry"):
                changed["retry"] = replace(found.retry, **given(own.retry, RetryRule))
            if own.HasField("breaker"):
                changed["breaker"] = replace(found.breaker, **given(own.breaker, BreakerRule))
        except ValueError as error:
            raise RuleInvalid(f"{declared.path}: {error}") from error
        found = replace(found, **changed)
    return found


def flat(policy: MethodPolicy) -> dict[str, str]:
    """What can be changed, by name, as text."""
    delay = "observed" if policy.hedge_delay is None else f"{policy.hedge_delay:g}s"
    return {
        "timeout": f"{policy.timeout:g}s",
        **{
            f"{name}.{field.name}": _text(getattr(getattr(policy, name), field.name))
            for name in _GROUPS
            for field in fields(getattr(policy, name))
        },
        "hedge.enabled": str(policy.hedged).lower(),
        "hedge.delay": delay,
        "balance": policy.balance.name,
        "criticality": policy.criticality.name,
        "concurrent_calls": str(policy.concurrent_calls),
    }


def _text(value: object) -> str:
    if isinstance(value, frozenset):
        return ",".join(sorted(cast("frozenset[str]", value)))
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else f"{value:g}"


def named(rule: pb.PolicyRule) -> set[str]:
    """The names of the values that a rule sets."""
    found: set[str] = set()
    for field, value in rule.policy.ListFields():
        inner = isinstance(value, policy_pb2.Retry | policy_pb2.Breaker | policy_pb2.Hedge)
        found |= {f"{field.name}.{part.name}" for part, _ in value.ListFields()} if inner else {field.name}
    return found


def difference(path: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """A line for each value that is another one."""
    for name, value in after.items():
        if value != before[name]:
            yield f"{path} {name}: {before[name]} -> {value}"


def check(rule: pb.PolicyRule, where: str) -> None:
    """Refuses a rule that makes no sense by itself.

    Raises:
        RuleInvalid: names the field, after ``where``, and the reason.
    """
    for field, _ in rule.policy.ListFields():
        if field.name not in _CHANGEABLE:
            raise invalid(f"{where}.policy.{field.name}", f"it cannot be changed at run time; {', '.join(sorted(_CHANGEABLE))} can")
    if not rule.policy.ListFields():
        raise invalid(f"{where}.policy", "it says nothing")
    if rule.policy.HasField("timeout") and not 0 < in_seconds(rule.policy.timeout) <= _LONGEST_SECONDS:
        raise invalid(f"{where}.policy.timeout", f"it must be more than 0 s and at most {_LONGEST_SECONDS:g} s")
