"""Programs: what the parser makes of templates, and how they run.

A run pays for each operation by the characters that it touches, before or right after it touches them. When its budget is spent, it ends.
So the time of a run is bounded by the budget, whatever the program and the values are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from markupsafe import escape

from mailer_svc.language.errors import BudgetSpent, RenderingTooLarge
from mailer_svc.language.filters import FILTERS
from mailer_svc.language.values import MISSING, Value, compared, contained, is_safe, item_of, items_of, size_of, text_of

MAX_PART_CHARS: Final = 512 * 1024
"""Longest part of a message."""

STEP_CHARS: Final = 8
"""What an operation costs beside the characters that it touches: about as long as it takes to touch so many."""


class RenderRun:
    """One rendering of one part: the values, what is left of the budget, and what was written."""

    __slots__ = ("_context", "_html", "_left", "_names", "_pieces", "_room")

    def __init__(self, *, variables: Mapping[str, str], context: Mapping[str, Any], budget: int, html: bool) -> None:
        """Begins.

        Args:
            variables: values by name.
            context: a structure whose members are names as well, and so are its paths joined by underscores (``event_data_total``).
            budget: characters that the run may touch.
            html: whether what is printed is escaped.
        """
        self._names: dict[str, Value] = dict(variables)
        self._context = context
        self._html = html
        self._left = budget
        self._pieces: list[str] = []
        self._room = MAX_PART_CHARS

    @property
    def left(self) -> int:
        """What is left of the budget."""
        return self._left

    @property
    def text(self) -> str:
        """What was written."""
        return "".join(self._pieces)

    def charge(self, characters: int) -> None:
        """Pays for an operation.

        Raises:
            BudgetSpent: the run ends here.
        """
        self._left -= STEP_CHARS + characters
        if self._left < 0:
            raise BudgetSpent

    def write(self, text: str) -> None:
        """Adds to the message.

        Raises:
            RenderingTooLarge: it is longer than a message may be.
        """
        self.charge(len(text))
        self._room -= len(text)
        if self._room < 0:
            raise RenderingTooLarge(f"The template renders to more than {MAX_PART_CHARS} characters")
        self._pieces.append(text)

    def print(self, value: Value) -> None:
        """Adds a value, escaped in HTML unless it was before."""
        text = value if is_safe(value) else text_of(self, value)
        self.write(escape(text) if self._html else text)

    def look_up(self, name: str) -> Value:
        """What ``name`` stands for: a variable, a member of the context, or a path into it, which is always a text."""
        value = self._names.get(name, MISSING)
        if value is not MISSING or name in self._names:
            return value
        if name in self._context:
            return self._context[name]
        found = self._path(name, self._context)
        return found if found is MISSING else text_of(self, found)

    def _path(self, name: str, value: Value) -> Value:
        """The member of a structure whose names on the way, joined by underscores, are ``name``; outer ones before inner ones."""
        self.charge(size_of(value))
        members: Any = cast("dict[str, Value]", value) if isinstance(value, dict) else {str(n): item for n, item in enumerate(value)}
        if name in members:
            return members[name]
        for key, item in members.items():
            if isinstance(item, dict | list) and name.startswith(f"{key}_"):
                found = self._path(name[len(key) + 1 :], item)
                if found is not MISSING:
                    return found
        return MISSING

    def bind(self, name: str, value: Value) -> Value:
        """Gives a name a value, and returns the one that it had; `unbind` puts that back."""
        before = self._names.get(name, _NO_NAME)
        self._names[name] = value
        return before

    def unbind(self, name: str, before: Value) -> None:
        """Ends what `bind` began."""
        if before is _NO_NAME:
            del self._names[name]
        else:
            self._names[name] = before


_NO_NAME: Final = object()


@dataclass(frozen=True, slots=True)
class Const:
    """A value that the template says."""

    constant: Value

    def value(self, run: RenderRun) -> Value:
        """That value."""
        return self.constant


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str

    def value(self, run: RenderRun) -> Value:
        """What it stands for."""
        run.charge(0)
        return run.look_up(self.name)


@dataclass(frozen=True, slots=True)
class Item:
    """A member of a structure, by attribute or in brackets."""

    of: "Expression"
    key: "Expression"

    def value(self, run: RenderRun) -> Value:
        """The member."""
        run.charge(0)
        return item_of(run, self.of.value(run), self.key.value(run))


@dataclass(frozen=True, slots=True)
class Filter:
    """A value that is changed."""

    name: str
    of: "Expression"
    arguments: tuple["Expression", ...] = ()
    named: tuple[tuple[str, "Expression"], ...] = ()

    def value(self, run: RenderRun) -> Value:
        """What the filter makes of it."""
        value = self.of.value(run)
        run.charge(0)
        arguments = [argument.value(run) for argument in self.arguments]
        result = FILTERS[self.name](run, value, *arguments, **{name: argument.value(run) for name, argument in self.named})
        run.charge(size_of(result))
        return result


@dataclass(frozen=True, slots=True)
class Test:
    """``is defined`` and the like; ``name`` is one of defined, undefined, lower, upper."""

    name: str
    of: "Expression"

    def value(self, run: RenderRun) -> bool:
        """Whether it holds."""
        value = self.of.value(run)
        run.charge(size_of(value))
        match self.name:
            case "defined":
                return value is not MISSING
            case "undefined":
                return value is MISSING
            case "lower":
                return text_of(run, value).islower()
            case _:
                return text_of(run, value).isupper()


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison after the other, such as ``0 < a <= 10``; operators as Jinja's parser names them."""

    first: "Expression"
    further: tuple[tuple[str, "Expression"], ...]

    def value(self, run: RenderRun) -> bool:
        """Whether all hold."""
        left = self.first.value(run)
        for operator, operand in self.further:
            right = operand.value(run)
            run.charge(0)
            if not _holds(run, operator, left, right):
                return False
            left = right
        return True


def _holds(run: RenderRun, operator: str, left: Value, right: Value) -> bool:
    match operator:
        case "in":
            return contained(run, left, right)
        case "notin":
            return not contained(run, left, right)
        case _:
            order = compared(run, left, right)
    return {"eq": order == 0, "ne": order != 0, "lt": order < 0, "lteq": order <= 0, "gt": order > 0, "gteq": order >= 0}[operator]


@dataclass(frozen=True, slots=True)
class Logic:
    """``and`` and ``or``: the value that decides."""

    either: bool
    left: "Expression"
    right: "Expression"

    def value(self, run: RenderRun) -> Value:
        """The left one if it decides, otherwise the right one."""
        run.charge(0)
        left = self.left.value(run)
        return left if bool(left) == self.either else self.right.value(run)


@dataclass(frozen=True, slots=True)
class Not:
    """``not``."""

    of: "Expression"

    def value(self, run: RenderRun) -> bool:
        """The opposite."""
        run.charge(0)
        return not self.of.value(run)


@dataclass(frozen=True, slots=True)
class Choice:
    """``a if b else c``."""

    test: "Expression"
    then: "Expression"
    otherwise: "Expression"

    def value(self, run: RenderRun) -> Value:
        """One of the two."""
        run.charge(0)
        return (self.then if self.test.value(run) else self.otherwise).value(run)


@dataclass(frozen=True, slots=True)
class Text:
    """What stands between the tags."""

    text: str

    def write(self, run: RenderRun) -> None:
        """Writes it as it is."""
        run.write(self.text)


@dataclass(frozen=True, slots=True)
class Print:
    """``{{ … }}``."""

    of: "Expression"

    def write(self, run: RenderRun) -> None:
        """Writes the value."""
        run.print(self.of.value(run))


@dataclass(frozen=True, slots=True)
class If:
    """``{% if … %}`` with its branches, each with its condition."""

    branches: tuple[tuple["Expression", tuple["Statement", ...]], ...]
    otherwise: tuple["Statement", ...]

    def write(self, run: RenderRun) -> None:
        """Writes the first branch whose condition holds."""
        run.charge(0)
        for test, body in self.branches:
            if test.value(run):
                write_all(body, run)
                return
        write_all(self.otherwise, run)


@dataclass(frozen=True, slots=True)
class For:
    """``{% for … %}``."""

    name: str
    over: "Expression"
    test: "Expression | None"
    body: tuple["Statement", ...]
    otherwise: tuple["Statement", ...]

    def write(self, run: RenderRun) -> None:
        """Writes the body for each item that passes the test."""
        value = self.over.value(run)
        run.charge(size_of(value))
        items = items_of(value)
        items = [item for item in items if self._passes(run, item)] if self.test else items
        if not items:
            write_all(self.otherwise, run)
        outer = run.bind("loop", {})
        before = run.bind(self.name, MISSING)
        for place, item in enumerate(items):
            run.charge(STEP_CHARS)
            run.bind("loop", _position(place, len(items)))
            run.bind(self.name, item)
            write_all(self.body, run)
        run.unbind(self.name, before)
        run.unbind("loop", outer)

    def _passes(self, run: RenderRun, item: Value) -> bool:
        before = run.bind(self.name, item)
        passes = bool(self.test is None or self.test.value(run))
        run.unbind(self.name, before)
        return passes


def _position(place: int, length: int) -> dict[str, Value]:
    return {
        "index": place + 1,
        "index0": place,
        "revindex": length - place,
        "revindex0": length - place - 1,
        "first": place == 0,
        "last": place == length - 1,
        "length": length,
    }


Expression: TypeAlias = Const | Name | Item | Filter | Test | Compare | Logic | Not | Choice
Statement: TypeAlias = Text | Print | If | For


def write_all(statements: Sequence[Statement], run: RenderRun) -> None:
    """Runs one statement after the other."""
    for statement in statements:
        statement.write(run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A template that is ready to run.

    Attributes:
        parts: subject, text and html, then label and URL of each button.
        variables: the names that it uses, in the order of their appearance.
        required: those of them that have to be given a value: the template does not ask whether they are there, and no context has them.
        nodes: how many operations and texts it has.
    """

    parts: tuple[tuple[Statement, ...], ...]
    variables: tuple[str, ...]
    required: tuple[str, ...]
    nodes: int


def run_program(program: Program, variables: Mapping[str, str], context: Mapping[str, Any], *, budget: int) -> tuple[str, ...]:
    """The texts of all parts.

    Raises:
        BudgetSpent: the budget is not enough.
        RenderingTooLarge: a part is longer than a message may be.
    """
    texts: list[str] = []
    for place, part in enumerate(program.parts):
        run = RenderRun(variables=variables, context=context, budget=budget, html=place == 2)
        write_all(part, run)
        texts.append(run.text)
        budget = run.left
    return tuple(texts)
