"""Settings as documentation shows them."""

import inspect
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from tocsin.config.environment import SEQUENCES, environment_names
from tocsin.config.settings import Settings, service_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting, as documentation shows it."""

    name: str
    type: str
    default: str
    description: str


def describe(kind: type[Settings]) -> list[Row]:
    """Every setting of ``kind``, in the order of its fields, by the name under which it is usually set."""
    own = set(inspect.get_annotations(kind)) if kind.service else set[str]()
    return [
        Row(
            name=environment_names(kind, name)[0] if name in own else environment_names(kind, name)[-1],
            type=_type_name(field.annotation),
            default=_default(kind, field),
            description=field.description or "",
        )
        for name, field in kind.model_fields.items()
    ]


def _type_name(annotation: Any) -> str:
    """What a person calls the type."""
    if typing.get_origin(annotation) is Literal:
        return " | ".join(str(choice) for choice in typing.get_args(annotation))
    if typing.get_origin(annotation) in SEQUENCES:
        return "list, comma-separated"
    inner = [part for part in typing.get_args(annotation) if part is not type(None)]
    if len(inner) == 1:
        return _type_name(inner[0])
    words = {str: "text", SecretStr: "secret", Path: "path", bool: "true | false", int: "integer", float: "number"}
    return words.get(annotation, "JSON")


def _default(kind: type[Settings], field: FieldInfo) -> str:
    """The default as it would be written in the environment; empty when there is none."""
    default: Any = None if field.is_required() else field.get_default(call_default_factory=False)
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, SEQUENCES):
        return ",".join(str(part) for part in cast("Sequence[object]", default))
    return str(default).replace("{state_dir}", "<state_dir>").replace("{service}", service_name(kind.service) or "<service>")
