"""Templates: what they can say, and what they cannot do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer_svc.domain import Content, SubjectInvalid
from mailer_svc.rendering import JinjaRenderer, RenderingTooLarge, TemplateInvalid, VariableMissing, VariableUnknown
from tocsin.errors import InvalidInput, TocsinError


def render(text: str = "", *, subject: str = "s", html: str = "", **variables: str) -> Content:
    """What a template says."""
    return JinjaRenderer().render("u", Content(subject, text, html), variables)


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("Hello {{ name }}.\n", {"name": "Ann"}, "Hello Ann.\n"),
        ("{% if state == 'down' %}DOWN{% else %}up{% endif %}", {"state": "down"}, "DOWN"),
        ("{% for host in hosts|split %}{{ loop.index }}. {{ host|upper }}\n{% endfor %}", {"hosts": "a, b"}, "1. A\n2. B\n"),
        ("{{ name|default('nobody') }}", {"name": ""}, "nobody"),
        ("{{ a|truncate(5) }}|{{ a|replace('a', 'b')|title }}", {"a": "aaaaaaa"}, "aaaa…|Bbbbbbb"),
        ("{{ a }}{# comment #}{% raw %}{{ x }}{% endraw %}", {"a": "1"}, "1{{ x }}"),
        ("{{ query|urlencode }}", {"query": "a b&c"}, "a%20b%26c"),
        ("{{ a }}", {"a": "{{ b }} <b>"}, "{{ b }} <b>"),
    ],
)
def test_what_templates_say(text: str, variables: dict[str, str], expected: str) -> None:
    """Variables, conditions, loops over parts, filters; a value is never a template."""
    assert render(text, **variables).text == expected


def test_variables_are_escaped_in_html_alone() -> None:
    """An address in a text is not mangled, and a value cannot bring markup."""
    content = render("{{ a }}", subject="{{ a }}", html="<a href='{{ a }}'>{{ a|upper }}</a>", a="<b>'&")
    assert (content.subject, content.text) == ("<b>'&", "<b>'&")
    assert content.html == "<a href='&lt;b&gt;&#39;&amp;'>&lt;B&gt;&#39;&amp;</a>"


def test_variables_are_told_in_the_order_of_their_appearance() -> None:
    """Across the parts, each once, without what loops declare."""
    content = Content("{{ b }}", "{% for x in c %}{{ x }}{{ a }}{% endfor %}", "{{ b }}{{ d }}")
    assert JinjaRenderer().compile(content) == ("b", "c", "a", "d")


def test_missing_and_unknown_variables_are_named() -> None:
    """All of them at once."""
    with pytest.raises(VariableMissing, match="missing: a, b"):
        render("{{ a }}{{ b }}{{ c }}", c="1")
    with pytest.raises(VariableUnknown, match="not used by the template: y, z"):
        render("{{ a }}", a="1", z="1", y="1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ a", "line 1"),
        ("a\n\n{% if %}", "line 3"),
        ("{% endfor %}", "line 1"),
        ("{{ a.b }}", "attributes"),
        ("{{ a['b'] }}", "Getitem"),
        ("{{ a() }}", "Call"),
        ("{{ ''.__class__ }}", "attributes"),
        ("{{ a|attr('__class__') }}", "no filter 'attr'"),
        ("{{ a|safe }}", "no filter 'safe'"),
        ("{{ a|map('upper') }}", "no filter 'map'"),
        ("{{ a is filter }}", "no test 'filter'"),
        ("{{ 'a' * 1000000000 }}", "Mul"),
        ("{{ 9 ** 999999 }}", "Pow"),
        ("{{ a ~ a }}", "Concat"),
        ("{% for x in range(9) %}{% endfor %}", "Call"),
        ("{% set a = 1 %}", "Assign"),
        ("{% macro m() %}{% endmacro %}", "Macro"),
        ("{% include 'x' %}", "Include"),
        ("{% import 'x' as x %}", "Import"),
        ("{% extends 'x' %}", "Extends"),
        ("{% block b %}{% endblock %}", "Block"),
        ("{% filter upper %}x{% endfilter %}", "FilterBlock"),
        ("{% autoescape false %}x{% endautoescape %}", "line 1"),
        ("{% if a %}" * 500 + "{% endif %}" * 500, "deeply"),
        ("{{ " + "(" * 5000 + "a" + ")" * 5000 + " }}", "deeply"),
    ],
)
def test_what_the_language_does_not_have_is_refused_when_the_template_is_made(text: str, words: str) -> None:
    """With the part, the line and the construct."""
    with pytest.raises(TemplateInvalid, match=words) as caught:
        JinjaRenderer().compile(Content("s", text))
    assert caught.value.violations[0].field == "text"


BIG = "x" * 60_000


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("{{ a }}" * 100, {"a": BIG}),
        ("{% for x in a %}{% for y in a %}{{ y }}{% endfor %}{% endfor %}", {"a": "x" * 200}),
        ("{% for x in a %}{% endfor %}", {"a": BIG}),
        ("{{ a|replace('x', a) }}", {"a": BIG}),
        ("{{ a|split('x')|join(a) }}", {"a": BIG}),
        ("{{ a }}", {"a": "x" * 70_000}),
    ],
)
def test_a_template_ends_soon_and_stays_small(text: str, variables: dict[str, str]) -> None:
    """Output, loop steps, intermediate texts and values are bounded; reaching a bound is an error."""
    with pytest.raises(RenderingTooLarge):
        render(text, **variables)


def test_a_rendered_subject_is_one_line() -> None:
    """A value cannot bring a header; the filter oneline makes peace with it."""
    with pytest.raises(SubjectInvalid):
        render("x", subject="Hi {{ a }}", a="Ann\r\nBcc: eve@example.com")
    assert render("x", subject="Hi {{ a|oneline }}", a="Ann\r\nBcc: x").subject == "Hi Ann Bcc: x"


@given(st.text(alphabet="{}%|()'\"#ab.,=+-*~[]0\n \\u", max_size=60), st.text(max_size=20))
def test_no_template_does_anything_but_render_or_complain(text: str, value: str) -> None:
    """Nothing but the errors of this module ever leaves it."""
    renderer = JinjaRenderer()
    try:
        names = renderer.compile(Content("s", text))
        renderer.render("u", Content("s", text), dict.fromkeys(names, value))
    except TocsinError:
        return


def test_a_template_is_compiled_once() -> None:
    """The version's uid is the key: another version is compiled, the same one is not looked at again."""
    renderer = JinjaRenderer()
    assert renderer.render("u1", Content("s", "one"), {}).text == "one"
    assert renderer.render("u2", Content("s", "two"), {}).text == "two"
    assert renderer.render("u1", Content("s", "never looked at"), {}).text == "one"


def test_an_empty_message_is_refused() -> None:
    """There is nothing to say."""
    with pytest.raises(InvalidInput):
        render("{{ a }}", subject="{{ a }}", a="")
