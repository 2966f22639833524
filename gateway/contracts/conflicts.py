"""Paths that two contracts would both take."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import unquote

from gateway.transcoding.contract import Contract
from gateway.transcoding.router import ANY_METHOD
from gateway.transcoding.routes import Route, routes_of
from gateway.transcoding.template import PathTemplate, Segment, Wildcard, parse

OWN_PAGES: Final = tuple(
    parse(text) for text in ("/", "/health", "/scheduler/health", "/debug/services", "/openapi.json", "/docs", "/docs/**")
)
"""Paths of the gateway itself."""

_OURS: Final = "Tocsin"
_ANYTHING: Final = ""


def conflicts(contracts: Sequence[Contract]) -> Iterator[str]:
    """A line for each pair of routes that would take the same request.

    Between two contracts any such request counts; within one only equal templates do, for its authors know which of two is more special.

    Args:
        contracts: Tocsin's own, and those that are mounted.

    Raises:
        TemplateError: a rule is malformed.
    """
    before: dict[str, list[tuple[str, Route]]] = defaultdict(list)
    for contract in contracts:
        name, routes = contract.name or _OURS, [route for rpc in contract.rpcs() if rpc.contract is contract for route in routes_of(rpc)]
        shapes: dict[tuple[str, object], Route] = {}
        for route in routes:
            if name != _OURS and any(overlap(route.template, page) for page in OWN_PAGES):
                yield f"{_told(name, route)} would take a page of the gateway itself"
            if (other := shapes.setdefault((route.http_method, route.template.shape), route)) is not route:
                yield f"{_told(name, other)} and {_told(name, route)} match the same requests"
            yield from _against(name, route, before)
        for route in routes:
            before[_first(route.template)].append((name, route))


def _against(name: str, route: Route, before: dict[str, list[tuple[str, Route]]]) -> Iterator[str]:
    """What a route has in common with those of the contracts before its own."""
    first = _first(route.template)
    near = [item for each in before.values() for item in each] if first == _ANYTHING else [*before[first], *before[_ANYTHING]]
    for owner, other in near:
        same_method = route.http_method == other.http_method or ANY_METHOD in (route.http_method, other.http_method)
        if same_method and overlap(route.template, other.template):
            yield f"{_told(owner, other)} and {_told(name, route)} would take the same requests; a prefix of its own tells them apart"


def _told(name: str, route: Route) -> str:
    return f"{route.http_method} {route.template.text} ({name}: {route.rpc.path.removeprefix('/')})"


def _first(template: PathTemplate) -> str:
    """The first segment of a template; empty if it may be anything."""
    first = template.segments[0]
    return unquote(first) if isinstance(first, str) else _ANYTHING


def overlap(one: PathTemplate, other: PathTemplate) -> bool:
    """Whether some path matches both templates."""
    if one.verb == other.verb:
        return _overlap(one.segments, other.segments)
    plain, verbal = (one, other) if other.verb else (other, one)
    # A verb is a part of the last segment where no route has that verb.
    if plain.verb or not plain.segments or isinstance(plain.segments[-1], str):
        return False
    return _overlap(plain.segments, verbal.segments)


def _overlap(one: Sequence[Segment], other: Sequence[Segment]) -> bool:
    if not one or not other:
        return all(segment is Wildcard.REST for segment in (*one, *other))
    if one[0] is Wildcard.REST:
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] is Wildcard.REST:
        return _overlap(other, one)
    return _fits(one[0], other[0]) and _overlap(one[1:], other[1:])


def _fits(one: Segment, other: Segment) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return unquote(one) == unquote(other)
    return "" not in (one, other)
