"""Every rule of the contract compiles: one that does not fails each call with its message, and nothing before that shows it."""

from collections.abc import Iterator
from typing import Any

import protovalidate
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass

from tocsin.mesh.policy import contract


def broken_rules(files: descriptor_pb2.FileDescriptorSet) -> Iterator[str]:
    """Messages with a pattern or a CEL expression that does not compile; it is compiled with the first message, whatever is in that."""
    validator = protovalidate.Validator()
    pool: Any = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    for file in files.file:
        if file.name.startswith("tocsin/"):
            for message in pool.FindFileByName(file.name).message_types_by_name.values():
                yield from _broken(message, validator)


def _broken(message: Descriptor, validator: protovalidate.Validator) -> Iterator[str]:
    try:
        validator.collect_violations(GetMessageClass(message)())
    except protovalidate.CompilationError as error:
        yield f"{message.full_name}: {error}"
    for inner in message.nested_types:
        if not inner.GetOptions().map_entry:
            yield from _broken(inner, validator)


def test_every_rule_compiles() -> None:
    """Patterns and CEL expressions of every message."""
    assert list(broken_rules(contract())) == []


def test_a_rule_that_does_not_compile_is_found() -> None:
    """RE2, which CEL prescribes, repeats at most 1,000 times."""
    told = contract().SerializeToString()
    assert b"^[a-z][a-z0-9_.]{0,62}$" in told
    spoiled = told.replace(b"^[a-z][a-z0-9_.]{0,62}$", b"^[a-z][a-z0-9_.]{9999}$")
    found = list(broken_rules(descriptor_pb2.FileDescriptorSet.FromString(spoiled)))
    assert any(line.startswith("tocsin.api.scheduler.v1.Task: ") for line in found), found
