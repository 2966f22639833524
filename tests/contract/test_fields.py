"""Every field of an alarm that clients may write is declared, once. A new field of the contract shows the places that lack it.

All that handles fields reads the declaration, `scheduler_svc.domain.AlarmSpec`; tests/integration/scheduler/test_fields.py takes each of
them through every door.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from scheduler_svc.domain import PLAIN_FIELDS, SPEC_FIELDS
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.mesh.policy import contract

ROOT: Final = Path(__file__).resolve().parents[2]
NEW: Final = "notes"
OF_THE_SERVER: Final = {"name", "etag", "state"}
"""The name is the server's (AIP-133), the etag guards (AIP-154), and the state has rules of its own in `scheduler_svc.service.alarms`."""
PLAIN: Final[Mapping[int, type]] = {FieldDescriptor.TYPE_STRING: str, FieldDescriptor.TYPE_INT32: int, FieldDescriptor.TYPE_BOOL: bool}


def missing(alarm: Descriptor, page: Callable[[], str] = lambda: (ROOT / "docs/import.md").read_text("utf-8")) -> Iterator[str]:
    """Each place that lacks a field or has it otherwise, as "field: place"."""
    fields = {field.name: field for field in alarm.fields if writable(field)}
    yield from (f"{name}: scheduler_svc/domain/alarms.py: AlarmSpec" for name in fields.keys() - set(SPEC_FIELDS))
    yield from (f"{name}: protos: message Alarm" for name in set(SPEC_FIELDS) - fields.keys())
    yield from (
        f"{name}: AlarmSpec has another type" for name in fields.keys() & PLAIN_FIELDS if plain(fields[name]) is not PLAIN_FIELDS[name]
    )
    columns = next(line for line in page().splitlines() if line.endswith("| of the alarm |"))
    yield from (f"{name}: docs/import.md: a column" for name, field in fields.items() if plain(field) and f"`{name}`" not in columns)


def writable(field: FieldDescriptor) -> bool:
    """Whether clients may write it."""
    extension: Any = field_behavior_pb2.field_behavior
    return field.name not in OF_THE_SERVER and field_behavior_pb2.OUTPUT_ONLY not in field.GetOptions().Extensions[extension]


def plain(field: FieldDescriptor) -> type | None:
    """The type in Python of a field that is the same everywhere; None for one that has to be converted."""
    return None if field.is_repeated or field.has_presence else PLAIN.get(field.type)


def grown() -> Descriptor:
    """The contract's Alarm with one more field, which nobody knows, and another one that is of another type."""
    pool: Any = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet()
    files.CopyFrom(contract())
    for file in files.file:
        if file.name == alarm_pb2.DESCRIPTOR.name:
            (alarm,) = (message for message in file.message_type if message.name == "Alarm")
            alarm.field.add(name=NEW, json_name=NEW, number=1007, type=9, label=1)
            (key,) = (field for field in alarm.field if field.name == "key")
            (retry,) = (field for field in alarm.field if field.name == "retry")
            key.type = descriptor_pb2.FieldDescriptorProto.TYPE_BOOL
            key.ClearField("options")
            alarm.field.remove(retry)
        pool.Add(file)
    return pool.FindMessageTypeByName(alarm_pb2.Alarm.DESCRIPTOR.full_name)


def test_every_field_is_everywhere() -> None:
    """The contract as it is."""
    assert list(missing(alarm_pb2.Alarm.DESCRIPTOR)) == []


def test_a_new_field_is_missed() -> None:
    """Each place is named; so are a field that is gone, and one whose type is another one."""
    assert set(missing(grown())) == {
        f"{NEW}: scheduler_svc/domain/alarms.py: AlarmSpec",
        f"{NEW}: docs/import.md: a column",
        "retry: protos: message Alarm",
        "key: AlarmSpec has another type",
    }
