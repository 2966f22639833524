"""Whatever name protobuf allows a field, it can be read and written at the door, and stand in a mask."""

import functools
import json
from typing import Any
from urllib.parse import quote

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor

from gateway.transcoding.contract import Contract
from gateway.transcoding.incoming import Incoming
from gateway.transcoding.routes import Route, build_routes
from tests.unit.gateway.contracts import chosen_codec, descriptor_set
from tocsin.protojson.converters import JsonCodec
from tocsin.protojson.printing import PLAIN, Printing

pytestmark = pytest.mark.usefixtures("each_codec")

PRINTINGS = [PLAIN, Printing(proto_names=True), Printing(indent=True), Printing(int64_as_numbers=True), Printing(defaults=True)]


@functools.cache
def whole(codec: JsonCodec) -> Contract:
    """The contract of names."""
    return Contract(descriptor_set=descriptor_set("shelf/v1/names.proto"), package="shelf.", codec=codec)


@functools.cache
def routes(codec: JsonCodec) -> dict[str, Route]:
    """Its routes, by method."""
    return {route.rpc.policy.method: route for route in build_routes(whole(codec))}


def kind(name: str) -> Any:
    """A message class of the contract."""
    return message_factory.GetMessageClass(whole(chosen_codec()).pool.FindMessageTypeByName(f"shelf.v1.{name}"))


def bound(method: str, **incoming: Any) -> Any:
    """The request that is made of an HTTP request."""
    route = routes(chosen_codec())[method]
    return kind("UpdateNamesRequest" if method == "UpdateNames" else "Names").FromString(route.binder.bind(Incoming(**incoming)))


def shown(message: Any, printing: Printing = PLAIN) -> Any:
    """The JSON of an answer."""
    codec = whole(chosen_codec()).codec(message.DESCRIPTOR)
    value = json.loads(codec.to_json(message.SerializeToString(), printing))
    assert value == codec.to_value(message.SerializeToString(), printing) | {
        name: [] for name in ('p"ages', "pages", "list1", "list_1", "masks") if value.get(name) == []
    }
    return value


TEXTS: list[Any] = [field.name for field in kind("Names").DESCRIPTOR.fields if field.type == FieldDescriptor.TYPE_STRING]
SINGLE = [name for name in TEXTS if name not in ("list_1", "a_1")]
MASKED = ["a_1", "trailing_", "_leading", "double__under", "URL", "camelCase", "under_Capital", "__both__", "inner_1.a_1", "plain_name"]


def field_of(name: str) -> Any:
    """A field of the message of names."""
    return kind("Names").DESCRIPTOR.fields_by_name[name]


@pytest.mark.parametrize("name", SINGLE)
def test_a_query_names_any_field(name: str) -> None:
    """By either."""
    for spelt in (field_of(name).json_name, name):
        for query in (f"{quote(spelt)}=x", f"inner_1.{quote(spelt)}=x"):
            message = bound("GetNames", variables={"a_1": "path"}, query_string=query.encode())
            assert getattr(message.inner_1 if "." in query else message, name) == "x"
            assert message.a_1 == "path"


@pytest.mark.parametrize("name", SINGLE)
def test_a_body_names_any_field_and_so_does_the_answer(name: str) -> None:
    """What goes in comes out under the same name."""
    json_name = field_of(name).json_name
    message = bound("SetNames", variables={}, body=json.dumps({json_name: "x", "inner1": {json_name: "y"}}).encode())
    assert (getattr(message, name), getattr(message.inner_1, name)) == ("x", "y")
    assert shown(message)[json_name] == "x"
    assert shown(message, PRINTINGS[1])[name] == "x"


@pytest.mark.parametrize("path", MASKED)
@pytest.mark.parametrize("printing", PRINTINGS, ids=["plain", "proto", "indent", "numbers", "defaults"])
def test_an_answer_may_have_any_mask(path: str, printing: Printing) -> None:
    """At any depth, in lists, in maps, in a oneof, in an Any."""
    names = kind("Names")
    message = names(big_1=2**60)
    inner = names(inner_1=names(mask_1={"paths": [path, "plain_name"]}))
    message.inner_1.CopyFrom(inner)
    message.masks.add(paths=["plain_name"])
    message.masks.add(paths=[path])
    message.by_number[-7].paths.append(path)
    message.by_truth[True].CopyFrom(inner)
    message.chosen.paths.append(path)
    message.any_1.Pack(inner)
    value = shown(message, printing)
    own = printing.proto_names
    inner_1, mask_1, by_number, by_truth, any_1 = (
        ("inner_1", "mask_1", "by_number", "by_truth", "any_1") if own else ("inner1", "mask1", "byNumber", "byTruth", "any1")
    )
    text = value["masks"][1]
    assert value["masks"][0] == "plainName"
    assert (value[by_number]["-7"], value["chosen"]) == (text, text)
    whole_text = f"{text},plainName"
    assert value[inner_1][inner_1][mask_1] == value[by_truth]["true"][inner_1][mask_1] == value[any_1][inner_1][mask_1] == whole_text
    if "URL" not in path and "camelCase" not in path:  # without an underscore a name is JSON's
        assert bound("SetNames", variables={}, body=json.dumps(shown(message)).encode()) == message


@pytest.mark.parametrize("path", MASKED)
def test_an_answer_that_is_a_mask_of_any_names(path: str) -> None:
    """The list of a stream's elements, and a body that is a mask itself."""
    names = kind("Names")
    message = names(pages=[names(mask_1={"paths": [path]})])
    codec = whole(chosen_codec()).codec(message.DESCRIPTOR)
    [element] = codec.to_json_list(message.SerializeToString(), codec.message_type.fields["pages"])
    mask = whole(chosen_codec()).codec(field_of("mask_1").message_type)
    text = json.loads(mask.to_json(message.pages[0].mask_1.SerializeToString()))
    assert json.loads(element)["mask1"] == text
    if "_" in text:
        assert mask.own_form_to_wire(text) == message.pages[0].mask_1.SerializeToString()


@pytest.mark.parametrize("name", [*TEXTS, "big_1"])
def test_a_patch_changes_any_field(name: str) -> None:
    """Its mask is made of the names in the body, or names them as it likes; the service sees the names of the contract."""
    json_name = field_of(name).json_name
    value: Any = ["x"] if name == "list_1" else "7"
    body = json.dumps({json_name: value}).encode()
    assert list(bound("UpdateNames", variables={}, body=body).update_mask.paths) == [name]
    if "." not in json_name and "," not in json_name:
        query = f"update_mask={quote(json_name)}".encode()
        assert list(bound("UpdateNames", variables={}, body=body, query_string=query).update_mask.paths) == [name]
    both = bound("UpdateNames", variables={}, body=body, query_string=b"updateMask=nothing_1,plain_name")
    assert list(both.update_mask.paths) == ["nothing_1", "plain_name"]


def test_an_empty_page_shows_its_lists_under_any_name() -> None:
    """A quote in a name is no end of it."""
    assert shown(kind("Names")())['p"ages'] == []


def test_a_mask_that_is_garbage_is_still_an_answer() -> None:
    """A service may put any text into a mask."""
    for path in ("", "a b", "ü", "x-y", "a,b", "_", "1", "a..b", 'map["x"]'):
        assert path in shown(kind("Names")(mask_1={"paths": [path, "a_1"]}))["mask1"]
