"""The rules of a contract (buf.validate, https://protovalidate.com/schemas/standard-rules/) as constraints of msgspec.

Only some rules are known here. A constraint says "surely valid" or nothing: whatever it cannot tell, the validator decides.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, TypeAlias

from google.protobuf.message import Message
from msgspec import Meta

Constraint: TypeAlias = Mapping[str, Any]
"""Arguments of `msgspec.Meta`."""

Check: TypeAlias = Callable[[Any], bool]
"""Whether the fields of a message, which are attributes of its value, go together; a field that is not given is false."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRules:
    """What is known of a contract beside the standard rules.

    Attributes:
        texts: constraints by the full name of a text field, where code asks for more than the contract can say.
        programs: checks of whole messages, by the text of the CEL program that they stand for: one that is changed is not known any more.
    """

    texts: Mapping[str, Constraint] = field(default_factory=dict[str, Constraint])
    programs: Mapping[str, Check] = field(default_factory=dict[str, Check])


# Where RE2 and Python could differ, the validator decides.
_SAME_IN_RE2: Final = re.compile(r"(?:[^\\(?$]|\\[.*x+-]|\((?!\?)|\(\?:|\?|\$(?=\Z|\|))*")
_NO_CONTROL: Final = re.compile(r"\^\[\^(?:\\x(?:[01][0-9a-f]|7f)(?:-\\x[01][0-9a-f])?)+\]\*\$")


class UnknownRule(Exception):
    """A rule that is not known here."""


def _pattern(pattern: str) -> Constraint:
    if not _SAME_IN_RE2.fullmatch(pattern):
        raise UnknownRule
    # Python's $ also stands before a line break at the end.
    return {"pattern": f"(?a){pattern}".replace("$", r"\Z")}


_STRING: Final[Mapping[str, Callable[[Any], Constraint]]] = {
    "min_len": lambda least: {"min_length": least},
    "max_len": lambda most: {"max_length": most},
    "max_bytes": lambda most: {"max_length": most // 4},
    "pattern": _pattern,
}
_NUMBER: Final[Mapping[str, Callable[[Any], Constraint]]] = {
    "gte": lambda least: {"ge": least},
    "lte": lambda most: {"le": most},
}


def rules_of(element: Any, *, kind: str) -> Message | None:
    """The rules in the options of a field, a message or a oneof; ``kind`` names which."""
    for option, value in element.GetOptions().ListFields():
        if option.full_name == f"buf.validate.{kind}":
            return value
    return None


def text_type(rules: Message | None, *, plain: bool, more: Constraint) -> Any:
    """The type of a text.

    Args:
        rules: of the contract.
        plain: the text is known to have no control characters, so that rules against them need not be asked.
        more: what is asked beside the rules.

    Raises:
        UnknownRule: there are rules that are not known here.
    """
    found = dict(more)
    for rule, argument in _scalar(rules, "string"):
        if rule == "in":
            return Literal[tuple(argument)]
        if plain and rule == "pattern" and _NO_CONTROL.fullmatch(argument):
            continue
        _merge(found, _STRING, rule, argument)
    return Annotated[str, Meta(**found)] if found else str


def integer_type(rules: Message | None) -> Any:
    """The type of an integer of 32 bits.

    Raises:
        UnknownRule: there are rules that are not known here.
    """
    given: dict[str, Any] = {}
    for rule, argument in _scalar(rules, "int32"):
        _merge(given, _NUMBER, rule, argument)
    return Annotated[int, Meta(ge=given.get("ge", -(2**31)), le=given.get("le", 2**31 - 1))]


def enum_names(rules: Message | None, numbers: Mapping[str, int]) -> list[str]:
    """The names of the values that are allowed.

    Raises:
        UnknownRule: there are rules that are not known here.
    """
    refused: set[int] = set()
    for rule, argument in _scalar(rules, "enum"):
        if rule == "not_in":
            refused.update(argument)
        elif rule != "defined_only":  # a name stands for a number that is defined
            raise UnknownRule
    return [name for name, number in numbers.items() if number not in refused]


def duration_bounds(rules: Message | None) -> tuple[int, int | None]:
    """The least and the most whole seconds of a duration; None without a limit.

    Raises:
        UnknownRule: there are rules that are not known here.
    """
    least, most = 0, None
    for rule, argument in _scalar(rules, "duration"):
        if rule == "gte" and not argument.nanos:
            least = argument.seconds
        elif rule == "lte" and not argument.nanos:
            most = argument.seconds
        else:
            raise UnknownRule
    return least, most


def no_rules(rules: Message | None, kind: str) -> None:
    """Checks that a value has no rules of its own.

    Raises:
        UnknownRule: it has.
    """
    for _ in _scalar(rules, kind):
        raise UnknownRule


def container_rules(rules: Message | None, *, kind: str) -> dict[str, Any]:
    """The rules of a list ("repeated") or of a "map", by name.

    Raises:
        UnknownRule: there are others beside them.
    """
    found: dict[str, Any] = {}
    for name, value in _given(rules):
        if name == kind:
            found = dict(_given(value))
        elif name not in ("required", "ignore"):
            raise UnknownRule
    return found


def _scalar(rules: Message | None, kind: str) -> Iterator[tuple[str, Any]]:
    """The rules of a single value of a kind."""
    for name, value in _given(rules):
        if name == kind:
            yield from _given(value)
        elif name not in ("required", "ignore"):
            raise UnknownRule


def _merge(into: dict[str, Any], known: Mapping[str, Callable[[Any], Constraint]], rule: str, argument: Any) -> None:
    make = known.get(rule)
    made: Constraint = {} if make is None else make(argument)
    if make is None or into.keys() & made.keys():
        raise UnknownRule
    into.update(made)


def _given(rules: Message | None) -> Iterator[tuple[str, Any]]:
    return ((field.name, value) for field, value in rules.ListFields()) if rules is not None else iter(())


def message_checks(rules: Message | None, programs: Mapping[str, Check]) -> list[Check]:
    """The checks of a whole message; ``programs`` are those that are known.

    Raises:
        UnknownRule: there are others.
    """
    found: list[Check] = []
    for name, value in _given(rules):
        if name != "cel":
            raise UnknownRule
        for rule in value:
            check = programs.get(rule.expression)
            if check is None:
                raise UnknownRule
            found.append(check)
    return found
