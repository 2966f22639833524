"""Templates: a small, total language inside of Jinja's syntax.

A tenant writes templates, so rendering one has to end, soon, in bounded memory, whatever it says. Instead of watching a clock, the language
has nothing to run away with: values are texts, there are no calls, attributes, arithmetic, assignments, macros, imports or includes, the
filters are the ones below, and a loop walks over the characters or the parts of a text, 10,000 steps in all for one part of a message.
Jinja's sandbox stands behind that.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup, escape

from mailer_svc.domain import MAX_BODY_BYTES, Content, checked_content
from tocsin.errors import InvalidInput, ResourceExhausted

MAX_LOOP_STEPS: Final = 10_000
MAX_VALUE_CHARS: Final = 64 * 1024
MAX_VARIABLES: Final = 100
_CACHED: Final = 1000
_BUDGET: Final = "tocsin budget"  # not a name, so that no template can say it
_PARTS: Final = ("subject", "text", "html")
_STEP: Final = "tocsin_step"

_ALLOWED: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.CondExpr, nodes.For, nodes.Filter,
    nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Getattr, nodes.Keyword, nodes.EvalContext,
)  # fmt: skip
_TESTS: Final = frozenset({"defined", "undefined", "eq", "ne", "in", "lower", "upper", "==", "!=", "equalto"})
_LOOP: Final = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})


class TemplateInvalid(InvalidInput):
    """The template is not valid."""


class VariableMissing(InvalidInput):
    """A variable that the template uses has no value."""


class VariableUnknown(InvalidInput):
    """The template uses no such variable."""


class RenderingTooLarge(ResourceExhausted):
    """The template renders to more than a message may hold."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A template that is ready to render, and the variables it takes."""

    parts: tuple[Any, ...]
    variables: tuple[str, ...]


class JinjaRenderer:
    """Compiles templates once and fills them in."""

    def __init__(self) -> None:
        self._plain = _environment(autoescape=False)
        self._html = _environment(autoescape=True)
        self._cache: OrderedDict[str, _Compiled] = OrderedDict()

    def compile(self, content: Content) -> tuple[str, ...]:
        """The variables that the template uses, in the order in which they appear.

        Raises:
            TemplateInvalid: it is not a template of this language; the message names the part and the line.
        """
        return self._compile(content).variables

    def render(self, uid: str, content: Content, variables: Mapping[str, str]) -> Content:
        """What the template says with these ``variables``.

        Args:
            uid: names the template's version for ever; compiled once.
            content: the template.
            variables: a value for each variable that it uses, and no other.

        Raises:
            VariableMissing: some have no value; all of them are named.
            VariableUnknown: some are not used; all of them are named.
            RenderingTooLarge: the result exceeds a limit.
            TemplateInvalid: the result is not a message, such as a subject of two lines.
        """
        compiled = self._cache.get(uid)
        if compiled is None:
            compiled = self._cache[uid] = self._compile(content)
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(uid)
        _check_variables(compiled.variables, variables)
        subject, text, html = (_fill(part, name, variables) for part, name in zip(compiled.parts, _PARTS, strict=True))
        return checked_content(Content(subject, text, html))

    def _compile(self, content: Content) -> _Compiled:
        names: dict[str, None] = {}
        parts: list[Any] = []
        for part, source in zip(_PARTS, (content.subject, content.text, content.html), strict=True):
            environment = self._html if part == "html" else self._plain
            parts.append(_compile_part(environment, part, source, names) if source else None)
        if len(names) > MAX_VARIABLES:
            raise TemplateInvalid.at("template", f"uses more than {MAX_VARIABLES} variables")
        return _Compiled(tuple(parts), tuple(names))


def _environment(*, autoescape: bool) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(autoescape=autoescape, undefined=StrictUndefined, keep_trailing_newline=True, cache_size=0)
    environment.globals = {}
    environment.filters = cast("dict[str, Callable[..., Any]]", {**_FILTERS, _STEP: _step})
    environment.tests = {name: test for name, test in environment.tests.items() if name in _TESTS}
    return environment


def _compile_part(environment: SandboxedEnvironment, part: str, source: str, names: dict[str, None]) -> Any:
    if len(source.encode()) > MAX_BODY_BYTES:
        raise TemplateInvalid.at(part, f"is larger than {MAX_BODY_BYTES} bytes")
    try:
        tree = environment.parse(source)
        _check_language(tree, part)
        undeclared = meta.find_undeclared_variables(tree)
        for name in tree.find_all(nodes.Name):
            if name.name in undeclared:
                names.setdefault(name.name)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _STEP, [], [], None, None, lineno=loop.lineno, environment=environment)
        return environment.from_string(tree)
    except TemplateSyntaxError as error:
        raise TemplateInvalid.at(part, f"line {error.lineno}: {error.message}") from None
    except (SyntaxError, RecursionError, MemoryError, TemplateError):
        raise TemplateInvalid.at(part, "is nested too deeply") from None


def _check_language(tree: nodes.Template, part: str) -> None:
    """Refuses what the language does not have.

    Raises:
        TemplateInvalid: it names the line and the construct.
    """
    for node in _walk(tree):
        reason = _refusal(node)
        if reason:
            raise TemplateInvalid.at(part, f"line {node.lineno or 1}: {reason}")


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    waiting: list[nodes.Node] = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(found.iter_child_nodes())


def _refusal(node: nodes.Node) -> str:
    """Why ``node`` is not of the language; empty when it is."""
    if not isinstance(node, _ALLOWED):
        return f"templates have no {type(node).__name__}"
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        return f"there is no filter {node.name!r}; there are {', '.join(sorted(_FILTERS))}"
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        return f"there is no test {node.name!r}; there are {', '.join(sorted(_TESTS))}"
    if isinstance(node, nodes.Getattr) and not (isinstance(node.node, nodes.Name) and node.node.name == "loop" and node.attr in _LOOP):
        return "only loop has attributes"
    if isinstance(node, nodes.For) and node.recursive:
        return "loops are not recursive"
    return ""


def _check_variables(declared: Sequence[str], given: Mapping[str, str]) -> None:
    missing = [name for name in declared if name not in given]
    if missing:
        raise VariableMissing.at("variables", f"missing: {', '.join(missing)}")
    if len(given) > len(declared):
        known = set(declared)
        unknown = sorted(name for name in given if name not in known)
        raise VariableUnknown.at("variables", f"not used by the template: {', '.join(unknown[:10])}")
    for name, value in given.items():
        if len(value) > MAX_VALUE_CHARS:
            raise RenderingTooLarge(f"variables.{name}: longer than {MAX_VALUE_CHARS} characters")


def _fill(part: Any, name: str, variables: Mapping[str, str]) -> str:
    if part is None:
        return ""
    pieces: list[str] = []
    size = 0
    try:
        for piece in part.generate({**variables, _BUDGET: _Budget(MAX_LOOP_STEPS)}):
            size += len(piece)
            if size > MAX_BODY_BYTES:
                raise RenderingTooLarge(f"{name} renders to more than {MAX_BODY_BYTES} bytes")
            pieces.append(piece)
    except UndefinedError as error:
        raise TemplateInvalid.at(name, str(error)) from None
    except (TemplateError, TypeError, ValueError) as error:
        raise TemplateInvalid.at(name, f"cannot be rendered: {error}") from None
    return "".join(pieces)


class _Budget:
    """Loop steps that one rendering still has."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


@pass_context
def _step(context: Context, items: Any) -> list[Any]:
    """What a loop walks over, if the budget allows."""
    if not isinstance(items, str | list):
        raise TypeError("a loop walks over a text or the parts of one")
    listed = list(cast("str | list[Any]", items))
    budget = cast("_Budget", context.parent[_BUDGET])
    budget.left -= len(listed) + 1
    if budget.left < 0:
        raise RenderingTooLarge(f"the loops take more than {MAX_LOOP_STEPS} steps")
    return listed


def _replace(value: str, old: str, new: str) -> str:
    value, old, new = _text(value), _text(old), _text(new)
    count = value.count(old) if old else len(value) + 1
    if len(value) + count * max(0, len(new) - len(old)) > MAX_VALUE_CHARS:
        raise RenderingTooLarge(f"replace gives more than {MAX_VALUE_CHARS} characters")
    return value.replace(old, new)


def _split(value: str, separator: str = ",") -> list[str]:
    if not separator:
        raise ValueError("split needs a separator")
    return [part.strip() for part in _text(value).split(separator)]


def _join(parts: Any, separator: str = "") -> str:
    listed = [str(part) for part in parts]
    if sum(map(len, listed)) + len(separator) * len(listed) > MAX_VALUE_CHARS:
        raise RenderingTooLarge(f"join gives more than {MAX_VALUE_CHARS} characters")
    return separator.join(listed)


def _truncate(value: str, length: int = 255, end: str = "…") -> str:
    value = _text(value)
    return value if len(value) <= length else value[: max(0, length - len(end))].rstrip() + end


def _default(value: Any, other: str = "") -> Any:
    return value or other


def _text(value: Any) -> str:
    """A plain text: no filter changes what was escaped before."""
    if isinstance(value, Markup):
        raise TypeError("a filter cannot change what is escaped")
    return str(value)


def _first(value: Any) -> Any:
    return value[0] if value else ""


def _last(value: Any) -> Any:
    return value[-1] if value else ""


_SPACES: Final = re.compile(r"\s+")


def _capitalize(value: object) -> str:
    return _text(value).capitalize()


def _lower(value: object) -> str:
    return _text(value).lower()


def _oneline(value: object) -> str:
    return _SPACES.sub(" ", _text(value)).strip()


def _title(value: object) -> str:
    return _text(value).title()


def _trim(value: object) -> str:
    return _text(value).strip()


def _upper(value: object) -> str:
    return _text(value).upper()


def _urlencode(value: object) -> str:
    return quote(_text(value), safe="")


_FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "capitalize": _capitalize,
    "default": _default,
    "e": cast("Callable[[object], str]", escape),
    "escape": cast("Callable[[object], str]", escape),
    "first": _first,
    "join": _join,
    "last": _last,
    "length": len,
    "lower": _lower,
    "oneline": _oneline,
    "replace": _replace,
    "split": _split,
    "title": _title,
    "trim": _trim,
    "truncate": _truncate,
    "upper": _upper,
    "urlencode": _urlencode,
}
