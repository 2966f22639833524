"""Writes `tocsin_client/models.py`: a class for each message, a type for each enum."""

import re
from collections.abc import Iterator
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from client.generate.contract import Source, python_name
from client.generate.texts import HEAD, docstring

_KIND: Final = re.compile(r'(?<![\w"])[A-Za-z]+(?![\w"])')
_IMPORTS: Final = """
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from tocsin_client import values as _v  # a field may be called as one of its names
from tocsin_client.values import JsonObject, Model
"""


def models(source: Source) -> str:
    """The text of the module."""
    parts = [HEAD.format(about="The messages of the contract."), "", "from __future__ import annotations", _IMPORTS]
    parts += [part for name in sorted(source.enums) for part in _enum(source, name)]
    for full_name, kind in sorted(source.messages.items(), key=lambda item: source.names[item[0]]):
        parts += ["", "", *_model(source, source.names[full_name], kind)]
    return "\n".join(parts) + "\n"


def _enum(source: Source, name: str) -> Iterator[str]:
    kind = source.enums[name]
    values = [value for value in kind.values if not (value.number == 0 and value.name.endswith("UNSPECIFIED"))]
    yield ""
    yield f"{name}: TypeAlias = Literal["
    yield from (f'    "{value.name}",' for value in values)
    yield "]"
    lines = [f"- ``{value.name}``: {source.about(f'{kind.full_name}.{value.name}')}" for value in values]
    yield from docstring("\n".join([source.about(kind.full_name), "", *lines]), "")


def _model(source: Source, name: str, kind: Descriptor) -> Iterator[str]:
    yield f"class {name}(Model):"
    yield from docstring(source.about(kind.full_name) or f"{name}.", "    ")
    yield ""
    yield "    __slots__ = ()"
    for field in kind.fields:
        yield from _field(source, field)


def _field(source: Source, field: FieldDescriptor) -> Iterator[str]:
    spelled = source.spelled(field)
    secret = ", secret=True" if field.GetOptions().debug_redact else ""
    made = f'_v.field("{field.json_name}", {_qualified(spelled.kind)}{secret}, default={spelled.empty})'
    yield f"    {python_name(field.name)}: {spelled.read} = {made}"
    if about := source.about(field.full_name):
        yield from docstring(about, "    ")


def _qualified(kind: str) -> str:
    """A kind with its module: ``_v.many(_v.TEXT)``."""
    return _KIND.sub(lambda found: f"_v.{found[0]}", kind)
