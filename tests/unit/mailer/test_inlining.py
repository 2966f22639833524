"""The HTML of templates: styles in its elements, and what readers of mail make of it."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailer_svc.language.errors import TemplateInvalid
from mailer_svc.language.inlining import inlined
from mailer_svc.language.markup import read_markup
from mailer_svc.language.parser import SAVED, STORED, parse

SHEET = "<style>.a{color:red} p{margin:0} td{padding:1px} @media (max-width:5px){.a{color:blue}} a:hover{color:pink}</style>"


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ('<p class="a">x</p>', '<p style="margin: 0;color: red" class="a">x</p>'),
        ("<p style='color:green'>x</p>", "<p style='margin: 0;color:green'>x</p>"),
        ("<p style=color:green>x</p>", '<p style="margin: 0;color:green">x</p>'),
        ("<p style>x</p>", '<p style="margin: 0">x</p>'),
        ('<P CLASS=a ID="{{ x }}1">x</p>', '<P CLASS=a ID="{{ x }}1">x</p>'),
        ('<p title="{{ x|default("a>b") }}">x</p>', '<p style="margin: 0" title="{{ x|default("a>b") }}">x</p>'),
        ("<a href={{ url }} class=a>x</a>", '<a style="color: red" href={{ url }} class=a>x</a>'),
        (
            "<table>{% for r in rows %}<tr><td>{{ r }}{% endfor %}</table>",
            '<table>{% for r in rows %}<tr><td style="padding: 1px">{{ r }}{% endfor %}</table>',
        ),
        ('<p style="{% if x %}color:{{ x }}{% endif %}">x', '<p style="margin: 0;{% if x %}color:{{ x }}{% endif %}">x'),
        ('<p class="{% if x %}a{% endif %}">x', '<p class="{% if x %}a{% endif %}">x'),
        ('<p {% if x %}class="a"{% endif %}>x', '<p {% if x %}class="a"{% endif %}>x'),
        ("<h{{ n }} class=a>x", "<h{{ n }} class=a>x"),
        ("<!--[if mso]><p class=a>x</p><![endif]--><br/>", "<!--[if mso]><p class=a>x</p><![endif]--><br/>"),
        ("<![if !mso]><p>x</p><![endif]>", '<![if !mso]><p style="margin: 0">x</p><![endif]>'),
        ("{# <p> #}{% raw %}<p>{{ x }}</p>{% endraw %}", '{# <p> #}{% raw %}<p style="margin: 0">{{ x }}</p>{% endraw %}'),
        ("{{ '<p>' }}{{ \"}}<p>\" }}<p/>", '{{ \'<p>\' }}{{ "}}<p>" }}<p style="margin: 0"/>'),
        ("<textarea>", "<textarea>"),
        ("<p\n\tclass='a'\n>x", "<p style=\"margin: 0;color: red\"\n\tclass='a'\n>x"),
    ],
)
def test_rules_go_into_the_elements_and_nothing_else_changes(source: str, sent: str) -> None:
    """Neither the template's own tags nor the style sheet; what depends on variables keeps to the style sheet."""
    assert inlined(SHEET + source).html == SHEET + sent
    assert inlined(source).html == source


@pytest.mark.parametrize(
    ("sheet", "style"),
    [
        ('p{font-family:"Segoe UI",serif}', "font-family: &#x27;Segoe UI&#x27;,serif"),
        ("p{color:red !important}", "color: red !important"),
        ("p{color:{{ brand }}}", None),
        ("p{color:'}", None),
        ("p{content:'<&>'}", "content: &#x27;&lt;&amp;&gt;&#x27;"),
        ("}}}{", None),
        ("", None),
        ("@import url(https://127.0.0.1:1/x.css);p{margin:0}", "margin: 0"),
    ],
)
def test_odd_rules_break_no_element(sheet: str, style: str | None) -> None:
    """What cannot stand in an attribute is quoted, or left to the style sheet; nothing is fetched."""
    sent = inlined(f"<style>{sheet}</style><link rel=stylesheet href=/etc/passwd><p>x</p>").html
    assert sent.endswith("<p>x</p>" if style is None else f'<p style="{style}">x</p>')


PIECES = [
    "<p",
    "class=a>",
    '<td style="x:y">',
    "</p>",
    "<table>",
    "{{ a }}",
    "{% if a %}",
    "{% endif %}",
    "{# c #}",
    "<b",
    ">",
    "'",
    '"',
    "=",
    "<!--",
    "-->",
    "<![",
    "</style>",
    "<style>",
    "x{y:z}",
    "style",
    "class",
    "\n",
    "{% raw %}",
    "{% endraw %}",
    "{",
    "}}",
    "&amp;",
    "\ue000",
    "é",
    "<p class=a>",
    "<![endif]>",
]


@example("<p\n</style>")
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_whatever_is_taken_is_sent_as_it_is_but_for_styles(source: str) -> None:
    """Without the styles that were put in, it is what was written; and it is the same program but for its text."""
    try:
        before = parse(("s", "", source), bounds=SAVED)
        sent = inlined(SHEET + source).html
    except TemplateInvalid:
        return
    put_in = "(?:margin: 0|color: red|padding: 1px|y: z|;)+"
    style = re.compile(rf' style="[^"]*"|(?<=style)="{put_in}"|"?{put_in};"?')  # the second: an element's own that was empty
    assert style.sub("", sent).replace('"', "") == style.sub("", SHEET + source).replace('"', "")
    after = parse(("s", "", sent), bounds=STORED)
    assert (before.variables, before.required) == (after.variables, after.required)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("\n<script>x</script>", "line 2: script elements"),
        ("<IFRAME src=x>", "iframe elements"),
        ("<p onclick='x'>", "onclick"),
        ("<a href=' java\nscript:alert(1)'>", "href opens no page"),
        ("<meta http-equiv=Refresh content=0>", "another page by itself"),
        ("<svg><a xlink:href='JavaScript:x'>", "opens no page"),
        ("<object data=x>", "object elements"),
        ("{% if x %}<base href=x>{% endif %}", "base elements"),
        ("<p>\n<![<", "line 2: cannot be read"),
    ],
)
def test_what_would_run_is_refused(source: str, words: str) -> None:
    """With its line."""
    with pytest.raises(TemplateInvalid, match=words) as caught:
        inlined(source)
    assert [each.field for each in caught.value.violations] == ["html"]


@pytest.mark.parametrize(
    ("source", "warnings"),
    [
        ('<!doctype html><html><head></head><body><p>a<p>b<ul><li>c</ul><table><tr><td>x</table><br><img alt=""></body></html>', []),
        ("a\n<img src=https://example.org/a.png>", ["line 2: img has no alt text"]),
        ('<a href="http://example.org">x</a>', ["line 1: href begins with http:"]),
        ('<a href="https://example.org/{{ x }}">{{ x }}</a><a href="{{ url }}">x</a>', []),
        ("<form><input></form>", ["line 1: most readers of mail remove form", "line 1: most readers of mail remove input"]),
        ("<div><span></div>", ["line 1: span is not closed before the end of div"]),
        ("<div>\n</div></div>", ["line 2: </div> closes nothing"]),
        ("<div>", ["line 1: div is not closed"]),
        ("<div/>", []),
        ("{% if a %}<div class=x>{% elif b %}<div>{% else %}<div>{% endif %}</div>{% for x in y %}<b>{% endfor %}</b>", []),
        ("<link rel=stylesheet href=https://example.org/x.css>", ["line 1: a style sheet elsewhere is not loaded"]),
        ("<style>p{color:{{ x }}}</style><p class='{{ x }}'>", ["line 1: a style sheet that depends", "line 1: the class, the id or the"]),
        ("<p class='{{ x }}'>", []),
        ("<p>" + "x" * 105_000, ["has 102 KiB; Gmail clips"]),
        ("<b>" * 30, ["line 1: b is not closed"] * 20 + ["and 10 more"]),
    ],
)
def test_what_is_doubtful_is_told(source: str, warnings: list[str]) -> None:
    """Each doubt by its line, in order; what is right gets none."""
    found = inlined(source).warnings
    assert [each[: len(words)] for each, words in zip(found, warnings, strict=True)] == warnings


def test_a_mail_that_grows_too_large_by_its_styles_is_refused() -> None:
    """Before anybody sends it."""
    with pytest.raises(TemplateInvalid, match="larger than 524288 bytes with its styles"):
        inlined("<style>p{" + "".join(f"a{n}:b;" for n in range(1000)) + "}</style>" + "<p>" * 1000)


def test_places_are_those_of_the_source() -> None:
    """Also behind tags of the template that have quotes, ends and lines in them."""
    source = "é{{ \"}}\n'\" }}\n<p title='{{ a }}'>{% raw %}{{{% endraw %}<b>"
    markup = read_markup(source)
    assert [source[tag.start :][:2] for tag in markup.tags] == ["<p", "<b"]
    assert [source[span.start : span.end] for span in markup.spans] == ['{{ "}}\n\'" }}', "{{ a }}", "{% raw %}", "{% endraw %}"]
    assert [markup.line(tag.start) for tag in markup.tags] == [3, 3]
