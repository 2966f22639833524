"""The two libraries that convert JSON take and refuse the same; one steps in for the other."""

import json
import subprocess
import sys
from typing import Any, Final

import pytest

from tests.unit.gateway.contracts import CODECS, descriptor_set, message_type, pool
from tocsin.config import ConfigError, ServiceSettings, load
from tocsin.errors import InvalidInput
from tocsin.protojson.codec import Codec, Codecs, load_json

VALUES: Final = [
    '""', '"a"', "1", "1.0", "1.5", "-0.0", "true", '"true"', "null", "[]", "{}", "[1]", "[null]", '{"a":1}', '"1"', '" 1"', '"1 "', '"+1"',
    '"01"', '"1e2"', '"1.0"', '"1."', '".5"', '"-.5"', '"1e"', '"0x1"', '"1_0"', '"\u0663"', '"NaN"', '"nan"', '"inf"', '"Infinity"',
    '"+Infinity"', "1e39", "1e400", '"1e39"', '"1e400"', "3.5e38", "2147483648", "-1", "99999999999999999999",
    '"aGk=="', '"aGk"', '"aGl="', '"aG k"', '"aGk=\\n"', '"+_8="', '"+/8="', '"-_8"', '"="', '"===="', '"aGk="', '"aGkx===="', '"aGkx="',
    '"2026-12-01T09:00:00z"', '"2026-12-01t09:00:00Z"', '"2026-12-01 09:00:00Z"', '"2026-12-01T09:00Z"', '"2026-12-01T24:00:00Z"',
    '"2026-12-01T09:00:60Z"', '"2026-02-30T09:00:00Z"', '"2026-12-01T09:00:00.1234567891Z"', '"2026-12-01T09:00:00.Z"',
    '"2026-12-01T09:00:00+0530"', '"2026-12-01T09:00:00+24:00"', '"2026-12-01T09:00:00+05"', '"0000-01-01T00:00:00Z"',
    '"2026-1-1T09:00:00Z"', '"+2026-12-01T09:00:00Z"', '"2026-12-01T09:00:00-00:00"', '"2026-12-01T09:00:00+05:30"',
    '"1s"', '"1.s"', '".5s"', '"-.5s"', '"1.1234567891s"', '"1e2s"', '"+1s"', '" 1s"', '"315576000001s"', '"--1s"', '"s"',
    '"RED"', '"red"', '"99"', "2.0", '"2"', "99", "-99", "4294967296", '"a_1"', '"foo_bar"', '"Foo,bar"', '"a b"', '"NULL_VALUE"',
    '{"@type":"x"}', '{"@type":"type.googleapis.com/shelf.v1.Book"}', '{"@type":"type.googleapis.com/shelf.v1.Nope"}', '{"@type":1}',
    '{"@type":"type.googleapis.com/shelf.v1.Book","zz":1}', '{"@type":"type.googleapis.com/shelf.v1.Everything","raw":"!"}',
    '{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.1234567891s"}',
    '{"@type":"type.googleapis.com/google.protobuf.Duration"}',
    '{"1":"x"}', '{"01":1}', '{"true":"RED"}', '{"True":"RED"}', '{" 1":{}}', '{"1":{}}', '{"1.0":{}}',
]  # fmt: skip
FIELDS: Final = [field.name for field in pool().FindMessageTypeByName("shelf.v1.Everything").fields]


def codec(name: Any) -> Codec:
    """The codec of a message that has every type of field."""
    return Codecs(descriptor_set=descriptor_set(), codec=name).of(pool().FindMessageTypeByName("shelf.v1.Everything"))


BOTH: Final = [codec(name) for name in CODECS]


def canonical(wire: bytes) -> bytes:
    """The same bytes for equal messages."""
    return message_type("Everything").FromString(wire).SerializeToString(deterministic=True)


def taken(by: Codec, text: str) -> tuple[bytes | None, bytes | None]:
    """What a text means, and what that means which it is shown as; nothing if it is refused."""
    try:
        value = load_json(text.encode())
        assert isinstance(value, dict)
        wire = by.to_wire(value)
    except InvalidInput:
        return None, None
    return canonical(wire), canonical(BOTH[0].to_wire(json.loads(by.to_json(wire))))


@pytest.mark.parametrize("name", FIELDS)
def test_both_take_and_refuse_the_same(name: str) -> None:
    """Every form of value in every type of field; and what they take they show alike."""
    field = pool().FindMessageTypeByName("shelf.v1.Everything").fields_by_name[name]
    for value in VALUES:
        for shape in (value, f"[{value}]") if field.is_repeated else (value,):
            text = f'{{"{field.json_name}": {shape}}}'
            first, second = (taken(by, text) for by in BOTH)
            assert first == second, text


def test_an_unknown_codec_stops_the_start() -> None:
    """The message names the setting and what may stand there."""
    with pytest.raises(ConfigError, match=r"TOCSIN_JSON_CODEC.*'protobuf-py' or 'protobuf'"):
        load(ServiceSettings, {"TOCSIN_JSON_CODEC": "rust"})
    assert load(ServiceSettings, {"TOCSIN_JSON_CODEC": "protobuf"}).json_codec == "protobuf"


def test_what_cannot_be_imported_is_replaced_with_a_warning() -> None:
    """A machine without a wheel of protobuf-py: the gateway converts all the same, and says so once."""
    script = """
import sys
sys.modules["protobuf"] = None
from pathlib import Path
from gateway.transcoding.contract import Contract
from tocsin.mesh.policy import contract
from tocsin.telemetry.logs import configure_logging
configure_logging(service="gateway")
for _ in range(2):
    made = Contract(descriptor_set=contract().SerializeToString(), package="tocsin.api")
codec = made.codec(made.pool.FindMessageTypeByName("tocsin.api.scheduler.v1.Alarm"))
print(codec.to_json(codec.to_wire({"displayName": "x"})).decode())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines()[-1] == '{"displayName":"x"}'
    assert (ended.stdout + ended.stderr).count("json codec replaced") == 1
