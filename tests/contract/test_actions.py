"""Every kind of action of the contract is in every place that has to know it. A new kind shows the places that lack it.

Each check takes the descriptor of `tocsin.api.scheduler.v1.Action`, so that a contract with one more kind can be given to it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from prometheus_client import CollectorRegistry

from processor_svc.metrics import JobMetrics
from scheduler_svc.handlers.bulk.lines import ALARM_TABLE
from tests.unit.processor.kinds import every_kind
from tocsin.actions import action_kinds
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.bulk.table import Table
from tocsin.cli.alarms import What, action_of
from tocsin.errors import InvalidInput
from tocsin.mesh.policy import contract
from tocsin.protojson.fields import MessageTypes
from tocsin.testing.clock import FakeClock

ROOT: Final = Path(__file__).resolve().parents[2]
NEW: Final = "kind_of_tomorrow"


def missing_in_processor(action: Descriptor) -> Iterator[str]:
    """Kinds that no processor runs."""
    yield from action_kinds(action).keys() - set(every_kind(FakeClock()).names)


def missing_in_metrics(action: Descriptor) -> Iterator[str]:
    """Kinds without a series that starts at 0."""
    registry = CollectorRegistry()
    JobMetrics(registry, actions=every_kind(FakeClock()))
    for kind in action_kinds(action):
        for end in ("succeeded", "failed", "released"):
            if registry.get_sample_value("tocsin_processor_jobs_total", {"kind": kind, "end": end}) != 0:
                yield kind


def cell_paths(message: Descriptor | None, prefix: str = "") -> Iterator[str]:
    """The path of each field that a cell can hold: a member of a map or of free JSON, a field of an inner message, or the field."""
    for inner in message.fields if message is not None else ():
        kind = inner.message_type
        if kind is None or kind.full_name in ("google.protobuf.Duration", "google.protobuf.Timestamp"):
            yield f"{prefix}{inner.name}"
        elif kind.GetOptions().map_entry or kind.full_name == "google.protobuf.Struct":
            yield f"{prefix}{inner.name}.key"
        else:
            yield from cell_paths(kind, f"{prefix}{inner.name}.")


def missing_columns(action: Descriptor) -> Iterator[str]:
    """Kinds with a field that no column of an imported table can hold, in full or without the prefix of its action."""
    alarm = MessageTypes().of(action.file.message_types_by_name["Alarm"])
    for kind, field in action_kinds(action).items():
        for path in cell_paths(field.message_type):
            for column in (path, f"action.{kind}.{path}"):
                try:
                    Table(alarm, column, form=ALARM_TABLE)
                except InvalidInput:
                    yield kind


def missing_in_command_line(action: Descriptor) -> Iterator[str]:
    """Kinds that `tocsin alarm add` cannot make."""
    for kind, field in action_kinds(action).items():
        message = GetMessageClass(action)()
        getattr(message, kind).SetInParent()
        said = MessageToDict(message)
        text = str(said).replace("'", '"')
        what = What(to=(), subject=None, text=None, template=None, variables=(), channels=(), task=None, input=None, action=text)
        if action_of(what) != {field.json_name: {}}:
            yield kind


def missing_in_documents(action: Descriptor, readme: str = (ROOT / "processor_svc/README.md").read_text("utf-8")) -> Iterator[str]:
    """Kinds without a row in the README of the processor."""
    for kind in action_kinds(action):
        if f"\n| `{kind}` |" not in readme:
            yield kind


CHECKS: Final = [missing_in_processor, missing_in_metrics, missing_columns, missing_in_command_line, missing_in_documents]


def grown() -> Descriptor:
    """The contract's Action with one more kind, which nobody knows."""
    pool: Any = descriptor_pool.DescriptorPool()
    contract_files = descriptor_pb2.FileDescriptorSet()
    contract_files.CopyFrom(contract())
    for file in contract_files.file:
        if file.name == alarm_pb2.DESCRIPTOR.name:
            call = file.message_type.add(name="KindOfTomorrow")
            call.field.add(name="substance", json_name="substance", number=1, type=9, label=1)
            (action,) = (message for message in file.message_type if message.name == "Action")
            of = f".{file.package}.KindOfTomorrow"
            action.field.add(name=NEW, json_name="kindOfTomorrow", number=1007, type=11, label=1, type_name=of, oneof_index=0)
        pool.Add(file)
    return pool.FindMessageTypeByName(alarm_pb2.Action.DESCRIPTOR.full_name)


@pytest.mark.parametrize("check", CHECKS)
def test_every_kind_is_everywhere(check: Callable[[Descriptor], Iterator[str]]) -> None:
    """The contract as it is."""
    assert list(check(alarm_pb2.Action.DESCRIPTOR)) == []


@pytest.mark.parametrize("check", [check for check in CHECKS if check is not missing_in_command_line])
def test_a_new_kind_is_missed(check: Callable[[Descriptor], Iterator[str]]) -> None:
    """Each check names the kind that was added to the contract alone."""
    assert NEW in set(check(grown()))


def test_a_new_kind_needs_no_line_in_the_command_line() -> None:
    """`--action` takes whatever the contract says; a kind that is no JSON object there would be found."""
    assert list(missing_in_command_line(grown())) == []


def test_a_kind_without_its_row_is_missed() -> None:
    """Each is taken out of the page."""
    readme = (ROOT / "processor_svc/README.md").read_text("utf-8")
    for kind in action_kinds():
        assert list(missing_in_documents(alarm_pb2.Action.DESCRIPTOR, readme.replace(f"| `{kind}` |", "| |"))) == [kind]
