"""The fast path and the fallback of `tocsin.protojson` are one codec: what the fast path takes, it takes as the fallback does."""

import base64
import functools
import json
from typing import Any, NamedTuple

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.transcoding.binding import Incoming
from gateway.transcoding.contract import Contract, is_uuid
from gateway.transcoding.routes import Route, build_routes
from tests.unit.gateway.contracts import contract as shelf
from tests.unit.gateway.contracts import pool
from tocsin.errors import InvalidInput
from tocsin.mesh.policy import contract as public_contract
from tocsin.protojson.codec import Codec, UnreadableReply, load_json
from tocsin.protojson.fast import FastCodec, FastPathMiss


class Pair(NamedTuple):
    """Both ways to read one type, and the class that compares what they make."""

    fast: FastCodec
    fallback: Codec
    message: Any

    def conform(self, text: bytes) -> bool:
        """Checks that the fast path takes the text as the fallback does, or leaves it; whether it took it."""
        expected = self.explained(text)
        try:
            wire = self.fast.wire(text)
        except FastPathMiss:
            return False
        assert expected is not None, f"the fallback refuses {text!r}"
        assert self.canonical(wire) == self.canonical(expected), text
        return True

    def explained(self, text: bytes) -> bytes | None:
        """What the fallback makes of a text; None if it refuses it."""
        try:
            value = load_json(text)
            return self.fallback.to_wire(value) if isinstance(value, dict) else None
        except InvalidInput:
            return None

    def canonical(self, wire: bytes) -> bytes:
        """The same bytes for equal messages, down to which fields are set."""
        return self.message.FromString(wire).SerializeToString(deterministic=True)


@functools.cache
def pair(name: str = "Everything") -> Pair:
    """Both ways to read a message of the test contract."""
    descriptor = pool().FindMessageTypeByName(f"shelf.v1.{name}")
    return made(shelf(), descriptor)


def made(contract: Contract, descriptor: Descriptor) -> Pair:
    """Both ways to read a type."""
    codec = contract.codec(descriptor)
    return Pair(FastCodec(codec), codec, message_factory.GetMessageClass(descriptor))


@functools.cache
def product() -> Contract:
    """The contract of the five services."""
    return Contract(descriptor_set=public_contract().SerializeToString(), package="tocsin.api")


@functools.cache
def public(name: str) -> Pair:
    """Both ways to read a type that a public RPC takes or answers."""
    return made(product(), types()[name])


@functools.cache
def types() -> dict[str, Descriptor]:
    """The types of all public RPCs, by name."""
    found = [descriptor for rpc in product().rpcs() for descriptor in (rpc.descriptor.input_type, rpc.descriptor.output_type)]
    return {descriptor.full_name: descriptor for descriptor in found}


TAKEN = [
    "{}", " { } ", '\n{\t"s"\r:"a"}\n', '{"s": ""}', '{"s": "ü😀"}', r'{"s": "\ud83d\ude00 \u00e9 \/ \\ \" \n"}', '{"s": "\x7f"}',
    '{"i32": 0}', '{"i32": -2147483648}', '{"i32": "2147483647"}', '{"i32": "-0"}', '{"i32": -0}', '{"i32": "1e2"}', '{"i32": "1.0"}',
    '{"i64": 9223372036854775807}', '{"i64": "-9223372036854775808"}', '{"u32": 4294967295}', '{"u64": 18446744073709551615}',
    '{"u64": "18446744073709551615"}', '{"s32": -1, "s64": "-1", "f32": 1, "f64": "1", "sf32": -1, "sf64": -1}', '{"d": 1.5}', '{"d": 1}',
    '{"d": -0.0}', '{"d": 1e300}', '{"d": "1e300"}', '{"d": "NaN"}', '{"d": "Infinity"}', '{"d": "-Infinity"}', '{"d": 0.1, "f": 0.1}',
    '{"d": 5e-324}', '{"d": 123456789012345678901234567890}', '{"f": "3.4028234e38"}', '{"d": 9007199254740993}', '{"b": true}',
    '{"b": false}', '{"raw": "aGk="}', '{"raw": "-_8"}', '{"raw": ""}', '{"e": "RED"}', '{"e": 2}', '{"e": 99}',
    '{"e": "COLOUR_UNSPECIFIED"}', '{"colours": ["RED", 2]}', '{"numbers": [1, "2"]}', '{"numbers": []}',
    '{"byName": {"a": "1", "b": 2, "": 3}}', '{"byName": {}}', '{"by_truth": {"true": "RED", "false": 2}}', '{"byTruth": {}}',
    '{"time": "2026-12-01T09:00:00Z"}', '{"time": "2026-12-01T09:00:00.123456789+05:30"}', '{"time": "0001-01-01T00:00:00Z"}',
    '{"time": "1970-01-01T00:00:00Z"}', '{"times": ["9999-12-31T23:59:59.999999999Z"]}', '{"span": "1.5s"}', '{"span": "-0.000000001s"}',
    '{"span": "315576000000s"}', '{"span": "0s"}', '{"mask": "a,b.cD"}', '{"mask": ""}', '{"object": {"a": [1, null, true, {"b": "c"}]}}',
    '{"object": {}}', '{"value": null}', '{"value": [1]}', '{"value": "NaN"}', '{"value": {}}', '{"objects": [{}, {"a": 1}]}',
    '{"values": {"a": null, "b": [1]}}', '{"value": 1e16}', '{"list": [null, []]}', '{"list": []}', '{"nothing": {}}',
    '{"doubleValue": 1, "floatValue": "NaN", "int64Value": "1", "uint64Value": 2, "int32Value": 3, "uint32Value": "4"}',
    '{"boolValue": false, "stringValue": "", "bytesValue": "AA=="}', '{"int32Value": 0, "doubleValue": 0}', '{"oneText": ""}',
    '{"oneNumber": 0}', '{"one_number": 1}', '{"maybeText": "", "maybeNumber": 0, "maybeColour": "COLOUR_UNSPECIFIED"}',
    '{"longFieldName": "a", "otherName": "b"}', '{"long_field_name": "a", "renamed": "b"}',
]  # fmt: skip
"""The usual forms of every kind of field: strings, numbers and their extremes, numbers in quotes, and both names of a field."""

LEFT = [
    "", "null", "[]", "1", '"s"', "{", "}", '{"s"}', '{"s":}', '{"s": "a",}', "{'s': 1}", "{} x", "{}{}", "\ufeff{}", "// c\n{}",
    "{\x00}", '{"s": "a\nb"}', '{"s": "\x01"}', r'{"s": "\x"}', r'{"s": "\ud800"}', r'{"s": "\ud800 \udc00"}', r'{"s": "\udc00\ud800"}',
    r'{"s": "\u12"}', r'{"\ud800": 1}', r'{"object": {"\ud800": 1}}', r'{"object": {"a": "\udfff"}}', r'{"byName": {"\ud800": 1}}',
    '{"s": "a", "s": "b"}', '{"s": "a", "s": "a"}', r'{"s": "a", "\u0073": "a"}', '{"byName": {"a": 1, "a": 1}}',
    '{"object": {"a": 1, "a": 2}}', '{"value": [{"a": 1, "a": 1}]}', r'{"s": "\u0022\u0022", "byName": {"a": 1, "a": 2}}',
    '{"longFieldName": "a", "long_field_name": "a"}', '{"longFieldName": "a", "long_field_name": null}', '{"nothing": {"a": 1}}',
    '{"zz": 1}', '{"S": "a"}', '{"LongFieldName": "a"}', '{"longfieldname": "a"}', '{"": 1}', '{"renamed": "a", "otherName": "b"}',
    '{"s": 1}', '{"s": true}', '{"s": []}', '{"s": {}}', '{"i32": 2147483648}', '{"i32": 1.5}', '{"i32": true}', '{"i32": ""}',
    '{"i32": " 1"}', '{"i32": "1 "}', '{"i32": "+1"}', '{"i32": "0x1"}', '{"i32": "1_0"}', '{"i32": 01}', '{"i32": +1}', '{"i32": .5}',
    '{"i32": 1.}', '{"i64": "9223372036854775808"}', '{"i64": 9223372036854775808}', '{"u32": -1}', '{"u64": -1}',
    '{"u64": 18446744073709551616}', '{"i32": ' + "1" * 5000 + "}", '{"d": ' + "1" * 400 + "}", '{"d": 1e400}', '{"d": -1e400}',
    '{"d": "1e400"}', '{"f": 1e39}', '{"d": NaN}', '{"d": Infinity}', '{"d": "nan"}', '{"d": "inf"}', '{"d": "x"}', '{"d": ""}',
    '{"d": " 1"}', '{"d": true}', '{"value": 1e400}', '{"value": 123456789012345678901}', '{"object": {"a": 9007199254740993}}',
    '{"objects": [{}, {"a": 9007199254740993}]}', '{"values": {"a": 9007199254740993}}', '{"list": [1e999]}', '{"value": NaN}',
    '{"b": "true"}', '{"b": 1}', '{"b": 0}', '{"raw": "!"}', '{"raw": 1}', '{"raw": "a b="}', '{"raw": "a"}', '{"e": "PURPLE"}',
    '{"e": true}', '{"e": "2"}', '{"e": 1.5}', '{"e": 2147483648}', '{"e": ""}', '{"e": "red"}', '{"colours": ["RED", "PURPLE"]}',
    '{"colours": "RED"}', '{"child": "x"}', '{"child": []}', '{"children": {}}', '{"children": [null]}', '{"numbers": [1, null]}',
    '{"numbers": [[1]]}', '{"numbers": 1}', '{"numbers": {"0": 1}}', '{"byName": []}', '{"byName": {"a": null}}',
    '{"byTruth": {"yes": "RED"}}', '{"byTruth": {"True": "RED"}}', '{"byNumber": {"x": {}}}', '{"byNumber": {"01": {}}}',
    '{"time": "2026-12-01"}', '{"time": "2026-12-01T09:00:00"}', '{"time": "2026-12-01 09:00:00Z"}', '{"time": "2026-12-01t09:00:00z"}',
    '{"time": "2026-02-30T00:00:00Z"}', '{"time": "10000-01-01T00:00:00Z"}', '{"time": "2026-12-01T24:00:00Z"}',
    '{"time": "2026-12-01T09:00:60Z"}', '{"time": "2026-12-01T09:00:00.1234567891Z"}', '{"time": "0000-01-01T00:00:00Z"}',
    '{"time": "0001-01-01T00:00:00+01:00"}', '{"time": 1}', '{"span": "5m"}', '{"span": 90}', '{"span": "90"}', '{"span": " 5s"}',
    '{"span": "5 s"}', '{"span": "5.s"}', '{"span": ".5s"}', '{"span": "+5s"}', '{"span": "1e3s"}', '{"span": "5S"}',
    '{"span": "315576000001s"}', '{"span": "0.0000000001s"}', '{"span": "5s\\n"}', '{"span": true}', '{"mask": "long_name"}',
    '{"mask": "a,,b"}', '{"mask": ["a"]}', '{"mask": "a_B"}', '{"mask": " a"}', '{"object": []}', '{"object": "x"}', '{"list": {}}',
    '{"any": {"@type": "type.googleapis.com/no.Such"}}', '{"any": {}}',
    '{"any": {"@type": "type.googleapis.com/shelf.v1.Book", "title": "x"}}', '{"boolValue": "true"}', '{"int64Value": "x"}',
    '{"stringValue": 1}', '{"oneText": "a", "oneNumber": 1}', '{"oneText": "a", "oneNull": null}', '{"oneText": null, "oneNumber": 1}',
    '{"oneNull": null}',
    '{"s": null, "child": null, "numbers": null, "byName": null, "time": null, "boolValue": null, "maybeText": null, "e": null}',
    '{"child": {"child": {"s": "x"}}}', '{"byNumber": {"-1": {"s": "x"}}}', '{"s": "\\u0000"}', '{"i64": 1.0}',
]  # fmt: skip
"""What is no JSON, no message, or an unusual form of one, which the fast path leaves to the fallback."""


@pytest.mark.parametrize("text", TAKEN)
def test_takes_the_usual_forms(text: str) -> None:
    """The fast path takes the usual forms of every kind of field, as the fallback does."""
    assert pair().conform(text.encode())


@pytest.mark.parametrize("text", LEFT)
def test_takes_nothing_that_the_fallback_refuses(text: str) -> None:
    """Whatever is wrong, or may be, the fast path agrees with the fallback or leaves it the text."""
    pair().conform(text.encode(errors="surrogatepass"))


@pytest.mark.parametrize(
    "body", [b'{"s": "\xff"}', b'{"\xff": 1}', b'{"s": "\xed\xa0\x80"}', b'{"object": {"a": "\xc0\x80"}}', "{}".encode("utf-16")]
)
def test_takes_nothing_that_is_not_utf_8(body: bytes) -> None:
    """Bytes that are no text are left to the fallback, which refuses them."""
    assert pair().explained(body) is None
    assert not pair().conform(body)


@pytest.mark.parametrize("levels", [1, 23, 24, 25, 100, 1000, 5000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a": ', "}")])
@pytest.mark.parametrize("field", ["value", "object", "list", "s", "numbers", "byName", "child"])
def test_depth_ends_where_it_ends_for_the_fallback(field: str, left: str, right: str, levels: int) -> None:
    """Nesting of any depth, in any kind of field, is taken up to the same level, and never ends the process."""
    pair().conform(f'{{"{field}": {left * levels}1{right * levels}}}'.encode())


@pytest.mark.parametrize(
    "alarm",
    [
        '{"action": {"task": {}, "notify": {}}}',
        '{"action": {"task": {"input": {"a": 9007199254740993}}}}',
        '{"trigger": {"cron": "", "every": "1s"}}',
    ],
)
def test_messages_in_lists_are_read_like_others(alarm: str) -> None:
    """What no message may hold, a message in a list may not hold either."""
    both = public("tocsin.api.scheduler.v1.ExportAlarmsResponse")
    assert both.conform(b'{"alarms": [{}, {"action": {"task": {"handler": "x"}}}]}')
    assert not both.conform(f'{{"alarms": [{{}}, {alarm}]}}'.encode())


def test_a_long_text_is_left_before_it_is_parsed() -> None:
    """A text that may hold more members than a message may is for the fallback, which counts them."""
    assert not pair().conform(b'{"numbers": [' + b"1," * 15_000 + b"1]}")
    assert pair().conform(b'{"s": "' + b"x" * 15_000 + b'"}')


# -- generated texts -----------------------------------------------------------------------------------------------------------

_WILD = st.sampled_from(
    [None, True, 0, -1, 2**31, 2**53 + 1, 2**70, 1.5, 1e308, "", "x", "1", "\ud800", "\0", [], {}, [None], {"a": 1}, [[]]]
)
_TEXT = st.text(max_size=6) | st.sampled_from(["alarms/a", "a\nb", '"', "\\", "\x7f", "😀", "_", "2027-01-15T09:00", "x" * 300])
_INTEGERS = st.integers(-(2**64), 2**64) | st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1])
_FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(["NaN", "Infinity", "-Infinity", "1.5", 1e39, 0])
_FREE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_OBJECTS = st.dictionaries(_TEXT, _FREE, max_size=3)
_WELL_KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "google.protobuf.Timestamp": st.datetimes().map(lambda when: f"{when.isoformat()}Z")
    | st.sampled_from(["2026-12-01T09:00:00+05:30", "2027-01-15T09:00:00", "2027-01-15T09:00", "2026-12-01T09:00:00.123456789Z", "x"]),
    "google.protobuf.Duration": st.integers(-(10**14), 10**14).map(lambda micros: f"{micros / 1e6:.6f}s")
    | st.sampled_from(["60s", "0s", "5m", "1h30m", 90, "90", "5.s", "-5s", "999999999999s"]),
    "google.protobuf.FieldMask": st.lists(st.sampled_from(["displayName", "display_name", "a.b", "", "X"]), max_size=3).map(",".join),
    "google.protobuf.Struct": _OBJECTS,
    "google.protobuf.Value": _FREE,
    "google.protobuf.ListValue": st.lists(_FREE, max_size=3),
    "google.protobuf.Any": _OBJECTS,
}


def _scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.name for value in field.enum_type.values] + [0, 1, 99, "NO_SUCH"])
    if field.type == FieldDescriptor.TYPE_STRING:
        return _TEXT
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=6).map(lambda raw: base64.b64encode(raw).decode()) | st.sampled_from(["-_8", "a", "!"])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return _FLOATS
    return _INTEGERS | _INTEGERS.map(str) | st.integers(0, 100)


@st.composite
def _values(draw: st.DrawFn, field: FieldDescriptor, depth: int) -> Any:
    """A value for a field: mostly one of its kind, now and then any other."""
    if draw(st.integers(0, 19)) == 0:
        return draw(_WILD)
    inner = field.message_type
    if inner is None:
        one = _scalars(field)
    elif inner.GetOptions().map_entry:
        keys = _scalars(inner.fields_by_name["key"]).map(lambda key: key if isinstance(key, str) else json.dumps(key))
        return draw(st.dictionaries(keys, _values(inner.fields_by_name["value"], depth + 1), max_size=2))
    elif inner.full_name in _WELL_KNOWN:
        one = _WELL_KNOWN[inner.full_name]
    elif inner.full_name.startswith("google.protobuf.") and inner.fields:
        one = _scalars(inner.fields[0])
    else:
        one = _messages(inner, depth + 1)
    return draw(st.lists(one, max_size=2) if field.is_repeated else one)


@st.composite
def _messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 0) -> dict[str, Any]:
    """A JSON object for a type: some of its fields by either name, now and then one that it has not."""
    fields = list(descriptor.fields)
    some = st.lists(st.sampled_from(fields), max_size=max(0, 5 - depth), unique_by=lambda field: field.name) if fields else st.just([])
    names = draw(st.sampled_from(["json", "json", "json", "proto", "either"]))
    found: dict[str, Any] = {}
    for field in draw(some):
        as_json = draw(st.booleans()) if names == "either" else names == "json"
        found[field.json_name if as_json else field.name] = draw(_values(field, depth))
    if draw(st.integers(0, 29)) == 0:
        found[draw(st.sampled_from(["zz", "Name", "", *(field.name for field in fields)]))] = draw(_WILD)
    return found


@st.composite
def _texts(draw: st.DrawFn, descriptor: Descriptor) -> bytes:
    value = draw(_messages(descriptor))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]))
    return json.dumps(value, ensure_ascii=draw(st.booleans()), separators=separators).encode(errors="surrogatepass")


@settings(max_examples=400)
@given(st.data())
def test_messages_of_every_public_rpc_are_the_same_both_ways(data: st.DataObject) -> None:
    """Any JSON for any message that the outside world sends or gets."""
    name = data.draw(st.sampled_from(sorted(types())))
    public(name).conform(data.draw(_texts(types()[name])))


@settings(max_examples=200)
@given(st.data())
def test_messages_of_every_kind_of_field_are_the_same_both_ways(data: st.DataObject) -> None:
    """Any JSON for the message that has a field of every kind."""
    pair().conform(data.draw(_texts(pool().FindMessageTypeByName("shelf.v1.Everything"))))


_PIECES = [b"", *(bytes([byte]) for byte in b'{}[]":,\\ \n\t0123456789.eE+-_aN"sZ\0\x7f\xc3\xff')]


@settings(max_examples=400)
@given(st.sampled_from(TAKEN), st.data())
def test_texts_that_are_broken_anywhere_are_the_same_both_ways(text: str, data: st.DataObject) -> None:
    """One to three bytes are replaced, taken out or put in anywhere: whatever JSON remains, both read the same."""
    body = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at, cut = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 2))
        body[at : at + cut] = data.draw(st.sampled_from(_PIECES))
    pair().conform(bytes(body))


# -- every public RPC ----------------------------------------------------------------------------------------------------------


_USUAL: dict[str, Any] = {"Timestamp": "2027-01-15T09:00:00Z", "Duration": "60s", "FieldMask": "a", "Struct": {"a": [1]}, "ListValue": [1]}


def _usual(field: FieldDescriptor) -> Any:
    """A value that a client would send for a field."""
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        return {"1": _usual(inner.fields_by_name["value"])}
    if inner is None:
        kinds = {FieldDescriptor.TYPE_STRING: "x", FieldDescriptor.TYPE_BOOL: True, FieldDescriptor.TYPE_BYTES: "aGk="}
        one = field.enum_type.values[-1].name if field.enum_type is not None else kinds.get(field.type, 1)
    else:
        one = _USUAL.get(inner.name, 1) if inner.full_name.startswith("google.protobuf.") else _whole(inner)
    return [one] if field.is_repeated else one


def _whole(descriptor: Descriptor) -> dict[str, Any]:
    """An object with every field of a type, but for all members of a oneof except the first, and what may be of any type."""
    left_out = {field.name for oneof in descriptor.oneofs for field in list(oneof.fields)[1:]}
    left_out |= {field.name for field in descriptor.fields if field.message_type and field.message_type.name == "Any"}
    return {field.json_name: _usual(field) for field in descriptor.fields if field.name not in left_out}


@pytest.mark.parametrize("name", sorted({rpc.descriptor.input_type.full_name for rpc in product().rpcs()}))
def test_what_a_client_sends_to_any_public_rpc_is_taken(name: str) -> None:
    """The fast path takes requests with all of their fields, for every public RPC of the contract."""
    descriptor = types()[name]
    if not descriptor.full_name.startswith("google."):
        assert public(name).conform(json.dumps(_whole(descriptor)).encode())


@functools.cache
def routes() -> list[Route]:
    """The public routes that have a JSON body."""
    return [route for route in build_routes(product()) if route.binder.takes_body and not route.binder.raw_body]


def test_what_cannot_be_written_is_left_to_the_fallback() -> None:
    """An enum's number that has no 32 bits passes the check and the converter, and is refused with its field all the same."""
    create = next(route for route in routes() if route.rpc.path.endswith("/CreateAlarm"))
    with pytest.raises(InvalidInput, match="priority"):
        create.binder.bind(Incoming(variables={}, body=b'{"priority": 2147483648}'))


SLOW = b"&"
"""A query without a parameter: it changes nothing, and is for the fallback."""


@settings(max_examples=200)
@given(st.data())
def test_a_request_is_bound_the_same_both_ways(data: st.DataObject) -> None:
    """Body, path and generated fields make the same message of every public route on the fast path and without it."""
    route = data.draw(st.sampled_from(routes()), label="route")
    request = route.rpc.descriptor.input_type
    field = request.fields_by_name.get(route.body)
    text = data.draw(_texts(request if field is None or field.message_type is None else field.message_type))
    variables = {item.field_path: data.draw(st.sampled_from(["alarms/a", "ü", ""])) for item in route.template.variables}
    answers: list[Any] = []
    for query in (b"", SLOW):
        try:
            wire = route.binder.bind(Incoming(variables=variables, body=text, query_string=query))
        except InvalidInput as error:
            answers.append(error.violations or error.message)
            continue
        message = message_factory.GetMessageClass(request).FromString(wire)
        for item in request.fields:
            if is_uuid(item) and getattr(message, item.name).encode() not in text:
                message.ClearField(item.name)  # made by the gateway, anew each time
        answers.append(message.SerializeToString(deterministic=True))
    assert answers[0] == answers[1]


@settings(max_examples=200)
@given(st.data())
def test_an_answer_is_the_same_json_text_as_value(data: st.DataObject) -> None:
    """Answers go out as the text that their value has, with the lists of pages that are empty."""
    name = data.draw(st.sampled_from(sorted(types())))
    kind, codec = types()[name], public(name)
    if (wire := codec.explained(data.draw(_texts(kind)))) is None:
        return
    try:
        value = codec.fallback.to_value(wire)
    except UnreadableReply:
        with pytest.raises(UnreadableReply):
            codec.fallback.to_json(wire)
        return
    pages = "next_page_token" in kind.fields_by_name
    lists = {field.json_name: [] for field in kind.fields if pages and field.is_repeated}
    assert json.loads(codec.fallback.to_json(wire)) == {**lists, **value}
