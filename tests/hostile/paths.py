"""Where a refusal points: each field that is named has to be a place of the request, as its JSON path says."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.transcoding.contract import Rpc

_STEP: Final = re.compile(r'\.?([A-Za-z_][A-Za-z0-9_]*)|\[(?:-?\d+|"(?:[^"\\]|\\.)*")\]', re.DOTALL)
_WHOLES: Final = ("", "path", "query")
"""Parts of a request that are refused as they are, before any field is read."""
_FREE: Final = frozenset(f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue", "Any"))


def lost(rpc: Rpc, named: Iterable[str]) -> list[str]:
    """Those of the fields which a refusal by REST named that no request of ``rpc`` has: in its body, its path or its query."""
    request = rpc.descriptor.input_type
    body = request.fields_by_name.get(rpc.rule.body) if rpc.rule is not None else None
    holders = [request, *([body.message_type] if body is not None and body.message_type is not None else [])]
    return [path for path in named if path not in _WHOLES and not any(is_place(path, holder) for holder in holders)]


def is_place(path: str, message: Descriptor) -> bool:
    """Whether a path leads to a field of ``message`` by either of its names, an element of it, a choice, or into something free of form."""
    holder: Descriptor | None = message
    in_map = False
    for name in _steps(path):
        if in_map:  # a key, which the reader of JSON names as a member
            in_map = False
            continue
        if holder is not None and name in holder.oneofs_by_name:
            return True
        if holder is None or (field := _field(holder, name)) is None:
            return False
        holder, in_map = _inside(field), field.message_type is not None and field.message_type.GetOptions().map_entry
        if holder is not None and holder.full_name in _FREE:
            return True
    return True


def _steps(path: str) -> Iterator[str]:
    """The names on the way; one that no field has where the path is none."""
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            yield ""
            return
        if step[1]:
            yield step[1]
        at = step.end()


def _field(message: Descriptor, name: str) -> FieldDescriptor | None:
    return next((field for field in message.fields if name in (field.json_name, field.name)), None)


def _inside(field: FieldDescriptor) -> Descriptor | None:
    """The message that a field holds, or the values of a map."""
    found = field.message_type
    if found is not None and found.GetOptions().map_entry:
        return found.fields_by_name["value"].message_type
    return found
