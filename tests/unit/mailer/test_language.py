"""Templates: what they can say, what they cannot do, and what that may cost."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer_svc.language.context import context_of
from mailer_svc.language.errors import BudgetSpent, RenderingTooLarge, TemplateInvalid
from mailer_svc.language.filters import FILTERS
from mailer_svc.language.parser import SAVED, STORED, parse
from mailer_svc.language.program import Program, run_program
from mailer_svc.language.worker import BUDGET
from tocsin.errors import TocsinError


def program(text: str = "", *, subject: str = "s", html: str = "") -> Program:
    """What is made of a template that is saved."""
    return parse((subject, text, html), bounds=SAVED)


def said(
    text: str = "", context: Mapping[str, Any] | None = None, *, subject: str = "s", html: str = "", **variables: str
) -> tuple[str, ...]:
    """Subject, text and html of a template, filled in."""
    return run_program(program(text, subject=subject, html=html), variables, context or {}, budget=BUDGET)


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("Hello {{ name }}.\n", {"name": "Ann"}, "Hello Ann.\n"),
        ("{% if state == 'down' %}DOWN{% else %}up{% endif %}", {"state": "down"}, "DOWN"),
        ("{% if a == '1' %}one{% elif a == '2' %}two{% endif %}", {"a": "2"}, "two"),
        ("{% for host in hosts|split %}{{ loop.index }}. {{ host|upper }}\n{% endfor %}", {"hosts": "a, b"}, "1. A\n2. B\n"),
        ("{% for x in a if x != 'b' %}{{ x }}{{ loop.length }}{% else %}none{% endfor %}{{ x }}", {"a": "abc"}, "a2c2"),
        ("{% for x in a %}{{ x }}{% else %}none{% endfor %}", {"a": ""}, "none"),
        ("{% for x in a %}{% for x in 'yz' %}{{ x }}{% endfor %}{{ x }}{{ loop.last }}{% endfor %}", {"a": "ab"}, "yzafalseyzbtrue"),
        ("{{ name|default('nobody') }}", {"name": ""}, "nobody"),
        ("{{ a|truncate(5) }}|{{ a|replace('a', 'b')|title }}", {"a": "aaaaaaa"}, "aaaa…|Bbbbbbb"),
        ("{{ a }}{# comment #}{% raw %}{{ x }}{% endraw %}", {"a": "1"}, "1{{ x }}"),
        ("{{ query|urlencode }}", {"query": "a b&c"}, "a%20b%26c"),
        ("{{ a }}", {"a": "{{ b }} <b>"}, "{{ b }} <b>"),
        ("{{ 'x' if a is upper and not b else 'y' }}{{ 'z' if b }}", {"a": "A", "b": ""}, "x"),
        ("{{ a|split|first }}{{ a|split|last }}{{ a|split|length }}{{ a|split|join('+') }}", {"a": "1,2"}, "1221+2"),
        ("{% if 'b' in a and 'x' not in a and a is ne 'c' %}yes{% endif %}", {"a": "abc"}, "yes"),
        ("{{ a|oneline|capitalize }}", {"a": "x\n\ty"}, "X y"),
    ],
)
def test_what_templates_say(text: str, variables: dict[str, str], expected: str) -> None:
    """Variables, conditions, loops over parts, filters; a value is never a template."""
    assert said(text, None, **variables)[1] == expected


EVENT = {
    "origin": "EVENT",
    "event": {
        "topic": "alerts",
        "data": {
            "alerts": [{"labels": {"x": "one", "a-b": "dash"}}, {"labels": {"x": "two"}}],
            "sum": 12.0,
            "rate": 0.5,
            "zero": 0.0,
            "big": True,
            "note": None,
            "order_id": "17",
            **{f"field{number}": f"v{number}" for number in range(150)},
        },
    },
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ event.data.alerts[0].labels.x }}{{ event.data.alerts[-1]['labels']['x'] }}", "onetwo"),
        ("{% for alert in event.data.alerts %}{{ alert.labels.x }} {% endfor %}", "one two "),
        ("{% for name in event.data.alerts[0].labels %}{{ name }}={{ event.data.alerts[0].labels[name] }} {% endfor %}", "x=one a-b=dash "),
        ("{{ event_data_field149 }}{{ event.data.field149 }}", "v149v149"),
        ("{{ event_data_alerts_1_labels_x }}{{ event_data_order_id }}", "two17"),
        ("{{ event_data_sum }} {{ event.data.rate }} {{ event.data.big }} [{{ event.data.note }}]", "12 0.5 true []"),
        ("{{ event.data.alerts[1] }}", '{"labels":{"x":"two"}}'),
        ("{{ event_data_nope|default('-') }}{{ event.data.nope.deep[3]|default('-') }}{{ event_data_nope }}", "--"),
        ("{% if event_data_sev is defined %}a{% endif %}{% if event.data.sum is defined %}b{% endif %}", "b"),
        (
            "{% if event.data.sum > 9 and event.data.sum == '12' and event_data_sum == '12' and 9 < event.data.sum <= 12 %}yes{% endif %}",
            "yes",
        ),
        ("{{ event.data.zero|default('-') }}{{ event.data.note|default('-') }}", "0-"),
        ("{{ reading.value }}{{ heartbeat_pingTime }}{{ origin }}", "EVENT"),
        ("{{ event.data.alerts|length }}{{ 'x' in event.data.alerts[0].labels }}{{ event.topic[0] }}", "2truea"),
    ],
)
def test_every_path_of_what_a_firing_is_about_is_reachable(text: str, expected: str) -> None:
    """By attributes, places, brackets, loops, and as one name; what is not there is empty."""
    assert said(text, EVENT)[1] == expected
    assert program(text).required == ()


def test_a_given_variable_goes_before_what_the_firing_brings() -> None:
    """Also under the name of a path."""
    assert said("{{ event_data_sum }}{{ origin }}", EVENT, event_data_sum="own", origin="mine", surplus="x")[1] == "ownmine"


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("{{ a }}", ("a",)),
        ("{{ b|default('-') }}{{ a }}", ("a",)),
        ("{{ a|upper|default('-') }}{{ b.c|default('-')|upper }}", ("a",)),
        ("{% if b is defined %}{{ b }}{% endif %}{% if c is undefined %}{% endif %}", ()),
        ("{% if b %}{{ b }}{% endif %}{{ 'x' if not c else c }}{% if d and e == '1' %}{% endif %}", ("e",)),
        ("{{ event }}{{ event_data_x }}{{ reading_value }}{{ heartbeat.x }}{{ origin }}{{ signal }}{{ eventual }}", ("eventual",)),
        ("{% for x in a %}{{ x }}{{ loop.index }}{% endfor %}{{ x }}", ("a", "x")),
    ],
)
def test_what_a_template_asks_for_is_not_required(text: str, required: tuple[str, ...]) -> None:
    """A variable is required unless the template asks whether it is there, or a firing brings it."""
    assert program(text).required == required


def test_variables_are_escaped_in_html_alone() -> None:
    """An address in a text is not mangled, and a value cannot bring markup."""
    subject, text, html = said("{{ a }}", subject="{{ a }}", html="<a href='{{ a }}'>{{ a|upper }}{{ a|e }}</a>", a="<b>'&")
    assert (subject, text) == ("<b>'&", "<b>'&")
    assert html == "<a href='&lt;b&gt;&#39;&amp;'>&lt;B&gt;&#39;&amp;&lt;b&gt;&#39;&amp;</a>"
    assert "<" not in said("", html="{{ a|e|upper }}{{ a|e|replace('&lt;', '<') }}{{ a|e|split|join }}", a="<b>")[2]


def test_variables_are_told_in_the_order_of_their_appearance() -> None:
    """Across the parts, each once, without what loops declare."""
    made = program("{% for x in c %}{{ x }}{{ a }}{% endfor %}", subject="{{ b }}", html="{{ b }}{{ d }}")
    assert made.variables == ("b", "c", "a", "d")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ a", "line 1"),
        ("a\n\n{% if %}", "line 3"),
        ("{% endfor %}", "line 1"),
        ("{{ a() }}", "Call"),
        ("{{ ''.__class__.__mro__() }}", "Call"),
        ("{{ a|attr('__class__') }}", "no filter 'attr'"),
        ("{{ a|safe }}", "no filter 'safe'"),
        ("{{ a|map('upper') }}", "no filter 'map'"),
        ("{{ a|center(10000000) }}", "no filter 'center'"),
        ("{{ a|indent }}{{ a|wordwrap }}{{ a|urlize }}{{ a|format }}", "no filter 'indent'"),
        ("{{ a|truncate(1, 2, 3, 4) }}", "truncate: too many"),
        ("{{ a|replace('x') }}", "replace: missing"),
        ("{{ a|truncate(nope=1) }}", "truncate: got an unexpected"),
        ("{{ a|default(*b) }}", "by itself"),
        ("{{ a is filter }}", "no test 'filter'"),
        ("{{ a is defined(1) }}", "wrong arguments"),
        ("{{ 'a' * 1000000000 }}", "Mul"),
        ("{{ 9 ** 999999 }}", "Pow"),
        ("{{ a + a }}", "Add"),
        ("{{ a ~ a }}", "Concat"),
        ("{{ '%1000000000d' % 1 }}", "Mod"),
        ("{{ a[1:1000] }}", "Slice"),
        ("{{ [1, 2] }}", "List"),
        ("{{ {'a': 1} }}", "Dict"),
        ("{% for x in range(9) %}{% endfor %}", "Call"),
        ("{% for x, y in a %}{% endfor %}", "one variable"),
        ("{% for x in a recursive %}{% endfor %}", "not recursive"),
        ("{% set a = 1 %}", "Assign"),
        ("{% set a %}x{% endset %}", "AssignBlock"),
        ("{% macro m() %}{% endmacro %}", "Macro"),
        ("{% call m() %}{% endcall %}", "CallBlock"),
        ("{% include 'x' %}", "Include"),
        ("{% import 'x' as x %}", "Import"),
        ("{% extends 'x' %}", "Extends"),
        ("{% block b %}{% endblock %}", "Block"),
        ("{% filter upper %}x{% endfilter %}", "FilterBlock"),
        ("{% with a = 1 %}{% endwith %}", "With"),
        ("{% autoescape false %}x{% endautoescape %}", "line 1"),
        ("{% if a %}" * 500 + "{% endif %}" * 500, "deeply"),
        ("{{ " + "(" * 5000 + "a" + ")" * 5000 + " }}", "deeply"),
        ("{{ a" + "[a" * 60 + "]" * 60 + " }}", "nested 41 deep of at most 40"),
        ("{{ a" + "|e" * 250 + " }}", "250 filters of at most 16"),
        ("{{ a }}" * 10_000, "20001|10001|10002|20002"),
        ("{% for a in x %}" * 4 + "{% endfor %}" * 4, "4 loops inside of each other of at most 3"),
        ("{% for a in x %}{% for b in x %}{% for c in x %}{{ y|title }}{% endfor %}{% endfor %}{% endfor %}", r"needs \d+ of at most"),
        ("{{ " + "9" * 10_000 + " }}", "cannot be read"),
        ("{{ " + "9" * 40 + " }}", "a number is larger"),
        ("{{ " + "{{".join(f"v{n} }}}}" for n in range(101)), "uses 101 variables of at most 100"),
        ("x" * 600_000, "larger than"),
    ],
)
def test_what_the_language_does_not_have_or_is_too_much_is_refused_when_the_template_is_saved(text: str, words: str) -> None:
    """With the part, the line and the construct, or the measure."""
    with pytest.raises(TemplateInvalid, match=words):
        program(text)


BIG = "x y" * 21_000
STRUCTURE = {"event": {"list": [BIG[:1000]] * 60, "deep": {"a": {"b": {"c": ["y"] * 1000}}}, "names": {f"n{n}": "v" for n in range(5000)}}}
HUNGRY = [
    "{% for c in a %}{% if b|title|upper|title == 'x' %}{% endif %}{% endfor %}",
    "{% for c in a %}{% for d in a %}{{ d }}{% endfor %}{% endfor %}",
    "{% for c in a %}{% for d in a %}{% endfor %}{% endfor %}",
    "{% for c in a if b|urlencode|urlencode|urlencode == 'x' %}{% endfor %}",
    "{% for c in a %}{% if event == 'x' %}{% endif %}{% endfor %}",
    "{% for c in a %}{{ event_list_nothing_of_this }}{% endfor %}",
    "{% for c in a %}{{ event_deep_a_b_c_d }}{% endfor %}",
    "{% for c in a %}{% if b in event.list %}{% endif %}{% endfor %}",
    "{% for c in a %}{% for n in event.names %}{% endfor %}{% endfor %}",
    "{% for c in a %}{% if event.list|join is upper %}{% endif %}{% endfor %}",
    "{% for c in a %}{% if event[b] is defined %}{% endif %}{% if event.names[event] %}{% endif %}{% endfor %}",
    "{% for c in a %}{% if b|split('x')|length == 1 or b|last or b|replace('y', b) %}{% endif %}{% endfor %}",
    *(f"{{% for c in a %}}{{% if b|{name} == 'q' %}}{{% endif %}}{{% endfor %}}" for name in FILTERS if name != "replace"),
]


@pytest.mark.parametrize("text", HUNGRY)
def test_a_run_ends_soon_whatever_it_says(text: str) -> None:
    """Every operation pays for what it touches, so that a budget is a time: here 30 ms of the processor, twenty times that allowed."""
    old = parse(("s", text, ""), bounds=STORED)
    began = time.thread_time()
    with pytest.raises((BudgetSpent, RenderingTooLarge)):
        run_program(old, {"a": "z" * 600_000, "b": BIG}, STRUCTURE, budget=1_000_000)
    assert time.thread_time() - began < 0.6


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("{{ a }}" * 100, {"a": "x" * 60_000}),
        ("{{ a|replace('x', a) }}", {"a": "x" * 60_000}),
        ("{{ a|replace('', a) }}", {"a": "x" * 60_000}),
        ("{{ a|split('x')|join(a) }}", {"a": "x" * 60_000}),
    ],
)
def test_a_message_stays_small(text: str, variables: dict[str, str]) -> None:
    """Output and intermediate texts are bounded; reaching a bound is an error."""
    with pytest.raises(RenderingTooLarge):
        said(text, None, **variables)


@given(
    st.text(alphabet="{}%|()'\"#abe.,=+-*~[]0\n \\u", max_size=60),
    st.text(max_size=20),
    st.dictionaries(
        st.sampled_from(["a", "b", "event"]), st.recursive(st.none() | st.floats() | st.text(max_size=3), st.lists), max_size=3
    ),
)
def test_no_template_does_anything_but_render_or_complain(text: str, value: str, context: dict[str, Any]) -> None:
    """Nothing but the errors of the language ever leaves it."""
    try:
        run_program(program(text), {"ab": value}, context, budget=BUDGET)
    except TocsinError:
        return


VALUES = [
    "''",
    "'x'",
    "a",
    "event",
    "event.list",
    "event.number",
    "event.none",
    "nothing",
    "loop",
    "true",
    "none",
    "(-1)",
    "1.5",
    "9007199254740992",
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    "text",
    [
        *(f"{{{{ V|{name} }}}}" for name in FILTERS if name != "replace"),
        *(f"{{{{ 'abc'|{name}(V) }}}}" for name in ("split", "join", "truncate", "default")),
        "{{ V|replace(V, V) }}",
        "{{ V.x }}{{ V[0] }}{{ V[V] }}{{ event[V] }}{{ a[V] }}{{ event.list[V] }}",
        "{{ V == V }}{{ V < 'a' }}{{ V >= 1 }}{{ V in V }}{{ V in event.list }}{{ 1 in V }}{{ V is lower }}{{ V is defined }}",
        "{% for x in V %}{{ x }}{{ loop.index }}{{ loop }}{% else %}{{ V }}{% endfor %}",
        "{{ V if V else V }}{{ V and V or not V }}",
    ],
)
def test_every_operation_takes_every_value(text: str, value: str) -> None:
    """A message is never lost to a value that is not what the template's author thought of."""
    context = {"event": {"list": [1.0, "x", None, {"y": [True]}], "number": float("inf"), "none": None, "number_": 10**400}}
    said(text.replace("V", value), context, html=text.replace("V", value), a="text")


def test_a_context_that_is_none_is_empty() -> None:
    """What a processor hands in is not trusted either."""
    for text in ("", "null", "[1]", "{", '"x"', "[" * 100_000, "{" * 5):
        assert context_of(text) == {}
    assert context_of(json.dumps(EVENT)) == EVENT
