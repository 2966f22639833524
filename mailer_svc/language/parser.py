"""From the text of a template to its program. Jinja's parser reads it; what the language does not have is refused here."""

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, cast

from jinja2 import Environment, TemplateError, TemplateSyntaxError, nodes

from mailer_svc.language import program as lang
from mailer_svc.language.context import from_context
from mailer_svc.language.errors import TemplateInvalid
from mailer_svc.language.filters import FILTERS
from mailer_svc.language.measure import cost_of

MAX_PART_BYTES: Final = 512 * 1024
MAX_VARIABLES: Final = 100

_COMPARISONS: Final = {"eq": "eq", "==": "eq", "equalto": "eq", "ne": "ne", "!=": "ne", "in": "in"}
_TESTS: Final = ("defined", "undefined", "lower", "upper")
_MAX_INTEGER: Final = 2**53


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of each a part may have.

    Attributes:
        nodes: operations and texts.
        depth: nodes inside of each other.
        filters: on one value, one after the other.
        loops: inside of each other.
        cost: characters that the whole template would touch with values of 1,000 characters; 0: whatever it takes.
    """

    nodes: int
    depth: int
    filters: int
    loops: int
    cost: int


SAVED: Final = Bounds(nodes=5_000, depth=40, filters=16, loops=3, cost=10_000_000)
"""What a template may have when it is saved."""

STORED: Final = Bounds(nodes=50_000, depth=100, filters=100, loops=100, cost=0)
"""What one may have that was saved when there were no bounds: its runs are bounded all the same."""

_ENVIRONMENT: Final = Environment(keep_trailing_newline=True, cache_size=0)  # noqa: S701 - it parses and renders nothing


def parse(parts: Sequence[str], *, bounds: Bounds) -> lang.Program:
    """The program of a template.

    Args:
        parts: subject, text and html, then label and URL of each button; each may be empty.
        bounds: what it may have.

    Raises:
        TemplateInvalid: it is not a template of this language, or too large; the message names the part, the line, and the measure.
    """
    names = _Names()
    made: list[tuple[lang.Statement, ...]] = []
    count = 0
    for part, source in zip(part_names(len(parts)), parts, strict=True):
        if len(source.encode("utf-8", "replace")) > MAX_PART_BYTES:
            raise TemplateInvalid.at(part, f"is larger than {MAX_PART_BYTES} bytes")
        tree = _tree(part, source)
        count += _measured(part, tree, bounds)
        made.append(_PartProgram(part, names, bounds).body(tree.body))
    if len(names.used) > MAX_VARIABLES:
        raise TemplateInvalid.at("template", f"uses {len(names.used)} variables of at most {MAX_VARIABLES}")
    program = lang.Program(parts=tuple(made), variables=tuple(names.used), required=names.required, nodes=count)
    _check_cost(program, bounds)
    return program


def part_names(count: int) -> list[str]:
    """The names of so many parts, as a refusal names them: subject, text, html, actions[0].label, actions[0].url and so on."""
    buttons = range((count - 2) // 2)
    return ["subject", "text", "html", *(f"actions[{button}].{field}" for button in buttons for field in ("label", "url"))][:count]


def _tree(part: str, source: str) -> nodes.Template:
    try:
        return _ENVIRONMENT.parse(source)
    except TemplateSyntaxError as error:
        raise TemplateInvalid.at(part, f"line {error.lineno}: {error.message}") from None
    except (RecursionError, MemoryError):
        raise TemplateInvalid.at(part, "is nested too deeply") from None
    except (TemplateError, ValueError, OverflowError) as error:  # a number of 10,000 digits is a ValueError
        raise TemplateInvalid.at(part, f"cannot be read: {error}") from None


def _measured(part: str, tree: nodes.Template, bounds: Bounds) -> int:
    """How many nodes there are, without recursion; refuses too many, and too deep ones."""
    count = 0
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if depth > bounds.depth and not isinstance(node, nodes.Filter):
            raise _refused(part, node, f"is nested {depth} deep of at most {bounds.depth}: too deeply")
        # Filters one after the other are nested in the tree; they have a bound of their own.
        inner = depth if isinstance(node, nodes.Filter) else depth + 1
        waiting.extend((child, inner) for child in node.iter_child_nodes())
    if count > bounds.nodes:
        raise TemplateInvalid.at(part, f"has {count} parts and operations of at most {bounds.nodes}")
    return count


def _check_cost(program: lang.Program, bounds: Bounds) -> None:
    needs = cost_of(program) if bounds.cost else 0
    if needs > bounds.cost:
        message = f"needs {needs} of at most {bounds.cost} steps, already with values of 1,000 characters"
        raise TemplateInvalid.at("template", message)


def _refused(part: str, node: nodes.Node, reason: str) -> TemplateInvalid:
    return cast("TemplateInvalid", TemplateInvalid.at(part, f"line {node.lineno or 1}: {reason}"))


class _Names:
    """The variables of all parts."""

    def __init__(self) -> None:
        self.used: dict[str, None] = {}
        self.asked_for: set[str] = set()

    @property
    def required(self) -> tuple[str, ...]:
        """Those that must have a value."""
        return tuple(name for name in self.used if name not in self.asked_for and not from_context(name))


class _PartProgram:
    """Makes the program of one part."""

    def __init__(self, part: str, names: _Names, bounds: Bounds) -> None:
        self._part = part
        self._names = names
        self._bounds = bounds
        self._bound: list[str] = []

    def body(self, statements: Iterable[nodes.Node]) -> tuple[lang.Statement, ...]:
        """The program of statements one after the other."""
        return tuple(made for statement in statements for made in self._statement(statement))

    def _statement(self, node: nodes.Node) -> Iterator[lang.Statement]:
        match node:
            case nodes.Output():
                for item in node.nodes:
                    yield lang.Text(item.data) if isinstance(item, nodes.TemplateData) else lang.Print(self._expression(item))
            case nodes.If():
                yield self._if(node)
            case nodes.For():
                yield self._for(node)
            case _:
                raise self._unknown(node)

    def _if(self, node: nodes.If) -> lang.If:
        branches = tuple((self._condition(branch.test), self.body(branch.body)) for branch in (node, *node.elif_))
        return lang.If(branches, self.body(node.else_))

    def _for(self, node: nodes.For) -> lang.For:
        if node.recursive:
            raise _refused(self._part, node, "loops are not recursive")
        if not isinstance(node.target, nodes.Name):
            raise _refused(self._part, node, "a loop has one variable")
        name = node.target.name
        over = self._expression(node.iter)
        if len(self._bound) // 2 >= self._bounds.loops:
            reason = f"has {len(self._bound) // 2 + 1} loops inside of each other of at most {self._bounds.loops}"
            raise _refused(self._part, node, reason)
        self._bound += (name, "loop")
        test = self._expression(node.test) if node.test is not None else None
        body = self.body(node.body)
        del self._bound[-2:]
        return lang.For(name, over, test, body, self.body(node.else_))

    def _condition(self, node: nodes.Node) -> lang.Expression:
        """An expression that is only asked whether it holds: a name in it is asked whether it is there."""
        if isinstance(node, nodes.Name):
            self._ask(node)
        return self._expression(node)

    def _expression(self, node: nodes.Node) -> lang.Expression:
        match node:
            case nodes.Const():
                return self._const(node)
            case nodes.Name():
                return self._name(node)
            case nodes.Getattr():
                return lang.Item(self._expression(node.node), lang.Const(node.attr))
            case nodes.Getitem():
                return lang.Item(self._expression(node.node), self._expression(node.arg))
            case nodes.Neg() if isinstance(node.node, nodes.Const) and isinstance(node.node.value, int | float):
                return lang.Const(-node.node.value)
            case nodes.Filter():
                return self._filter(node)
            case nodes.Test():
                return self._test(node)
            case nodes.Compare():
                return lang.Compare(self._expression(node.expr), tuple((item.op, self._expression(item.expr)) for item in node.ops))
            case nodes.And() | nodes.Or():
                return lang.Logic(isinstance(node, nodes.Or), self._condition(node.left), self._condition(node.right))
            case nodes.Not():
                return lang.Not(self._condition(node.node))
            case nodes.CondExpr():
                other = self._expression(node.expr2) if node.expr2 is not None else lang.Const("")
                return lang.Choice(self._condition(node.test), self._expression(node.expr1), other)
            case _:
                raise self._unknown(node)

    def _unknown(self, node: nodes.Node) -> TemplateInvalid:
        return _refused(self._part, node, f"templates have no {type(node).__name__}")

    def _const(self, node: nodes.Const) -> lang.Const:
        if isinstance(node.value, int) and abs(node.value) > _MAX_INTEGER:
            raise _refused(self._part, node, f"a number is larger than {_MAX_INTEGER}")
        return lang.Const(node.value)

    def _name(self, node: nodes.Name) -> lang.Name:
        if node.name not in self._bound:
            self._names.used.setdefault(node.name)
        return lang.Name(node.name)

    def _ask(self, node: nodes.Node) -> None:
        """Notes that the template asks whether the variable at the root of ``node`` is there."""
        while isinstance(node, nodes.Getattr | nodes.Getitem):
            node = node.node
        if isinstance(node, nodes.Name) and node.name not in self._bound:
            self._names.asked_for.add(node.name)

    def _filter(self, node: nodes.Filter) -> lang.Expression:
        chain: list[nodes.Filter] = []
        inner: nodes.Expr | None = node
        while isinstance(inner, nodes.Filter):
            chain.append(inner)
            inner = inner.node
        if inner is None:
            raise _refused(self._part, node, "templates have no FilterBlock")
        if len(chain) > self._bounds.filters:
            raise _refused(self._part, node, f"a value has {len(chain)} filters of at most {self._bounds.filters}")
        if chain[-1].name == "default":
            self._ask(inner)
        made = self._expression(inner)
        for link in reversed(chain):
            made = self._link(link, made)
        return made

    def _link(self, node: nodes.Filter, of: lang.Expression) -> lang.Filter:
        if node.name not in FILTERS:
            raise _refused(self._part, node, f"there is no filter {node.name!r}; there are {', '.join(sorted(FILTERS))}")
        arguments = tuple(self._expression(argument) for argument in node.args)
        keywords = cast("list[nodes.Keyword]", node.kwargs)  # Jinja's annotation says Pair, its parser makes these
        named = tuple((keyword.key, self._expression(keyword.value)) for keyword in keywords)
        try:
            if node.dyn_args is not None or node.dyn_kwargs is not None or len(dict(named)) != len(named):
                raise TypeError("each argument is given once, and by itself")
            _signature(node.name).bind(None, None, *arguments, **dict(named))
        except TypeError as error:
            raise _refused(self._part, node, f"filter {node.name}: {error}") from None
        return lang.Filter(node.name, of, arguments, named)

    def _test(self, node: nodes.Test) -> lang.Expression:
        plain = not (node.kwargs or node.dyn_args or node.dyn_kwargs)
        if node.name in ("defined", "undefined"):
            self._ask(node.node)
        of = self._expression(node.node)
        if node.name in _TESTS and plain and not node.args:
            return lang.Test(node.name, of)
        if node.name in _COMPARISONS and plain and len(node.args) == 1:
            return lang.Compare(of, ((_COMPARISONS[node.name], self._expression(node.args[0])),))
        if node.name in _TESTS or node.name in _COMPARISONS:
            raise _refused(self._part, node, f"test {node.name}: wrong arguments")
        raise _refused(self._part, node, f"there is no test {node.name!r}; there are {', '.join(sorted((*_TESTS, *_COMPARISONS)))}")


@cache
def _signature(name: str) -> inspect.Signature:
    return inspect.signature(FILTERS[name])
