import itertools

import pytest

from gateway.transcoding.router import Match, MethodNotAllowed, RouteNotFound, Router
from gateway.transcoding.template import TemplateError, parse
from tocsin.errors import InvalidInput


def router_of(*routes: str) -> Router[str]:
    """A router of routes written as "METHOD template", which are their own targets."""
    return Router((method, parse(path), f"{method} {path}") for method, path in (route.split(" ") for route in routes))


ROUTES = (
    "GET /v1/alarms",
    "POST /v1/alarms",
    "GET /v1/{name=alarms/*}",
    "POST /v1/{name=alarms/*}:pause",
    "GET /v1/alarms/special",
    "GET /v1/{x}/{y}/{z}",
    "GET /v1/{name=files/**}",
    "POST /alarms/",
    "GET /one/{id}",
)


@pytest.mark.parametrize(
    ("method", "path", "target", "variables"),
    [
        ("GET", "/v1/alarms", "GET /v1/alarms", {}),
        ("GET", "/v1/alarms/1", "GET /v1/{name=alarms/*}", {"name": "alarms/1"}),
        ("GET", "/v1/alarms/special", "GET /v1/alarms/special", {}),
        ("POST", "/v1/alarms/1:pause", "POST /v1/{name=alarms/*}:pause", {"name": "alarms/1"}),
        ("POST", "/v1/alarms/a:b:pause", "POST /v1/{name=alarms/*}:pause", {"name": "alarms/a:b"}),
        ("GET", "/v1/alarms/1:other", "GET /v1/{name=alarms/*}", {"name": "alarms/1:other"}),
        ("GET", "/one/a:pause", "GET /one/{id}", {"id": "a:pause"}),
        ("GET", "/one/a%2Fb%20c", "GET /one/{id}", {"id": "a/b c"}),
        ("GET", "/v1/alarms/a%2Fb%2fc%20d", "GET /v1/{name=alarms/*}", {"name": "alarms/a%2Fb%2fc d"}),
        ("GET", "/v1/alarms/%C3%BC", "GET /v1/{name=alarms/*}", {"name": "alarms/ü"}),
        ("GET", "/v1/%61larms", "GET /v1/alarms", {}),
        ("GET", "/v1/files/a/b/c", "GET /v1/{name=files/**}", {"name": "files/a/b/c"}),
        ("GET", "/v1/files", "GET /v1/{name=files/**}", {"name": "files"}),
        ("GET", "/v1/a/b/c", "GET /v1/{x}/{y}/{z}", {"x": "a", "y": "b", "z": "c"}),
        ("POST", "/alarms/", "POST /alarms/", {}),
        ("GET", "/one/..", "GET /one/{id}", {"id": ".."}),
        ("GET", "/one/a+b", "GET /one/{id}", {"id": "a+b"}),
    ],
)
def test_finds_the_route_and_decodes_its_variables(method: str, path: str, target: str, variables: dict[str, str]) -> None:
    """Paths are split first and decoded afterwards; only a registered verb is cut off."""
    assert router_of(*ROUTES).match(method, path) == Match(target, variables)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/v1", "/v1/alarms/", "/v1//alarms", "//v1/alarms", "/v1/alarms/1/", "/alarms", "/v1%2Falarms", "/V1/alarms", "/one/", "/one",
     "/v1/files/a//b", "/v1/files/", "*", "alarms", "/v1/alarms/1/2/3"],
)  # fmt: skip
def test_any_other_path_is_not_found(path: str) -> None:
    """A trailing slash, an empty segment or an encoded slash makes another path."""
    with pytest.raises(RouteNotFound):
        router_of(*ROUTES).match("GET", path)


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", "/v1/alarms/", True),
        ("PUT", "/v1/alarms/1/", True),
        ("GET", "/v1/alarms//", False),
        ("GET", "/", False),
        ("GET", "/v1/", False),
    ],
)
def test_a_slash_too_many_is_told(method: str, path: str, told: bool) -> None:
    """Where there is something without it, whatever the method; nothing else is guessed."""
    with pytest.raises(RouteNotFound) as caught:
        router_of(*ROUTES).match(method, path)
    assert ("without the slash" in caught.value.message) is told


@pytest.mark.parametrize("path", ["/one/%", "/one/%2", "/one/%zz", "/one/%+1", "/%/x", "/one/%ff", "/one/%C3", "/nowhere/%"])
def test_a_broken_encoding_is_refused(path: str) -> None:
    """A stray percent sign or bytes that are not UTF-8 are the client's mistake, on any path."""
    with pytest.raises(InvalidInput, match=r"percent-encoding|UTF-8"):
        router_of(*ROUTES).match("GET", path)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/alarms", ("GET", "POST")),
        ("GET", "/v1/alarms/1:pause", ("POST",)),
        ("GET", "/alarms/", ("POST",)),
        ("PUT", "/v1/alarms/special", ("GET",)),
    ],
)
def test_a_wrong_method_names_the_right_ones(method: str, path: str, allowed: tuple[str, ...]) -> None:
    """The error lists every method that some route takes at this path."""
    with pytest.raises(MethodNotAllowed) as caught:
        router_of(*ROUTES).match(method, path)
    assert caught.value.allowed == allowed
    assert router_of(*ROUTES).allowed(path) == frozenset(allowed)


def test_the_order_of_registration_does_not_matter() -> None:
    """A literal wins over one segment, and that over the rest, whoever came first."""
    routes = ("GET /a/b/c", "GET /a/{x}/c", "GET /a/{x=**}", "GET /a/b/{y}")
    expected = {"/a/b/c": routes[0], "/a/z/c": routes[1], "/a/z/z": routes[2], "/a/b/z": routes[3]}
    for order in itertools.permutations(routes):
        router = router_of(*order)
        assert {path: router.match("GET", path).target for path in expected} == expected


@pytest.mark.parametrize(
    ("path", "target", "variables"),
    [
        ("/v1/docs/a/b/items", "GET /v1/{parent=docs/**}/{kind}", {"parent": "docs/a/b", "kind": "items"}),
        ("/v1/docs/items", "GET /v1/{parent=docs/**}/{kind}", {"parent": "docs", "kind": "items"}),
        ("/v1/docs/a/rules", "GET /v1/{parent=docs/**}/rules", {"parent": "docs/a"}),
        ("/v1/docs/rules/rules", "GET /v1/{parent=docs/**}/rules", {"parent": "docs/rules"}),
        ("/v1/docs/a%2Fb/rules", "GET /v1/{parent=docs/**}/rules", {"parent": "docs/a%2Fb"}),
        ("/v1/docs/a/b:run", "GET /v1/{parent=docs/**}/{kind}:run", {"parent": "docs/a", "kind": "b"}),
        ("/x", "GET /**", {}),
    ],
)
def test_segments_may_stand_behind_any_number_of_others(path: str, target: str, variables: dict[str, str]) -> None:
    """``**`` in the middle leaves to what stands behind it as many segments as that needs, and literals win there as well."""
    router = router_of(
        "GET /v1/{parent=docs/**}/{kind}", "GET /v1/{parent=docs/**}/rules", "GET /v1/{parent=docs/**}/{kind}:run", "GET /**"
    )
    assert router.match("GET", path) == Match(target, variables)


@pytest.mark.parametrize("path", ["/a//z", "/a/b//z", "/a/z/", "/a/b/c", "/z"])
def test_what_any_number_of_segments_does_not_hold(path: str) -> None:
    """An empty segment is none, and what stands behind must be there."""
    with pytest.raises(RouteNotFound):
        router_of("GET /a/**/z").match("GET", path)


def test_a_route_of_every_method_gives_way_to_one_of_its_own() -> None:
    """The kind ``*`` takes every method but those that have a route there, and says so when it is asked."""
    router = router_of("* /a/{x}", "GET /a/{x}")
    assert router.match("GET", "/a/1").target == "GET /a/{x}"
    assert router.match("REPORT", "/a/1").target == "* /a/{x}"
    assert router.allowed("/a/1") == {"GET", "POST", "PUT", "PATCH", "DELETE"}


def test_a_method_of_its_own_falls_back_to_the_wider_route() -> None:
    """A literal that takes only POST does not hide a wildcard that takes GET."""
    router = router_of("POST /a/new", "GET /a/{id}")
    assert router.match("GET", "/a/new").variables == {"id": "new"}


@pytest.mark.parametrize(("first", "second"), [("/a/{x}", "/a/{y}"), ("/{n=a/*}", "/a/{x}"), ("/a/**", "/{n=a/**}"), ("/a:b", "/a:b")])
def test_duplicates_are_refused(first: str, second: str) -> None:
    """Two routes of the same shape and method cannot both be served."""
    with pytest.raises(TemplateError, match="two routes match"):
        router_of(f"GET {first}", f"GET {second}")
    router_of(f"GET {first}", f"POST {second}")
