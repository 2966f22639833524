"""The rules of the contract (buf.validate) as plain functions, for those rules that are known here.

They answer only "surely good": whatever they cannot tell, a rule that is not known here among it, is for the validator to decide.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from google.protobuf.message import Message

Check: TypeAlias = Callable[[Any], object]
"""Something true when a value surely keeps a rule."""

# The WHATWG's definition of a valid e-mail address, which buf.validate's is (https://html.spec.whatwg.org/#valid-e-mail-address).
_EMAIL: Final = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
# Where RE2 and Python could differ, the validator decides.
_SAME_IN_RE2: Final = re.compile(r"(?:[^\\(?$]|\\[.*x+-]|\((?!\?)|\(\?:|\?|\$(?=\Z|\|))*")


class UnknownRule(Exception):
    """A rule that is not known here."""


def _bytes_at_most(most: int) -> Check:
    return lambda value: len(value) * 4 <= most or len(value.encode()) <= most


def _matches(pattern: str) -> Check:
    if not _SAME_IN_RE2.fullmatch(pattern):
        raise UnknownRule
    # Python's $ also stands before a line break at the end.
    if pattern.startswith("^") and pattern.endswith("$") and "|" not in pattern:
        match = re.compile(pattern[1:-1], re.ASCII).fullmatch
        return lambda value: match(value) is not None
    search = re.compile(pattern, re.ASCII).search
    return lambda value: search(value) is not None and "\n" not in value


_STRING: Final[Mapping[str, Callable[[Any], Check]]] = {
    "min_len": lambda least: lambda value: len(value) >= least,
    "max_len": lambda most: lambda value: len(value) <= most,
    "max_bytes": _bytes_at_most,
    "pattern": _matches,
    "email": lambda wanted: _EMAIL.fullmatch if wanted else _fine,
    "in": lambda choices: frozenset(choices).__contains__,
}
_NUMBER: Final[Mapping[str, Callable[[Any], Check]]] = {
    "gte": lambda least: lambda value: value >= least,
    "lte": lambda most: lambda value: value <= most,
}
_DURATION: Final[Mapping[str, Callable[[Any], Check]]] = {
    "gte": lambda least: lambda value: (value.seconds, value.nanos) >= (least.seconds, least.nanos),
    "lte": lambda most: lambda value: (value.seconds, value.nanos) <= (most.seconds, most.nanos),
}
_ENUM: Final[Mapping[str, Callable[[Any], Check]]] = {
    "defined_only": lambda _: _fine,  # a name stands for a number that is defined
    "not_in": lambda refused: lambda value: value not in refused,
}
_KINDS: Final = {"string": _STRING, "int32": _NUMBER, "duration": _DURATION, "enum": _ENUM}


def _fine(_: Any) -> bool:
    return True


def rules_of(element: Any, *, kind: str) -> Message | None:
    """The rules in the options of a field, a message or a oneof; ``kind`` names which."""
    for option, value in element.GetOptions().ListFields():
        if option.full_name == f"buf.validate.{kind}":
            return value
    return None


def scalar_checks(rules: Message | None) -> list[Check]:
    """The checks of a single value.

    Raises:
        UnknownRule: there are others.
    """
    found: list[Check] = []
    for name, value in _given(rules):
        if name in ("required", "ignore"):
            continue
        known = _KINDS.get(name)
        if known is None:
            raise UnknownRule
        for rule, argument in _given(value):
            if rule not in known:
                raise UnknownRule
            found.append(known[rule](argument))
    return found


def text_bounds(rules: Message) -> tuple[int, int, list[Check]]:
    """The least and the most characters of a text, and the checks of what other rules it has.

    Raises:
        UnknownRule: there are some that are not known here.
    """
    least, most, rest = 0, sys.maxsize, list[Check]()
    for name, value in _given(rules):
        if name in ("required", "ignore"):
            continue
        if name != "string":
            raise UnknownRule
        for rule, argument in _given(value):
            if rule == "min_len":
                least = argument
            elif rule == "max_len":
                most = argument
            elif rule in _STRING:
                rest.append(_STRING[rule](argument))
            else:
                raise UnknownRule
    return least, most, rest


def container_rules(rules: Message | None, *, kind: str) -> dict[str, Any]:
    """The rules of a list ("repeated") or of a "map", by name.

    Raises:
        UnknownRule: there are others beside them.
    """
    found: dict[str, Any] = {}
    for name, value in _given(rules):
        if name == kind:
            found = dict(_given(value))
        elif name != "ignore":
            raise UnknownRule
    return found


def _given(rules: Message | None) -> Iterator[tuple[str, Any]]:
    return ((field.name, value) for field, value in rules.ListFields()) if rules is not None else iter(())


# Rules of whole messages are programs in CEL. Those that are known are known by their text: one that is changed is not known any more.
MESSAGE_CHECKS: Final[Mapping[str, Callable[[Mapping[str, Any]], bool]]] = {
    (
        "this.template != '' ? this.subject == '' && this.text == '' && this.html == '' : "
        "this.subject != '' && (this.text != '' || this.html != '')"
    ): lambda this: (
        not (this.get("subject") or this.get("text") or this.get("html"))
        if this.get("template")
        else bool(this.get("subject") and (this.get("text") or this.get("html")))
    ),
    "this.template != '' || size(this.variables) == 0": lambda this: bool(this.get("template") or not this.get("variables")),
}


def message_checks(rules: Message | None) -> list[Callable[[Mapping[str, Any]], bool]]:
    """The checks of a whole message, which get its fields by their names.

    Raises:
        UnknownRule: there are others.
    """
    found: list[Callable[[Mapping[str, Any]], bool]] = []
    for name, value in _given(rules):
        if name != "cel":
            raise UnknownRule
        for rule in value:
            check = MESSAGE_CHECKS.get(rule.expression)
            if check is None:
                raise UnknownRule
            found.append(check)
    return found
