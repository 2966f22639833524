"""The converter against google.protobuf.json_format, which is the judge."""

import base64
import json
import string
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gateway.contracts import contract, message_type, pool
from tocsin.errors import InvalidInput
from tocsin.protojson.codec import Codec, UnreadableReply, load_json
from tocsin.protojson.fields import MAX_DEPTH

pytestmark = pytest.mark.usefixtures("each_codec")


def codec(name: str = "Everything") -> Codec:
    """The converter of a message of the test contract."""
    return contract().codec(pool().FindMessageTypeByName(f"shelf.v1.{name}"))


def convert(text: str) -> Any:
    """The message that the gateway makes of a JSON text, as google.protobuf reads its wire bytes."""
    value = load_json(text.encode())
    assert isinstance(value, dict)
    return message_type("Everything").FromString(codec().to_wire(value))


def load_json_object(value: dict[str, Any]) -> Any:
    """A JSON object as a body has it."""
    return load_json(json.dumps(value).encode())


def judged(text: str) -> Any:
    """The message that json_format makes of a JSON text."""
    return json_format.Parse(text, message_type("Everything")(), descriptor_pool=pool())


EQUAL = [
    '{"s": "ü\\u0000😀", "i32": -5, "u32": 4294967295, "f32": 7, "sf32": -7, "s32": -2147483648}',
    '{"i64": "9223372036854775807", "u64": "18446744073709551615", "s64": -9007199254740993, "f64": "5", "sf64": "-5"}',
    '{"i64": 9223372036854775807, "u64": 18446744073709551615}',
    '{"i32": 1e2, "i64": 1.0, "u32": "7"}',
    '{"d": 1.5, "f": -0.25}', '{"d": "NaN", "f": "Infinity"}', '{"d": "-Infinity"}', '{"d": "1e300"}', '{"d": -0.0}',
    '{"b": true}', '{"b": false}',
    '{"raw": "aGk="}', '{"raw": "aGk"}', '{"raw": "+/8="}', '{"raw": "-_8="}', '{"raw": "-_8"}', '{"raw": ""}',
    '{"e": "RED"}', '{"e": 2}', '{"e": 99}', '{"colours": ["RED", 2]}',
    '{"child": {"child": {"s": "x"}}, "children": [{}, {"s": "y"}]}',
    '{"numbers": [1, "2"]}', '{"byName": {"a": "1", "b": 2, "": 3}}', '{"byNumber": {"-1": {"s": "x"}}}',
    '{"by_truth": {"true": "RED", "false": 2}}',
    '{"time": "2026-12-01T09:00:00Z"}', '{"time": "2026-12-01T09:00:00.123456789+05:30"}', '{"time": "0001-01-01T00:00:00Z"}',
    '{"time": "9999-12-31T23:59:59.999999999Z"}', '{"times": ["2026-12-01T09:00:00Z"]}',
    '{"span": "1.5s"}', '{"span": "-0.000000001s"}', '{"span": "315576000000s"}',
    '{"mask": "a,b.cD"}', '{"mask": ""}',
    '{"object": {"a": [1, null, true, {"b": "c"}]}}', '{"value": null}', '{"value": [1]}', '{"value": "NaN"}', '{"list": [null, []]}',
    '{"any": {"@type": "type.googleapis.com/shelf.v1.Book", "title": "x"}}',
    '{"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}}',
    '{"nothing": {}}',
    '{"doubleValue": 1, "floatValue": "NaN", "int64Value": "1", "uint64Value": 2, "int32Value": 3, "uint32Value": "4"}',
    '{"boolValue": false, "stringValue": "", "bytesValue": "AA=="}',
    '{"oneText": ""}', '{"oneNumber": 0}', '{"oneNull": null}', '{"oneText": null, "oneNumber": 1}', '{"oneChild": {}}',
    '{"maybeText": "", "maybeNumber": 0, "maybeColour": "COLOUR_UNSPECIFIED"}',
    '{"s": null, "child": null, "numbers": null, "byName": null, "time": null, "boolValue": null, "maybeText": null, "e": null}',
    '{"longFieldName": "a", "otherName": "b"}', '{"long_field_name": "a", "renamed": "b"}', "{}",
]  # fmt: skip


@pytest.mark.parametrize("text", EQUAL)
def test_means_the_same_as_json_format(text: str) -> None:
    """Every JSON form of every type becomes the same message, and comes back as the same JSON."""
    message = convert(text)
    assert message == judged(text) or "NaN" in text
    shown = json.loads(codec().to_json(message.SerializeToString()))
    assert shown == json_format.MessageToDict(message, descriptor_pool=pool())


BAD = [
    ('{"zz": 1}', "zz"), ('{"child": {"zz": 1}}', "child.zz"), ('{"children": [{}, {"zz": 1}]}', "children[1].zz"),
    ('{"byNumber": {"5": {"zz": 1}}}', 'byNumber["5"].zz'),
    ('{"s": 1}', "s"), ('{"s": true}', "s"), ('{"s": []}', "s"), ('{"s": "\\ud800"}', "s"),
    ('{"i32": 2147483648}', "i32"), ('{"i32": 1.5}', "i32"), ('{"i32": true}', "i32"), ('{"i32": ""}', "i32"), ('{"i32": " 1"}', "i32"),
    ('{"i32": "x"}', "i32"), ('{"i64": "9223372036854775808"}', "i64"), ('{"u32": -1}', "u32"), ('{"u64": -1}', "u64"),
    ('{"d": "x"}', "d"), ('{"d": 1e400}', "d"), ('{"f": 1e39}', "f"), ('{"d": ""}', "d"),
    ('{"b": "true"}', "b"), ('{"b": 1}', "b"), ('{"raw": "!"}', "raw"), ('{"raw": 1}', "raw"),
    ('{"e": "PURPLE"}', "e"), ('{"e": true}', "e"), ('{"colours": ["RED", "PURPLE"]}', "colours[1]"),
    ('{"child": "x"}', "child"), ('{"child": []}', "child"), ('{"children": {}}', "children"), ('{"children": [null]}', "children[0]"),
    ('{"children": [{}, {"child": {"i32": "x"}}]}', "children[1].child.i32"),
    ('{"numbers": [1, 2, null, 4]}', "numbers[2]"), ('{"numbers": [[1]]}', "numbers[0]"), ('{"numbers": 1}', "numbers"),
    ('{"byName": []}', "byName"), ('{"byName": {"a": 1, "b": null}}', 'byName["b"]'), ('{"byNumber": {"x": {}}}', 'byNumber["x"]'),
    ('{"byTruth": {"yes": "RED"}}', 'byTruth["yes"]'), ('{"byNumber": {"1": {"i32": "x"}}}', 'byNumber["1"].i32'),
    ('{"time": "2026-12-01"}', "time"), ('{"time": "2026-12-01T09:00:00"}', "time"), ('{"time": "2026-02-30T00:00:00Z"}', "time"),
    ('{"time": "10000-01-01T00:00:00Z"}', "time"), ('{"time": 1}', "time"),
    ('{"span": "5 parsecs"}', "span"),
    ('{"span": true}', "span"), ('{"span": "1m1h"}', "span"), ('{"span": 1e300}', "span"), ('{"span": "315576000001s"}', "span"),
    ('{"span": "x s"}', "span"), ('{"mask": ["a"]}', "mask"), ('{"object": []}', "object"), ('{"list": {}}', "list"),
    ('{"any": {"@type": "type.googleapis.com/no.Such"}}', "any"), ('{"nothing": {"a": 1}}', "nothing.a"),
    ('{"boolValue": "true"}', "boolValue"), ('{"int64Value": "x"}', "int64Value"), ('{"stringValue": 1}', "stringValue"),
    ('{"oneText": "a", "oneNumber": 1}', "oneNumber"), ('{"oneText": "a", "oneNull": null}', "oneNull"),
    ('{"child": {"oneText": "a", "oneChild": {}}}', "child.oneChild"),
    ('{"s": "a", "s": "b"}', "s"), ('{"byName": {"a": 1, "a": 2}}', "byName.a"),
    ('{"longFieldName": "a", "long_field_name": "b"}', "long_field_name"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "field"), BAD)
def test_refuses_and_names_the_field(text: str, field: str) -> None:
    """Whatever is wrong, the error says where it stands, as the client wrote it."""
    with pytest.raises(InvalidInput) as caught:
        convert(text)
    assert [violation.field for violation in caught.value.violations] == [field]
    assert field in caught.value.message


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"s": "a",}', b"{'s': 1}", b"{} x", b"\xef\xbb\xbf{}", b'{"s": "\xff"}', b'{"d": NaN}', b'{"d": Infinity}',
     b'{"s": "a\nb"}', b"// c\n{}", b'{"i32": ' + b"1" * 5000 + b"}", b"{\x00}", "{}".encode("utf-16")],
)  # fmt: skip
def test_refuses_what_is_not_json(body: bytes) -> None:
    """Text outside of RFC 8259 is refused, not repaired."""
    with pytest.raises(InvalidInput):
        load_json(body)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ('{"a": 1, "a": 2}', "a"),
        ('{"a": {"b": [1, {"c": 1, "d": 2, "c": 3}]}}', "a.b[1].c"),
        ('{"a.b": {"": 1, "": 1}}', '["a.b"][""]'),
        (r'{"\ud800": {"a": 1, "a": 2}}', r'["\ud800"].a'),
    ],
)
def test_a_name_that_comes_twice_is_named_with_its_place(body: str, place: str) -> None:
    """Wherever the object lies; in words that can be sent."""
    with pytest.raises(InvalidInput, match="given twice in one object") as refused:
        load_json(body.encode())
    assert [violation.field for violation in refused.value.violations] == [place]
    assert place.encode()


@pytest.mark.parametrize(
    ("rest", "reason"), [("[" * 9000 + "]" * 9000 + "}", "nested too deeply|given twice in one object"), ("oops", "not valid JSON")]
)
def test_what_follows_a_name_that_comes_twice_is_still_read(rest: str, reason: str) -> None:
    """A text is refused for what is worse, and never by an error of ours; Python 3.13 reads 9,000 levels."""
    with pytest.raises(InvalidInput, match=reason):
        load_json(f'{{"x": {{"a": 1, "a": 2}}, "y": {rest}'.encode())


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('{"span": "5m"}', '{"span": "300s"}'), ('{"span": "1h30m"}', '{"span": "5400s"}'), ('{"span": "90"}', '{"span": "90s"}'),
        ('{"span": 90}', '{"span": "90s"}'), ('{"span": 0.5}', '{"span": "0.5s"}'), ('{"span": "1 d 2 h"}', '{"span": "93600s"}'),
        ('{"span": "250ms"}', '{"span": "0.250s"}'), ('{"span": "-5m"}', '{"span": "-300s"}'), ('{"span": "1.5H"}', '{"span": "5400s"}'),
        ('{"child": {"span": "2w"}}', '{"child": {"span": "1209600s"}}'), ('{"mask": "long_name,a.b_c"}', '{"mask": "longName,a.bC"}'),
    ],
)  # fmt: skip
def test_takes_what_people_write(text: str, same: str) -> None:
    """Durations with units, or as numbers of seconds, and masks by either name; json_format knows one form of each."""
    assert convert(text) == judged(same)


BOMBS = [
    lambda n: b"[" * n,
    lambda n: b'{"zz": ' + b"[" * n + b"]" * n + b"}",
    lambda n: b'{"child": ' * n + b"{}" + b"}" * n,
    lambda n: b'{"value": ' + b"[" * n + b"]" * n + b"}",
    lambda n: b'{"object": ' + b'{"a": ' * n + b"1" + b"}" * n + b"}",
    lambda n: b'{"s": ' + b"[" * n + b"]" * n + b"}",
    lambda n: b'{"numbers": [' + b"[" * n + b"]" * n + b"]}",
    lambda n: b'{"byName": {"a": ' + b'{"b": ' * n + b"1" + b"}" * n + b"}}",
    lambda n: b'{"children": [' + b'{"children": [' * n + b"]}" * n + b"]}",
]


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 900, 5_000, 200_000])
@pytest.mark.parametrize("bomb", BOMBS)
def test_deep_nesting_is_refused_and_breaks_nothing(bomb: Any, levels: int) -> None:
    """Nesting of any depth, in any kind of field, is an answer to the client and never the end of the process."""
    with pytest.raises(InvalidInput):
        convert(bomb(levels).decode())


def test_nesting_up_to_the_limit_is_taken() -> None:
    """The limit is no lower than what protobuf itself takes, less its own bookkeeping."""
    levels = 45
    message = convert('{"child": ' * levels + '{"s": "x"}' + "}" * levels)
    for _ in range(levels):
        message = message.child
    assert message.s == "x"


def test_a_fault_in_a_long_list_is_found_without_trying_each_element() -> None:
    """The place of one bad element among many is found by halving."""
    value = {"children": [{"i32": 1} for _ in range(20_000)]}
    value["children"][17_171] = {"i32": "x"}  # type: ignore[dict-item]
    with pytest.raises(InvalidInput, match=r"children\[17171\]\.i32"):
        codec().to_wire(value)  # pyright: ignore[reportArgumentType] - JSON built by hand


@pytest.mark.parametrize("wire", [b"\xff", b"\x0a\x05a", b"\x0a\x01\xff", b"\xe2\x01\x09\x11\x00\x00\x00\x00\x00\x00\xf8\x7f"])
def test_an_unreadable_reply_is_an_internal_error(wire: bytes) -> None:
    """Bytes that are no message, or that JSON cannot express, never reach the client."""
    with pytest.raises(UnreadableReply):
        codec().to_json(wire)


def test_a_page_shows_its_list_even_when_it_is_empty() -> None:
    """A client may read the list of a page without asking whether it is there; elsewhere unset fields are left out."""
    assert json.loads(codec("ListBooksResponse").to_json(b"")) == {"books": []}
    assert json.loads(codec("Book").to_json(b"")) == {}


_LARGEST = float.fromhex("0x1.fffffcp+127")
"""One below the largest float: json_format writes that one as 3.4028235e+38, and does not read it."""
_text = st.text(st.characters(codec="utf-8"), max_size=8)
_finite = st.floats(allow_nan=False, allow_infinity=False)
_wild = st.one_of(st.none(), st.booleans(), st.integers(), _finite, _text, st.lists(st.integers(), max_size=2), st.just({}), st.just([{}]))


def _int(bits: int, *, signed: bool) -> st.SearchStrategy[Any]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    numbers = st.integers(low, high)
    return st.one_of(numbers, numbers.map(str))


_bytes = st.binary(max_size=8).flatmap(
    lambda raw: st.sampled_from([base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode().rstrip("=")])
)
_double = st.one_of(_finite, st.sampled_from(["NaN", "Infinity", "-Infinity"]))
_colour = st.sampled_from(["RED", "BLUE", 0, 1, 7])
_time = st.datetimes().map(lambda when: when.isoformat() + "Z")
_span = st.integers(-(10**11), 10**11).map(lambda micros: f"{micros / 1e6:.6f}s")
_json = st.recursive(
    st.one_of(st.none(), st.booleans(), _finite, _text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_text, inner, max_size=3)),
)
_fields: dict[str, st.SearchStrategy[Any]] = {
    "s": _text, "i32": _int(32, signed=True), "i64": _int(64, signed=True), "u32": _int(32, signed=False), "u64": _int(64, signed=False),
    "s32": _int(32, signed=True), "s64": _int(64, signed=True), "f32": _int(32, signed=False), "f64": _int(64, signed=False),
    "sf32": _int(32, signed=True), "sf64": _int(64, signed=True), "d": _double,
    "f": st.floats(-_LARGEST, _LARGEST, width=32),
    "b": st.booleans(), "raw": _bytes, "e": _colour, "numbers": st.lists(_int(64, signed=True), max_size=3),
    "colours": st.lists(_colour, max_size=3), "byName": st.dictionaries(_text, _int(64, signed=True), max_size=3),
    "by_truth": st.dictionaries(st.sampled_from(["true", "false"]), _colour),
    "time": _time, "times": st.lists(_time, max_size=2), "span": _span,
    "mask": st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=4), max_size=3).map(",".join),
    "object": st.dictionaries(_text, _json, max_size=3), "value": _json, "list": st.lists(_json, max_size=3), "nothing": st.just({}),
    "doubleValue": _double, "int64Value": _int(64, signed=True), "uint32Value": _int(32, signed=False), "boolValue": st.booleans(),
    "stringValue": _text, "bytesValue": _bytes, "maybeText": _text, "maybeNumber": _int(32, signed=True),
    "longFieldName": _text, "otherName": _text,
    "any": st.builds(lambda title: {"@type": "type.googleapis.com/shelf.v1.Book", "title": title}, _text),
}  # fmt: skip
_choices: dict[str, st.SearchStrategy[Any]] = {"oneText": _text, "one_number": _int(32, signed=True), "oneNull": st.none()}


def _message(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    nested: dict[str, st.SearchStrategy[Any]] = {
        "child": inner, "children": st.lists(inner, max_size=2),
        "byNumber": st.dictionaries(_int(32, signed=True).map(str), inner, max_size=2)
    }  # fmt: skip
    plain = st.fixed_dictionaries({}, optional={**{name: st.one_of(st.none(), field) for name, field in _fields.items()}, **nested})
    choice = st.sampled_from([*_choices, ""]).flatmap(lambda name: _choices[name].map(lambda value: {name: value}) if name else st.just({}))
    return st.builds(lambda first, second: {**first, **second}, plain, choice)


_messages = st.recursive(st.just({}), _message, max_leaves=4)


def test_the_largest_float_is_read_and_said() -> None:
    """Either converter says it in digits that mean it; one of them rounds up to the shortest, as json_format does."""
    largest = float.fromhex("0x1.fffffep+127")
    wire = codec().to_wire({"f": largest, "d": largest})
    assert message_type("Everything").FromString(wire).f == largest
    said = json.loads(codec().to_json(wire))
    assert said["d"] == largest
    assert said["f"] in {largest, 3.4028235e38}


@settings(max_examples=150)
@given(_messages)
def test_any_valid_message_means_the_same_as_to_json_format(value: dict[str, Any]) -> None:
    """Generated messages over every type agree with json_format in both directions."""
    text = json.dumps(value)
    expected = judged(text)
    wire = codec().to_wire(value)
    made = message_type("Everything").FromString(wire)
    assert made.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
    back = judged(codec().to_json(wire).decode())
    assert back.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


@settings(max_examples=300)
@given(st.sampled_from([*(_fields.keys() - {"span", "mask"}), *_choices, "child", "children", "byNumber"]), _wild)
def test_whatever_is_taken_is_taken_by_json_format_too(name: str, item: Any) -> None:
    """The gateway is never more lenient than json_format, and whatever it does not take is an error of the client."""
    try:
        wire = codec().to_wire({name: item})
    except InvalidInput:
        return
    assert message_type("Everything").FromString(wire) == judged(json.dumps({name: item}))


def test_whole_numbers_of_free_form_json_come_back_whole() -> None:
    """As json_format has them they are floats, which a reader of integers refuses; strings and names that look like numbers stay."""
    given = {"object": {"a.0": 7, "b": [1, -20, 0], "c": {"d": 2.5}, "e": "1.0, 2.0", "f": '"3.0"', "g": 20.05, "h": 1e22}}
    text = codec().to_json(codec().to_wire(load_json_object(given))).decode()
    assert json.loads(text) == given
    assert "7.0" not in text
    assert '"a.0":7' in text
    assert "[1,-20,0]" in text
    assert '"1.0, 2.0"' in text
