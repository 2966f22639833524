"""Finding the route of a path: exact, and the same whatever the order of registration."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar
from urllib.parse import unquote_to_bytes

from gateway.transcoding.template import PathTemplate, TemplateError, Variable, Wildcard
from tocsin.errors import InvalidInput, NotFound

Target = TypeVar("Target")

ANY_METHOD: Final = "*"
"""The custom kind of a rule for whatever HTTP method has no rule of its own."""

_USUAL: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HEX = frozenset("0123456789abcdefABCDEF")


class RouteNotFound(NotFound):
    """There is no resource at this path."""

    @classmethod
    def but_without_slash(cls) -> "RouteNotFound":
        """The error where a slash at the end is all that is too much."""
        return cls("There is no resource at this path; there is one without the slash at its end.")


class MethodNotAllowed(InvalidInput):
    """This path does not support this method."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """Makes the error with the methods that the path takes."""
        self.allowed = tuple(sorted(allowed))
        super().__init__(f"This path takes {', '.join(self.allowed)} only.")


@dataclass(frozen=True, slots=True)
class Match(Generic[Target]):
    """What was found at a path."""

    target: Target
    variables: Mapping[str, str]
    """Decoded values of the path variables by field path."""


@dataclass(slots=True)
class _Node(Generic[Target]):
    literals: "dict[str, _Node[Target]]" = field(default_factory=dict)
    one: "_Node[Target] | None" = None
    ends: dict[str, dict[str, tuple[tuple[Variable, ...], Target]]] = field(default_factory=dict)
    """Routes that end here: verb, then HTTP method."""
    rest: "_Node[Target] | None" = None
    """What stands behind ``**``."""


class Router(Generic[Target]):
    """Routes by HTTP method and path template.

    A literal wins over ``*`` and ``*`` over ``**``, segment by segment from the left. A custom verb is cut off only where a route with
    this verb matches the rest of the path; otherwise the colon is part of the segment.
    """

    def __init__(self, routes: Iterable[tuple[str, PathTemplate, Target]]) -> None:
        """Makes the router of ``(HTTP method, template, target)``.

        Raises:
            TemplateError: two routes of one method match the same paths.
        """
        self._root: _Node[Target] = _Node()
        self._verbs: set[str] = set()
        self._exact: dict[tuple[str, str], Match[Target]] = {}
        for method, template, target in routes:
            self._add(method, template, target)

    def _add(self, method: str, template: PathTemplate, target: Target) -> None:
        node = self._root
        segments = template.segments
        for segment in segments:
            if isinstance(segment, str):
                node = node.literals.setdefault(_decode(segment, multi=False), _Node())
            elif segment is Wildcard.ONE:
                node.one = node = node.one or _Node()
            else:
                node.rest = node = node.rest or _Node()
        methods = node.ends.setdefault(template.verb, {})
        if method in methods:
            raise TemplateError(f"two routes match {method} {template.text}")
        methods[method] = template.variables, target
        if template.verb:
            self._verbs.add(template.verb)
        if not any(isinstance(segment, Wildcard) for segment in segments) and "%" not in template.text:
            self._exact[method, template.text] = Match(target=target, variables={})

    def match(self, method: str, raw_path: str) -> Match[Target]:
        """The route of a request.

        Args:
            method: HTTP method.
            raw_path: the path as it was sent, percent-encoding and all.

        Raises:
            InvalidInput: the path has a broken percent-encoding.
            RouteNotFound: no route has this path.
            MethodNotAllowed: routes have this path, but for other methods.
        """
        if (exact := self._exact.get((method, raw_path))) is not None:
            return exact
        if not raw_path.startswith("/"):
            raise RouteNotFound
        raw = raw_path[1:].split("/")
        search: _Search[Target] = _Search(method=method, raw=raw, plain=[_decode(part, multi=False) for part in raw])
        found = self._search_verb(search) or search.descend(self._root, 0, "")
        if found is not None:
            return found
        if search.allowed:
            raise MethodNotAllowed(search.allowed)
        if raw[-1] == "" and len(raw) > 1 and self.allowed(raw_path[:-1]):
            raise RouteNotFound.but_without_slash()
        raise RouteNotFound

    def allowed(self, raw_path: str) -> frozenset[str]:
        """The methods that a path takes; empty if there is nothing at it.

        Raises:
            InvalidInput: the path has a broken percent-encoding.
        """
        try:
            self.match("", raw_path)
        except MethodNotAllowed as error:
            return frozenset(error.allowed)
        except RouteNotFound:
            pass
        return frozenset()

    def _search_verb(self, search: "_Search[Target]") -> Match[Target] | None:
        last, colon, verb = search.raw[-1].rpartition(":")
        if not colon or verb not in self._verbs:
            return None
        stripped = _Search[Target](
            method=search.method, raw=[*search.raw[:-1], last], plain=[*search.plain[:-1], _decode(last, multi=False)]
        )
        found = stripped.descend(self._root, 0, verb)
        if found is None and stripped.allowed:
            raise MethodNotAllowed(stripped.allowed)
        return found


@dataclass(slots=True)
class _Search(Generic[Target]):
    method: str
    raw: list[str]
    plain: list[str]
    allowed: set[str] = field(default_factory=set)

    def descend(self, node: _Node[Target], index: int, verb: str) -> Match[Target] | None:
        if index == len(self.plain):
            return self._end(node.ends.get(verb)) or self._behind(node, index, verb)
        text = self.plain[index]
        if (child := node.literals.get(text)) is not None and (found := self.descend(child, index + 1, verb)) is not None:
            return found
        if not text:
            return None
        if node.one is not None and (found := self.descend(node.one, index + 1, verb)) is not None:
            return found
        return self._behind(node, index, verb)

    def _behind(self, node: _Node[Target], index: int, verb: str) -> Match[Target] | None:
        """What matches by ``**``, which takes as few segments as what stands behind it allows, and none that is empty."""
        if (rest := node.rest) is None:
            return None
        count = len(self.plain)
        for start in range(index, count + 1) if rest.literals or rest.one else (count,):
            if "" in self.plain[index:start]:
                return None
            index = start
            if (found := self.descend(rest, start, verb)) is not None:
                return found
        return None

    def _end(self, methods: dict[str, tuple[tuple[Variable, ...], Target]] | None) -> Match[Target] | None:
        if methods is None:
            return None
        route = methods.get(self.method) or (methods.get(ANY_METHOD) if self.method else None)
        if route is None:
            self.allowed.update(_USUAL if ANY_METHOD in methods else methods)
            return None
        variables, target = route
        return Match(target=target, variables={variable.field_path: self._value(variable) for variable in variables})

    def _value(self, variable: Variable) -> str:
        if not variable.multi:
            return self.plain[variable.start]
        return "/".join(_decode(part, multi=True) for part in self.raw[variable.start : variable.end])


def _decode(part: str, *, multi: bool) -> str:
    """Undoes the percent-encoding of one segment; an encoded slash stays encoded in a variable of several segments."""
    if "%" not in part:
        return part
    for piece in part.split("%")[1:]:
        if len(piece) < 2 or piece[0] not in _HEX or piece[1] not in _HEX:
            raise InvalidInput.at("path", f"broken percent-encoding in {part!r}")
    if multi:
        part = part.replace("%2F", "%252F").replace("%2f", "%252f")
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput.at("path", f"{part!r} is not UTF-8") from error
