"""How often methods may be called: limits of a server, from its start, the policy file, or by order.

The same count as at the door (`tocsin.mesh.limits`), for services that have no door before them; each process counts by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tocsin.api.mesh.v1 import rules_pb2
from tocsin.mesh.limits import LimitRule, RateLimited, RateLimiter
from tocsin.mesh.patterns import KnownMethods, MethodPatterns, Patterns, RuleIndex
from tocsin.mesh.policy import MethodPolicy, in_seconds
from tocsin.mesh.policy_errors import invalid
from tocsin.mesh.principal import Principal

MOST_RATES: Final = 16
"""Limits of one method: each of its calls counts against all of them."""
CLASS_PREFIX: Final = "class-"
"""Names of limits by rate class that a process is started with: "class-read"."""

_MOST_CALLS: Final = 10**9
_MOST_SECONDS: Final = 86_400
_TENANT: Final = rules_pb2.RateRule.TENANT
_CALLER: Final = rules_pb2.RateRule.CALLER
_EVERYBODY: Final = rules_pb2.RateRule.EVERYBODY


class RateSubject(NamedTuple):
    """Who makes a call: SPIFFE id of the service, the token's principal, and asked for only when both lack, the address."""

    peer: str
    principal: Principal | None
    address: Callable[[], str]


@dataclass(frozen=True, slots=True)
class CompiledRate:
    """A rule that has been checked.

    Attributes:
        rule: as it was given.
        methods: that it is about; the rate class has to fit as well.
        limit: what is counted against.
    """

    rule: rules_pb2.RateRule
    methods: "RateMethods"
    limit: LimitRule
    _principals: Patterns | None
    _tenants: Patterns | None

    @classmethod
    def of(cls, rule: rules_pb2.RateRule, where: str) -> "CompiledRate":
        """Compiles a rule.

        Raises:
            RuleInvalid: it makes no sense; the message says where.
        """
        if not 1 <= rule.calls <= _MOST_CALLS:
            raise invalid(f"{where}.calls", f"it must be 1 to {_MOST_CALLS:,} calls in a window")
        seconds = in_seconds(rule.window) if rule.HasField("window") else 1.0
        if not 1 <= seconds <= _MOST_SECONDS or seconds != int(seconds):
            raise invalid(f"{where}.window", f"it must be whole seconds, 1 to {_MOST_SECONDS}")
        if rule.owner not in rules_pb2.RateRule.Owner.values():
            raise invalid(f"{where}.owner", f"there is no owner {rule.owner}")
        about = MethodPatterns.of(rule.methods, (), where)
        return cls(
            rule,
            RateMethods(about.wanted, about.but, rule.rate_class),
            LimitRule.of(rule.name, rule.calls, int(seconds)),
            Patterns.of(rule.principals, f"{where}.principals") if rule.principals else None,
            Patterns.of(rule.tenants, f"{where}.tenants") if rule.tenants else None,
        )

    def key(self, who: RateSubject) -> str | None:
        """Whose count a call belongs to; None when the rule is not about it."""
        tenant = who.principal.tenant if who.principal is not None else ""
        if self._principals is not None and not self._principals.match(who.peer):
            return None
        if self._tenants is not None and not self._tenants.match(tenant):
            return None
        match self.rule.owner:
            case rules_pb2.RateRule.EVERYBODY:
                return ""
            case rules_pb2.RateRule.TENANT:
                return tenant
            case rules_pb2.RateRule.CALLER:
                return who.peer
            case _:
                return tenant or who.peer or who.address()


@dataclass(frozen=True, slots=True)
class RateMethods(MethodPatterns):
    """The methods that a limit is about: those of its rate class among those that its patterns match."""

    rate_class: str

    def about(self, method: MethodPolicy) -> bool:
        """Whether the limit is about the method."""
        return self.rate_class in ("", method.rate_class) and MethodPatterns.about(self, method)


class MethodRates:
    """The limits of one method. Belongs to one event loop."""

    def __init__(self, method: str, rules: Sequence[CompiledRate], limiter: RateLimiter) -> None:
        self._method = method
        # A limit that was changed begins a count of its own: leases of the one before are of another size.
        self._rules = [(rule, f"{rule.limit.calls}/{rule.limit.seconds}/") for rule in sorted(rules, key=lambda each: each.rule.name)]
        self._limiter = limiter

    async def take(self, who: RateSubject, *, count: Callable[[str, str], None]) -> tuple[tuple[str, bytes], ...]:
        """Counts a call.

        Args:
            who: makes it.
            count: told of a refusal: the method, and the rule.

        Returns:
            Metadata for the caller, as the door's: RateLimit and RateLimit-Policy of the limit that has least left by its order.

        Raises:
            RateLimited: a limit is reached.
        """
        told: tuple[tuple[str, bytes], ...] = ()
        for rule, prefix in self._rules:
            if (key := rule.key(who)) is None:
                continue
            try:
                left = await self._limiter.take(rule.limit, prefix + key)
            except RateLimited:
                count(self._method, rule.rule.name)
                raise
            told = told or (("ratelimit", left), ("ratelimit-policy", rule.limit.policy))
        return told


def rates_together(rules: RuleIndex[CompiledRate], known: KnownMethods, where: str) -> None:
    """Refuses limits that are too many.

    Raises:
        RuleInvalid: more than `MOST_RATES` are about one method.
    """
    for method in known.all:
        if len(rules.about(method)) > MOST_RATES:
            raise invalid(where, f"more than {MOST_RATES} limits are about {method.path}")


def class_rates(limits: Mapping[str, LimitRule]) -> list[rules_pb2.RateRule]:
    """Limits of whoever calls, by rate class, as rules of every method: "class-read" for those of "read"."""
    rules: list[rules_pb2.RateRule] = []
    for name, limit in limits.items():
        rule = rules_pb2.RateRule(name=f"{CLASS_PREFIX}{name.replace('_', '-')}", methods=["*"], rate_class=name, calls=limit.calls)
        rule.window.seconds = limit.seconds
        rules.append(rule)
    return rules
