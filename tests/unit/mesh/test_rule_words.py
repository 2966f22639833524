"""What a caller is told of a rule speaks of what the caller wrote: names of enums, never their numbers, and of fields, never of a oneof."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message_factory import GetMessageClass

from tocsin import api
from tocsin.api.scheduler.v1.alarm_service_pb2 import CreateAlarmRequest, ImportAlarmsRequest
from tocsin.mesh.validation import RequestInvalid, RequestValidator

VALIDATOR = RequestValidator()


def enum_fields() -> Iterator[tuple[Descriptor, FieldDescriptor]]:
    """The fields of the contract whose enum may not have every value."""
    modules = [info.name for info in pkgutil.walk_packages(api.__path__, f"{api.__name__}.") if info.name.endswith("_pb2")]
    files: list[FileDescriptor] = [importlib.import_module(name).DESCRIPTOR for name in modules]
    waiting: list[Descriptor] = [message for file in files for message in file.message_types_by_name.values()]
    while waiting:
        message = waiting.pop()
        waiting.extend(message.nested_types)
        for field in message.fields:
            if field.enum_type is not None and not field.is_repeated and "not_in" in str(field.GetOptions()):
                yield message, field


def told(message: Any, name: str) -> list[str]:
    """What is wrong with one field."""
    try:
        VALIDATOR.check_rules(message)
    except RequestInvalid as error:
        return [item.description for item in error.violations if item.field == name]
    return []


@pytest.mark.parametrize(("message", "field"), [pytest.param(*each, id=f"{each[0].name}.{each[1].name}") for each in enum_fields()])
def test_an_enum_is_told_in_words(message: Descriptor, field: FieldDescriptor) -> None:
    """One that is not set is required; any other value that is not taken is called that."""
    seen = list[str]()
    assert field.enum_type is not None
    for value in field.enum_type.values:
        made: Any = GetMessageClass(message)()
        setattr(made, field.name, value.number)
        said = told(made, field.json_name)
        assert said in ([], ["is required"] if value.number == 0 else ["is not a value that is taken here"])
        seen += said
    assert seen, "no value is refused: this says nothing"


@pytest.mark.parametrize(
    ("request_type", "given", "field", "words"),
    [
        (CreateAlarmRequest, {"alarm": {"action": {}, "trigger": {"every": {"seconds": 60}}}}, "alarm.action", ("notify", "task", "check")),
        (
            CreateAlarmRequest,
            {"alarm": {"action": {"task": {"handler": "noop"}}, "trigger": {}}},
            "alarm.trigger",
            ("at", "atLocal", "cron"),
        ),
        (CreateAlarmRequest, {"alarm": {"action": {"check": {}}, "trigger": {"every": {"seconds": 60}}}}, "alarm.action.check", ("http",)),
        (ImportAlarmsRequest, {}, "options", ("options",)),
    ],
    ids=["action", "trigger", "check", "a request itself"],
)
def test_what_a_oneof_wants_is_told_by_its_fields(request_type: Any, given: dict[str, Any], field: str, words: tuple[str, ...]) -> None:
    """At the message that lacks it: no caller has ever seen the name of the oneof."""
    (said,) = told(request_type(**given), field)
    assert said.startswith("exactly one of ")
    assert set(words) <= set(said.removeprefix("exactly one of ").removesuffix(" is required").split(", "))
