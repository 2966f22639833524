"""What a rule at run time says: how it is read, what makes sense, what becomes of a policy with it (pure)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

import yaml
from google.protobuf import json_format

from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.api.mesh.v1 import policy_pb2
from tocsin.mesh.breaker import BreakerRule
from tocsin.mesh.policy import Balance, Criticality, MethodPolicy, given, in_seconds
from tocsin.mesh.policy_errors import RuleInvalid, invalid
from tocsin.mesh.retry import RetryRule

_CHANGEABLE: Final = frozenset(
    {"timeout", "retry", "breaker", "hedge", "balance", "criticality", "concurrent_calls", "standing_queue_limit"}
)
_LONGEST_SECONDS: Final = 3600.0
_ACCESS: Final = re.compile(r"""access["']?[ \t]{0,20}:""")


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
    retry, breaker, changed = declared.retry, declared.breaker, dict[str, Any]()
    for rule in rules:
        said = _said(rule.policy.SerializeToString(deterministic=True))
        changed |= said.values
        try:
            if said.retry:
                retry = replace(retry, **said.retry)
            if said.breaker:
                breaker = replace(breaker, **said.breaker)
        except ValueError as error:
            raise RuleInvalid(f"{declared.path}: {error}") from error
    if retry is declared.retry and breaker is declared.breaker and not changed:
        return declared
    return replace(declared, retry=retry, breaker=breaker, **changed)


class _Said(NamedTuple):
    """What a rule says, ready to be put on top of hundreds of methods."""

    values: Mapping[str, Any]
    retry: Mapping[str, Any]
    breaker: Mapping[str, Any]


@lru_cache(maxsize=1024)
def _said(policy: bytes) -> _Said:
    """What the policy of a rule says, by its bytes."""
    own, values = policy_pb2.Policy.FromString(policy), dict[str, Any]()
    if own.HasField("timeout"):
        values["timeout"] = in_seconds(own.timeout)
    if own.balance:
        values["balance"] = Balance(own.balance)
    if own.criticality:
        values["criticality"] = Criticality(own.criticality)
    if own.concurrent_calls:
        values["concurrent_calls"] = own.concurrent_calls
    if own.HasField("standing_queue_limit"):
        values["standing_queue_limit"] = own.standing_queue_limit
    if own.HasField("hedge"):
        values["hedged"] = own.hedge.enabled
    if own.hedge.HasField("delay"):
        values["hedge_delay"] = in_seconds(own.hedge.delay)
    return _Said(
        values=values,
        retry=given(own.retry, RetryRule),
        breaker=given(own.breaker, BreakerRule),
    )


def flat(policy: MethodPolicy) -> dict[str, str]:
    """What can be changed, by name, as text."""
    delay = "observed" if policy.hedge_delay is None else f"{policy.hedge_delay:g}s"
    return {
        "timeout": f"{policy.timeout:g}s",
        **_flat_group("retry", policy.retry),
        **_flat_group("breaker", policy.breaker),
        "hedge.enabled": str(policy.hedged).lower(),
        "hedge.delay": delay,
        "balance": policy.balance.name,
        "criticality": policy.criticality.name,
        "concurrent_calls": str(policy.concurrent_calls),
        "standing_queue_limit": str(policy.standing_queue_limit).lower(),
    }


@lru_cache(maxsize=1024)
def _flat_group(name: str, rule: RetryRule | BreakerRule) -> Mapping[str, str]:
    """The values of a group: few of these differ from method to method."""
    return {f"{name}.{field.name}": _text(getattr(rule, field.name)) for field in fields(rule)}


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


def difference(before: MethodPolicy, after: MethodPolicy) -> Iterator[str]:
    """A line for each value of a method that is another one."""
    if after == before:
        return
    was = flat(before)
    for name, value in flat(after).items():
        if value != was[name]:
            yield f"{after.path} {name}: {was[name]} -> {value}"


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
