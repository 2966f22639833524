"""Policies that change while a process runs: rules of a watched file, and orders of an operator that end by themselves.

Layers, later ones win: the mesh's defaults, the option of the service, the option of the method, the file, the orders. Within a layer a
rule for one method wins over one for its service, and that over one for all; one for a caller over one for everybody. What is in force is
worked out when a rule changes, so that a call looks nothing up, however many rules there are.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.clock import Clock
from tocsin.errors import NotFound, Unavailable
from tocsin.mesh.access import CompiledAccess, MethodAccess, check_together
from tocsin.mesh.health import Degraded
from tocsin.mesh.limits import RateLimiter
from tocsin.mesh.mirrors import CompiledMirror, mirrors_together
from tocsin.mesh.named_rules import NamedRules
from tocsin.mesh.policy import MethodPolicy, digest, in_seconds
from tocsin.mesh.policy_errors import RuleInvalid, invalid
from tocsin.mesh.policy_orders import AppliedPolicies, PolicyOrder, PolicyValue
from tocsin.mesh.policy_rules import applied, check, difference, flat, has_access, named, parse
from tocsin.mesh.policy_sources import declared_by
from tocsin.mesh.rates import CompiledRate, MethodRates, rates_together
from tocsin.mesh.splits import CompiledSplit, splits_together
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_LARGEST_FILE: Final = 4 * 1024 * 1024
_PLURALS: Final = {"access": "access", "rate": "rates", "split": "splits", "mirror": "mirrors"}
"""What a file calls rules with names, by their words in orders."""
_NO_WEIGHTS: Final[Mapping[str, float]] = {}
DEFAULT_ORDER_SECONDS: Final = 3600.0
"""How long an order holds that does not say it."""

Selector = tuple[str, str]
"""A method's path, "/package.Service/" for a service, or "" for all; and the caller, or "" for everybody."""


class PolicyMethodNotFound(NotFound):
    """There is no such method."""


class PolicyFileInvalid(Degraded):
    """The policy file cannot be used; what it said before stays in force."""


class PolicyFileUnread(Unavailable):
    """The policy file could not be read since the start."""


class LivePolicies:
    """The rules at run time of one process. Belongs to one event loop.

    Attributes:
        problem: why the file cannot be used; empty while it can, or there is none.
        closed: whether calls are refused, because the file has not been read since the start and may hold rules of access.
        orders: of operators, by what they are about.
        access: who may call what.
        rates: how often.
        splits: which versions get calls.
        mirrors: which calls are copied.
        named: all of these, by their words in orders.
    """

    def __init__(
        self,
        *,
        caller: str,
        known: Callable[[], Mapping[str, MethodPolicy]],
        file: Path | None,
        clock: Clock,
        versions: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """No rule holds before `look`.

        Args:
            caller: name of this service, for rules about one caller.
            known: the policies of the contract, by path.
            file: where rules are read from; None for none.
            clock: source of time.
            versions: that targets of this process have.
        """
        self._caller = caller
        self._known = known
        self.file = file
        self._clock = clock
        self._stamp: tuple[int, int] | None = None
        self._read = False
        self._rules: Mapping[Selector, pb.PolicyRule] = {}
        self.orders: dict[Selector, PolicyOrder] = {}
        self.problem = ""
        self.closed = False
        self.access: NamedRules[CompiledAccess] = NamedRules(
            compile_rule=CompiledAccess.of, check=check_together, known=lambda: known().values()
        )
        self.rates: NamedRules[CompiledRate] = NamedRules(
            compile_rule=CompiledRate.of, check=rates_together, known=lambda: known().values()
        )
        self.splits: NamedRules[CompiledSplit] = NamedRules(
            compile_rule=partial(CompiledSplit.of, versions=versions), check=splits_together, known=lambda: known().values()
        )
        self.mirrors: NamedRules[CompiledMirror] = NamedRules(
            compile_rule=partial(CompiledMirror.of, versions=versions, known=known),
            check=mirrors_together,
            known=lambda: known().values(),
        )
        self.named: Mapping[str, NamedRules[Any]] = {word: getattr(self, plural) for word, plural in _PLURALS.items()}
        self._order_rules: Mapping[Selector, pb.PolicyRule] = {}
        self._callers: Mapping[str, set[str]] = {}
        self._version = 0
        self._digested: tuple[int, list[MethodPolicy], str] = (-1, [], "")
        self._called = AppliedPolicies(lambda declared: applied(declared, self._layers(declared, self._caller)))
        self._served = AppliedPolicies(self._for_every_caller)
        self._changed: list[Callable[[], None]] = []

    def on_change(self, callback: Callable[[], None]) -> None:
        """Calls ``callback`` after each change."""
        self._changed.append(callback)

    # -- what is in force ----------------------------------------------------------------------------------------------------

    def called(self, declared: MethodPolicy) -> MethodPolicy:
        """What holds for the calls that this process makes."""
        return self._called.of(declared)

    def served(self, declared: MethodPolicy) -> MethodPolicy:
        """What holds for the calls that this process serves: the longest timeout that any caller has, for each keeps to its own."""
        return self._served.of(declared)

    def _for_every_caller(self, declared: MethodPolicy) -> MethodPolicy:
        common = applied(declared, self._layers(declared, ""))
        callers = set[str]().union(*(self._callers.get(method, ()) for method in _methods(declared)))
        longest = max((self._timeout(declared, caller) for caller in callers), default=0.0)
        return replace(common, timeout=longest) if longest > common.timeout else common

    def _timeout(self, declared: MethodPolicy, caller: str) -> float:
        """Seconds that a caller gives a method: what `applied` makes of it, without all the rest."""
        layers = reversed(self._layers(declared, caller))
        return next((in_seconds(rule.policy.timeout) for rule in layers if rule.policy.HasField("timeout")), declared.timeout)

    async def digest(self) -> str:
        """What tells the policies of this process apart from those of another replica; worked out beside the event loop, once a change."""
        of = self._version, [self.called(declared) for declared in self._known().values()]
        if self._digested[:2] != of:
            lines = [rules.lines() for rules in self.named.values()]
            self._digested = *of, await asyncio.to_thread(digest, of[1], chain.from_iterable(lines))
        return self._digested[2]

    def declared(self, method: str) -> list[MethodPolicy]:
        """What the contract says of a method, or of all.

        Raises:
            PolicyMethodNotFound: there is no such method.
        """
        known = self._known()
        if not method:
            return list(known.values())
        if method not in known:
            raise PolicyMethodNotFound(f"there is no method {method!r}")
        return [known[method]]

    def values(self, declared: MethodPolicy) -> Iterator[PolicyValue]:
        """Each value of a method that this process calls, and where it comes from."""
        before = flat(declared)
        filed = {name for rule in self._matching(declared, self._caller, self._rules) for name in named(rule)}
        ordered = {name for rule in self._matching(declared, self._caller, self._ordered()) for name in named(rule)}
        for name, value in flat(self.called(declared)).items():
            source = "order" if name in ordered else "file" if name in filed else declared_by(declared, name)
            yield PolicyValue(name=name, value=value, source=source, declared=before[name])

    def access_to(self, declared: MethodPolicy) -> MethodAccess | None:
        """Who may call a method that this process serves; None for whom the contract lets in."""
        return MethodAccess.of(declared, self.access.about(declared))

    def rates_of(self, declared: MethodPolicy, limiter: RateLimiter) -> MethodRates | None:
        """How often a method that this process serves may be called; None for as often as anybody likes."""
        rules = self.rates.about(declared)
        return MethodRates(declared.path, rules, limiter) if rules else None

    def weights_of(self, declared: MethodPolicy) -> Mapping[str, float]:
        """Percent of the calls that this process makes of a method, by version; empty where versions make no difference."""
        return next((split.weights for split in self.splits.about(declared)), _NO_WEIGHTS)

    def mirror_of(self, declared: MethodPolicy) -> CompiledMirror | None:
        """How calls that this process makes of a method are copied; None: they are not."""
        return next(iter(self.mirrors.about(declared)), None)

    def _layers(self, declared: MethodPolicy, caller: str) -> list[pb.PolicyRule]:
        return [*self._matching(declared, caller, self._rules), *self._matching(declared, caller, self._ordered())]

    def _ordered(self) -> Mapping[Selector, pb.PolicyRule]:
        return self._order_rules

    @staticmethod
    def _matching(declared: MethodPolicy, caller: str, rules: Mapping[Selector, pb.PolicyRule]) -> list[pb.PolicyRule]:
        """The rules of one layer about a method, the most particular last."""
        callers = ("", caller) if caller else ("",)
        wanted = [(method, name) for method in _methods(declared) for name in callers]
        return [rules[selector] for selector in wanted if selector in rules]

    # -- orders ---------------------------------------------------------------------------------------------------------------

    def order(self, rule: pb.PolicyRule, *, seconds: float, dry_run: bool = False) -> list[str]:
        """Lets a rule hold for so long; it replaces the order about the same.

        Returns:
            What changes in this process, a line each: "/a.Service/Method timeout: 2s -> 3s".

        Raises:
            RuleInvalid: it makes no sense; then nothing changes.
        """
        self._check(rule, "rule")
        selector, before = (rule.method, rule.caller), dict(self.orders)
        touched = [declared for declared in self._known().values() if rule.method in _methods(declared)]
        was = {declared.path: self.called(declared) for declared in touched}
        self.orders[selector] = PolicyOrder(rule=rule, expires=self._clock.now() + timedelta(seconds=seconds))
        self._index(rule.method)
        try:
            self._check_all("rule", touched)
            changes = [line for declared in touched for line in difference(was[declared.path], self.called(declared))]
        except RuleInvalid:
            self.orders = before
            self._index(rule.method)
            raise
        if dry_run:
            self.orders = before
            self._index(rule.method)
        else:
            _log.info("policy order given", method=rule.method, caller=rule.caller, seconds=seconds, changes=len(changes))
            self._apply()
        return changes

    def order_named(self, rules: NamedRules[Any], rule: object, *, seconds: float, dry_run: bool = False) -> list[str]:
        """Lets a rule with a name hold for so long; it stands in the place of one of that name.

        Returns:
            What changes in this process, a line each.

        Raises:
            RuleInvalid: it makes no sense; then nothing changes.
        """
        changes = rules.order(rule, expires=self._clock.now() + timedelta(seconds=seconds), dry_run=dry_run)
        if not dry_run:
            _log.info("policy order given", rule=changes[0], seconds=seconds)
            self._apply()
        return changes

    def reset_named(self, name: str) -> list[str]:
        """Takes the orders of that name back, or all of them; their names."""
        gone = [each for rules in self.named.values() for each in rules.reset(name)]
        if gone:
            _log.info("policy orders taken back", orders=len(gone))
            self._apply()
        return gone

    def reset(self, *, method: str, caller: str) -> list[Selector]:
        """Takes the order about this back, or all when nothing is named; those that there were."""
        gone = [selector for selector in self.orders if (method, caller) in (("", ""), selector)]
        for selector in gone:
            del self.orders[selector]
        if gone:
            self._index(*(method for method, _ in gone))
            _log.info("policy orders taken back", orders=len(gone))
            self._apply()
        return gone

    # -- the file ---------------------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Ends orders whose time is over, and reads the file if it has changed."""
        now = self._clock.now()
        over = [selector for selector, order in self.orders.items() if order.expires <= now]
        for selector in over:
            del self.orders[selector]
        if over:
            self._index(*(method for method, _ in over))
        if ended := len(over) + sum(rules.expire(now) for rules in self.named.values()):
            _log.info("policy orders expired", orders=ended)
            self._apply()
        if self.file is not None:
            self._reload(self.file)

    async def check(self) -> None:
        """A health check.

        Raises:
            PolicyFileInvalid: the file cannot be used.
            PolicyFileUnread: it never could since the start, and may hold rules of access.
        """
        if self.closed:
            raise PolicyFileUnread(
                f"The policy file cannot be read, so that it is not known who may call; calls are refused: {self.problem}"
            )
        if self.problem:
            raise PolicyFileInvalid(f"The policy file cannot be used; what it said before stays in force: {self.problem}")

    def _reload(self, file: Path) -> None:
        stamp: tuple[int, int] | None = None
        text: str | None = None
        try:
            found = file.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return
            if found.st_size > _LARGEST_FILE:
                raise RuleInvalid(f"it has {found.st_size} bytes; {_LARGEST_FILE} are the most")
            text = file.read_text("utf-8")
            self._take(text)
        except FileNotFoundError as error:
            self._refuse(str(error), may_close=False)
        except (OSError, UnicodeDecodeError, RuleInvalid) as error:
            self._refuse(error.message if isinstance(error, RuleInvalid) else str(error), may_close=text is None or has_access(text))
        else:
            self.problem, self._read, self.closed = "", True, False
            _log.info("policy file read", rules=len(self._rules), **{_PLURALS[word]: len(each.filed) for word, each in self.named.items()})
            self._apply()
        self._stamp = stamp  # one that is only half written is read again when it has changed once more

    def _take(self, text: str) -> None:
        said, before = parse(text), self._rules
        read = [(rules, rules.read(getattr(said, _PLURALS[word]), _PLURALS[word])) for word, rules in self.named.items()]
        found: dict[Selector, pb.PolicyRule] = {}
        for number, rule in enumerate(said.rules):
            self._check(rule, f"rules[{number}]")
            selector = (rule.method, rule.caller)
            if selector in found:
                raise invalid(f"rules[{number}]", f"there is another rule about {rule.method or 'all methods'} and the same caller")
            found[selector] = rule
        self._rules = found
        self._index("")
        try:
            self._check_all("rules", self._known().values())
        except RuleInvalid:
            self._rules = before
            self._index("")
            raise
        for rules, found_named in read:
            rules.take(found_named)

    def _refuse(self, reason: str, *, may_close: bool) -> None:
        """Keeps what was read before. What was never read may have closed something: then everything is closed until it can be."""
        if may_close != self.closed and not self._read:
            self.closed = may_close
            self._apply()
        if reason != self.problem:
            self.problem = reason
            _log.warning("policy file refused", file=str(self.file), error=reason)

    def _index(self, *about: str) -> None:
        """Keeps the rules of orders, and by what rules are about, the callers that have a timeout of their own.

        Args:
            about: the methods, services or "" for all, about which rules have changed.
        """
        self._order_rules = {selector: order.rule for selector, order in self.orders.items()}
        for each in (self._called, self._served):
            each.forget(*about)
        found: dict[str, set[str]] = {}
        for (method, caller), rule in (*self._rules.items(), *self._ordered().items()):
            if caller and rule.policy.HasField("timeout"):
                found.setdefault(method, set()).add(caller)
        self._callers = found

    def _apply(self) -> None:
        """What is in force has changed: calls and callers learn of it."""
        self._version += 1
        for callback in self._changed:
            callback()

    # -- what makes sense --------------------------------------------------------------------------------------------------------

    def _check(self, rule: pb.PolicyRule, where: str) -> None:
        check(rule, where)
        known = self._known()
        services = {f"/{policy.service}/" for policy in known.values()} if rule.method.endswith("/") else ()
        if rule.method and rule.method not in known and rule.method not in services:
            raise invalid(f"{where}.method", f"there is no method or service {rule.method!r}")

    def _check_all(self, where: str, touched: Iterable[MethodPolicy]) -> None:
        """The rules together, for each method that one of them is about: what is sound alone may not be on top of something else."""
        for declared in touched:
            for policy in (self.called(declared), self.served(declared)):
                if problem := next(iter(policy.problems()), ""):
                    raise invalid(where, problem)


def _methods(declared: MethodPolicy) -> tuple[str, ...]:
    """What rules about a method name, the most particular last."""
    return ("", f"/{declared.service}/", declared.path)
