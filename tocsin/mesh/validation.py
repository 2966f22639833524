"""The rules of the contract (buf.validate), checked on every request that comes in."""

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from protovalidate import Validator, Violation

from tocsin.errors import FieldViolation, InvalidInput


class RequestInvalid(InvalidInput):
    """The request breaks a rule of the contract."""


class RequestValidator:
    """Checks messages; one for the process, because it keeps the rules that it compiled."""

    __slots__ = ("_validator",)

    def __init__(self) -> None:
        self._validator = Validator()

    def check(self, message: Message) -> None:
        """Returns if ``message`` keeps all rules.

        Raises:
            RequestInvalid: names every field that breaks one, as its JSON path ("trigger.timeZone", "to[0]").
        """
        found = self._validator.collect_violations(message)
        if found:
            violations = [FieldViolation(json_path(item), item.proto.message or item.proto.rule_id) for item in found]
            first = violations[0]
            raise RequestInvalid(f"{first.field}: {first.description}" if first.field else first.description, violations=violations)


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


def json_path(violation: Violation) -> str:
    """The path of the field in JSON names, with indices and keys in brackets; empty for a rule of the whole message."""
    path = ""
    field = violation.proto.field
    for element in field.elements if field else ():
        path = f"{path}.{_camel(element.field_name)}" if path else _camel(element.field_name)
        subscript = element.subscript
        if subscript is not None:
            path += f'["{subscript.value}"]' if isinstance(subscript.value, str) else f"[{subscript.value}]"
    return path


def _camel(name: str) -> str:
    """The JSON name of a field (the rule of protoc)."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)
