"""JSON that a contract of another team takes by choice: unknown fields are passed over, names of enums are read in any case."""

from dataclasses import dataclass

from gateway.transcoding.options import Transcoding
from tocsin.protojson.fields import MAX_DEPTH, FieldKind, JsonValue, MessageField, MessageType


@dataclass(frozen=True, slots=True)
class Leniency:
    """Brings JSON into the strict form before it is checked."""

    unknown_fields: bool
    enums_in_any_case: bool

    @classmethod
    def of(cls, transcoding: Transcoding) -> "Leniency | None":
        """What a method's options ask for; None if they ask for nothing."""
        if not (transcoding.unknown_fields or transcoding.enums_in_any_case):
            return None
        return cls(transcoding.unknown_fields, transcoding.enums_in_any_case)

    def strict(self, message_type: MessageType, value: JsonValue, depth: int = 0) -> JsonValue:
        """``value``, which should be a message of ``message_type``, in the strict form; what cannot be mended stays."""
        if not isinstance(value, dict) or depth > MAX_DEPTH:
            return value
        found: dict[str, JsonValue] = {}
        for name, item in value.items():
            if (field := message_type.fields.get(name)) is not None:
                found[name] = self.field(field, item, depth)
            elif not self.unknown_fields:
                found[name] = item
        return found

    def field(self, field: MessageField, value: JsonValue, depth: int = 0) -> JsonValue:
        """The same of the value of one field."""
        if field.repeated and isinstance(value, list):
            return [self._single(field, item, depth) for item in value]
        if field.map and isinstance(value, dict):
            return {key: self._single(field, item, depth) for key, item in value.items()}
        return self._single(field, value, depth)

    def _single(self, field: MessageField, value: JsonValue, depth: int) -> JsonValue:
        if field.kind is FieldKind.MESSAGE and field.message is not None:
            return self.strict(field.message, value, depth + 1)
        if field.kind is FieldKind.ENUM and self.enums_in_any_case and isinstance(value, str):
            return enum_name(field, value)
        return value


def enum_name(field: MessageField, text: str) -> str:
    """The name of the enum's value that ``text`` is in another case; ``text`` if there is none, or more than one."""
    if text in field.names:
        return text
    wanted = text.upper().replace("-", "_")
    found = [name for name in field.names if name.upper() == wanted]
    return found[0] if len(found) == 1 else text
