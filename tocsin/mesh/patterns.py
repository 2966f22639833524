"""Patterns of rules: a text, ``text*``, ``*text``, or ``*`` for whatever is not empty, as Istio's AuthorizationPolicy has them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from tocsin.mesh.policy import MethodPolicy
from tocsin.mesh.policy_errors import invalid

STEERING: Final = "/tocsin.api.mesh.v1."
"""Prefix of the methods by which operators see and steer the mesh: no rule is about them, so that nobody locks operators out."""


class AboutMethods(Protocol):
    """A rule that is about some methods."""

    @property
    def methods(self) -> "MethodPatterns":
        """Which."""
        ...


Rule = TypeVar("Rule", bound=AboutMethods)


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns of which one must match."""

    exact: frozenset[str]
    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    any: bool

    @classmethod
    def of(cls, texts: Iterable[str], where: str) -> "Patterns":
        """Compiles ``texts``.

        Raises:
            RuleInvalid: one of them is none; the message names its place in ``where``.
        """
        exact, prefixes, suffixes, anything = set[str](), list[str](), list[str](), False
        for number, text in enumerate(texts):
            if not text or "*" in text[1:-1] or (len(text) > 1 and text[0] == text[-1] == "*"):
                raise invalid(f"{where}[{number}]", f"{text!r} is no pattern: a text, 'text*', '*text', or '*'")
            if text == "*":
                anything = True
            elif text.endswith("*"):
                prefixes.append(text[:-1])
            elif text.startswith("*"):
                suffixes.append(text[1:])
            else:
                exact.add(text)
        return cls(frozenset(exact), tuple(prefixes), tuple(suffixes), anything)

    def match(self, value: str) -> bool:
        """Whether a value matches; an empty one never does."""
        if not value:
            return False
        return self.any or value in self.exact or value.startswith(self.prefixes) or value.endswith(self.suffixes)

    def match_any(self, values: Iterable[str]) -> bool:
        """Whether one of the values matches."""
        return any(map(self.match, values))


@dataclass(frozen=True, slots=True)
class MethodPatterns:
    """The methods that a rule is about."""

    wanted: Patterns
    but: Patterns

    @classmethod
    def of(cls, methods: Sequence[str], but: Sequence[str], where: str) -> "MethodPatterns":
        """Compiles both lists.

        Raises:
            RuleInvalid: there is none, or one is no pattern of a path.
        """
        if not methods:
            raise invalid(f"{where}.methods", "it must name methods; '*' is every one")
        for name, texts in (("methods", methods), ("not_methods", but)):
            for number, text in enumerate(texts):
                if not text.startswith(("/", "*")):
                    raise invalid(f"{where}.{name}[{number}]", f"{text!r} begins neither with '/' nor with '*'")
                if text.startswith(STEERING):
                    raise invalid(
                        f"{where}.{name}[{number}]", f"no rule is about methods of {STEERING.strip('/.')}: operators steer the mesh by them"
                    )
        return cls(Patterns.of(map(_whole, methods), f"{where}.methods"), Patterns.of(map(_whole, but), f"{where}.not_methods"))

    def about(self, method: MethodPolicy) -> bool:
        """Whether the rule is about the method."""
        path = method.path
        return not path.startswith(STEERING) and self.wanted.match(path) and not self.but.match(path)


class KnownMethods:
    """The methods of a process, for rules that name them."""

    def __init__(self, methods: Iterable[MethodPolicy]) -> None:
        self.all = tuple(methods)
        self._paths = frozenset(method.path for method in self.all)
        self._services = frozenset(f"/{method.service}/" for method in self.all)

    def check(self, texts: Sequence[str], where: str) -> None:
        """Refuses what no method is called, which is a mistake in writing.

        Raises:
            RuleInvalid: names it.
        """
        for number, text in enumerate(texts):
            if text in self._paths or text in self._services:
                continue
            one = Patterns.of((_whole(text),), where)
            if not any(map(one.match, self._paths)):
                raise invalid(f"{where}[{number}]", f"there is no method or service {text!r}")


class RuleIndex(Generic[Rule]):
    """Rules by what they are about, so that 10,000 of them are no 10,000 questions for each method."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._named: dict[str, list[Rule]] = {}
        self._others: list[Rule] = []
        for rule in rules:
            wanted = rule.methods.wanted
            if wanted.any or wanted.suffixes or any(not prefix.endswith("/") for prefix in wanted.prefixes):
                self._others.append(rule)
                continue
            for name in (*wanted.exact, *wanted.prefixes):
                self._named.setdefault(name, []).append(rule)

    def about(self, method: MethodPolicy) -> list[Rule]:
        """The rules about a method."""
        found = {id(rule): rule for name in (method.path, f"/{method.service}/") for rule in self._named.get(name, ())}
        return [rule for rule in (*found.values(), *self._others) if rule.methods.about(method)]


def _whole(text: str) -> str:
    """A service, "/package.Service/", is a prefix of the paths of its methods."""
    return f"{text}*" if text.endswith("/") else text
