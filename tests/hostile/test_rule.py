"""The rule for values, at every place of every request of the contract, and in JSON."""

import json
import math
import re
import time
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile.values import JSON, VALUES, Hostile, Kind, Place, nested, places, public_rpcs, request_type
from tocsin.api.processor.v1.task_service_pb2 import SubmitTaskRequest as _SubmitTaskRequest
from tocsin.api.scheduler.v1.alarm_service_pb2 import CreateAlarmRequest as _CreateAlarmRequest
from tocsin.api.scheduler.v1.dispatch_service_pb2 import WorkResponse as _WorkResponse
from tocsin.api.scheduler.v1.firing_service_pb2 import ListFiringsResponse as _ListFiringsResponse
from tocsin.api.scheduler.v1.trigger_service_pb2 import PublishEventRequest as _PublishEventRequest
from tocsin.errors import InvalidInput
from tocsin.mesh.policy import MethodPolicy, contract
from tocsin.mesh.validation import RequestValidator
from tocsin.mesh.values import ValueRules
from tocsin.protojson.codec import Codec, Codecs, load_json
from tocsin.values import MAX_LEVELS

# The constructors take dictionaries for messages, which the stubs do not say.
SubmitTaskRequest: Any = _SubmitTaskRequest
CreateAlarmRequest: Any = _CreateAlarmRequest
WorkResponse: Any = _WorkResponse
ListFiringsResponse: Any = _ListFiringsResponse
PublishEventRequest: Any = _PublishEventRequest
RULES = ValueRules()
_KEY = re.compile(r"\[[^\[\]]*\]")
CODECS = Codecs(descriptor_set=contract().SerializeToString())


def every_place() -> list[Any]:
    """Each public RPC with each place of its request."""
    return [
        pytest.param(policy, place, id=f"{policy.method} {place.path}{' key' if place.is_key else ''}")
        for policy in public_rpcs()
        for place in places(request_type(policy).DESCRIPTOR)
    ]


def check_good(message: Any, place: Place) -> None:
    """Fails if a good value is refused, but for one that is longer than its field takes and is told so."""
    try:
        RULES.check(message)
    except InvalidInput as error:
        (violation,) = error.violations
        told = re.fullmatch(r"is ([0-9,]+) bytes of JSON; at most ([0-9,]+) are allowed", violation.description)
        if told is None or violation.field != place.path.split("[")[0]:
            raise
        size, most = (int(number.replace(",", "")) for number in told.groups())
        assert size > most >= 16_384


@pytest.mark.parametrize(("policy", "place"), every_place())
def test_every_place_of_every_request_is_guarded(policy: MethodPolicy, place: Place) -> None:
    """What must be refused is refused and names its field; what may stand breaks no rule for values."""
    for hostile in VALUES[place.kind]:
        message = request_type(policy)()
        try:
            place.put(message, hostile.value)
        except ValueError:
            continue  # protobuf itself cannot hold it here: 2^64 in 32 bits
        if not hostile.refused:
            check_good(message, place)
            continue
        with pytest.raises(InvalidInput) as caught:
            RULES.check(message)
        named = [_KEY.sub("", item.field) for item in caught.value.violations]
        assert [name.startswith(_KEY.sub("", place.path)) for name in named] == [True], hostile.name
        assert caught.value.violations[0].description
        with pytest.raises(InvalidInput):
            RequestValidator().check(message)


def codec(message: Any) -> Codec:
    """The JSON door of a type."""
    return CODECS.of(message.DESCRIPTOR)


def through_the_door(body: bytes) -> None:
    """What the JSON door and the service behind it do with a body of SubmitTask."""
    value = load_json(body)
    assert isinstance(value, dict)
    message = SubmitTaskRequest.FromString(codec(SubmitTaskRequest).to_wire(value))
    RequestValidator().check(message)


@pytest.mark.parametrize("hostile", JSON, ids=lambda item: item.name)
def test_what_json_cannot_say_is_refused(hostile: Hostile) -> None:
    """In free-form JSON, and in a place that takes no such thing; the error can be written down."""
    body = b'{"handler": "uppercase", "input": {"text": ' + hostile.value + b"}}"
    if not hostile.refused:
        through_the_door(body)
        return
    for text in (body, b'{"handler": ' + hostile.value + b"}", hostile.value):
        with pytest.raises((InvalidInput, AssertionError)) as caught:
            through_the_door(text)
        if isinstance(caught.value, InvalidInput):
            caught.value.message.encode()
            json.dumps([item.field for item in caught.value.violations], ensure_ascii=False).encode()
            assert len(caught.value.message) < 2000


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b'{"input": {"text": 1e400}}', "input.text"),
        (b'{"input": {"a": [1, {"b c": -1e999}]}}', 'input.a[1]["b c"]'),
        (b'{"input": {"id": 1234567890123456789}}', "input.id"),
        (b'{"input": {"\\ud800": 1}}', 'input["\\ud800"]'),
        (b'{"\\ud800": 1}', '["\\ud800"]'),
        (b'{"handler": "\\udc00"}', "handler"),
    ],
)
def test_the_field_is_named(text: bytes, field: str) -> None:
    """A path leads to the value, however deep it stands."""
    with pytest.raises(InvalidInput) as caught:
        through_the_door(text)
    assert [item.field for item in caught.value.violations] == [field]


@pytest.mark.parametrize("number", [2**53, -(2**53), 10**18, 2**60, 0, 9_007_199_254_740_994])
def test_an_integer_that_is_exact_is_taken_and_given_back(number: int) -> None:
    """Exact or refused: what passes comes back as the number that was sent."""
    made = codec(SubmitTaskRequest)
    wire = made.to_wire({"handler": "uppercase", "input": {"n": number}})
    assert json.loads(made.to_json(wire))["input"]["n"] == number


@given(st.integers())
@settings(max_examples=300)
def test_no_integer_is_rounded(number: int) -> None:
    """Whatever integer is taken in free-form JSON is exact."""
    made = codec(SubmitTaskRequest)
    try:
        wire = made.to_wire({"input": {"n": number}})
    except InvalidInput:
        assert int(float(number)) != number if abs(number) < 2**1023 else True
    else:
        assert int(json.loads(made.to_json(wire))["input"]["n"]) == number


@pytest.mark.parametrize("lists", [False, True])
def test_the_deepest_that_is_taken_passes_every_parser(lists: bool) -> None:
    """A Struct of the most levels can be sent, stored in a firing's context, and shown in a page of them."""
    data = Struct()
    data.fields["x"].CopyFrom(nested(MAX_LEVELS - 1, lists=lists))
    RULES.check(PublishEventRequest(event={"data": data}))
    context = Struct()
    context.fields["event"].struct_value.fields["data"].struct_value.CopyFrom(data)
    for page in (
        ListFiringsResponse(firings=[{"context": context}]),
        WorkResponse(jobs={"jobs": [{"context": context}]}),
    ):
        again = type(page).FromString(page.SerializeToString())
        json_format.ParseDict(json_format.MessageToDict(again), type(page)())
        assert json.loads(codec(type(page)).to_json(page.SerializeToString()))
    data.fields["x"].CopyFrom(nested(MAX_LEVELS, lists=lists))
    with pytest.raises(InvalidInput, match="nested deeper"):
        RULES.check(PublishEventRequest(event={"data": data}))


def test_event_data_is_measured_as_json() -> None:
    """64 KiB as they are sent, not as protobuf writes them: short members cost six times as much there."""
    data = Struct()
    while len(json.dumps(dict(data), separators=(",", ":"))) < 60_000:
        data.update({f"{len(data.fields) + number:04d}": "x" * 16 for number in range(100)})
    RULES.check(PublishEventRequest(event={"data": data}))
    for text, fits in (("x" * (65_536 - len('{"text":""}')), True), ("x" * (65_537 - len('{"text":""}')), False)):
        data.Clear()
        data["text"] = text
        message = PublishEventRequest(event={"data": data})
        if fits:
            RULES.check(message)
        else:
            with pytest.raises(InvalidInput, match="65,537 bytes of JSON"):
                RULES.check(message)


def test_the_worst_message_costs_little() -> None:
    """The most values that a message may hold are checked within milliseconds; more are refused as soon as that is known."""
    worst = SubmitTaskRequest(input={"x": [{}] * 2400})
    refused = Value(list_value=ListValue(values=[Value(struct_value=Struct())] * 300_000))
    many = SubmitTaskRequest()
    many.input.fields["x"].CopyFrom(refused)
    started = time.thread_time()
    RULES.check(worst)
    with pytest.raises(InvalidInput, match="holds more than"):
        RULES.check(many)
    assert time.thread_time() - started < 2.0  # twenty times what it takes


def test_no_kind_is_forgotten() -> None:
    """The table has values for every kind, and the contract has places of every kind."""
    assert set(VALUES) == set(Kind)
    found = {place.kind for policy in public_rpcs() for place in places(request_type(policy).DESCRIPTOR)}
    assert found == set(Kind)
    assert all(math.isnan(item.value) or not math.isfinite(item.value) for item in VALUES[Kind.FLOAT] if item.refused)


def test_ten_thousand_excluded_dates_pass_the_json_door() -> None:
    """The bound on members is above what any method can use."""
    alarm = {
        "displayName": "x",
        "trigger": {"every": "60s", "excludeDates": [f"2026-01-01T00:00:00.{number:06d}Z" for number in range(10_000)]},
        "action": {"task": {"handler": "log"}},
    }
    value = load_json(json.dumps({"alarm": alarm}).encode())
    assert isinstance(value, dict)
    RequestValidator().check(CreateAlarmRequest.FromString(codec(CreateAlarmRequest).to_wire(value)))
    many = CreateAlarmRequest()
    many.alarm.trigger.exclude_dates.extend(["x"] * 20_001)
    with pytest.raises(InvalidInput, match="holds more than 20,000"):
        RULES.check(many)
