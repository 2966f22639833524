"""Every field of an alarm that clients may write is in every place that has to know it. A new field shows the places that lack it."""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, Final

from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask

from scheduler_svc.domain import Alarm, Draft
from scheduler_svc.handlers.bulk.reader import AlarmReader
from scheduler_svc.handlers.convert import alarm_message, draft_of
from scheduler_svc.handlers.masks import effective_mask
from scheduler_svc.store.tables import alarms
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.mesh.policy import contract

NEW: Final = "notes"
OF_THE_SERVER: Final = {"name", "etag"}
"""The name is the server's (AIP-133), the etag guards (AIP-154)."""
COLUMNS: Final = {"trigger": "trigger_rule"}


def places() -> dict[str, set[str]]:
    """The fields that each place knows."""
    everything, active = FieldMask(paths=["*"]), alarm_pb2.Alarm(state=alarm_pb2.Alarm.ACTIVE)
    return {
        "scheduler_svc/handlers/masks.py: what an update changes": set(effective_mask(everything, active).paths),
        "scheduler_svc/handlers/convert.py: draft_of": read_in(draft_of),
        "scheduler_svc/handlers/convert.py: alarm_message": read_in(alarm_message),
        "scheduler_svc/handlers/bulk/reader.py: the fast path of an import": read_in(AlarmReader),
        "scheduler_svc/domain: Draft": set(Draft._fields),
        "scheduler_svc/domain: Alarm": {field.name for field in dataclasses.fields(Alarm)},
        "scheduler_svc/store/tables.py: a column": {*alarms.c.keys(), *(name for name, column in COLUMNS.items() if column in alarms.c)},
    }


def missing(alarm: Descriptor) -> Iterator[str]:
    """Each place that lacks a field, as "field: place"."""
    known = places()
    for field in filter(writable, alarm.fields):
        yield from (f"{field.name}: {place}" for place, names in known.items() if field.name not in names)


def writable(field: FieldDescriptor) -> bool:
    """Whether clients may write it."""
    extension: Any = field_behavior_pb2.field_behavior
    return field.name not in OF_THE_SERVER and field_behavior_pb2.OUTPUT_ONLY not in field.GetOptions().Extensions[extension]


def read_in(code: type | Callable[..., Any]) -> set[str]:
    """Every attribute that a function or class reads."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def grown() -> Descriptor:
    """The contract's Alarm with one more field, which nobody knows."""
    pool: Any = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet()
    files.CopyFrom(contract())
    for file in files.file:
        if file.name == alarm_pb2.DESCRIPTOR.name:
            (alarm,) = (message for message in file.message_type if message.name == "Alarm")
            alarm.field.add(name=NEW, json_name=NEW, number=1007, type=9, label=1)
        pool.Add(file)
    return pool.FindMessageTypeByName(alarm_pb2.Alarm.DESCRIPTOR.full_name)


def test_every_field_is_everywhere() -> None:
    """The contract as it is."""
    assert list(missing(alarm_pb2.Alarm.DESCRIPTOR)) == []


def test_a_new_field_is_missed() -> None:
    """Each place is named."""
    assert set(missing(grown())) == {f"{NEW}: {place}" for place in places()}
