"""Rules that have names: of a file, and orders that stand in their place for a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from google.protobuf.message import Message

from tocsin.mesh.patterns import KnownMethods, MethodPatterns, RuleIndex
from tocsin.mesh.policy import MethodPolicy
from tocsin.mesh.policy_errors import invalid


class CompiledRule(Protocol):
    """A rule that has been checked."""

    @property
    def rule(self) -> Message:
        """As it was given."""
        ...

    @property
    def methods(self) -> MethodPatterns:
        """That it is about."""
        ...


Compiled = TypeVar("Compiled", bound=CompiledRule)


@dataclass(frozen=True, slots=True)
class NamedOrder(Generic[Compiled]):
    """A rule that an operator gave, and when it ends."""

    rule: Compiled
    expires: datetime


class NamedRules(Generic[Compiled]):
    """The rules of one kind. Belongs to one event loop.

    Attributes:
        built: that the process was started with, by name.
        filed: of the file, which stand in the place of those.
        orders: of operators, by name.
    """

    def __init__(
        self,
        *,
        compile_rule: Callable[[Any, str], Compiled],
        check: Callable[[RuleIndex[Compiled], KnownMethods, str], None],
        known: Callable[[], Iterable[MethodPolicy]],
    ) -> None:
        """There are none.

        Args:
            compile_rule: makes a rule of its message, or raises RuleInvalid with its place.
            check: refuses rules that make no sense together.
            known: the methods of this process.
        """
        self._compile = compile_rule
        self._check = check
        self._known = known
        self.built: Mapping[str, Compiled] = {}
        self.filed: Mapping[str, Compiled] = {}
        self.orders: dict[str, NamedOrder[Compiled]] = {}
        self._index: RuleIndex[Compiled] = RuleIndex(())

    def read(self, rules: Iterable[object], where: str) -> Mapping[str, Compiled]:
        """The rules of a file, checked with the orders that hold; nothing changes.

        Raises:
            RuleInvalid: one makes no sense, or all together do not.
        """
        known = KnownMethods(self._known())
        found: dict[str, Compiled] = {}
        for number, rule in enumerate(rules):
            place = f"{where}[{number}]"
            name, made = self._checked(rule, known, place)
            if name in found:
                raise invalid(f"{place}.name", f"there is another rule {name!r}")
            found[name] = made
        self._check(RuleIndex({**self.built, **found, **self._ordered()}.values()), known, where)
        return found

    def take(self, found: Mapping[str, Compiled]) -> None:
        """Lets what `read` gave hold."""
        self.filed = found
        self._reindex()

    def build(self, rules: Iterable[object]) -> None:
        """Lets rules hold that the process was started with.

        Raises:
            RuleInvalid: one makes no sense.
        """
        self.built = {**self.built, **self.read(rules, "limits")}
        self._reindex()

    def order(self, rule: object, *, expires: datetime, dry_run: bool) -> list[str]:
        """Lets a rule hold until then, in the place of one of that name.

        Returns:
            What changes, a line for each.

        Raises:
            RuleInvalid: it makes no sense; then nothing changes.
        """
        known = KnownMethods(self._known())
        name, made = self._checked(rule, known, "rule")
        self._check(RuleIndex({**self.in_force, name: made}.values()), known, "rule")
        count = sum(map(made.methods.about, known.all))
        line = f"{name}: {'replaces a rule' if name in self.in_force else 'a new rule'}, about {count} methods"
        if not dry_run:
            self.orders[name] = NamedOrder(made, expires)
            self._reindex()
        return [line]

    def reset(self, name: str) -> list[str]:
        """Takes the order of that name back, or all; their names."""
        gone = [each for each in self.orders if name in ("", each)]
        for each in gone:
            del self.orders[each]
        self._reindex()
        return gone

    def expire(self, now: datetime) -> int:
        """Ends the orders whose time is over; how many there were."""
        over = [name for name, order in self.orders.items() if order.expires <= now]
        for name in over:
            del self.orders[name]
        if over:
            self._reindex()
        return len(over)

    @property
    def in_force(self) -> Mapping[str, Compiled]:
        """The rules that hold, by name."""
        return {**self.built, **self.filed, **self._ordered()}

    def source(self, name: str) -> str:
        """Where a rule that holds comes from."""
        return "order" if name in self.orders else "file" if name in self.filed else "code"

    def about(self, method: MethodPolicy) -> list[Compiled]:
        """The rules about a method."""
        return self._index.about(method)

    def lines(self) -> Iterator[str]:
        """What tells these rules apart from those of another process."""
        return (f"{name} {made.rule.SerializeToString(deterministic=True)!r}" for name, made in sorted(self.in_force.items()))

    def _ordered(self) -> Mapping[str, Compiled]:
        return {name: order.rule for name, order in self.orders.items()}

    def _reindex(self) -> None:
        self._index = RuleIndex(self.in_force.values())

    def _checked(self, rule: object, known: KnownMethods, where: str) -> tuple[str, Compiled]:
        made = self._compile(rule, where)
        message = made.rule
        name = getattr(message, "name", "")
        if not _is_name(name):
            raise invalid(f"{where}.name", "it must be a name: a letter, then letters, digits and '-', in lower case, 63 at most")
        known.check(getattr(message, "methods", ()), f"{where}.methods")
        return name, made


def _is_name(text: str) -> bool:
    plain = text.replace("-", "a")
    return 0 < len(text) <= 63 and text[0].isalpha() and plain.isalnum() and plain.isascii() and plain == plain.lower()
