"""What every request that comes in must keep: the rule for values (`tocsin.mesh.values`) and the rules of the contract (buf.validate)."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from protovalidate import Validator, Violation

from tocsin.errors import FieldViolation, InvalidInput
from tocsin.mesh.values import ValueRules
from tocsin.values import subscript


class RequestInvalid(InvalidInput):
    """The request violates a rule of the contract."""


class RequestValidator:
    """Checks messages, and keeps what it compiled of each type by its name: messages of one descriptor pool, hence.

    Whoever checks messages of this process's own types takes `shared_validator`.
    """

    __slots__ = ("_validator", "_values")

    def __init__(self) -> None:
        self._validator = Validator()
        self._values = ValueRules()

    def check(self, message: Message) -> None:
        """Returns if ``message`` keeps the rule for values and all rules of the contract.

        Raises:
            InvalidInput: names the fields that break one, as their JSON paths ("trigger.timeZone", "to[0]").
        """
        self._values.check(message)
        self.check_rules(message)

    def check_rules(self, message: Message) -> None:
        """Returns if ``message`` keeps all rules of the contract.

        Raises:
            RequestInvalid: names the fields that break one.
        """
        found = self._validator.collect_violations(message)
        if found:
            violations = [_told(message, item) for item in found]
            first = violations[0]
            raise RequestInvalid(f"{first.field}: {first.description}" if first.field else first.description, violations=violations)

    def checker(self, descriptor: Descriptor, *, values: bool) -> Callable[[Message], None]:
        """What checks messages of one type: only what they can break.

        Args:
            descriptor: the type.
            values: whether the rule for values is applied.
        """
        values = values and self._values.concern(descriptor)
        if has_rules(descriptor):
            return self.check if values else self.check_rules
        return self._values.check if values else _accept


@cache
def shared_validator() -> RequestValidator:
    """That of this process, for the types of the default descriptor pool: the rules of an alarm alone take 30 ms to compile."""
    return RequestValidator()


def _accept(_: Message) -> None:
    """A message without rules."""


@lru_cache(maxsize=4096)  # each method of each server asks at its start
def has_rules(descriptor: Descriptor) -> bool:
    """Whether a message of this type, or one inside of it, can break a rule; one that cannot need not be checked."""
    seen, waiting = {descriptor.full_name}, [descriptor]
    while waiting:
        message = waiting.pop()
        parts = (message, *message.oneofs, *message.fields)
        if any(option.full_name.startswith("buf.validate.") for part in parts for option, _ in part.GetOptions().ListFields()):
            return True
        inner = [field.message_type for field in message.fields if field.message_type and field.message_type.full_name not in seen]
        seen.update(item.full_name for item in inner)
        waiting.extend(inner)
    return False


def _told(message: Message, violation: Violation) -> FieldViolation:
    """One violation in the caller's words. A oneof is no word of the caller's: its message is the field, and its members are named."""
    path = json_path(violation)
    if not (choices := _choices(message, violation)):
        return FieldViolation(path, _said(violation))
    parent, _, _ = path.rpartition(".")
    needed = f"exactly one of {', '.join(choices)} is required"
    return FieldViolation(parent, needed) if parent else FieldViolation(choices[0], needed)


def _choices(message: Message, violation: Violation) -> list[str]:
    """The JSON names of the members of the oneof that a violation is about; none where it is about a field."""
    found: Any = message.DESCRIPTOR  # that of the runtime, or of the wheel's own stubs
    for element in violation.proto.field.elements if violation.proto.field else ():
        if found is None:
            return []
        if (oneof := found.oneofs_by_name.get(element.field_name)) is not None:
            return [field.json_name for field in oneof.fields]
        field = found.fields_by_name.get(element.field_name)
        found = field.message_type if field is not None else None
        if found is not None and found.GetOptions().map_entry:
            found = found.fields_by_name["value"].message_type
    return []


def _said(violation: Violation) -> str:
    """What is wrong; an enum is told in words, for its callers write names, and the library's own text has numbers."""
    if violation.proto.rule_id == "enum.not_in":
        return "is not a value that is taken here" if violation.field_value else "is required"
    return violation.proto.message or violation.proto.rule_id


def json_path(violation: Violation) -> str:
    """The path of the field in JSON names, with indices and keys in brackets; empty for a rule of the whole message."""
    path = ""
    field = violation.proto.field
    for element in field.elements if field else ():
        path = f"{path}.{_camel(element.field_name)}" if path else _camel(element.field_name)
        if (key := element.subscript) is not None:
            path += subscript(key.value) if isinstance(key.value, str) else f"[{key.value}]"
    return path


def _camel(name: str) -> str:
    """The JSON name of a field (the rule of protoc)."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)
