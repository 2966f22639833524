import pytest

from gateway.transcoding.template import TemplateError, Variable, Wildcard, parse

ONE, REST = Wildcard.ONE, Wildcard.REST


@pytest.mark.parametrize(
    ("text", "segments", "variables", "verb"),
    [
        ("/v1/alarms", ("v1", "alarms"), (), ""),
        ("/v1/{x}", ("v1", ONE), (Variable("x", 1, 2, multi=False),), ""),
        ("/v1/{x=*}", ("v1", ONE), (Variable("x", 1, 2, multi=False),), ""),
        ("/v1/{name=alarms/*}:pause", ("v1", "alarms", ONE), (Variable("name", 1, 3, multi=True),), "pause"),
        ("/v1/{a.b_c=shelves/*/books/*}/cover", ("v1", "shelves", ONE, "books", ONE, "cover"), (Variable("a.b_c", 1, 5, multi=True),), ""),
        ("/v1/{name=files/**}", ("v1", "files", REST), (Variable("name", 1, None, multi=True),), ""),
        ("/**/a", (REST, "a"), (), ""),
        ("/v1/{a=x/**/y}/z", ("v1", "x", REST, "y", "z"), (Variable("a", 1, -1, multi=True),), ""),
        (
            "/v1/{a=x/**}/y/{b}:run",
            ("v1", "x", REST, "y", ONE),
            (Variable("a", 1, -2, multi=True), Variable("b", -1, None, multi=False)),
            "run",
        ),
        (
            "/v1/{a}/{b=**}/{c=*/d}",
            ("v1", ONE, REST, ONE, "d"),
            (Variable("a", 1, 2, multi=False), Variable("b", 2, -2, multi=True), Variable("c", -2, None, multi=True)),
            "",
        ),
        ("/v1/**:run", ("v1", REST), (), "run"),
        ("/v1/*/{x}", ("v1", ONE, ONE), (Variable("x", 2, 3, multi=False),), ""),
        ("/alarms/", ("alarms", ""), (), ""),
        ("/", ("",), (), ""),
        ("/.well-known/jwks.json", (".well-known", "jwks.json"), (), ""),
        ("/v1/auth:token", ("v1", "auth"), (), "token"),
        ("/v1/{a}/{b}", ("v1", ONE, ONE), (Variable("a", 1, 2, multi=False), Variable("b", 2, 3, multi=False)), ""),
        ("/a%20b", ("a%20b",), (), ""),
    ],
)
def test_reads_the_grammar_of_google_api_http(text: str, segments: tuple[object, ...], variables: tuple[Variable, ...], verb: str) -> None:
    """Every production of the grammar gives its segments, its variables and its verb."""
    template = parse(text)
    assert (template.segments, template.variables, template.verb) == (segments, variables, verb)


@pytest.mark.parametrize(
    "text",
    [
        "", "v1", "//", "/a//b", "/{", "/}", "/{}", "/{a", "/a}", "/{a=}", "/{a={b}}", "/{a}{b}", "/{a}x", "/x{a}", "/{a b}", "/{1a}",
        "/{a.}", "/{.a}", "/{a=x//y}", "/**/**", "/{a=**}/b/**", "/{a=**/b/**}", "/***", "/a*", "/a b", "/a?b", "/a#b", "/%", "/%4", "/%zz",
        "/a:", "/a:b:c", "/a:b*", "/{a}/{a}", "/{a}/{a.b}", "/{a.b}/{a}", "/{a=**}/{b=**}", "/ü", "/{ä}", "/{a=*/}", "/a\n", "/{a}\n",
    ],
)  # fmt: skip
def test_refuses_a_malformed_template(text: str) -> None:
    """What the grammar does not allow stops the start, with the template in the message."""
    with pytest.raises(TemplateError, match="path template"):
        parse(text)
